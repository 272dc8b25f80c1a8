// SPDX-License-Identifier: Apache-2.0
// Addresses, prefixes and names: text in, numbers out, and back.
import NetworkTypes
import Testing

@Suite struct AddressTests {
    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
        ("::", "::"),
        ("::1", "::1"), ("1::", "1::"), ("2001:DB8::0:1", "2001:db8::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
        ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"), ("1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201"),
    ])
    func `address text reads and prints in RFC 5952 form`(_ text: String, _ printed: String) {
        #expect(IPAddress(text)?.description == printed)
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.", ".1.2.3", "1..2.3", "1.2.3.4 ",
        "+1.2.3.4",
        ":", ":::", "1::2::3", ":1::", "1:", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::",
        "12345::",
        "::-0", "::+1", "::g", "1.2.3.4::", "1.2.3.4::1", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "::1%lo",
        "::1.2.3.04",
        "1::2:3:4:5:6:7:8", "１.2.3.4",
    ])
    func `other text is no address`(_ text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func `bytes and numbers are the same address`() {
        for text in ["192.0.2.1", "2001:db8::1"] {
            let address = IPAddress(text)
            #expect(address != nil)
            #expect(address.flatMap { IPAddress(bytes: $0.bytes) } == address)
        }
        #expect(IPAddress(bytes: [1, 2, 3]) == nil)
    }

    @Test(arguments: [
        ("192.0.2.7", 24, "192.0.2.0/24"), ("192.0.2.7", 32, "192.0.2.7"), ("192.0.2.7", 0, "0.0.0.0/0"),
        ("2001:db8::1", 0, "::/0"), ("2001:db8::1", 32, "2001:db8::/32"), ("2001:db8::1", 128, "2001:db8::1"),
    ])
    func `a prefix has no host bits`(_ text: String, _ length: Int, _ printed: String) {
        let prefix = IPAddress(text).flatMap { Prefix(masking: $0, length: length) }
        #expect(prefix?.description == printed)
        #expect(IPAddress(text).map { prefix?.contains($0) == true } == true)
    }

    @Test func `a prefix length beyond the family is none`() {
        #expect(Prefix(masking: IPAddress(v4: 0), length: 33) == nil)
        #expect(Prefix(masking: IPAddress(v6: 0), length: -1) == nil)
    }

    @Test func `ICMP types have names in their own protocol only`() {
        #expect(ICMPTypeNames.type(named: "echo-request", of: .icmp) == 8)
        #expect(ICMPTypeNames.type(named: "neighbor-solicitation", of: .icmpv6) == 135)
        #expect(ICMPTypeNames.type(named: "echo-request", of: .tcp) == nil)
        #expect(ICMPTypeNames.name(of: 128, in: .icmpv6) == "echo-request")
    }

    @Test(
        arguments: [("0", 0), ("65535", 65535), ("18446744073709551615", UInt64.max)] as [(String, UInt64)])
    func `decimal numbers are digits only`(_ text: String, _ value: UInt64) {
        #expect(decimalNumber(text.utf8) == value)
        for bad in ["", "0" + text, text + "x", "-1", "18446744073709551616"] {
            #expect(decimalNumber(bad.utf8) == nil)
        }
    }
}
