// SPDX-License-Identifier: Apache-2.0
// Header decoding: ordinary frames give back what they were built from, odd ones every field before the odd
// place.

import Capture
import NetworkTypes
import TestSupport
import Testing

struct PacketDecoderTests {
    static func describe(_ frame: [UInt8]) -> PacketDescription? {
        frame.withUnsafeBytes { PacketDecoder().describe($0) }
    }

    static let ordinary = [
        "tcp 192.0.2.1:1 > 192.0.2.2:2 syn ack len 40 ttl 64 dscp 0",
        "tcp 192.0.2.1:1 > 192.0.2.2:2 fin syn rst psh ack urg ece cwr len 1500 ttl 1 dscp 63 vlan 7 vlan 95",
        "udp [2001:db8::1]:53 > [2001:db8::2]:65535 len 48 ttl 255 dscp 46 vlan 9",
        "sctp 192.0.2.1:0 > 192.0.2.2:2 len 32 ttl 64 dscp 0",
        "icmp 192.0.2.1 > 192.0.2.2 redirect len 28 ttl 64 dscp 0",
        "icmpv6 2001:db8::1 > ff02::1 mld2-report len 48 ttl 1 dscp 0",
        "gre 192.0.2.1 > 192.0.2.2 len 20 ttl 64 dscp 0",
        "ip 2001:db8::1 > 2001:db8::2 proto 59 len 40 ttl 64 dscp 1",
        "tcp 192.0.2.1:1 > 192.0.2.2:2 syn frag first len 60 ttl 64 dscp 0",
        "udp 192.0.2.1 > 192.0.2.2 frag later len 60 ttl 64 dscp 0",
        "udp [2001:db8::1]:1 > [2001:db8::2]:2 frag first len 1496 ttl 64 dscp 0",
        "ip 2001:db8::1 > 2001:db8::2 proto 43 frag later len 60 ttl 64 dscp 0",
    ]

    @Test(arguments: ordinary) func `an ordinary frame decodes to the packet it was built from`(
        _ text: String
    ) throws {
        #expect(Self.describe(try frame(text))?.text == text)
    }

    @Test func `any described packet is read from its frame as it was described`() {
        let seed: UInt64 = 0x6465_636f
        var random = SeededGenerator(seed: seed)
        for round in 0..<5000 {
            let packet = randomPacket(using: &random)
            guard let got = Self.describe(packet.frame()) else {
                Issue.record("seed \(seed), round \(round): nothing read of \(packet.text)")
                return
            }
            #expect(got.flowText == packet.flowText, "seed \(seed), round \(round)")
            #expect(got.vlans == packet.vlans, "seed \(seed), round \(round)")
            #expect(packet.length == nil || got.length == packet.length, "seed \(seed), round \(round)")
            #expect(got.ttl == packet.frameTTL, "seed \(seed), round \(round)")
            #expect(got.dscp == packet.dscp ?? 0, "seed \(seed), round \(round)")
        }
    }

    /// An odd frame, and what is read of it; nil where no IP header is.
    struct Odd: Sendable, CustomTestStringConvertible {
        let name: String
        let expected: String?
        let packet: String
        let change: @Sendable (inout PacketBuilder) -> Void
        var testDescription: String { name }

        init(
            _ name: String, _ expected: String?, of packet: String = v4,
            _ change: @escaping @Sendable (inout PacketBuilder) -> Void
        ) {
            self.name = name
            self.expected = expected
            self.packet = packet
            self.change = change
        }
    }

    static let v4 = "tcp 192.0.2.1:1 > 192.0.2.2:2 syn"
    static let v6 = "tcp [2001:db8::1]:1 > [2001:db8::2]:2 syn"
    static let bare4 = "tcp 192.0.2.1 > 192.0.2.2"
    static let bare6 = "2001:db8::1 > 2001:db8::2"

    static let ethernetAndV4: [Odd] = [
        Odd("13 bytes", nil) { $0.cut = 13 },
        Odd("ARP", nil) { $0.ethertype = 0x0806 },
        Odd("an Ethernet header alone", nil) { $0.cut = 14 },
        Odd("a priority tag is not kept", v4) { $0.tags = [.init(0xe000)] },
        Odd("a priority tag before a tag", v4 + " vlan 5") {
            $0.tags = [.init(0), .init(0x2005, ethertype: 0x88a8)]
        },
        Odd("a third tag", nil) { $0.tags = [.init(1), .init(2), .init(3)] },
        Odd("a cut tag", nil) {
            $0.tags = [.init(1)]
            $0.cut = 17
        },
        Odd("19 bytes of IPv4", nil) { $0.cut = 33 },
        Odd("version 5", nil) { $0.ipHeader[0] = 0x50 },
        Odd("version 6 behind IPv4's ethertype", nil) { $0.ipHeader[0] = 0x60 },
        Odd("header length 16", bare4) { $0.headerWords = 4 },
        Odd("header length above the total", bare4) { $0.headerWords = 11 },
        Odd("total length 0", bare4) { $0.lengthField = 0 },
        Odd("total length 19", bare4) { $0.lengthField = 19 },
        Odd("total length above the frame", v4) { $0.lengthField = 1500 },
        Odd("options", v4) { $0.ipOptions = [1, 1, 1, 0] },
        Odd("options beyond the frame", bare4) {
            $0.ipOptions = [1, 1, 1, 0]
            $0.cut = 36
        },
        Odd("padding behind the packet", v4) { $0.trailer = 6 },
        Odd("a cut TCP header", bare4) { $0.cut = 53 },
        Odd("total length cuts the TCP header", bare4) { $0.lengthField = 39 },
        Odd("a tiny first fragment", bare4 + " frag first") {
            $0.ipHeader[6] = 0x20
            $0.segment.removeLast(8)
        },
        Odd("a fragment at offset 1", bare4 + " frag later") { $0.ipHeader[7] = 1 },
        Odd("a later fragment with more to come", bare4 + " frag later") { $0.ipHeader[6] = 0x3f },
        Odd("don't fragment", v4) { $0.ipHeader[6] = 0x40 },
        Odd("a TCP header length that lies", v4) { $0.segment[12] = 0xf0 },
    ]

    static let chains: [Odd] = [
        Odd("39 bytes of IPv6", nil, of: v6) { $0.cut = 53 },
        Odd("version 4 behind IPv6's ethertype", nil, of: v6) { $0.ipHeader[0] = 0x40 },
        Odd("hop-by-hop, destination options, AH", v6, of: v6) {
            $0.extensions = [.plain(0), .plain(60, units: 2), .authentication(words: 4)]
        },
        Odd("hop-by-hop second", v6, of: v6) { $0.extensions = [.plain(60), .plain(0)] },
        Odd("routing type 0", v6, of: v6) { $0.extensions = [.plain(43, units: 2)] },
        Odd("mobility, HIP, shim6", v6, of: v6) { $0.extensions = [.plain(135), .plain(139), .plain(140)] },
        Odd("eight headers", v6, of: v6) { $0.extensions = .init(repeating: .plain(60), count: 8) },
        Odd("nine headers", "ip \(bare6) proto 60", of: v6) {
            $0.extensions = .init(repeating: .plain(60), count: 9)
        },
        Odd("an atomic fragment", v6, of: v6) { $0.extensions = [.fragment(offset: 0, more: false)] },
        Odd("a first fragment", v6 + " frag first", of: v6) {
            $0.extensions = [.fragment(offset: 0, more: true)]
        },
        Odd("a later fragment", "tcp \(bare6) frag later", of: v6) {
            $0.extensions = [.fragment(offset: 9, more: true)]
        },
        Odd("a later fragment of a chain", "ip \(bare6) proto 60 frag later", of: v6) {
            $0.extensions = [.fragment(offset: 9, more: false), .plain(60)]
        },
        Odd("a fragment header behind a first fragment", v6 + " frag first", of: v6) {
            $0.extensions = [.fragment(offset: 0, more: true), .fragment(offset: 9, more: true)]
        },
        Odd("a fragment header behind an atomic one", "tcp \(bare6) frag later", of: v6) {
            $0.extensions = [.fragment(offset: 0, more: false), .fragment(offset: 9, more: true)]
        },
        Odd("a cut extension header", "ip \(bare6) proto 60", of: v6) {
            $0.extensions = [.plain(60)]
            $0.cut = 61
        },
        Odd("an extension header longer than the packet", "ip \(bare6) proto 60", of: v6) {
            $0.extensions = [.init(60, rest: [200, 0, 0, 0, 0, 0, 0])]
        },
        Odd("a jumbogram", "ip \(bare6) proto 0", of: v6) {
            $0.extensions = [.plain(0)]
            $0.lengthField = 0
        },
        Odd("payload length 0", "tcp \(bare6)", of: v6) { $0.lengthField = 0 },
        Odd("payload length above the frame", v6, of: v6) { $0.lengthField = 9000 },
        Odd("ESP ends the chain", "esp \(bare6)", of: v6) { $0.ipHeader[6] = 50 },
        Odd("ICMP in IPv6", "icmp \(bare6) echo-reply", of: v6) { $0.ipHeader[6] = 1 },
        Odd("ICMPv6 in IPv4", "icmpv6 192.0.2.1 > 192.0.2.2 0") { $0.ipHeader[9] = 58 },
    ]

    @Test(arguments: ethernetAndV4 + chains)
    func `of an odd frame everything before the odd place is read`(_ odd: Odd) throws {
        var builder = try PacketBuilder(odd.packet)
        odd.change(&builder)
        var got = Self.describe(builder.bytes)
        let vlans = got?.vlans ?? []
        got?.vlans = []
        let flow = got.map { ([$0.flowText] + vlans.map { "vlan \($0)" }).joined(separator: " ") }
        #expect(flow == odd.expected)
    }

    @Test func `the length is the header's even where the frame is cut`() throws {
        var builder = try PacketBuilder(Self.v4 + " len 1500 ttl 9 dscp 3")
        builder.cut = 40
        let got = Self.describe(builder.bytes)
        #expect(got?.length == 1500)
        #expect(got?.ttl == 9)
        #expect(got?.dscp == 3)
    }

    @Test func `frames cut at any byte and with flipped bytes are read within their bounds`() throws {
        let seed: UInt64 = 7
        var random = SeededGenerator(seed: seed)
        for odd in Self.ethernetAndV4 + Self.chains {
            var builder = try PacketBuilder(odd.packet)
            odd.change(&builder)
            let bytes = builder.bytes
            for count in 0...bytes.count { _ = Self.describe(Array(bytes.prefix(count))) }
            for _ in 0..<500 where bytes.count > 12 {
                var damaged = bytes
                damaged[Int.random(in: 12..<bytes.count, using: &random)] = UInt8(
                    truncatingIfNeeded: random.next())
                if let got = Self.describe(damaged) {
                    #expect(got.vlans.count <= 2, "seed \(seed), \(odd.name)")
                }
            }
        }
    }
}
