// SPDX-License-Identifier: Apache-2.0
// What is not IP passes, whatever it looks like; jumbo frames are judged like small ones, also where their
// headers lie behind the first buffer.
import NetworkTypes
import PolicyLanguage
import TestSupport

private func ethernet(_ type: Int, _ content: [UInt8]) -> [UInt8] {
    [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2] + big(type) + content
}

func nonIPCases() throws -> [EvasionCase] {
    var cases = Cases("Not IP")
    let why = "POLICY 1: other ethertypes pass; the host's IP stack never sees them"
    let arp: [UInt8] =
        [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 203, 0, 113, 66] + zeros(6) + [198, 51, 100, 1]
    let inner = Array(try packet(AddressFamily.ipv4.tcp(23)).dropFirst(14))
    let frames: [(String, [UInt8], String)] = [
        ("ARP request", ethernet(0x0806, arp), "RFC 826: without ARP the host is cut off minutes later"),
        ("ARP in 802.1Q", ethernet(0x8100, big(5) + big(0x0806) + arp), "RFC 826 behind a tag"),
        (
            "ARP in QinQ", ethernet(0x88a8, big(5) + [0x81, 0] + big(6) + big(0x0806) + arp),
            "RFC 826 behind two"
        ),
        ("ARP cut to 14 bytes", ethernet(0x0806, []), why),
        (
            "LLC (802.3 length)", ethernet(0x0026, [0x42, 0x42, 3] + zeros(35)),
            "IEEE 802.3 3.2.6: a length, no type"
        ),
        (
            "LLC SNAP that carries IPv4", ethernet(0x0030, [0xaa, 0xaa, 3, 0, 0, 0, 8, 0] + inner),
            "RFC 1042: Linux reads no IP out of SNAP on Ethernet without a SNAP client; " + why
        ),
        ("LLDP", ethernet(0x88cc, zeros(46)), why),
        ("EAPOL", ethernet(0x888e, zeros(46)), "IEEE 802.1X: port access must go on; " + why),
        ("wake on LAN", ethernet(0x0842, zeros(102)), why),
        ("PPPoE session with IPv4", ethernet(0x8864, [0x11, 0, 0, 1, 0, 42, 0, 0x21] + inner), why),
        ("MPLS with IPv4", ethernet(0x8847, [0, 1, 1, 64] + inner), why),
        (
            "the old QinQ ethertype 0x9100", ethernet(0x9100, big(5) + big(0x0800) + inner),
            "IEEE 802.1ad has 0x88a8; Linux has no VLAN device for 0x9100; " + why
        ),
        ("802.1Q with 4 bytes and no more", ethernet(0x8100, big(5) + big(0x0806)), why),
        ("ethertype 0", ethernet(0, zeros(46)), why),
    ]
    for (name, frame, reason) in frames {
        cases.add(.init(name, reason), "\(frame.count) bytes", frame, (.closed, .nonIP))
        cases.add(.init(name, reason), "\(frame.count) bytes", frame, (.open, .nonIP))
    }
    return cases.all
}

func jumboCases() throws -> [EvasionCase] {
    var cases = Cases("Jumbo frames and several buffers")
    let why = "a frame that lies in several buffers (xdp.frags) is judged like one that does not"
    for ip in [AddressFamily.ipv4, .ipv6] {
        let large = Dress("9000 bytes", why) { $0.segment += zeros(9000 - 60) }
        let tagged = Dress("9000 bytes in QinQ", why) {
            $0.segment += zeros(9000 - 60)
            $0.tags = [.init(5, ethertype: 0x88a8), .init(6)]
        }
        let lying = Dress(
            "9000 bytes that say 9001", "the length is counted over all buffers",
            malformed: "truncated packet"
        ) {
            $0.segment += zeros(8960)
            let header = ip == .ipv4 ? 20 : 0
            $0.lengthField = UInt16(header + $0.segment.count + 1)
        }
        let padded = Dress("8000 bytes of padding", why) { $0.trailer = 8000 }
        for dress in [large, tagged, lying, padded] { try cases.add(dress, over: ip) }
    }
    for (count, tail) in [(2, 0), (4, 0), (8, 0), (8, 20000)] {
        let name = "\(count) extension headers of 2048 bytes, \(tail) of payload"
        let deep = Dress(
            name,
            "RFC 8200 4: the chain may leave the first buffer; " + why
        ) {
            $0.extensions = [PacketBuilder.Extension](repeating: .plain(60, units: 255), count: count)
            $0.segment += zeros(tail)
        }
        try cases.add(deep, over: .ipv6)
    }
    let nine = Dress(
        "nine extension headers of 2048 bytes", "a ninth header never passes",
        malformed: "too many extension headers"
    ) { $0.extensions = [PacketBuilder.Extension](repeating: .plain(60, units: 255), count: 9) }
    try cases.add(nine, over: .ipv6)
    // A header that straddles the edge of a buffer, at each of its bytes' places.
    for units: UInt8 in 172...179 {
        let start = 14 + 40 + 2048 + 8 * (Int(units) + 1)
        let straddling = Dress(
            "L4 header at \(start) bytes", "headers are read across buffers"
        ) { $0.extensions = [.plain(60, units: 255), .plain(60, units: units)] }
        try cases.add(straddling, over: .ipv6)
    }
    let largest = Dress("IPv4 of 65535 bytes", why) { $0.segment += zeros(65535 - 40) }
    try cases.add(largest, over: .ipv4)
    return cases.all
}
