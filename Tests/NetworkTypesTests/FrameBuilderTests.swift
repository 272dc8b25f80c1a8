// SPDX-License-Identifier: Apache-2.0
// Built frames: exact bytes of two, right lengths and checksums of all.

import NetworkTypes
import TestSupport
import Testing

struct FrameBuilderTests {
    /// Checksums worked out apart from the builder, as RFC 791 and RFC 768 have them.
    @Test func `a UDP packet in IPv4 has these bytes`() throws {
        let expected: [UInt8] =
            [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 7, 8, 0]
            + [0x45, 0xb8, 0, 30, 0, 0, 0, 0, 64, 17, 0xf6, 0x13, 192, 0, 2, 1, 192, 0, 2, 2]
            + [0, 53, 0x0f, 0xa0, 0, 10, 0x6b, 0xf0, 0, 0x11]
        #expect(try frame("udp 192.0.2.1:53 > 192.0.2.2:4000 dscp 46 vlan 7 payload 0011") == expected)
    }

    @Test func `two vlan tags are a service tag and a customer tag`() throws {
        let bytes = try frame("gre 2001:db8::1 > 2001:db8::2 vlan 100 vlan 200")
        #expect(bytes[12..<22] == [0x88, 0xa8, 0, 100, 0x81, 0, 0, 200, 0x86, 0xdd])
    }

    static let lengths: [(String, Int)] = [
        ("tcp 192.0.2.1:1 > 192.0.2.2:2 syn", 40), ("udp 192.0.2.1:1 > 192.0.2.2:2 len 1500", 1500),
        ("sctp 192.0.2.1:1 > 192.0.2.2:2 payload 0011", 34), ("icmp 192.0.2.1 > 192.0.2.2", 28),
        ("udp 192.0.2.1:1 > 192.0.2.2:2 len 65535", 65_535), ("udp [2001:db8::1]:1 > [2001:db8::2]:2", 48),
        ("tcp [2001:db8::1]:1 > [2001:db8::2]:2 frag first", 68),
        ("tcp 2001:db8::1 > 2001:db8::2 frag later", 48),
        ("icmpv6 2001:db8::1 > 2001:db8::2 neighbour-solicitation", 64),
        ("icmpv6 2001:db8::1 > 2001:db8::2 router-advertisement payload 01", 56),
        ("icmpv6 2001:db8::1 > 2001:db8::2 neighbour-solicitation len 48", 48),
        ("ip 192.0.2.1 > 192.0.2.2 proto 89", 20),
        ("udp [2001:db8::1]:1 > [2001:db8::2]:2 len 65575", 65_575),
    ]

    @Test(arguments: lengths) func `the frame is as long as its packet`(_ text: String, _ length: Int) throws
    {
        #expect(try frame(text).count == 14 + length)
    }

    @Test func `neighbour discovery has hop limit 255 where the text says nothing`() throws {
        let packet = "icmpv6 fe80::1 > ff02::1 router-advertisement"
        #expect(try frame(packet)[21] == 255)
        #expect(try frame(packet + " ttl 64")[21] == 64)
        #expect(try frame("icmpv6 fe80::1 > ff02::1 echo-request")[21] == 64)
    }

    @Test func `any described packet has right lengths and checksums`() throws {
        let seed: UInt64 = 0x6672_616d
        var random = SeededGenerator(seed: seed)
        for round in 0..<3000 {
            var packet = randomPacket(using: &random)
            packet.length = packet.length.map { $0 % 3000 }
            let frame = packet.frame()
            let fault = Self.fault(in: Array(frame.dropFirst(14 + 4 * packet.vlans.count)), packet)
            guard let fault else { continue }
            Issue.record("seed \(seed), round \(round): \(fault) in \(packet.text)")
            return
        }
    }

    /// What is wrong with an IP packet; nil where nothing is. Checksums over right data and checksum sum to
    /// 0.
    private static func fault(in ip: [UInt8], _ packet: PacketDescription) -> String? {
        let isV4 = packet.source.family == .ipv4
        let length = Int(ip[isV4 ? 2 : 4]) << 8 | Int(ip[isV4 ? 3 : 5])
        if length + (isV4 ? 0 : 40) != ip.count { return "length \(length)" }
        if isV4, internetChecksum(Array(ip[..<20])) != 0 { return "header checksum" }
        if packet.fragment == .later { return nil }
        let segment = Array(ip[(isV4 ? 20 : packet.fragment == .none ? 40 : 48)...])
        let addresses = Array(isV4 ? ip[12..<20] : ip[8..<40])
        let pseudo =
            addresses + [0, packet.proto.rawValue, UInt8(segment.count >> 8), UInt8(segment.count & 255)]
        switch packet.proto {
        case .tcp, .icmpv6: return internetChecksum(pseudo + segment) == 0 ? nil : "L4 checksum"
        case .udp:
            if Int(segment[4]) << 8 | Int(segment[5]) != segment.count { return "UDP length" }
            return internetChecksum(pseudo + segment) == 0 ? nil : "UDP checksum"
        case .icmp: return internetChecksum(segment) == 0 ? nil : "ICMP checksum"
        default: return nil
        }
    }

    /// tshark reads this SCTP packet's CRC32c as right.
    @Test func `an SCTP packet carries its CRC32c`() throws {
        let bytes = try frame("sctp [2001:db8::1]:5 > [2001:db8::2]:6")
        #expect(Array(bytes.suffix(12)) == [0, 5, 0, 6, 0, 0, 0, 1, 0x84, 0x07, 0x41, 0xe1])
    }
}
