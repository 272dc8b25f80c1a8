// SPDX-License-Identifier: Apache-2.0
// Frames that end too early, anywhere, and IP lengths that lie: what is missing never passes, and what lies
// behind the packet is never read.
import NetworkTypes
import PolicyLanguage
import TestSupport

private let short =
    "docs/policy.md: what a header needs and the frame does not have is truncation, never a pass"
private let missing = "RFC 791 3.1, RFC 8200 3: the packet is shorter than its header says"
private let padding = "IEEE 802.3 3.2.7: bytes behind the IP packet are padding, nobody's ports or payload"

func lengthCases() throws -> [EvasionCase] {
    var cases = Cases("Truncation and lengths")
    try addCuts(&cases)
    try addShortTransport(&cases)
    try addShortChains(&cases)
    try addIPv4Lengths(&cases)
    try addIPv6Lengths(&cases)
    try addPadding(&cases)
    return cases.all
}

/// A frame cut at every byte; the boundaries say which check finds it.
private func addCuts(_ cases: inout Cases) throws {
    let v4 = AddressFamily.ipv4.tcp(80)
    let v6 = AddressFamily.ipv6.tcp(80)
    let q: (inout PacketBuilder) -> Void = { $0.tags = [.init(5)] }
    let qinq: (inout PacketBuilder) -> Void = { $0.tags = [.init(5, ethertype: 0x88a8), .init(6)] }
    let frames: [(String, [UInt8], tags: Int, ip: Int)] = [
        ("IPv4", try packet(v4), 0, 20),
        ("IPv4 in 802.1Q", try packet(v4, q), 4, 20),
        ("IPv4 in QinQ", try packet(v4, qinq), 8, 20),
        ("IPv6", try packet(v6), 0, 40),
        ("IPv6 in 802.1Q", try packet(v6, q), 4, 40),
        (
            "IPv6 in QinQ with extension headers",
            try packet(v6) {
                qinq(&$0)
                $0.extensions = [.plain(0), .plain(60)]
            }, 8, 40
        ),
    ]
    for (name, frame, tags, ip) in frames {
        for length in 0..<frame.count {
            let check =
                length < 14
                ? "truncated ethernet header"
                : length < 14 + tags
                    ? "truncated vlan tag"
                    : length < 14 + tags + ip ? "truncated ip header" : "truncated packet"
            let scenario = length % 2 == 0 ? Scenario.closed : .open
            cases.add(
                .init("frame cut: \(check)", short), "\(name) at byte \(length)", Array(frame.prefix(length)),
                (scenario, .malformed(check)))
        }
    }
}

/// The IP length is true, and what it bounds is too short for the L4 header.
private func addShortTransport(_ cases: inout Cases) throws {
    let variant = Cases.Variant(
        "whole packet without a whole L4 header",
        "RFC 9293 3.1, RFC 768, RFC 9260 3, RFC 792, RFC 4443 2.1: "
            + "the fixed part is required; POLICY: truncated under either default")
    for ip in [AddressFamily.ipv4, .ipv6] {
        let icmp = ip == .ipv4 ? "icmp" : "icmpv6"
        let protocols: [(String, String, [Int])] = [
            ("tcp", ip.tcp(80), [0, 1, 3, 4, 8, 13, 14, 19]),
            ("udp", ip.udp(40000, 443), [0, 4, 7]),
            ("sctp", "sctp \(ip.bracketed(ip.ordinary)):40000 > \(ip.bracketed(ip.host)):443", [0, 8, 11]),
            (icmp, "\(icmp) \(ip.ordinary) > \(ip.host) echo-request", [0, 1, 7]),
        ]
        for (name, text, sizes) in protocols {
            for size in sizes {
                let frame = try packet(text) { $0.segment = Array($0.segment.prefix(size)) }
                for scenario in [Scenario.closed, .open] {
                    cases.add(
                        variant, "\(ip.title) \(name) of \(size) bytes", frame,
                        (scenario, .malformed("truncated l4 header")))
                }
            }
        }
    }
}

/// The IPv6 payload ends inside the chain.
private func addShortChains(_ cases: inout Cases) throws {
    let variant = Cases.Variant(
        "packet that ends inside its extension chain", "RFC 8200 4, RFC 7112 5: " + short)
    for (name, length, check) in [
        ("inside the first", 7, "truncated extension header"),
        ("before the second", 8, "truncated extension header"),
        ("inside the second", 15, "truncated extension header"),
        ("behind the second", 16, "truncated l4 header"),
    ] {
        let frame = try packet(AddressFamily.ipv6.tcp(80)) {
            $0.extensions = [.plain(60), .plain(60)]
            $0.lengthField = UInt16(length)
        }
        cases.add(variant, name, frame, (.closed, .malformed(check)))
        cases.add(variant, name, frame, (.open, .malformed(check)))
    }
}

private func addIPv4Lengths(_ cases: inout Cases) throws {
    let lies: [(UInt16, String, String)] = [
        (
            0, "ip length zero",
            "RFC 791 3.1: no packet is 0 bytes long (hosts read it as segmentation offload)"
        ),
        (1, "ip length", "RFC 791 3.1: the header alone is 20"),
        (19, "ip length", "RFC 791 3.1: the header alone is 20"),
        (20, "truncated l4 header", "RFC 791 3.1: the TCP header is outside of the packet"),
        (39, "truncated l4 header", "RFC 791 3.1: the TCP header is partly outside of the packet"),
        (41, "truncated packet", missing), (1500, "truncated packet", missing),
        (65535, "truncated packet", missing),
    ]
    for (length, check, why) in lies {
        let dress = Dress("IPv4 total length \(length) of 40", why, malformed: check) {
            $0.lengthField = length
        }
        try cases.add(dress, over: .ipv4)
    }
    let options = Dress(
        "IPv4 total length 23 with a header of 24", "RFC 791 3.1: no header is longer than its packet",
        malformed: "ip length"
    ) {
        $0.ipOptions = [1, 1, 1, 1]
        $0.lengthField = 23
    }
    try cases.add(options, over: .ipv4)
}

private func addIPv6Lengths(_ cases: inout Cases) throws {
    let lies: [(UInt16, String, String)] = [
        (0, "truncated l4 header", "RFC 8200 3: without a jumbo payload option 0 means no payload"),
        (19, "truncated l4 header", "RFC 8200 3: the TCP header is partly outside of the packet"),
        (21, "truncated packet", missing), (1460, "truncated packet", missing),
        (65535, "truncated packet", missing),
    ]
    for (length, check, why) in lies {
        let dress = Dress("IPv6 payload length \(length) of 20", why, malformed: check) {
            $0.lengthField = length
        }
        try cases.add(dress, over: .ipv6)
    }
    let jumbo = Dress(
        "IPv6 jumbogram", "RFC 2675 3: payload length 0 with hop-by-hop; no Ethernet carries one",
        malformed: "jumbogram"
    ) {
        $0.extensions = [.init(0, rest: [0, 0xc2, 4, 0, 1, 0, 0])]
        $0.lengthField = 0
    }
    try cases.add(jumbo, over: .ipv6)
}

private func addPadding(_ cases: inout Cases) throws {
    for ip in [AddressFamily.ipv4, .ipv6] {
        for (name, bytes) in [
            ("6 zeros", zeros(6)), ("a TCP header to port 80", decoy(80)),
            ("a TCP header to port 23", decoy(23)),
            ("the worm's bytes", [0xde, 0xad, 0xbe, 0xef]), ("1000 bytes", zeros(1000)),
        ] {
            let variant = Cases.Variant("trailing bytes behind the packet", padding)
            for (kind, text, outcome) in [
                ("tcp/80", ip.tcp(80), (Scenario.closed, Judgement.web)),
                ("tcp/8080", ip.tcp(8080), (.closed, .dropped)), ("tcp/23", ip.tcp(23), (.open, .telnet)),
            ] {
                cases.add(variant, "\(ip.title) \(kind), \(name)", try packet(text) + bytes, outcome)
            }
        }
        let hidden = try packet(ip.tcp(80)) { $0.segment = [] } + decoy(80)
        cases.add(
            .init("TCP header behind the end of the packet", padding), ip.title, hidden,
            (.closed, .malformed("truncated l4 header")))
    }
    let extra = try packet(AddressFamily.ipv6.tcp(80)) { $0.lengthField = 19 }
    cases.add(
        .init("TCP header whose last byte is padding", padding), "IPv6", extra,
        (.open, .malformed("truncated l4 header")))
}
