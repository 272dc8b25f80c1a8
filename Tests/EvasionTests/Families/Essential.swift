// SPDX-License-Identifier: Apache-2.0
// What a host needs under default: drop passes without a rule; what only looks like it does not.
import NetworkTypes
import PolicyLanguage
import TestSupport

func essentialCases() throws -> [EvasionCase] {
    var cases = Cases("Essential traffic")
    try addNeighbourDiscovery(&cases)
    try addRouterAdvertisements(&cases)
    try addPathMTU(&cases)
    try addDHCP(&cases)
    return cases.all
}

private func icmpv6(
    _ type: Int, from source: String = "2001:db8:7::7", hops: Int = 255, code: UInt8 = 0,
    _ wear: (inout PacketBuilder) -> Void = { _ in }
) throws -> [UInt8] {
    try packet("icmpv6 \(source) > 2001:db8::1 type \(type) ttl \(hops)") {
        $0.segment[1] = code
        wear(&$0)
    }
}

private func addNeighbourDiscovery(_ cases: inout Cases) throws {
    let nd = Cases.Variant(
        "neighbour discovery", "RFC 4861 6.1, 7.1: hop limit 255 proves that it is from the link")
    let not = Cases.Variant(
        "not quite neighbour discovery",
        "RFC 4861 6.1.1, 7.1.1, 7.1.2: hop limit 255 and code 0, or it is none")
    let names = [133: "router solicitation", 135: "neighbour solicitation", 136: "neighbour advertisement"]
    for (type, name) in names.sorted(by: { $0.key < $1.key }) {
        cases.add(nd, name, try icmpv6(type), (.closed, .essential("nd")))
        cases.add(
            nd, name + " in 802.1Q", try icmpv6(type) { $0.tags = [.init(5)] }, (.closed, .essential("nd")))
        cases.add(nd, name + ", without nd in essential", try icmpv6(type), (.bare, .dropped))
        cases.add(
            nd, name + " from a banned source", try icmpv6(type, from: "2001:db8:bad::66"), (.closed, .banned)
        )
        for hops in [254, 64, 1, 0] {
            cases.add(not, "\(name), hop limit \(hops)", try icmpv6(type, hops: hops), (.closed, .dropped))
        }
        cases.add(not, name + ", code 1", try icmpv6(type, code: 1), (.closed, .dropped))
        let fragmented = try icmpv6(type) { $0.extensions = [.fragment(offset: 0, more: true)] }
        cases.add(not, name + ", fragmented (RFC 6980)", fragmented, (.closed, .fragment))
    }
    for type in [132, 137, 138] {
        cases.add(not, "type \(type), hop limit 255", try icmpv6(type), (.closed, .dropped))
    }
    let overIPv4 = try packet("icmp 203.0.113.7 > 198.51.100.1 type 135 ttl 255") { $0.ipHeader[9] = 58 }
    cases.add(not, "ICMPv6 135 in IPv4", overIPv4, (.closed, .dropped))
    let asICMP = try packet("icmpv6 2001:db8:7::7 > 2001:db8::1 type 135 ttl 255") { $0.ipHeader[6] = 1 }
    cases.add(not, "ICMP (1) 135 in IPv6", asICMP, (.closed, .dropped))
}

private func addRouterAdvertisements(_ cases: inout Cases) throws {
    let ra = Cases.Variant(
        "router advertisement", "RFC 4861 6.1.2: from a link-local source with hop limit 255")
    let not = Cases.Variant("not quite a router advertisement", "RFC 4861 6.1.2: or it is discarded")
    for source in ["fe80::1", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] {
        cases.add(ra, "from \(source)", try icmpv6(134, from: source), (.closed, .essential("ra")))
    }
    cases.add(ra, "without ra in essential", try icmpv6(134, from: "fe80::1"), (.bare, .dropped))
    for source in ["fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fec0::", "2001:db8:7::7"] {
        cases.add(not, "from \(source)", try icmpv6(134, from: source), (.closed, .dropped))
    }
    for hops in [254, 64] {
        let frame = try icmpv6(134, from: "fe80::1", hops: hops)
        cases.add(not, "hop limit \(hops)", frame, (.closed, .dropped))
    }
    let unspecified = try icmpv6(134, from: "::")
    cases.add(not, "from ::", unspecified, (.closed, .spoofed("unspecified source")))
}

/// The first bytes of a packet that the error quotes.
private func quotedIPv4(from source: [UInt8], version: UInt8 = 4) -> [UInt8] {
    [version << 4 | 5, 0, 5, 220, 0, 1, 0x40, 0, 64, 6, 0, 0] + source + [203, 0, 113, 9]
        + decoy(80).prefix(8)
}

private func quotedIPv6(from source: String, version: UInt8 = 6) -> [UInt8] {
    [version << 4, 0, 0, 0, 5, 180, 6, 64] + (IPAddress(source)?.bytes ?? []) + zeros(16)
        + decoy(80).prefix(8)
}

private func addPathMTU(_ cases: inout Cases) throws {
    let pmtu = Cases.Variant(
        "path MTU message", "RFC 1191 4, RFC 8201 4: it quotes a packet that this host sent")
    let not = Cases.Variant(
        "not quite a path MTU message", "RFC 1191 4, RFC 5927 4: what quotes nobody's packet answers nothing")
    func unreachable(_ code: UInt8, _ quoted: [UInt8], type: Int = 3) throws -> [UInt8] {
        try packet("icmp 203.0.113.7 > 198.51.100.1 type \(type)") {
            $0.segment[1] = code
            $0.segment += quoted
        }
    }
    func tooBig(_ quoted: [UInt8], type: Int = 2) throws -> [UInt8] {
        try icmpv6(type, hops: 64) { $0.segment += quoted }
    }
    let own: [UInt8] = [198, 51, 100, 1]
    let v4 = quotedIPv4(from: own), v6 = quotedIPv6(from: "2001:db8::1")
    cases.add(pmtu, "IPv4", try unreachable(4, v4), (.closed, .essential("pmtu")))
    cases.add(
        pmtu, "IPv4, 20 bytes quoted", try unreachable(4, Array(v4.prefix(20))), (.closed, .essential("pmtu"))
    )
    cases.add(pmtu, "IPv6", try tooBig(v6), (.closed, .essential("pmtu")))
    cases.add(pmtu, "IPv6, 40 bytes quoted", try tooBig(Array(v6.prefix(40))), (.closed, .essential("pmtu")))
    cases.add(pmtu, "IPv4, without pmtu in essential", try unreachable(4, v4), (.bare, .dropped))
    cases.add(pmtu, "IPv6, without pmtu in essential", try tooBig(v6), (.bare, .dropped))
    let wrong: [(String, [UInt8])] = [
        ("IPv4, code 3", try unreachable(3, v4)), ("IPv4, code 5", try unreachable(5, v4)),
        ("IPv4, code 13", try unreachable(13, v4)), ("IPv4, type 4", try unreachable(4, v4, type: 4)),
        ("IPv4, quoting the next address", try unreachable(4, quotedIPv4(from: [198, 51, 100, 2]))),
        ("IPv4, quoting its sender", try unreachable(4, quotedIPv4(from: [203, 0, 113, 7]))),
        ("IPv4, quoting version 6", try unreachable(4, quotedIPv4(from: own, version: 6))),
        ("IPv4, 19 bytes quoted", try unreachable(4, Array(v4.prefix(19)))),
        ("IPv4, nothing quoted", try unreachable(4, [])),
        ("IPv4, its quotation behind the packet's end", try unreachable(4, []) + v4),
        ("IPv6, type 1", try tooBig(v6, type: 1)), ("IPv6, type 3", try tooBig(v6, type: 3)),
        ("IPv6, quoting the next address", try tooBig(quotedIPv6(from: "2001:db8::2"))),
        ("IPv6, quoting another network", try tooBig(quotedIPv6(from: "2001:db9::1"))),
        ("IPv6, quoting version 4", try tooBig(quotedIPv6(from: "2001:db8::1", version: 4))),
        ("IPv6, 39 bytes quoted", try tooBig(Array(v6.prefix(39)))),
        ("IPv6, its quotation behind the packet's end", try tooBig([]) + v6),
    ]
    for (name, frame) in wrong { cases.add(not, name, frame, (.closed, .dropped)) }
}

private func addDHCP(_ cases: inout Cases) throws {
    let dhcp = Cases.Variant(
        "DHCP answer", "RFC 2131 4.1, RFC 8415 7.2: from the server's port to the client's")
    let not = Cases.Variant(
        "not quite a DHCP answer", "RFC 2131 4.1, RFC 8415 7.2: other ports are another service")
    let v4 = AddressFamily.ipv4, v6 = AddressFamily.ipv6
    cases.add(dhcp, "udp 67 > 68", try packet(v4.udp(67, 68)), (.closed, .essential("dhcp")))
    cases.add(dhcp, "udp 547 > 546", try packet(v6.udp(547, 546)), (.closed, .essential("dhcp")))
    cases.add(
        dhcp, "udp 67 > 68 behind IP options", try packet(v4.udp(67, 68)) { $0.ipOptions = zeros(8) },
        (.closed, .essential("dhcp")))
    cases.add(dhcp, "udp 67 > 68, without dhcp in essential", try packet(v4.udp(67, 68)), (.bare, .dropped))
    cases.add(
        dhcp, "udp 547 > 546, without dhcp in essential", try packet(v6.udp(547, 546)), (.bare, .dropped))
    let banned = try packet(v4.udp(67, 68, from: v4.banned))
    cases.add(dhcp, "udp 67 > 68 from a banned source", banned, (.closed, .banned))
    for (source, port) in [(68, 67), (67, 67), (68, 68), (67, 69), (66, 68), (67, 546), (547, 68)] {
        cases.add(not, "IPv4 udp \(source) > \(port)", try packet(v4.udp(source, port)), (.closed, .dropped))
    }
    for (source, port) in [(546, 547), (546, 546), (547, 547), (547, 545), (548, 546)] {
        cases.add(not, "IPv6 udp \(source) > \(port)", try packet(v6.udp(source, port)), (.closed, .dropped))
    }
    let tcp = try packet("tcp 203.0.113.7:67 > 198.51.100.1:68 syn")
    cases.add(not, "tcp 67 > 68", tcp, (.closed, .dropped))
    let sctp = try packet("sctp 203.0.113.7:67 > 198.51.100.1:68")
    cases.add(not, "sctp 67 > 68", sctp, (.closed, .dropped))
    let lying = try packet(v4.udp(67, 68)) { $0.segment.replaceSubrange(4..<6, with: big(7)) }
    cases.add(not, "udp 67 > 68 whose length says 7", lying, (.closed, .malformed("udp length")))
}
