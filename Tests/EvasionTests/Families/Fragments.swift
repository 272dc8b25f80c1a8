// SPDX-License-Identifier: Apache-2.0
// Fragments under `fragments: drop` and `pass`: later ones have no ports, whatever their payload looks
// like; tiny and overwriting ones are malformed. `track` is the next family.
import NetworkTypes
import PolicyLanguage
import TestSupport

private typealias Extension = PacketBuilder.Extension

/// IPv4's flags and offset; 0x2000 is more-fragments, the offset is in 8-byte units.
private func field(_ value: Int) -> (inout PacketBuilder) -> Void {
    { $0.ipHeader.replaceSubrange(6..<8, with: big(value)) }
}

private func header(_ offset: UInt16, more: Bool) -> (inout PacketBuilder) -> Void {
    { $0.extensions = [.fragment(offset: offset, more: more)] }
}

private let dropped = "POLICY, fragments: drop: every fragment is dropped, first or later"
private let noPorts =
    "RFC 791 3.2, RFC 8200 4.5: only the first fragment has the L4 header; a later one's payload is no port"
private let judged = "POLICY, fragments: pass: a first fragment has ports and is judged by them"

func fragmentCases() throws -> [EvasionCase] {
    var cases = Cases("Fragments")
    let first: [(String, AddressFamily, (inout PacketBuilder) -> Void)] = [
        ("IPv4 first", .ipv4, field(0x2000)),
        ("IPv4 first with do-not-fragment", .ipv4, field(0x6000)),
        ("IPv4 first with the reserved bit", .ipv4, field(0xa000)),
        ("IPv6 first", .ipv6, header(0, more: true)),
        (
            "IPv6 first behind hop-by-hop", .ipv6,
            { $0.extensions = [.plain(0), .fragment(offset: 0, more: true)] }
        ),
        (
            "IPv6 first, then atomic", .ipv6,
            { $0.extensions = [.fragment(offset: 0, more: true), .fragment(offset: 0, more: false)] }
        ),
    ]
    for (name, ip, wear) in first { try addFirst(&cases, name, ip, wear) }
    let later: [(String, AddressFamily, (inout PacketBuilder) -> Void)] = [
        ("IPv4 later, more to come", .ipv4, field(0x20b9)),
        ("IPv4 later, the last", .ipv4, field(0x00b9)),
        ("IPv4 offset 2", .ipv4, field(2)),
        ("IPv4 offset 8191", .ipv4, field(0x1fff)),
        ("IPv6 later, more to come", .ipv6, header(185, more: true)),
        ("IPv6 later, the last", .ipv6, header(185, more: false)),
        ("IPv6 offset 1", .ipv6, header(1, more: false)),
        ("IPv6 offset 8191", .ipv6, header(8191, more: false)),
        (
            "IPv6 later behind an atomic one", .ipv6,
            { $0.extensions = [.fragment(offset: 0, more: false), .fragment(offset: 185, more: false)] }
        ),
        (
            "IPv6 later behind options", .ipv6,
            { $0.extensions = [.plain(0), .plain(60), .fragment(offset: 185, more: false)] }
        ),
    ]
    for (name, ip, wear) in later { try addLater(&cases, name, ip, wear) }
    try addTiny(&cases)
    try addTwoHeaders(&cases)
    try addOverwriting(&cases)
    try addJudgedFirst(&cases)
    try addNone(&cases)
    return cases.all
}

private func addFirst(
    _ cases: inout Cases, _ name: String, _ ip: AddressFamily, _ wear: (inout PacketBuilder) -> Void
) throws {
    let kinds: [(String, String, Scenario, Judgement, String)] = [
        ("tcp/80", ip.tcp(80), .closed, .fragment, dropped),
        ("tcp/8080", ip.tcp(8080), .open, .fragment, dropped),
        ("tcp/80", ip.tcp(80), .closedFragments, .web, judged),
        ("tcp/8080", ip.tcp(8080), .closedFragments, .dropped, judged),
        ("tcp/23", ip.tcp(23), .openFragments, .telnet, judged),
        (
            "banned source", ip.tcp(80, from: ip.banned), .closed, .banned,
            "POLICY: bans come before fragments"
        ),
        (
            "banned source", ip.tcp(80, from: ip.banned), .closedFragments, .banned,
            "POLICY: bans come before the rules"
        ),
    ]
    for (carrying, text, scenario, right, why) in kinds {
        cases.add(.init(name, why), "\(carrying)", try packet(text, wear), (scenario, right))
    }
}

private func addLater(
    _ cases: inout Cases, _ name: String, _ ip: AddressFamily, _ wear: (inout PacketBuilder) -> Void
) throws {
    let kinds: [(String, String, Scenario, Judgement, String)] = [
        ("that looks like tcp/80", ip.tcp(80), .closed, .fragment, dropped),
        ("that looks like tcp/80", ip.tcp(80), .closedFragments, .dropped, noPorts),
        ("that looks like tcp/23", ip.tcp(23), .openFragments, .passed, noPorts),
        ("that looks like tcp/23", ip.tcp(23), .open, .fragment, dropped),
        ("that looks like udp/443", ip.udp(40000, 443), .closedFragments, .dropped, noPorts),
        (
            "banned source", ip.tcp(8080, from: ip.banned), .open, .banned,
            "POLICY: bans come before fragments"
        ),
        (
            "banned source", ip.tcp(8080, from: ip.banned), .openFragments, .banned,
            "POLICY: bans come before the rules"
        ),
    ]
    for (carrying, text, scenario, right, why) in kinds {
        cases.add(.init(name, why), "\(carrying)", try packet(text, wear), (scenario, right))
    }
}

/// A first fragment whose L4 header ends in the next one could hide its ports or flags there.
private func addTiny(_ cases: inout Cases) throws {
    let tiny = Cases.Variant(
        "tiny first fragment", "RFC 1858 3.1.1, RFC 7112 5: the whole L4 header is in it")
    let enough = Cases.Variant(
        "first fragment with exactly the fixed part", "RFC 1858 3.1.1: nothing is hidden")
    for ip in [AddressFamily.ipv4, .ipv6] {
        let wear = ip == .ipv4 ? field(0x2000) : header(0, more: true)
        let protocols: [(String, String, Int, Judgement)] = [
            ("tcp", ip.tcp(80), 20, .web),
            ("udp", ip.udp(40000, 443), 8, .web),
            ("sctp", "sctp \(ip.bracketed(ip.ordinary)):40000 > \(ip.bracketed(ip.host)):443", 12, .web),
            (
                "icmp",
                ip == .ipv4
                    ? "icmp \(ip.ordinary) > \(ip.host) echo-request"
                    : "icmpv6 \(ip.ordinary) > \(ip.host) echo-request", 8, .ping
            ),
        ]
        for (proto, text, fixed, right) in protocols {
            for size in [0, 4, fixed - 1] {
                let frame = try packet(text) {
                    wear(&$0)
                    $0.segment = Array($0.segment.prefix(size))
                }
                for scenario in [Scenario.closed, .closedFragments, .openFragments] {
                    cases.add(
                        tiny, "\(ip.title) \(proto), \(size) bytes", frame,
                        (scenario, .malformed("tiny fragment")))
                }
            }
            let whole = try packet(text) {
                wear(&$0)
                $0.segment = Array($0.segment.prefix(fixed))
            }
            cases.add(enough, "\(ip.title) \(proto), \(fixed) bytes", whole, (.closedFragments, right))
        }
    }
}

/// What stands behind a second header is no L4 header.
private func addTwoHeaders(_ cases: inout Cases) throws {
    let twice = Cases.Variant(
        "two fragment headers", "RFC 8200 4.1: each extension header occurs at most once")
    for (name, offset, more) in [
        ("a later one", 185, false), ("offset 1", 1, true), ("a first one", 0, true),
    ] {
        let frame = try packet(AddressFamily.ipv6.tcp(80)) {
            $0.extensions = [
                .fragment(offset: 0, more: true), .fragment(offset: UInt16(offset), more: more),
            ]
        }
        for scenario in [Scenario.closed, .closedFragments, .openFragments, .tracked] {
            cases.add(
                twice, "IPv6 first, then \(name)", frame, (scenario, .malformed("second fragment header")))
        }
    }
}

private func addOverwriting(_ cases: inout Cases) throws {
    let overwrites = Cases.Variant(
        "IPv4 TCP at offset 1", "RFC 1858 3.2.2, RFC 3128: it overwrites the flags of the first one")
    for (name, value) in [("the last", 1), ("more to come", 0x2001), ("with do-not-fragment", 0x4001)] {
        for scenario in [Scenario.closed, .closedFragments, .openFragments] {
            cases.add(
                overwrites, name, try packet(AddressFamily.ipv4.tcp(80), field(value)),
                (scenario, .malformed("fragment offset 1")))
        }
    }
    let harmless = Cases.Variant("IPv4 UDP at offset 1", "RFC 1858 3.2.2: 8 bytes are the whole UDP header")
    cases.add(
        harmless, "that looks like udp/23", try packet(AddressFamily.ipv4.udp(40000, 23), field(1)),
        (.openFragments, .passed))
}

/// What is and what is not judged in the L4 header of a first fragment.
private func addJudgedFirst(_ cases: inout Cases) throws {
    let flags = Cases.Variant("first fragment with impossible TCP flags", "POLICY: flags are judged always")
    let lengths = Cases.Variant(
        "first fragment whose L4 length is that of the whole",
        "POLICY: L4 length checks do not apply to fragments")
    for ip in [AddressFamily.ipv4, .ipv6] {
        let wear = ip == .ipv4 ? field(0x2000) : header(0, more: true)
        cases.add(
            flags, "\(ip.title) SYN+FIN", try packet(ip.tcp(80, flags: "syn,fin"), wear),
            (.closedFragments, .malformed("tcp flags")))
        let udp = try packet(ip.udp(40000, 443)) {
            wear(&$0)
            $0.segment.replaceSubrange(4..<6, with: big(3000))
        }
        cases.add(lengths, "\(ip.title) UDP says 3000 bytes", udp, (.closedFragments, .web))
        let tcp = try packet(ip.tcp(80)) {
            wear(&$0)
            $0.segment[12] = 0xf0
        }
        cases.add(lengths, "\(ip.title) TCP header says 60 bytes", tcp, (.closedFragments, .web))
    }
}

private func addNone(_ cases: inout Cases) throws {
    let none = Cases.Variant(
        "no fragment at all", "RFC 791 3.1, RFC 3514: offset 0 without more-fragments is whole")
    for (name, value) in [("do-not-fragment", 0x4000), ("reserved bit", 0x8000), ("both", 0xc000)] {
        cases.add(none, name, try packet(AddressFamily.ipv4.tcp(80), field(value)), (.closed, .web))
        cases.add(none, name, try packet(AddressFamily.ipv4.tcp(23), field(value)), (.open, .telnet))
    }
}
