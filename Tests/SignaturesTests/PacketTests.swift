// SPDX-License-Identifier: Apache-2.0
// Tests of packets' headers and comparisons of numbers; what makes a TCP signature one of packets or of
// the stream.
import NetworkTypes
import Signatures
import Testing

@Suite struct NumberTestTests {
    struct Comparison: CustomTestStringConvertible, Sendable {
        let text: String
        let test: NumberTest
        let inside: [UInt64]
        let outside: [UInt64]
        var testDescription: String { text }
    }

    @Test(arguments: [
        Comparison(text: "5", test: .equal(5), inside: [5], outside: [4, 6]),
        Comparison(text: "=5", test: .equal(5), inside: [5], outside: [4, 6]),
        Comparison(text: "!5", test: .notEqual(5), inside: [4, 6], outside: [5]),
        Comparison(text: "!=5", test: .notEqual(5), inside: [4, 6], outside: [5]),
        Comparison(text: "<5", test: .less(5), inside: [0, 4], outside: [5, 6]),
        Comparison(text: ">5", test: .greater(5), inside: [6, 65535], outside: [5]),
        Comparison(text: "<=5", test: .lessOrEqual(5), inside: [5], outside: [6]),
        Comparison(text: ">=5", test: .greaterOrEqual(5), inside: [5], outside: [4]),
        Comparison(text: "5<>9", test: .within(6...8), inside: [6, 8], outside: [5, 9]),
        Comparison(text: "5-9", test: .within(6...8), inside: [6, 8], outside: [5, 9]),
        Comparison(text: "5 <> 9", test: .within(6...8), inside: [6, 8], outside: [5, 9]),
        Comparison(text: "5<=>9", test: .within(5...9), inside: [5, 9], outside: [4, 10]),
        Comparison(text: "!5-9", test: .outside(6...8), inside: [5, 9], outside: [6, 8]),
        Comparison(text: "0x10", test: .equal(16), inside: [16], outside: [10]),
        Comparison(text: "\"5\"", test: .equal(5), inside: [5], outside: [4]),
        Comparison(text: "> 5", test: .greater(5), inside: [6], outside: [5]),
        Comparison(
            text: "&0xf0=0x30", test: .masked(mask: 0xf0, pattern: 0x30, isNegated: false), inside: [0x3f],
            outside: [0x4f]),
        Comparison(
            text: "&1!=1", test: .masked(mask: 1, pattern: 1, isNegated: true), inside: [2], outside: [3]),
    ])
    private func `a comparison in text is a test of numbers`(_ comparison: Comparison) throws {
        let signature = try signature("id:\(comparison.text);", proto: "udp")
        #expect(signature.packetTests == [.number(.ipID, comparison.test)])
        for number in comparison.inside { #expect(comparison.test.holds(number)) }
        for number in comparison.outside { #expect(!comparison.test.holds(number)) }
    }

    @Test func `a payload of another size is one that is there`() throws {
        let tests: [PacketTest] = [.number(.payloadSize, .greater(0)), .number(.payloadSize, .notEqual(5))]
        #expect(try signature("dsize:!5;", proto: "udp").packetTests == tests)
    }

    @Test(arguments: [
        "", "x", "5<>6", "5<>5", "9<>5", "65536", "<65536", "5<>65536", "<", "1<>2<>9", "-5", "&1",
    ])
    func `what is no comparison is an error`(text: String) {
        #expect(load("alert udp any any -> any any (dsize:\(text); sid:1;)").counts.errors == 1)
    }
}

@Suite struct PacketTests {
    @Test(arguments: [
        ("dsize", PacketField.payloadSize, UInt64(65535)), ("ttl", .ttl, 255), ("tos", .typeOfService, 255),
        ("id", .ipID, 65535), ("seq", .tcpSequence, 0xffff_ffff), ("ack", .tcpAcknowledgement, 0xffff_ffff),
        ("tcp.seq", .tcpSequence, 0xffff_ffff), ("tcp.ack", .tcpAcknowledgement, 0xffff_ffff),
        ("window", .tcpWindow, 65535), ("tcp.mss", .tcpMaxSegmentSize, 65535), ("itype", .icmpType, 255),
        ("icode", .icmpCode, 255), ("icmp_id", .icmpID, 65535), ("icmp_seq", .icmpSequence, 65535),
        ("icmpv6.mtu", .icmpv6MTU, 0xffff_ffff), ("fragoffset", .fragmentOffset, 8191),
    ])
    func `a field is compared with numbers up to its largest`(name: String, field: PacketField, most: UInt64)
        throws
    {
        #expect(try signature("\(name):\(most);", proto: "ip").packetTests == [.number(field, .equal(most))])
        #expect(load("alert ip any any -> any any (\(name):\(most + 1); sid:1;)").counts.errors == 1)
        #expect(load("alert ip any any -> any any (\(name); sid:1;)").counts.errors == 1)
    }

    @Test(arguments: [
        ("x12", NumberTest.equal(0x12)), ("!xb8", .notEqual(0xb8)), ("! X8", .notEqual(8)),
        ("!8", .notEqual(8)),
    ])
    func `the type of service may be hexadecimal`(text: String, test: NumberTest) throws {
        #expect(try signature("tos:\(text);", proto: "ip").packetTests == [.number(.typeOfService, test)])
        for text in ["x", "x123", "x+1", "xg"] {
            #expect(load("alert ip any any -> any any (tos:\(text); sid:1;)").counts.errors == 1)
        }
    }

    struct Flags: CustomTestStringConvertible, Sendable {
        let text: String
        let flags: TCPFlags
        let match: BitMatch
        let considered: TCPFlags
        var testDescription: String { text }

        init(_ text: String, _ flags: TCPFlags, _ match: BitMatch = .exact, without ignored: TCPFlags = []) {
            self.text = text
            self.flags = flags
            self.match = match
            considered = TCPFlags(rawValue: 255).subtracting(ignored)
        }
    }

    @Test(arguments: [
        Flags("S", .syn), Flags("SA", [.syn, .ack]), Flags("FSRPAUEC", TCPFlags(rawValue: 255)),
        Flags("0", []), Flags("A+", .ack, .all), Flags("+A", .ack, .all), Flags("*SF", [.syn, .fin], .anyOf),
        Flags("!S", .syn, .notAll), Flags("RSF*", [.rst, .syn, .fin], .anyOf),
        Flags("S,12", .syn, without: [.ece, .cwr]), Flags("S,CE", .syn, without: [.ece, .cwr]),
        Flags("12S", [.cwr, .ece, .syn]), Flags("s", .syn), Flags("A P", [.ack, .psh]),
    ])
    private func `flags are letters with a sign and ignored ones`(_ flags: Flags) throws {
        for name in ["flags", "tcp.flags"] {
            #expect(
                try signature("\(name):\(flags.text);").packetTests == [
                    .tcpFlags(flags.flags, flags.match, considered: flags.considered)
                ])
        }
    }

    @Test(arguments: [
        ("M", UInt8(1), BitMatch.exact), ("D", 2, .exact), ("R", 4, .exact), ("MD", 3, .exact),
        ("M+", 1, .all),
        ("!DMR", 7, .notAll), ("*MD", 3, .anyOf),
    ])
    func `fragment bits are letters with a sign`(text: String, bits: UInt8, match: BitMatch) throws {
        #expect(try signature("fragbits:\(text);", proto: "ip").packetTests == [.fragmentBits(bits, match)])
    }

    @Test(arguments: [
        ("rr", IPOption.recordRoute), ("eol", .endOfList), ("nop", .noOperation), ("ts", .timestamp),
        ("sec", .security), ("esec", .extendedSecurity), ("lsrr", .looseRoute), ("ssrr", .strictRoute),
        ("satid", .streamID), ("any", .any), ("cipso", .cipso), ("qs", .quickStart),
    ])
    func `an IP option has its word`(text: String, option: IPOption) throws {
        #expect(try signature("ipopts:\(text);", proto: "ip").packetTests == [.ipOption(option)])
    }

    @Test(
        arguments: [
            ("47", [UInt8(47)]), ("gre", [47]), ("GRE", [47]), ("tcp", [6]), ("<2", [0, 1]),
            (">253", [254, 255]),
            ("ipv6-icmp", [58]), ("\"6\"", [6]),
        ] as [(String, [UInt8])])
    func `an IP protocol is a number, a name or a range`(text: String, numbers: [UInt8]) throws {
        guard case .transports(let set) = try signature("ip_proto:\(text);", proto: "ip").packetTests[0]
        else { return }
        for number in UInt8.min...UInt8.max {
            #expect(set.contains(IPProtocol(rawValue: number)) == numbers.contains(number))
        }
    }

    @Test func `an IP protocol may be excluded`() throws {
        guard case .transports(let set) = try signature("ip_proto:!tcp;", proto: "ip").packetTests[0] else {
            return
        }
        #expect(!set.contains(.tcp) && set.contains(.udp) && set.contains(IPProtocol(rawValue: 255)))
    }

    @Test func `sameip is a test`() throws {
        #expect(try signature("sameip;", proto: "ip").packetTests == [.sameAddress])
    }
}

@Suite struct PayloadScopeTests {
    @Test(arguments: [
        ("tcp", "content:\"a\";", PayloadScope.stream), ("tcp", "content:\"a\"; offset:1;", .packetOrStream),
        ("tcp", "content:\"a\"; depth:1;", .packetOrStream),
        ("tcp", "content:\"a\"; startswith;", .packetOrStream),
        ("tcp", "content:\"a\"; content:\"b\"; within:3;", .stream),
        ("tcp", "content:\"a\"; dsize:5;", .packet), ("tcp", "content:\"a\"; flags:S;", .packet),
        ("tcp", "content:\"a\"; ttl:5;", .packet), ("tcp", "content:\"a\"; flow:no_stream;", .packet),
        ("tcp", "content:\"a\"; depth:1; flow:only_stream;", .stream), ("tcp", "pcre:\"/a/\";", .stream),
        ("tcp", "content:\"a\"; ip_proto:6;", .stream), ("tcp-pkt", "content:\"a\";", .packet),
        ("tcp-stream", "content:\"a\"; depth:5;", .stream), ("udp", "content:\"a\"; depth:5;", .packet),
        ("udp", "content:\"a\";", .packet), ("icmp", "content:\"a\";", .packet),
        ("ip", "content:\"a\";", .stream),
        ("http", "content:\"a\";", .stream), ("dns", "content:\"a\"; offset:2;", .packetOrStream),
        ("tcp", "content:\"a\"; depth:4; http_uri; content:\"b\";", .stream),
    ])
    func `TCP payload is looked at in packets, in the stream, or both`(
        proto: String, options: String, scope: PayloadScope
    ) throws {
        #expect(try signature(options, proto: proto).payloadScope == scope)
    }
}
