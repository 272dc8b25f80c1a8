// SPDX-License-Identifier: Apache-2.0
// Packets in packets: rules look behind the tunnels that the policy names, bans behind all of them, and
// failsafe and never-ban at the judged header alone.
import NetworkTypes
import PolicyLanguage
import TestSupport

/// A way to put a packet into another.
struct TunnelKind: Sendable {
    let name: String
    /// The word in `decapsulate:`.
    let word: Encapsulation
    let outer: [AddressFamily]
    let inner: [AddressFamily]
    /// Of the outer packet: its protocol, or 17 and a port.
    let proto: Int
    var port: Int?
    let standard: String
    /// From an inner Ethernet frame what stands behind the outer IP (and UDP) header.
    let wrap: @Sendable ([UInt8]) -> [UInt8]

    /// The frame around an inner frame.
    func frame(
        _ ip: AddressFamily, around inner: [UInt8], from source: String? = nil,
        _ change: (inout PacketBuilder) -> Void = { _ in }
    ) throws -> [UInt8] {
        let text = port.map { ip.udp(50000, $0, from: source) } ?? ip.proto(proto, from: source)
        return try packet(text) { part in
            let content = wrap(inner)
            if port == nil {
                part.segment = content
            } else {
                part.segment = Array(part.segment.prefix(8)) + content
                part.segment.replaceSubrange(4..<6, with: big(8 + content.count))
            }
            change(&part)
        }
    }
}

/// The IP packet of a frame without tags.
private func ipPacket(_ frame: [UInt8]) -> [UInt8] { Array(frame.dropFirst(14)) }

private func ethertype(_ frame: [UInt8]) -> [UInt8] { Array(frame.dropFirst(12).prefix(2)) }

private func gre(_ flags: Int, _ words: Int, _ name: String) -> TunnelKind {
    TunnelKind(
        name: name, word: .gre, outer: [.ipv4, .ipv6], inner: [.ipv4, .ipv6], proto: 47,
        standard: "RFC 2784 2.1, RFC 2890 2"
    ) { big(flags) + ethertype($0) + zeros(4 * words) + ipPacket($0) }
}

private func ipInIP(
    _ name: String, _ word: Encapsulation, _ outer: AddressFamily, _ inner: AddressFamily, _ standard: String
) -> TunnelKind {
    TunnelKind(
        name: name, word: word, outer: [outer], inner: [inner], proto: inner == .ipv4 ? 4 : 41,
        standard: standard
    ) { ipPacket($0) }
}

private func overUDP(
    _ name: String, _ word: Encapsulation, _ port: Int, _ standard: String,
    _ wrap: @escaping @Sendable ([UInt8]) -> [UInt8]
) -> TunnelKind {
    TunnelKind(
        name: name, word: word, outer: [.ipv4, .ipv6], inner: [.ipv4, .ipv6], proto: 17, port: port,
        standard: standard, wrap: wrap)
}

let vxlanHeader: [UInt8] = [8, 0, 0, 0, 0, 0, 7, 0]

let tunnelKinds: [TunnelKind] = [
    ipInIP("IPIP", .ipip, .ipv4, .ipv4, "RFC 2003 3"),
    ipInIP("IPv6 in IPv6", .ipip, .ipv6, .ipv6, "RFC 2473 3"),
    ipInIP("4in6", .ipv4InIPv6, .ipv6, .ipv4, "RFC 2473 3"),
    ipInIP("6in4", .ipv6InIPv4, .ipv4, .ipv6, "RFC 4213 3"),
    gre(0, 0, "GRE"), gre(0x8000, 1, "GRE with checksum"), gre(0x2000, 1, "GRE with key"),
    gre(0x1000, 1, "GRE with sequence"), gre(0xb000, 3, "GRE with all three"),
    TunnelKind(
        name: "Ethernet in GRE", word: .gre, outer: [.ipv4, .ipv6], inner: [.ipv4, .ipv6], proto: 47,
        standard: "RFC 1701, RFC 7637 3.2"
    ) { big(0x2000) + big(0x6558) + zeros(4) + $0 },
    overUDP("VXLAN", .vxlan, 4789, "RFC 7348 5") { vxlanHeader + $0 },
    overUDP("GENEVE", .geneve, 6081, "RFC 8926 3.4") { [0, 0] + big(0x6558) + zeros(4) + $0 },
    overUDP("GENEVE with options", .geneve, 6081, "RFC 8926 3.5") {
        [3, 0x40] + big(0x6558) + zeros(4 + 12) + $0
    },
    overUDP("GENEVE around IP", .geneve, 6081, "RFC 8926 3.4") {
        [0, 0] + ethertype($0) + zeros(4) + ipPacket($0)
    },
]

private struct Content {
    var carrying: String
    var text: String
    var judged: Judgement
    /// Where the tunnel is not named: by the outer header, or a ban.
    var unopened = Judgement.dropped
    var why: String
}

private func contents(_ ip: AddressFamily) -> [Content] {
    let judging = "POLICY, decapsulate: rules judge the innermost of the headers that are named"
    let bans = "POLICY: bans see every layer whatever stands in decapsulate"
    let own = "POLICY: failsafe and never-ban judge the header that the rules judge"
    let spared = ip == .ipv4 ? "203.0.113.200" : "2001:db8:bad:1::1"
    let safe = ip == .ipv4 ? "192.0.2.9" : "2001:db8:5afe::9"
    return [
        Content(carrying: "tcp/80", text: ip.tcp(80), judged: .web, why: judging),
        Content(carrying: "tcp/23", text: ip.tcp(23), judged: .telnet, why: judging),
        Content(carrying: "tcp/8080", text: ip.tcp(8080), judged: .dropped, why: judging),
        Content(
            carrying: "a banned source", text: ip.tcp(80, from: ip.banned), judged: .banned,
            unopened: .banned,
            why: bans),
        Content(
            carrying: "a banned source in never-ban", text: ip.tcp(80, from: spared), judged: .web,
            unopened: .banned, why: own),
        Content(
            carrying: "failsafe's source", text: ip.tcp(22, from: safe), judged: .failsafe,
            unopened: ip == .ipv4 ? .banned : .dropped, why: own),
        Content(
            carrying: "a loopback source", text: ip.tcp(80, from: ip == .ipv4 ? "127.0.0.1" : "::1"),
            judged: .spoofed("loopback source"), why: "POLICY: spoofed is judged down to the judged layer"),
        Content(
            carrying: "SYN+FIN", text: ip.tcp(80, flags: "syn,fin"), judged: .malformed("tcp flags"),
            why: "POLICY: malformed is judged in the layers that rules judge"),
    ]
}

func tunnelCases() throws -> [EvasionCase] {
    var cases = Cases("Tunnels")
    for kind in tunnelKinds {
        for outer in kind.outer {
            for inner in kind.inner { try addContents(&cases, kind, outer, inner) }
            try addOuter(&cases, kind, outer)
        }
    }
    try addTwoLayers(&cases)
    try addTags(&cases)
    return cases.all
}

private func addContents(
    _ cases: inout Cases, _ kind: TunnelKind, _ outer: AddressFamily, _ inner: AddressFamily
) throws {
    for content in contents(inner) {
        let frame = try kind.frame(outer, around: try packet(content.text))
        let title = "\(outer.title) around \(inner.title), \(content.carrying)"
        let variant = Cases.Variant(kind.name, "\(content.why); \(kind.standard)")
        cases.add(variant, title, frame, (.opened, content.judged))
        cases.add(variant, title, frame, (.closed, content.unopened))
        let tunnels = Judgement(.pass, .rule, rule: "tunnels")
        let byOuter = content.unopened == .dropped ? tunnels : content.unopened
        cases.add(variant, title, frame, (.greOnly, kind.word == .gre ? content.judged : byOuter))
    }
}

/// What stands in the outer header itself.
private func addOuter(_ cases: inout Cases, _ kind: TunnelKind, _ outer: AddressFamily) throws {
    guard let inner = kind.inner.first else { return }
    let web = try packet(inner.tcp(80))
    let safe = outer == .ipv4 ? "192.0.2.9" : "2001:db8:5afe::9"
    let spared = outer == .ipv4 ? "203.0.113.200" : "2001:db8:bad:1::1"
    let rows: [(String, String, Judgement, Judgement, String)] = [
        ("outer source banned", outer.banned, .banned, .banned, "POLICY: bans see every layer"),
        (
            "outer source banned and in never-ban", spared, .banned, .dropped,
            "POLICY: never-ban judges the header that the rules judge"
        ),
        (
            "outer source in failsafe", safe, outer == .ipv4 ? .banned : .web,
            outer == .ipv4 ? .banned : .dropped,
            "POLICY: failsafe for tcp/22 asks for the judged header, and this one is none"
        ),
        (
            "outer source multicast", outer == .ipv4 ? "224.0.0.9" : "ff02::9",
            .spoofed("multicast or reserved source"), .spoofed("multicast or reserved source"),
            "POLICY: spoofed sources in every layer down to the judged one"
        ),
    ]
    for (name, source, opened, closed, why) in rows {
        let frame = try kind.frame(outer, around: web, from: source)
        let variant = Cases.Variant(kind.name, "\(why); \(kind.standard)")
        cases.add(variant, "\(outer.title), \(name)", frame, (.opened, opened))
        cases.add(variant, "\(outer.title), \(name)", frame, (.closed, closed))
    }
    let enemy = try kind.frame(outer, around: try packet(inner.tcp(80, from: inner.banned)), from: spared)
    for scenario in [Scenario.opened, .closed] {
        cases.add(
            .init(kind.name, "POLICY: never-ban frees only the layer it stands in; \(kind.standard)"),
            "\(outer.title), outer source in never-ban around a banned one", enemy, (scenario, .banned))
    }
    let options = try kind.frame(outer, around: web) {
        if outer == .ipv4 { $0.ipOptions = [1, 1, 1, 0] } else { $0.extensions = [.plain(0), .plain(60)] }
        $0.tags = [PacketBuilder.Tag(7), PacketBuilder.Tag(8)]
    }
    cases.add(
        .init(kind.name, "FIELD: what stands before a header must not hide it; \(kind.standard)"),
        "\(outer.title) behind two tags and options", options, (.opened, .web))
}

/// Tunnels in tunnels: two are opened, the third is what the rules judge.
private func addTwoLayers(_ cases: inout Cases) throws {
    let middle = tunnelKinds.filter { $0.outer.contains(.ipv4) && $0.inner.contains(.ipv4) }
    for outer in middle {
        for inner in middle {
            let variant = Cases.Variant(
                "\(inner.name) in \(outer.name)", "POLICY, decapsulate: two deep; \(outer.standard)")
            let web = try packet(AddressFamily.ipv4.tcp(80))
            let twice = try outer.frame(.ipv4, around: try inner.frame(.ipv4, around: web))
            cases.add(variant, "tcp/80", twice, (.opened, .web))
            cases.add(variant, "tcp/80", twice, (.closed, .dropped))
            let enemy = try packet(AddressFamily.ipv4.tcp(80, from: AddressFamily.ipv4.banned))
            let hidden = try outer.frame(.ipv4, around: try inner.frame(.ipv4, around: enemy))
            for scenario in [Scenario.opened, .closed, .greOnly] {
                cases.add(variant, "banned source", hidden, (scenario, .banned))
            }
            let between = try outer.frame(
                .ipv4, around: try inner.frame(.ipv4, around: web, from: AddressFamily.ipv4.banned))
            for scenario in [Scenario.opened, .closed, .greOnly] {
                cases.add(variant, "banned source in between", between, (scenario, .banned))
            }
        }
        let web = try packet(AddressFamily.ipv4.tcp(80))
        let thrice = try outer.frame(
            .ipv4, around: try outer.frame(.ipv4, around: try outer.frame(.ipv4, around: web)))
        cases.add(
            .init("three \(outer.name) headers", "POLICY, decapsulate: two deep, the third header is judged"),
            "tcp/80", thrice, (.opened, .dropped))
    }
}

/// Tags are those of the last Ethernet header above the judged one.
private func addTags(_ cases: inout Cases) throws {
    let ip = AddressFamily.ipv4
    let tagged = try packet(ip.tcp(80)) { $0.tags = [PacketBuilder.Tag(66)] }
    for kind in tunnelKinds where kind.outer.contains(.ipv4) && kind.inner.contains(.ipv4) {
        let hasEthernet =
            kind.name.contains("Ethernet") || kind.port != nil && kind.name != "GENEVE around IP"
        let outside = try kind.frame(ip, around: try packet(ip.tcp(80))) { $0.tags = [PacketBuilder.Tag(66)] }
        let variant = Cases.Variant(
            kind.name, "docs/policy.md, Layers 4: the tags of the last Ethernet header; \(kind.standard)")
        cases.add(variant, "in VLAN 66", outside, (.opened, hasEthernet ? .web : .guests))
        cases.add(variant, "in VLAN 66", outside, (.closed, .guests))
        if hasEthernet {
            cases.add(variant, "VLAN 66 inside", try kind.frame(ip, around: tagged), (.opened, .guests))
        }
    }
}
