// SPDX-License-Identifier: Apache-2.0
// Value texts in, values or errors that name what was meant out.
import NetworkTypes
import Testing

@testable import PolicyLanguage

private func message<T>(_ body: () throws(ValueError) -> T) -> String? {
    do throws(ValueError) {
        _ = try body()
        return nil
    } catch {
        return "\(error.message) | \(error.help ?? "") [\(error.id)]"
    }
}

private func v4(_ text: String) -> UInt32 { IPAddress(text)?.v4Bits ?? 0 }

@Suite struct AddressValueTests {
    @Test(arguments: [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"), ("192.0.2.0/24", "192.0.2.0", "192.0.2.255"),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"), ("192.0.2.5-192.0.2.9", "192.0.2.5", "192.0.2.9"),
        ("192.0.2.7/32", "192.0.2.7", "192.0.2.7"),
    ])
    func `IPv4 items are their addresses`(_ text: String, _ low: String, _ high: String) throws {
        let item = try parseAddressItem(text, lenientHostBits: false)
        #expect(item.addresses == AddressSet(v4: IntervalSet(v4(low)...v4(high))))
        #expect(item.maskedHostBits == nil)
    }

    @Test(arguments: ["2001:db8::/32", "::/0", "::1", "2001:db8::5-2001:db8::9", "::ffff:192.0.2.1"])
    func `IPv6 items are IPv6 alone`(_ text: String) throws {
        let item = try parseAddressItem(text, lenientHostBits: false)
        #expect(item.addresses.v4.isEmpty)
        #expect(item.addresses.v6.ranges.count == 1)
    }

    @Test(arguments: [
        ("192.0.2.7/24", "host-bits", "write 192.0.2.0/24 for the network or 192.0.2.7 for the address"),
        ("2001:db8::1/32", "host-bits", "write 2001:db8::/32 for the network or 2001:db8::1 for the address"),
        ("192.0.02.7", "leading-zero", "write 192.0.2.7"), ("192.0.2.00", "leading-zero", "write 192.0.2.0"),
        ("192.0.02.0/24", "leading-zero", "write 192.0.2.0/24"),
        ("192.0.2.0/024", "leading-zero", "write 192.0.2.0/24"),
        ("192.0.2.1-192.0.2.09", "leading-zero", "write 192.0.2.1-192.0.2.9"),
        ("192.0.2.0/33", "out-of-range", "write 192.0.2.0/N with N from 0 to 32"),
        ("2001:db8::/129", "out-of-range", "write 2001:db8::/N with N from 0 to 128"),
        ("192.0.2.0/", "number-syntax", "write 192.0.2.0/N with N from 0 to 32"),
        ("192.0.2.9-192.0.2.5", "range-reversed", "write 192.0.2.5-192.0.2.9"),
        ("192.0.2.1-2001:db8::1", "range-families", "write both ends in one family"),
    ])
    func `a wrong item names what was meant`(_ text: String, _ id: String, _ help: String) {
        let said = message { () throws(ValueError) in try parseAddressItem(text, lenientHostBits: false) }
        #expect(said?.hasSuffix("| \(help) [\(id)]") == true, "\(said ?? "taken")")
    }

    @Test(arguments: [
        "", "x", "192.0.2", "192.0.2.256", "1.2.3.4.5", "-", "/24", "2001:db8", "::1::", "192.0.2.1-",
    ])
    func `what is no address is said so`(_ text: String) {
        let said = message { () throws(ValueError) in try parseAddressItem(text, lenientHostBits: false) }
        #expect(said?.hasSuffix("[address-syntax]") == true, "\(said ?? "taken")")
    }

    @Test func `a lenient prefix is masked and says so`() throws {
        let item = try parseAddressItem("192.0.2.7/24", lenientHostBits: true)
        #expect(item.maskedHostBits?.description == "192.0.2.0/24")
        #expect(item.addresses.v4.contains(v4("192.0.2.255")))
    }
}

@Suite struct ServiceValueTests {
    @Test(
        arguments: [
            ("tcp/22", 6, 22, 22), ("udp/8000-8080", 17, 8000, 8080), ("tcp/1024-", 6, 1024, 65535),
            ("tcp/-1023", 6, 0, 1023), ("icmp/echo-request", 1, 8, 8), ("icmp/8", 1, 8, 8),
            ("icmpv6/135", 58, 135, 135), ("icmpv6/neighbor-solicitation", 58, 135, 135),
            ("sctp/0", 132, 0, 0),
        ] as [(String, UInt8, UInt16, UInt16)])
    func `a port or type is that range`(_ text: String, _ proto: UInt8, _ low: UInt16, _ high: UInt16) throws
    {
        let item = try parseServiceItem(text)
        #expect(item.proto.rawValue == proto)
        #expect(item.keys == .init(values: IntervalSet(low...high), unread: false))
        #expect(!item.wholeProtocol)
    }

    @Test(
        arguments: [
            ("tcp", 6), ("gre", 47), ("esp", 50), ("icmp", 1), ("proto/47", 47), ("proto/6", 6),
            ("proto/0", 0),
        ]
            as [(String, UInt8)])
    func `a protocol alone is all of it`(_ text: String, _ proto: UInt8) throws {
        #expect(try parseServiceItem(text) == ServiceItem(whole: IPProtocol(rawValue: proto)))
    }

    @Test(arguments: [
        ("tcp/022", "write tcp/22 [leading-zero]"), ("tcp/080-0090", "write tcp/80-90 [leading-zero]"),
        ("proto/047", "write proto/47 [leading-zero]"), ("icmp/008", "write icmp/8 [leading-zero]"),
        ("tcp/65536", "use a number from 0 to 65535 [out-of-range]"),
        ("icmp/256", "use a number from 0 to 255 [out-of-range]"),
        ("proto/256", "use a number from 0 to 255 [out-of-range]"),
        ("tcp/90-80", "write 80-90 [range-reversed]"), ("tpc/22", "did you mean 'tcp'? [unknown-protocol]"),
        ("icmp/echo-requst", "did you mean 'echo-request'? [unknown-icmp-type]"),
        ("22", "write tcp/22 or udp/22 for a port, proto/22 for a protocol number [unknown-protocol]"),
        ("gre/1", "write gre [service-syntax]"), ("tcp/-", "write N-M, N- or -M [number-syntax]"),
        ("tcp/", "write tcp for all of it, or tcp/22 [service-syntax]"),
        ("tcp/1-2-3", "use a number from 0 to 65535 [number-syntax]"),
        ("proto", "write proto/N with N from 0 to 255 [service-syntax]"),
    ])
    func `a wrong service names what was meant`(_ text: String, _ help: String) {
        let said = message { () throws(ValueError) in try parseServiceItem(text) }
        #expect(said?.hasSuffix(help) == true, "\(said ?? "taken")")
    }
}

@Suite struct QuantityValueTests {
    @Test(
        arguments: [("80", 80, 80), ("80-90", 80, 90), ("80-", 80, 100), ("-90", 1, 90), ("1", 1, 1)]
            as [(String, UInt64, UInt64)])
    func `number ranges are within their limits`(_ text: String, _ low: UInt64, _ high: UInt64) throws {
        #expect(try parseNumberRange(text, in: 1...100, named: "n") == low...high)
    }

    @Test(arguments: ["", "-", "0", "101", "a", "-0", "01", "5-4", "1--2", "+1", "1 "])
    func `other number ranges are refused`(_ text: String) {
        #expect(
            message { () throws(ValueError) in try parseNumberRange(text, in: 1...100, named: "n") } != nil)
    }

    @Test func `counts may end in k and M`() throws {
        #expect(try parseCount("2000") == 2000)
        #expect(try parseCount("50k") == 50_000)
        #expect(try parseCount("5M") == 5_000_000)
    }

    @Test(arguments: ["", "k", "05", "1.5k", "5K", "-1", "18446744073709551616", "18446744073709551615k"])
    func `other counts are refused`(_ text: String) {
        #expect(message { () throws(ValueError) in try parseCount(text) } != nil)
    }

    @Test(
        arguments: [
            ("500ms", 500_000_000), ("30s", 30_000_000_000), ("10m", 600_000_000_000),
            ("2h", 7_200_000_000_000),
            ("7d", 604_800_000_000_000),
        ] as [(String, Int64)])
    func `durations are nanoseconds`(_ text: String, _ nanoseconds: Int64) throws {
        #expect(try parseDuration(text) == nanoseconds)
    }

    @Test(arguments: [
        "", "0s", "10", "s", "010m", "1h30m", "5 weeks", "106752d", "99999999999999999999s", "-1s",
    ])
    func `other durations are refused`(_ text: String) {
        #expect(message { () throws(ValueError) in try parseDuration(text) } != nil)
    }

    @Test(
        arguments: [
            ("1000 pps", .packets(1000, perSeconds: 1)), ("50k pps", .packets(50_000, perSeconds: 1)),
            ("5/s", .packets(5, perSeconds: 1)), ("30/m", .packets(30, perSeconds: 60)),
            ("2k/m", .packets(2000, perSeconds: 60)), ("3Mpps", .packets(3_000_000, perSeconds: 1)),
            ("20 Mbit/s", .bits(perSecond: 20_000_000)), ("5kbit/s", .bits(perSecond: 5000)),
            ("1 Gbit/s", .bits(perSecond: 1_000_000_000)), ("8 bit/s", .bits(perSecond: 8)),
        ] as [(String, Rate)])
    func `rates are exact`(_ text: String, _ rate: Rate) throws {
        #expect(try parseRate(text) == rate)
    }

    @Test(arguments: ["", "5", "0 pps", "05 pps", "5 kpps", "20 mbits", "99999999999 Gbit/s", "pps", "-1/s"])
    func `other rates are refused`(_ text: String) {
        #expect(message { () throws(ValueError) in try parseRate(text) } != nil)
    }

    @Test(arguments: ["1 Tbit/s", "1Pbit/s", "5 mbit/s"])
    func `an unknown multiple of bits is told of the known ones`(_ text: String) {
        let said = message { () throws(ValueError) in try parseRate(text) }
        #expect(said?.contains("write bit/s, kbit/s, Mbit/s or Gbit/s, at most 100 Gbit/s") == true)
    }

    @Test(
        arguments: [
            ("1 B", 1), ("2KB", 2000), ("3 MB", 3_000_000), ("256 KiB", 262_144), ("1MiB", 1_048_576),
            ("1 GiB", 1 << 30), ("1 TiB", 1 << 40),
        ] as [(String, UInt64)])
    func `sizes are bytes`(_ text: String, _ bytes: UInt64) throws {
        #expect(try parseSize(text) == bytes)
    }

    @Test(arguments: ["", "5", "1 kb", "01 B", "16777216 TiB", "KiB", "1.5 KiB"])
    func `other sizes are refused`(_ text: String) {
        #expect(message { () throws(ValueError) in try parseSize(text) } != nil)
    }

    @Test(
        arguments: [
            ("1970-01-01T00:00Z", 0), ("2026-12-31T00:00Z", 1_798_675_200),
            ("2024-02-29T12:30:45Z", 1_709_209_845),
            ("1969-12-31T23:59:59Z", -1), ("2000-03-01T00:00Z", 951_868_800),
            ("0001-01-01T00:00Z", -62_135_596_800),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] as [(String, Int64)])
    func `points in time are seconds since 1970`(_ text: String, _ seconds: Int64) throws {
        #expect(try parseTimestamp(text) == seconds)
    }

    @Test(arguments: [
        "2026-02-30T00:00Z", "2025-02-29T00:00Z", "1900-02-29T00:00Z", "2026-13-01T00:00Z",
        "2026-00-01T00:00Z",
        "2026-01-00T00:00Z", "2026-01-01T24:00Z", "2026-01-01T00:60Z", "2026-01-01T00:00:60Z",
        "2026-01-01T00:00",
        "2026-01-01T00:00z", "2026-01-01T00:00+01:00", "2026-01-01", "2026-01-01 00:00Z", "2026-1-1T00:00Z",
        "",
        "2026-01-01T00:00Zx",
    ])
    func `other points in time are refused`(_ text: String) {
        #expect(message { () throws(ValueError) in try parseTimestamp(text) } != nil)
    }

    @Test func `a zone is told to be UTC`() {
        let said = message { () throws(ValueError) in try parseTimestamp("2026-01-01T00:00+01:00") }
        #expect(said?.contains("only UTC is taken: end in Z, as in 2026-01-01T00:00Z") == true)
    }
}

@Suite struct WordValueTests {
    @Test func `booleans are true and false only`() throws {
        #expect(try parseBool("true"))
        #expect(try !parseBool("false"))
        for (text, meant) in [
            ("yes", "true"), ("on", "true"), ("True", "true"), ("no", "false"), ("OFF", "false"),
        ] {
            let said = message { () throws(ValueError) in try parseBool(text) }
            #expect(said == "'\(text)' is neither true nor false | write \(meant) [boolean-syntax]")
        }
        #expect(message { () throws(ValueError) in try parseBool("") } != nil)
    }

    @Test func `hexadecimal bytes stand with or without blanks`() throws {
        for text in ["00 0e 38 63", "000e3863", " 000E  3863 "] {
            #expect(try parseHexBytes(text) == [0, 0x0e, 0x38, 0x63])
        }
        for text in ["", " ", "0", "00 0", "0x00", "gg", "0é"] {
            #expect(message { () throws(ValueError) in try parseHexBytes(text) } != nil)
        }
    }

    @Test func `flags are set or clear`() throws {
        let expected = TCPFlagsMatch(mustBeSet: .syn, mustBeClear: .ack)
        #expect(try parseTCPFlags(items: ["syn", "!ack"]) == expected)
        #expect(try parseTCPFlags(items: ["syn, !ack"]) == expected)
    }

    @Test(
        arguments: [
            (["syn", "!syn"], "[contradictory-flags]"), (["sny"], "did you mean 'syn'? [unknown-flag]"),
            (["SYN"], "did you mean 'syn'? [unknown-flag]"), ([], "[empty-value]"),
            (["syn,"], "[unknown-flag]"),
            (["!"], "[unknown-flag]"), ([""], "[unknown-flag]"),
        ] as [([String], String)])
    func `other flags are refused`(_ items: [String], _ end: String) {
        let said = message { () throws(ValueError) in try parseTCPFlags(items: items) }
        #expect(said?.hasSuffix(end) == true, "\(said ?? "taken")")
    }

    @Test func `log rates are true, false or one in N`() throws {
        #expect(try parseLogRate("true") == 1)
        #expect(try parseLogRate("false") == nil)
        #expect(try parseLogRate("1/100") == 100)
        for text in ["1/0", "1/01", "2/3", "yes", "1/", "1/4294967296", ""] {
            #expect(message { () throws(ValueError) in try parseLogRate(text) } != nil)
        }
    }
}
