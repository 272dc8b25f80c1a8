// SPDX-License-Identifier: Apache-2.0
// Set files in, their addresses and what is wrong with them out.
import Diagnostics
import NetworkTypes
import Testing

@testable import PolicyLanguage

private func read(_ text: String) -> (addresses: AddressSet, entries: Int, diagnostics: [Diagnostic]) {
    parseSetFile(SourceText(path: "lists/drop.netset", text: text))
}

@Suite struct SetFileTests {
    @Test func `the first word of a line counts, the rest is ignored`() {
        let text = """
            \u{feff}# a list
            192.0.2.1 seen twice
              192.0.2.2\t# why
            192.0.2.4;192.0.2.9
            198.51.100.0/24#x\r

            ; more
            203.0.113.5-203.0.113.9 ; range
            2001:db8::/32
            192.0.2.3
            """
        let (addresses, entries, diagnostics) = read(text)
        #expect(diagnostics.isEmpty)
        #expect(entries == 7)
        #expect(
            addresses.v4.ranges.map { IPAddress(v4: $0.lowerBound).description }
                == ["192.0.2.1", "198.51.100.0", "203.0.113.5"])
        #expect(addresses.v4.ranges.map(\.count) == [4, 256, 5])
        #expect(addresses.v6.ranges.count == 1)
    }

    @Test func `a prefix with host bits is masked with a warning`() {
        let (addresses, entries, found) = read("192.0.2.7/24\n")
        #expect(entries == 1)
        #expect(addresses.v4.ranges.map(\.count) == [256])
        #expect(found.map(\.severity) == [.warning])
        #expect(found.first?.message == "prefix '192.0.2.7/24' has host bits set; read as 192.0.2.0/24")
    }

    @Test func `a bad line is an error at its word, and the others are read`() {
        let (_, entries, found) = read("192.0.2.1\n  nonsense here\n192.0.02.1\n192.0.2.2\n")
        #expect(entries == 2)
        #expect(found.map(\.severity) == [.error, .error])
        #expect(found.map(\.range.line) == [2, 3])
        #expect(found.map(\.range.column) == [3, 1])
        #expect(found.last?.help == "write 192.0.2.1")
    }

    @Test func `many warnings and errors end in how many more there are`() {
        let (_, entries, found) = read(String(repeating: "192.0.2.7/24\nbad\n", count: 100))
        #expect(entries == 100)
        #expect(found.count == 12)
        #expect(found.map(\.message).contains("95 more from here on with host bits set, read without them"))
        #expect(found.map(\.message).contains("95 more bad lines from here on"))
    }

    @Test func `bytes that are no text are errors, not crashes`() {
        let bytes: [UInt8] = [0xff, 0xfe, 0x0a, 0, 0x0a, 0xef, 0xbb] + Array("\n192.0.2.1\n".utf8)
        let (_, entries, found) = parseSetFile(SourceText(path: "p", bytes: bytes))
        #expect(entries == 1)
        #expect(found.count == 3)
        for one in found { #expect(!one.rendered().isEmpty) }
    }

    @Test(arguments: ["", "\n\n", "# x", "\u{feff}", "\r\n"])
    func `a file without entries is an empty set`(_ text: String) {
        let (addresses, entries, found) = read(text)
        #expect(addresses.isEmpty && entries == 0 && found.isEmpty)
    }

    @Test(arguments: [
        "192.0.2.1", "192.0.2.1/32", "192.0.2.0/24", "0.0.0.0/0", "0.0.0.0", "255.255.255.255", "10.0.0.0/8",
        "192.0.2.1/24", "192.0.2.1/033", "192.0.2.1/", "192.0.2", "192.0.2.", "192.0.2.256", "192.0.2.01",
        "192.0.2.1.5", "192.0.2.1/33", "192.0.2.1-192.0.2.3", "192.0.2.1x", "1920.0.2.1", "192.0.2.0/024",
        "::192.0.2.1", "2001:db8::/32", "192.0.2.1/0", "00.0.0.0", "192.0.2.1/-1", "128.0.0.0/1",
    ])
    func `a line means what the same item means in a policy`(_ item: String) {
        let (addresses, entries, found) = read("  \(item)\t; x\n")
        do {
            let meant = try parseAddressItem(item, lenientHostBits: true)
            #expect(addresses == meant.addresses && entries == 1)
            #expect(found.map(\.id) == (meant.maskedHostBits == nil ? [] : ["host-bits"]))
        } catch {
            #expect(addresses.isEmpty && entries == 0)
            #expect(found.map(\.id) == [error.id])
        }
    }

    @Test func `a list of a hundred thousand masked prefixes makes a handful of diagnostics`() {
        let lines = (0..<100_000).map { "10.\($0 >> 16).\($0 >> 8 & 255).\($0 & 255 | 1)/24\n" }.joined()
        let (addresses, entries, found) = read(lines)
        #expect(entries == 100_000 && addresses.v4.ranges.count == 1)
        #expect(found.count == 6)
        #expect(found.last?.message == "99995 more from here on with host bits set, read without them")
    }
}
