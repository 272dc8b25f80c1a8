// SPDX-License-Identifier: Apache-2.0
// Packet text: what is read, what is refused and where, and that text and description are each other's
// inverse.

import NetworkTypes
import TestSupport
import Testing

struct PacketTextTests {
    /// Text as written, its canonical form, and what replay shows of it.
    struct Good: Sendable {
        let text: String
        let canonical: String
        let flow: String
        init(_ text: String, canonical: String? = nil, flow: String? = nil) {
            self.text = text
            self.canonical = canonical ?? text
            self.flow = flow ?? self.canonical
        }
    }

    static let good: [Good] = [
        Good("tcp 203.0.113.77:40000 > 198.51.100.1:22 syn"),
        Good(
            "tcp 203.0.113.77:40000 > 198.51.100.1:22 ack,syn",
            canonical: "tcp 203.0.113.77:40000 > 198.51.100.1:22 syn ack"),
        Good("tcp 192.0.2.1:1 > 192.0.2.2:2", canonical: "tcp 192.0.2.1:1 > 192.0.2.2:2 ack"),
        Good("tcp 192.0.2.1:1 > 192.0.2.2:2 no-flags", flow: "tcp 192.0.2.1:1 > 192.0.2.2:2"),
        Good(
            "  udp\t[2001:DB8:0::1]:53  >  [2001:db8::2]:4000 ",
            canonical: "udp [2001:db8::1]:53 > [2001:db8::2]:4000"),
        Good("icmp 192.0.2.1 > 192.0.2.2 echo-request"),
        Good("icmp 192.0.2.1 > 192.0.2.2", canonical: "icmp 192.0.2.1 > 192.0.2.2 echo-request"),
        Good("icmp 192.0.2.1 > 192.0.2.2 type 8", canonical: "icmp 192.0.2.1 > 192.0.2.2 echo-request"),
        Good("icmp 192.0.2.1 > 192.0.2.2 77"),
        Good(
            "icmpv6 [2001:db8::1] > 2001:db8::2 neighbor-solicitation",
            canonical: "icmpv6 2001:db8::1 > 2001:db8::2 neighbour-solicitation"),
        Good("ip 192.0.2.1 > 192.0.2.2 proto 47", canonical: "gre 192.0.2.1 > 192.0.2.2"),
        Good("ip 192.0.2.1 > 192.0.2.2 proto 89"),
        Good("ip 192.0.2.1:5 > 192.0.2.2:6 proto 17", canonical: "udp 192.0.2.1:5 > 192.0.2.2:6"),
        Good("esp 2001:db8::1 > 2001:db8::2"),
        Good("udp 192.0.2.1 > 192.0.2.2 frag later"),
        Good("ip 2001:db8::1 > 2001:db8::2 proto 60 frag later"),
        Good("sctp 192.0.2.1:5 > 192.0.2.2:6 frag first"),
        Good(
            "tcp 192.0.2.1:5 > 192.0.2.2:6 payload 00 0E 38 63 established len 60 ttl 0 dscp 63 "
                + "vlan 7 vlan 8 on wan0 psh ack",
            canonical: "tcp 192.0.2.1:5 > 192.0.2.2:6 psh ack len 60 ttl 0 dscp 63 vlan 7 vlan 8 on wan0 "
                + "established payload 000e3863",
            flow: "tcp 192.0.2.1:5 > 192.0.2.2:6 psh ack"),
    ]

    @Test(arguments: good) func `a text is read and printed in its canonical form`(_ example: Good) throws {
        let packet = try PacketDescription(parsing: example.text)
        #expect(packet.text == example.canonical)
        #expect(packet.flowText == example.flow)
        #expect(try PacketDescription(parsing: packet.text) == packet)
    }

    /// A wrong text with `^` before the place that the error points to.
    struct Bad: Sendable {
        let marked: String
        let message: String
        init(_ marked: String, _ message: String) {
            self.marked = marked
            self.message = message
        }
        var text: String { marked.filter { $0 != "^" } }
        var offset: Int { marked.utf8.prefix { $0 != UInt8(ascii: "^") }.count }
    }

    static let bad: [Bad] = [
        Bad("^", "the protocol is missing"),
        Bad("^tpc 192.0.2.1:1 > 192.0.2.2:2", "unknown protocol 'tpc'"),
        Bad("tcp^", "the source is missing"),
        Bad("tcp 192.0.2.1:1^", "the '>' and destination is missing"),
        Bad("tcp 192.0.2.1:1 >^", "the destination is missing"),
        Bad("tcp 192.0.2.1:1 ^-> 192.0.2.2:2", "expected '>', not '->'"),
        Bad("tcp ^192.0.2.256:1 > 192.0.2.2:2", "'192.0.2.256:1' is not an address"),
        Bad("tcp ^[192.0.2.1]:1 > 192.0.2.2:2", "'[192.0.2.1]:1' is not an address"),
        Bad("tcp ^[2001:db8::1]1 > [2001:db8::2]:2", "'[2001:db8::1]1' is not an address"),
        Bad("tcp 192.0.2.1:^70000 > 192.0.2.2:2", "'70000' is not a port"),
        Bad("tcp 192.0.2.1:^070000 > 192.0.2.2:2", "'070000' is not a port"),
        Bad("tcp 192.0.2.1:^ > 192.0.2.2:2", "'' is not a port"),
        Bad("udp ^192.0.2.1 > 192.0.2.2:2", "'192.0.2.1' has no port"),
        Bad("udp [2001:db8::1]:1 > ^2001:db8::2", "'2001:db8::2' has no port"),
        Bad("icmp ^192.0.2.1:1 > 192.0.2.2", "this protocol has no ports"),
        Bad("udp ^192.0.2.1:1 > 192.0.2.2:2 frag later", "a later fragment has no ports"),
        Bad("udp 192.0.2.1:1 > ^[2001:db8::1]:2", "source and destination are of different families"),
        Bad("udp 192.0.2.1:1 > 192.0.2.2:2 ^syn", "TCP flags on a packet that is not TCP"),
        Bad("tcp 192.0.2.1 > 192.0.2.2 frag later ^syn", "a later fragment has no TCP flags"),
        Bad("icmp 192.0.2.1 > 192.0.2.2 frag later ^8", "a later fragment has no ICMP type"),
        Bad(
            "udp 192.0.2.1 > 192.0.2.2 frag later ^payload 00",
            "a later fragment has no payload that rules read"),
        Bad("udp 192.0.2.1:1 > 192.0.2.2:2 ^echo-request", "an ICMP type on a packet that is not ICMP"),
        Bad("udp 192.0.2.1:1 > 192.0.2.2:2 ^5", "unknown word '5'"),
        Bad("icmp 192.0.2.1 > 192.0.2.2 ^packet-too-big", "unknown type 'packet-too-big'"),
        Bad("icmp 192.0.2.1 > 192.0.2.2 ^256", "unknown type '256'"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 ^sny", "unknown word 'sny'"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 ^syn,sny", "unknown word 'syn,sny'"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 no-flags ^syn", "'syn' after 'no-flags'"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 len^", "the number after 'len' is missing"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 ttl ^256", "'256' is no value for 'ttl'"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 dscp ^064", "'064' is no value for 'dscp'"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 vlan ^00", "'00' is no value for 'vlan'"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 ^08", "unknown word '08'"),
        Bad("icmp 192.0.2.1 > 192.0.2.2 ^0256", "unknown type '0256'"),
        Bad("tcp ^192.0.02.256:1 > 192.0.2.2:2", "'192.0.02.256:1' is not an address"),
        Bad("tcp ^[192.0.02.1]:1 > 192.0.2.2:2", "'[192.0.02.1]:1' is not an address"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 vlan ^0", "'0' is no value for 'vlan'"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 vlan 1 vlan 2 ^vlan 3", "a third 'vlan'"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 ttl 1 ^ttl 2", "'ttl' stands twice"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 frag ^last", "unknown fragment 'last'"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 payload^", "the bytes after 'payload' are missing"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 payload ^0", "'0' is not hexadecimal bytes"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 payload 00 ^0x", "'0x' is not hexadecimal bytes"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 ^len 39", "'len 39' does not fit this packet"),
        Bad("udp 192.0.2.1:1 > 192.0.2.2:2 ^len 28 payload 00", "'len 28' does not fit this packet"),
        Bad("udp 192.0.2.1:1 > 192.0.2.2:2 ^len 65536", "'len 65536' does not fit this packet"),
        Bad("ip^ 192.0.2.1 > 192.0.2.2", "'ip' without a protocol"),
        Bad("gre 192.0.2.1 > 192.0.2.2 ^proto 47", "'proto' beside 'gre'"),
        Bad("ip 2001:db8::1 > 2001:db8::2 ^proto 44", "44 is an IPv6 extension header, not a protocol"),
        Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 ^\u{1b}[31m", "unknown word '\u{1b}[31m'"),
    ]

    @Test(arguments: bad) func `a wrong text is refused with the place`(_ example: Bad) {
        let error = #expect(throws: PacketTextError.self) { try PacketDescription(parsing: example.text) }
        #expect(error?.message == example.message)
        #expect(error?.offset == example.offset)
    }

    /// A text with a leading zero, `^` before it, and how the message and the help name it.
    static let leadingZeros: [(bad: Bad, help: String)] = [
        (Bad("tcp 192.0.2.1:^022 > 192.0.2.2:2", "port '022' has a leading zero"), "write 192.0.2.1:22"),
        (
            Bad("tcp [2001:db8::1]:1 > [2001:db8::2]:^00", "port '00' has a leading zero"),
            "write [2001:db8::2]:0"
        ),
        (
            Bad("tcp ^192.0.2.01:1 > 192.0.2.2:2", "address '192.0.2.01' has a leading zero"),
            "write 192.0.2.1:1"
        ),
        (
            Bad("tcp ^192.0.02.1:022 > 192.0.2.2:2", "address '192.0.02.1' has a leading zero"),
            "write 192.0.2.1:22"
        ),
        (
            Bad(
                "icmpv6 [^2001:db8::192.0.2.01] > 2001:db8::2",
                "address '2001:db8::192.0.2.01' has a leading zero"),
            "write [2001:db8::c000:201]"
        ),
        (Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 ttl ^07", "'ttl' '07' has a leading zero"), "write ttl 7"),
        (Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 len ^0060", "'len' '0060' has a leading zero"), "write len 60"),
        (Bad("tcp 192.0.2.1:1 > 192.0.2.2:2 vlan ^05", "'vlan' '05' has a leading zero"), "write vlan 5"),
        (Bad("ip 192.0.2.1 > 192.0.2.2 proto ^047", "'proto' '047' has a leading zero"), "write proto 47"),
        (Bad("icmp 192.0.2.1 > 192.0.2.2 ^08", "type '08' has a leading zero"), "write 8"),
        (Bad("icmp 192.0.2.1 > 192.0.2.2 type ^08", "type '08' has a leading zero"), "write 8"),
    ]

    @Test(arguments: leadingZeros)
    func `a number with a leading zero is refused by what was meant`(_ example: (bad: Bad, help: String)) {
        let error = #expect(throws: PacketTextError.self) {
            try PacketDescription(parsing: example.bad.text)
        }
        #expect(error?.message == example.bad.message)
        #expect(error?.offset == example.bad.offset)
        #expect(error?.help == example.help)
    }

    @Test func `any packet that a text can describe survives text and back`() throws {
        let seed: UInt64 = 0x7465_7874
        var random = SeededGenerator(seed: seed)
        for round in 0..<20_000 {
            let packet = randomPacket(using: &random)
            let read = try PacketDescription(parsing: packet.text)
            guard read != packet else { continue }
            Issue.record("seed \(seed), round \(round): \(packet.text) became \(read.text)")
            return
        }
    }

    @Test func `changed and random text is refused or read without a trap`() {
        var random = SeededGenerator(seed: 99)
        let pieces = [
            "tcp", "udp", "ip", "192.0.2.1", "[::1]:5", "[", "]:", ":", ">", "frag", "later", "proto", "44",
            "payload", "0", "é", "\u{301}", "len", "99999999999999999999", "vlan", "\r\n", ",", "syn", "icmp",
            "type",
        ]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...9, using: &random)
            let words = (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }
            let text = words.joined(separator: Bool.random(using: &random) ? " " : "")
            do {
                let packet = try PacketDescription(parsing: text)
                #expect(try PacketDescription(parsing: packet.text) == packet)
            } catch { #expect((0...text.utf8.count).contains(error.offset), "\(text)") }
        }
    }
}
