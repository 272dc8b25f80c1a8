// SPDX-License-Identifier: Apache-2.0
// Tunnel headers that are cut, of another version or around something else, and tunnels in fragments.
import NetworkTypes
import PolicyLanguage
import TestSupport

private let ip = AddressFamily.ipv4

func tunnelFaultCases() throws -> [EvasionCase] {
    var cases = Cases("Tunnels, broken")
    try addCutHeaders(&cases)
    try addCutContents(&cases)
    try addOthers(&cases)
    try addFragments(&cases)
    return cases.all
}

/// An outer packet with these bytes behind its IP (and UDP) header.
private func outer(_ proto: Int, _ port: Int? = nil, _ content: [UInt8]) throws -> [UInt8] {
    let kind = TunnelKind(
        name: "", word: .gre, outer: [], inner: [], proto: proto, port: port, standard: "", wrap: { $0 })
    return try kind.frame(ip, around: content)
}

private func addCutHeaders(_ cases: inout Cases) throws {
    let heads: [(String, Int, Int?, [UInt8], String)] = [
        ("GRE header", 47, nil, big(0xb000) + big(0x0800) + zeros(12), "RFC 2784 2.1, RFC 2890 2"),
        ("VXLAN header", 17, 4789, vxlanHeader, "RFC 7348 5"),
        ("GENEVE header with options", 17, 6081, [2, 0] + big(0x6558) + zeros(12), "RFC 8926 3.4"),
    ]
    for (name, proto, port, head, standard) in heads {
        for length in 0..<head.count {
            let variant = Cases.Variant("\(name) cut", "POLICY: truncation is malformed; \(standard)")
            let frame = try outer(proto, port, Array(head.prefix(length)))
            cases.add(
                variant, "\(length) of \(head.count) bytes", frame,
                (.opened, .malformed("truncated tunnel header")))
            cases.add(variant, "\(length) of \(head.count) bytes", frame, (.closed, .dropped))
        }
    }
}

/// Every length of the inner packet, under an outer header whose own length is right.
private func addCutContents(_ cases: inout Cases) throws {
    for kind in tunnelKinds where kind.outer.contains(ip) {
        guard let inner = kind.inner.first else { continue }
        let whole = try packet(inner.tcp(80))
        let wrapped = kind.wrap(whole).count
        let hasEthernet = kind.wrap(whole).suffix(whole.count).elementsEqual(whole)
        let start = hasEthernet ? 0 : 14
        let header = inner == .ipv4 ? 34 : 54
        let overhead = wrapped - (whole.count - start)
        for length in start..<whole.count {
            let content = Array(kind.wrap(whole).prefix(overhead + length - start))
            let fault =
                length < 14
                ? "truncated ethernet header" : length < header ? "truncated ip header" : "truncated packet"
            let frame = try outer(kind.proto, kind.port, content)
            cases.add(
                .init("\(kind.name), content cut", "POLICY: truncation is malformed; \(kind.standard)"),
                "\(length - start) bytes", frame, (.opened, .malformed(fault)))
        }
    }
}

/// What is no tunnel that is read: judged by the header around it, and never let in for what it carries.
private func addOthers(_ cases: inout Cases) throws {
    let web = try packet(ip.tcp(80))
    let inner = Array(web.dropFirst(14))
    let arp = try packet(ip.tcp(80)) { $0.ethertype = 0x0806 }
    let rows: [(String, [UInt8], String)] = [
        (
            "GRE version 1", try outer(47, nil, big(1) + big(0x0800) + inner),
            "RFC 2637 4.1: PPTP's GRE carries PPP"
        ),
        (
            "GRE with routing", try outer(47, nil, big(0x4000) + big(0x0800) + inner),
            "RFC 2784 5.1: not accepted"
        ),
        (
            "GRE around ARP", try outer(47, nil, big(0) + big(0x0806) + inner),
            "POLICY: the outer header is judged"
        ),
        ("GRE keepalive", try outer(47, nil, big(0) + big(0)), "POLICY: the outer header is judged"),
        (
            "ARP in Ethernet in GRE", try outer(47, nil, big(0) + big(0x6558) + arp),
            "POLICY: non-IP passes outermost only"
        ),
        ("VXLAN without identifier", try outer(17, 4789, zeros(8) + web), "RFC 7348 5: the I flag must be 1"),
        ("ARP in VXLAN", try outer(17, 4789, vxlanHeader + arp), "POLICY: non-IP passes outermost only"),
        ("VXLAN at another port", try outer(17, 8472, vxlanHeader + web), "RFC 7348 5: IANA's port"),
        ("GENEVE version 1", try outer(17, 6081, [0x40, 0] + big(0x6558) + zeros(4) + web), "RFC 8926 3.4"),
        ("GENEVE around ARP", try outer(17, 6081, [0, 0] + big(0x0806) + zeros(4) + inner), "RFC 8926 3.4"),
        ("L2TP", try outer(115, nil, zeros(4) + inner), "POLICY: no name for it"),
        ("EtherIP", try outer(97, nil, [0x30, 0] + web), "POLICY: no name for it"),
    ]
    for (name, frame, why) in rows {
        cases.add(.init(name, why), "tcp/80", frame, (.opened, .dropped))
    }
    let wrong = try outer(4, nil, Array(try packet(AddressFamily.ipv6.tcp(80)).dropFirst(14)))
    cases.add(
        .init("IPv6 behind IPv4's number", "RFC 2003 3: protocol 4 is IPv4"), "tcp/80", wrong,
        (.opened, .malformed("ip version")))
}

private func addFragments(_ cases: inout Cases) throws {
    let web = Array(try packet(ip.tcp(80)) { $0.segment += zeros(1000) }.dropFirst(14))
    let kind = "IPIP in fragments"
    func piece(_ id: Int, _ field: Int, _ content: [UInt8]) throws -> [UInt8] {
        try packet(ip.proto(4)) {
            $0.ipHeader.replaceSubrange(4..<6, with: big(id))
            $0.ipHeader.replaceSubrange(6..<8, with: big(field))
            $0.segment = content
        }
    }
    let cutByNature = Cases.Variant(kind, "RFC 791 3.2: a layer in a first fragment is cut by nature")
    let first = try piece(7001, 0x2000, Array(web.prefix(504)))
    cases.add(cutByNature, "first, tcp/80 inside", first, (.opened, .web))
    let last = try piece(7001, 63, Array(web.dropFirst(504)))
    cases.add(cutByNature, "last", last, (.opened, .following(.pass, "web")))
    cases.add(cutByNature, "first, tcp/80 inside", first, (.closed, .fragment))
    let tiny = Cases.Variant(kind, "RFC 1858 3.1, for the layer that is judged")
    cases.add(
        tiny, "first, 10 bytes of TCP inside", try piece(7002, 0x2000, Array(web.prefix(30))),
        (.opened, .malformed("tiny fragment")))
    cases.add(
        tiny, "last of the tiny one", try piece(7002, 4, Array(web.dropFirst(32))), (.opened, .fragment))
    cases.add(
        tiny, "first, 12 bytes of the inner header", try piece(7003, 0x2000, Array(web.prefix(12))),
        (.opened, .malformed("truncated ip header")))
    let enemy = Array(try packet(ip.tcp(80, from: ip.banned)) { $0.segment += zeros(1000) }.dropFirst(14))
    let bans = Cases.Variant(kind, "POLICY: bans see every layer")
    for scenario in [Scenario.opened, .tracked] {
        let id = scenario == .opened ? 7004 : 7005
        cases.add(
            bans, "first, banned source inside", try piece(id, 0x2000, Array(enemy.prefix(504))),
            (scenario, .banned))
        cases.add(bans, "its last", try piece(id, 63, Array(enemy.dropFirst(504))), (scenario, .fragment))
    }
    let options = Array(
        try packet(ip.tcp(23)) { $0.ipOptions = [UInt8](repeating: 1, count: 40) }.dropFirst(14))
    let cutOptions = Cases.Variant(kind, "RFC 1858 3.1: ports behind options that are cut are hidden")
    for length in [24, 32, 56] {
        cases.add(
            cutOptions, "first, \(length) of 60 bytes of the inner IPv4 header",
            try piece(7010 + length, 0x2000, Array(options.prefix(length))),
            (.opened, .malformed("tiny fragment")))
    }
    try addInnerFragments(&cases)
    try addEssentialInside(&cases)
}

/// The judged header itself is a fragment, in whole tunnels.
private func addInnerFragments(_ cases: inout Cases) throws {
    let why = Cases.Variant("fragments in GRE", "POLICY, fragments: track: of the header that is judged")
    let train = FragmentPieces(ip: ip, text: ip.udp(40000, 443), id: 7100)
    func tunnelled(_ frame: [UInt8]) throws -> [UInt8] {
        try outer(47, nil, big(0) + big(0x0800) + frame.dropFirst(14))
    }
    cases.add(why, "last without its first", try tunnelled(train.last), (.opened, .fragment))
    cases.add(why, "first", try tunnelled(train.first), (.opened, .web))
    cases.add(why, "last", try tunnelled(train.last), (.opened, .following(.pass, "web")))
    cases.add(
        why, "overlapping", try tunnelled(train.at(2)), (.opened, .malformed("overlapping fragment")))
}

/// A hop limit of 255 and a link-local source say something on the link, and nothing in a tunnel.
private func addEssentialInside(_ cases: inout Cases) throws {
    let rows: [(String, AddressFamily, String)] = [
        ("router advertisement", .ipv6, "icmpv6 fe80::1 > ff02::1 router-advertisement ttl 255"),
        ("neighbour solicitation", .ipv6, "icmpv6 fe80::1 > ff02::1 neighbour-solicitation ttl 255"),
        ("DHCP answer", .ipv4, ip.udp(67, 68)),
    ]
    for (name, family, text) in rows {
        let inner = try packet(text)
        let type = family == .ipv4 ? 0x0800 : 0x86dd
        let frame = try outer(47, nil, big(0) + big(type) + inner.dropFirst(14))
        cases.add(
            .init("essential traffic in GRE", "RFC 4861 6.1.2, 7.1: it comes from the link itself"), name,
            frame, (.opened, .dropped))
    }
}
