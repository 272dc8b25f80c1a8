// SPDX-License-Identifier: Apache-2.0
// Tunnels in tunnels, each kind in each: which header is judged where some of them are named in
// `decapsulate:`, and what is asked of the headers around and below it.
import NetworkTypes
import PolicyLanguage
import TestSupport

extension Judgement {
    static let tunnels = Judgement(.pass, .rule, rule: "tunnels")
    static let noTunnels = Judgement(.drop, .rule, rule: "no tunnels")
}

extension AddressFamily {
    var loopback: String { self == .ipv4 ? "127.0.0.1" : "::1" }
    /// Banned, but in never-ban.
    var spared: String { self == .ipv4 ? "203.0.113.200" : "2001:db8:bad:1::1" }
}

/// Two tunnel headers around a packet: three IP headers.
private struct Chain {
    var outer: TunnelKind
    var inner: TunnelKind
    /// Of the IP headers, the outer one first.
    var families: [AddressFamily]

    var title: String { "\(inner.name), \(families.map(\.title).joined(separator: "/"))" }

    /// - Parameters:
    ///   - text: the innermost packet.
    ///   - sources: of the outer and the middle header; nil: ordinary ones.
    func frame(_ text: String, from sources: [String?] = [nil, nil]) throws -> [UInt8] {
        let middle = try inner.frame(families[1], around: try packet(text), from: sources[1])
        return try outer.frame(families[0], around: middle, from: sources[0])
    }

    /// How many headers a policy that names these words goes inwards.
    func depth(_ words: Set<Encapsulation>) -> Int {
        [outer, inner].prefix { words.contains($0.word) }.count
    }

    static func all(of kinds: [TunnelKind]) -> [Chain] {
        var found: [Chain] = []
        for outer in kinds {
            for inner in kinds {
                for first in outer.outer {
                    for middle in outer.inner where inner.outer.contains(middle) {
                        found += inner.inner.map {
                            Chain(outer: outer, inner: inner, families: [first, middle, $0])
                        }
                    }
                }
            }
        }
        return found
    }

    /// One for each two kinds.
    static func one(of kinds: [TunnelKind]) -> [Chain] {
        var seen: Set<String> = []
        return all(of: kinds).filter { seen.insert("\($0.inner.name) in \($0.outer.name)").inserted }
    }
}

func tunnelLayerCases() throws -> [EvasionCase] {
    var cases = Cases("Tunnels in tunnels")
    for chain in Chain.all(of: tunnelKinds) { try addNamed(&cases, chain) }
    let names = ["IPIP", "IPv6 in IPv6", "4in6", "6in4", "GRE", "Ethernet in GRE", "VXLAN", "GENEVE"]
    for chain in Chain.one(of: tunnelKinds.filter { names.contains($0.name) }) {
        try addPartly(&cases, chain, .greOnly, [.gre], otherwise: .tunnels)
        try addPartly(&cases, chain, .someOpened, [.ipip, .vxlan], otherwise: .dropped)
        try addPartly(
            &cases, chain, .opened, Set(Encapsulation.allCases), otherwise: .dropped)
    }
    try addThree(&cases)
    try addOuterFailsafe(&cases)
    try addOrder(&cases)
    return cases.all
}

private func addNamed(_ cases: inout Cases, _ chain: Chain) throws {
    let ip = chain.families[2]
    let outer = chain.outer
    cases.add(
        .init(
            "in \(outer.name), all are named",
            "POLICY, decapsulate: rules judge the innermost of them, two deep; \(outer.standard)"),
        chain.title, try chain.frame(ip.tcp(80)), (.opened, .web))
    cases.add(
        .init(
            "in \(outer.name), banned source",
            "POLICY: bans see every layer, two deep, whatever decapsulate says; \(outer.standard)"),
        chain.title, try chain.frame(ip.tcp(80, from: ip.banned)), (.closed, .banned))
}

/// What the innermost packet, and the sources around it, come to by how deep the rules look.
private func addPartly(
    _ cases: inout Cases, _ chain: Chain, _ scenario: Scenario, _ words: Set<Encapsulation>,
    otherwise: Judgement
) throws {
    let depth = chain.depth(words)
    let (first, middle, ip) = (chain.families[0], chain.families[1], chain.families[2])
    let plain = depth == 2 ? Judgement.web : otherwise
    let loopback = Judgement.spoofed("loopback source")
    let judging = "POLICY, decapsulate: a header is judged where its name, and those around it, are named"
    let clean = "POLICY 1: malformed and spoofed are judged in the layers that rules judge, and around them"
    let bans = "POLICY 2: bans see every layer; never-ban frees only the layer it stands in, if it is judged"
    let rows: [(String, String, [String?], Judgement, String)] = [
        ("tcp/80", ip.tcp(80), [nil, nil], plain, judging),
        ("tcp/23", ip.tcp(23), [nil, nil], depth == 2 ? .telnet : otherwise, judging),
        ("tcp/8080", ip.tcp(8080), [nil, nil], depth == 2 ? .dropped : otherwise, judging),
        (
            "SYN+FIN", ip.tcp(80, flags: "syn,fin"), [nil, nil],
            depth == 2 ? .malformed("tcp flags") : otherwise, clean
        ),
        (
            "loopback inside", ip.tcp(80, from: ip.loopback), [nil, nil], depth == 2 ? loopback : otherwise,
            clean
        ),
        (
            "loopback in the middle", ip.tcp(80), [nil, middle.loopback], depth > 0 ? loopback : otherwise,
            clean
        ),
        ("loopback outside", ip.tcp(80), [first.loopback, nil], loopback, clean),
        ("banned inside", ip.tcp(80, from: ip.banned), [nil, nil], .banned, bans),
        ("banned in the middle", ip.tcp(80), [nil, middle.banned], .banned, bans),
        ("banned outside", ip.tcp(80), [first.banned, nil], .banned, bans),
        ("never-ban inside", ip.tcp(80, from: ip.spared), [nil, nil], depth == 2 ? .web : .banned, bans),
        (
            "never-ban in the middle", ip.tcp(80), [nil, middle.spared], depth == 1 ? otherwise : .banned,
            bans
        ),
        ("never-ban outside", ip.tcp(80), [first.spared, nil], depth == 0 ? otherwise : .banned, bans),
    ]
    let judged = ["the outer", "the middle", "the innermost"][depth]
    for (name, text, sources, right, why) in rows {
        cases.add(
            .init("\(judged) header is judged", why), "\(name), \(chain.title) in \(chain.outer.name)",
            try chain.frame(text, from: sources), (scenario, right))
    }
}

/// The fourth IP header is beyond what is looked at.
private func addThree(_ cases: inout Cases) throws {
    let ip = AddressFamily.ipv4
    let limit =
        "POLICY: two deep; what lies deeper is judged by the header above it: a rule for its protocol decides"
    let bans = "POLICY: bans see every layer, two deep"
    for kind in tunnelKinds where kind.outer.contains(ip) && kind.inner.contains(ip) {
        func thrice(_ source: String?, _ third: String? = nil, _ second: String? = nil) throws -> [UInt8] {
            let fourth = try packet(ip.tcp(80, from: source))
            let inner = try kind.frame(ip, around: fourth, from: third)
            return try kind.frame(ip, around: try kind.frame(ip, around: inner, from: second))
        }
        let hidden = try thrice(ip.banned)
        for (scenario, right) in [
            (Scenario.closed, Judgement.dropped), (.open, .passed), (.opened, .dropped),
            (.lenientOpened, .noTunnels),
        ] {
            cases.add(
                .init("three \(kind.name) headers", limit), "fourth IP header banned", hidden,
                (scenario, right))
        }
        for scenario in [Scenario.closed, .open, .opened, .lenientOpened] {
            let variant = Cases.Variant("three \(kind.name) headers", bans)
            cases.add(
                variant, "third IP header banned", try thrice(nil, ip.banned), (scenario, .banned))
            cases.add(
                variant, "second IP header banned", try thrice(nil, nil, ip.banned), (scenario, .banned))
        }
    }
}

/// A failsafe for UDP, and tunnels over UDP.
private func addOuterFailsafe(_ cases: inout Cases) throws {
    let ip = AddressFamily.ipv4
    let why = "POLICY 2: failsafe holds for the judged header, and passes above the bans"
    for kind in tunnelKinds where kind.port != nil {
        let rows: [(String, String, Judgement)] = [
            ("tcp/80", ip.tcp(80), .web), ("tcp/23", ip.tcp(23), .telnet),
            ("a banned source", ip.tcp(80, from: ip.banned), .banned),
        ]
        for (name, text, opened) in rows {
            let frame = try kind.frame(ip, around: try packet(text), from: "192.0.2.17")
            let variant = Cases.Variant("\(kind.name) from failsafe's 192.0.2.16/28 to udp", why)
            cases.add(variant, "around \(name)", frame, (.closed, .failsafe))
            cases.add(variant, "around \(name)", frame, (.greOnly, .failsafe))
            cases.add(variant, "around \(name)", frame, (.opened, opened))
        }
    }
}

/// Two things are wrong: the outer one is told, and malformed before spoofed.
private func addOrder(_ cases: inout Cases) throws {
    let ip = AddressFamily.ipv4
    let order =
        "docs/policy.md, Layers: faults count behind those of the layers around; POLICY 1: malformed first"
    for kind in tunnelKinds where kind.outer.contains(ip) {
        guard let family = kind.inner.first else { continue }
        let variant = Cases.Variant("\(kind.name) with two faults", order)
        let broken = try packet(family.tcp(80, flags: "syn,fin"))
        cases.add(
            variant, "spoofed outside, SYN+FIN inside", try kind.frame(ip, around: broken, from: "127.0.0.1"),
            (.opened, .malformed("tcp flags")))
        cases.add(
            variant, "spoofed outside and inside",
            try kind.frame(
                ip, around: try packet(family.tcp(80, from: family.loopback)), from: "0.0.0.1"),
            (.opened, .spoofed("this-network source")))
        let land = try packet(family.tcp(80, from: family.host))
        cases.add(
            variant, "source is destination inside", try kind.frame(ip, around: land),
            (.opened, .spoofed("source is destination")))
        guard kind.port != nil else { continue }
        let lying = try kind.frame(ip, around: broken) { $0.segment.replaceSubrange(4..<6, with: big(7)) }
        cases.add(
            variant, "UDP length 7 outside, SYN+FIN inside", lying, (.opened, .malformed("udp length")))
        cases.add(variant, "UDP length 7 outside, SYN+FIN inside", lying, (.closed, .malformed("udp length")))
        cases.add(
            variant, "UDP length 7 outside, SYN+FIN inside", lying,
            (.lenientOpened, .web.noting("udp length")))
    }
}
