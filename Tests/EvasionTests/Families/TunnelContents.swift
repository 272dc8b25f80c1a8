// SPDX-License-Identifier: Apache-2.0
// What a tunnel's own header may say, and everything odd that can stand in a tunnel: judged as it would be
// outside where the tunnel is named, by the header around it where not.
import NetworkTypes
import PolicyLanguage
import TestSupport

private let ip = AddressFamily.ipv4
private let web = ip.tcp(80)

func tunnelContentCases() throws -> [EvasionCase] {
    var cases = Cases("Tunnels, what they say and carry")
    try addOpenedHeaders(&cases)
    try addOtherHeaders(&cases)
    try addOtherPorts(&cases)
    for kind in tunnelKinds where kind.outer.contains(ip) && kind.inner.contains(ip) {
        try addOddContents(&cases, kind)
        try addLengths(&cases, kind)
        if kind.carriesEthernet { try addEthernet(&cases, kind) }
    }
    try addIPv6Contents(&cases)
    return cases.all
}

/// An outer packet with these bytes behind its IP (and UDP) header.
private func outer(
    _ proto: Int, _ port: Int? = nil, _ content: [UInt8], on family: AddressFamily = ip
) throws -> [UInt8] {
    try TunnelKind(
        name: "", word: .gre, outer: [], inner: [], proto: proto, port: port, standard: "",
        wrap: { _ in content }
    ).frame(family, around: [])
}

/// Bits that a receiver ignores must not hide what it reads.
private func addOpenedHeaders(_ cases: inout Cases) throws {
    let frames: [(String, Int, Int?, [UInt8], Bool, String)] = [
        ("GRE, strict source route bit", 47, nil, big(0x0800) + big(0x0800), false, greBits),
        ("GRE, recursion 7", 47, nil, big(0x0700) + big(0x0800), false, greBits),
        ("GRE, reserved bits", 47, nil, big(0x00f8) + big(0x0800), false, greBits),
        (
            "GRE with checksum, key and sequence, all ones", 47, nil,
            big(0xb000) + big(0x0800) + ones(12), false, "RFC 2890 2: whatever the fields hold"
        ),
        ("VXLAN, all flags", 17, 4789, [255] + zeros(7), true, vxlanBits),
        ("VXLAN, reserved bits", 17, 4789, [8, 255, 255, 255, 0, 0, 7, 255], true, vxlanBits),
        ("VXLAN, identifier 0", 17, 4789, [8] + zeros(7), true, vxlanBits),
        ("VXLAN, identifier 16,777,215", 17, 4789, [8, 0, 0, 0, 255, 255, 255, 0], true, vxlanBits),
        (
            "GENEVE, control and critical bits", 17, 6081, [0, 0xc0] + big(0x6558) + zeros(4), true,
            geneveBits
        ),
        ("GENEVE, reserved bits", 17, 6081, [0, 0x3f] + big(0x6558) + ones(4), true, geneveBits),
        (
            "GENEVE, 252 bytes of options", 17, 6081, [63, 0] + big(0x6558) + zeros(4) + ones(252), true,
            geneveBits
        ),
        (
            "GENEVE, options that look like IPv4", 17, 6081,
            [5, 0] + big(0x0800) + zeros(4) + Array(try packet(ip.tcp(443)).dropFirst(14).prefix(20)), false,
            geneveBits
        ),
    ]
    for (name, proto, port, head, hasEthernet, why) in frames {
        for (carrying, text, right) in [
            ("tcp/80", web, Judgement.web), ("tcp/23", ip.tcp(23), .telnet),
            ("banned source", ip.tcp(80, from: ip.banned), .banned),
        ] {
            let inner = try packet(text)
            for family in [AddressFamily.ipv4, .ipv6] {
                let frame = try outer(proto, port, head + (hasEthernet ? inner : ipPart(inner)), on: family)
                let title = "\(family.title) around \(carrying)"
                cases.add(.init(name, why), title, frame, (.opened, right))
                if right == .banned { cases.add(.init(name, why), title, frame, (.closed, .banned)) }
            }
        }
    }
}

private let greBits = "RFC 2784 2.3: Linux looks at routing and version alone, and reads what follows"
private let vxlanBits = "RFC 7348 5: only the I flag says something, reserved bits are ignored"
private let geneveBits = "RFC 8926 3.4, 3.5: bits and options do not move the payload, but by their length"

private func ones(_ count: Int) -> [UInt8] { [UInt8](repeating: 255, count: count) }
private func ipPart(_ frame: [UInt8]) -> [UInt8] { Array(frame.dropFirst(14)) }

/// Judged by the header around: no rule lets it in, and one for the outer header decides.
private func addOuterJudged(
    _ cases: inout Cases, _ variant: Cases.Variant, _ frame: [UInt8], of carrying: String = "tcp/80",
    meets rule: Judgement = .noTunnels
) {
    cases.add(variant, carrying, frame, (.opened, .dropped))
    cases.add(variant, carrying, frame, (.lenientOpened, rule))
}

private func addOtherHeaders(_ cases: inout Cases) throws {
    let inner = ipPart(try packet(web))
    let versions = "RFC 2784 2.3.2, RFC 2637 4.1: only version 0 is GRE as it is read here"
    for version in 1...7 {
        let frame = try outer(47, nil, big(version) + big(0x0800) + inner)
        addOuterJudged(&cases, .init("GRE version \(version)", versions), frame)
    }
    let routed = "RFC 2784 5.1, RFC 1701: with routing present its length is not known; Linux drops it"
    for flags in [0x4000, 0xc000, 0x6000, 0x5000, 0xf000] {
        let name = "GRE with routing, flags \(hex(big(flags)))"
        let frame = try outer(47, nil, big(flags) + big(0x0800) + zeros(12) + inner)
        addOuterJudged(&cases, .init(name, routed), frame)
    }
    let types = "docs/policy.md, Layers: IPv4, IPv6 or Ethernet, else no tunnel that is read here"
    for type in [0, 0x0806, 0x8100, 0x880b, 0x8847, 0x88be, 0x22eb, 0x894f, 0xffff] {
        let gre = try outer(47, nil, big(0) + big(type) + inner)
        addOuterJudged(&cases, .init("GRE around \(hex(big(type)))", types), gre)
        let geneve = try outer(17, 6081, [0, 0] + big(type) + zeros(4) + inner)
        addOuterJudged(&cases, .init("GENEVE around \(hex(big(type)))", types), geneve)
    }
    for version in 1...3 {
        let head = [UInt8(version << 6), 0] + big(0x6558) + zeros(4)
        let why = "RFC 8926 3.4: a version that is not known is not read"
        addOuterJudged(
            &cases, .init("GENEVE version \(version)", why), try outer(17, 6081, head + packet(web)))
    }
    for flags in [0, 0xf7, 0x80, 0x04, 0x10] {
        let name = "VXLAN, flags \(hex([UInt8(flags)]))"
        let frame = try outer(17, 4789, [UInt8(flags)] + zeros(7) + packet(web))
        addOuterJudged(&cases, .init(name, "RFC 7348 5: the I flag must be 1"), frame)
    }
    let long = Cases.Variant(
        "GENEVE, options longer than the packet", "RFC 8926 3.4: the length lies; POLICY 1: malformed")
    let lying = try outer(17, 6081, [63, 0] + big(0x6558) + zeros(4) + packet(web))
    cases.add(long, "tcp/80", lying, (.opened, .malformed("truncated tunnel header")))
    cases.add(long, "tcp/80", lying, (.lenientOpened, .noTunnels.noting("truncated tunnel header")))
    cases.add(long, "tcp/80", lying, (.closed, .dropped))
}

private func addOtherPorts(_ cases: inout Cases) throws {
    let why = "docs/policy.md, Layers: UDP to port 4789 or 6081, nothing else"
    let vxlan = vxlanHeader + (try packet(web))
    for port in [4788, 4790, 8472, 6080, 6082, 12789] {
        addOuterJudged(
            &cases, .init("VXLAN to other ports", why), try outer(17, port, vxlan), of: "udp/\(port)",
            meets: .passed)
    }
    let from = try packet(ip.udp(4789, 40000)) {
        $0.segment.replaceSubrange(4..<6, with: big(8 + vxlan.count))
        $0.segment += vxlan
    }
    addOuterJudged(&cases, .init("VXLAN from its port", why), from, of: "udp 4789 > 40000", meets: .passed)
    for port in [4789, 6081] {
        for (name, text) in [
            ("tcp", ip.tcp(port)), ("sctp", "sctp \(ip.ordinary):40000 > \(ip.host):\(port)"),
        ] {
            let frame = try packet(text) { $0.segment += vxlan }
            addOuterJudged(
                &cases, .init("VXLAN in another protocol", why), frame, of: "\(name)/\(port)", meets: .passed)
        }
        let lite = try packet(ip.proto(136)) { $0.segment = big(50000) + big(port) + zeros(4) + vxlan }
        addOuterJudged(
            &cases, .init("VXLAN in another protocol", why), lite, of: "UDP-Lite to \(port)", meets: .passed)
    }
}

/// The same oddities as outside.
private func addOddContents(_ cases: inout Cases, _ kind: TunnelKind) throws {
    let judged = "POLICY, decapsulate: what is named is read by the same steps as outside"
    let rows: [(String, String, (inout PacketBuilder) -> Void, Judgement, Judgement)] = [
        ("40 bytes of IPv4 options", web, { $0.ipOptions = zeros(40) }, .web, .web),
        ("40 bytes of options, tcp/23", ip.tcp(23), { $0.ipOptions = zeros(40) }, .telnet, .telnet),
        (
            "options that look like tcp/80", ip.tcp(23), { $0.ipOptions = decoy(80) + decoy(80) }, .telnet,
            .telnet
        ),
        faulty("version 6", web, "ip version", outerJudged: true) { $0.ipHeader[0] = 0x60 },
        faulty("header length 16", web, "ip header length") { $0.headerWords = 4 },
        faulty("total length 0", web, "ip length zero") { $0.lengthField = 0 },
        faulty("total length 19", web, "ip length") { $0.lengthField = 19 },
        faulty("TCP of 19 bytes", web, "truncated l4 header") { $0.segment.removeLast() },
        (
            "TCP data offset 4", web, { $0.segment[12] = 0x40 }, .malformed("tcp header length"),
            .web.noting("tcp header length")
        ),
        (
            "no TCP flags", ip.tcp(23), { $0.segment[13] = 0 }, .malformed("tcp flags"),
            .telnet.noting("tcp flags")
        ),
        (
            "UDP length 7", ip.udp(40000, 443), { $0.segment.replaceSubrange(4..<6, with: big(7)) },
            .malformed("udp length"), .web.noting("udp length")
        ),
        (
            "a worm's payload", web, { $0.segment += [0xde, 0xad, 0xbe, 0xef] }, .worm, .worm
        ),
    ]
    for (name, text, wear, right, lenient) in rows {
        let frame = try kind.frame(ip, around: try packet(text, wear))
        let variant = Cases.Variant("\(kind.name) around \(name)", judged)
        cases.add(variant, "IPv4", frame, (.opened, right))
        cases.add(variant, "IPv4", frame, (.lenientOpened, lenient))
        cases.add(variant, "IPv4", frame, (.closed, .dropped))
    }
}

/// Malformed inside; under `malformed: pass` no rule matches what could not be read.
/// - Parameter outerJudged: the inner addresses could not be read.
private func faulty(
    _ name: String, _ text: String, _ check: String, outerJudged: Bool = false,
    wear: @escaping (inout PacketBuilder) -> Void
) -> (String, String, (inout PacketBuilder) -> Void, Judgement, Judgement) {
    (
        name, text, wear, .malformed(check), (outerJudged ? Judgement.noTunnels : .passed).noting(check)
    )
}

/// Which of several lengths says where the inner packet ends.
private func addLengths(_ cases: inout Cases, _ kind: TunnelKind) throws {
    let inside = "docs/policy.md, Layers: an inner packet's bytes are the payload of the layer around it"
    let missing = Judgement.malformed("truncated packet")
    let padded = try kind.frame(ip, around: try packet(web) { $0.trailer = 46 })
    cases.add(
        .init("\(kind.name), bytes behind the inner packet", "RFC 894: padding is no part of a packet"),
        "tcp/80", padded, (.opened, .web))
    let longer = try packet(web) { $0.lengthField = 41 }
    cases.add(
        .init("\(kind.name), inner length one more than there is", inside), "tcp/80",
        try kind.frame(ip, around: longer), (.opened, missing))
    cases.add(
        .init("\(kind.name), inner packet ends in the frame's padding", inside), "tcp/80",
        try kind.frame(ip, around: longer) { $0.trailer = 6 }, (.opened, missing))
    guard kind.port != nil else { return }
    let short = try kind.frame(ip, around: try packet(web)) {
        $0.segment.replaceSubrange(4..<6, with: big($0.segment.count - 1))
    }
    cases.add(
        .init("\(kind.name), UDP length ends before the inner packet", "RFC 768; " + inside), "tcp/80", short,
        (.opened, missing))
    let header = try kind.frame(ip, around: try packet(web)) {
        $0.segment.replaceSubrange(4..<6, with: big(8))
    }
    cases.add(
        .init("\(kind.name), UDP length 8", "RFC 768: there is nothing in it; " + inside), "tcp/80", header,
        (.opened, .malformed("truncated tunnel header")))
}

private func addEthernet(_ cases: inout Cases, _ kind: TunnelKind) throws {
    typealias Tag = PacketBuilder.Tag
    let tagged: [(String, [Tag], Judgement, String)] = [
        ("802.1Q", [Tag(5)], .web, "read as outside"),
        ("QinQ", [Tag(5, ethertype: 0x88a8), Tag(6)], .web, "read as outside"),
        ("priority tag", [Tag(0)], .web, "id 0 is priority only"),
        ("VLAN 66", [Tag(66)], .guests, "a rule for a VLAN sees the last Ethernet header's"),
        ("VLAN 66 as the inner tag", [Tag(5), Tag(66)], .web, "`vlan` is the first id kept"),
        (
            "three tags", [Tag(5), Tag(6), Tag(7)], .malformed("more than two vlan tags"),
            "a third is too many"
        ),
    ]
    for (name, tags, right, why) in tagged {
        let inner = try packet(web) { $0.tags = tags }
        let variant = Cases.Variant(
            "\(kind.name) around \(name)", "docs/policy.md, Layers 4: Ethernet with tags of its own; \(why)")
        cases.add(variant, "untagged outside", try kind.frame(ip, around: inner), (.opened, right))
        let both = try kind.frame(ip, around: inner) { $0.tags = [Tag(66), Tag(7)] }
        cases.add(variant, "VLAN 66 and 7 outside", both, (.opened, right))
        cases.add(variant, "VLAN 66 and 7 outside", both, (.closed, .guests))
    }
    let cut = Array(try packet(web) { $0.tags = [Tag(5)] }.prefix(16))
    cases.add(
        .init("\(kind.name) around a tag that is cut", "POLICY 1: truncation is malformed"), "2 bytes of it",
        try kind.frame(ip, around: cut), (.opened, .malformed("truncated vlan tag")))
    let types = [0x0000, 0x002e, 0x0806, 0x8035, 0x8847, 0x8863, 0x8864, 0x888e, 0x88cc, 0x9100]
    for type in types {
        let inner = try packet(web) { $0.ethertype = UInt16(type) }
        addOuterJudged(
            &cases,
            .init(
                "\(kind.name) around other than IP",
                "docs/policy.md, Layers 4: judged by the header around the tunnel; non-IP passes outside only"
            ),
            try kind.frame(ip, around: inner), of: "ethertype \(hex(big(type)))")
    }
    let mixed = try packet(web) { $0.ethertype = 0x86dd }
    cases.add(
        .init("\(kind.name) around IPv4 that is called IPv6", "RFC 8200 3: the version must be 6"), "tcp/80",
        try kind.frame(ip, around: mixed), (.opened, .malformed("ip version")))
}

private func addIPv6Contents(_ cases: inout Cases) throws {
    typealias Extension = PacketBuilder.Extension
    let six = AddressFamily.ipv6
    let chains: [(String, [Extension], Judgement)] = [
        ("hop-by-hop and destination options", [.plain(0), .plain(60)], .web),
        ("eight headers", [Extension](repeating: .plain(60), count: 8), .web),
        ("an atomic fragment header", [.fragment(offset: 0, more: false)], .web),
        ("AH", [.authentication()], .web),
        (
            "nine headers", [Extension](repeating: .plain(60), count: 9),
            .malformed("too many extension headers")
        ),
        ("routing type 0", [.plain(43)], .malformed("routing type 0")),
        ("hop-by-hop second", [.plain(60), .plain(0)], .malformed("hop-by-hop not first")),
        ("a header that lies", [.init(60, rest: [200] + zeros(6))], .malformed("truncated extension header")),
    ]
    for kind in tunnelKinds {
        for (name, chain, right) in chains {
            if kind.inner.contains(six), let family = kind.outer.first {
                let inside = Cases.Variant(
                    "\(kind.name) around IPv6 with \(name)", "RFC 8200 4.1: as outside; \(kind.standard)")
                let frame = try kind.frame(family, around: try packet(six.tcp(80)) { $0.extensions = chain })
                cases.add(inside, "tcp/80", frame, (.opened, right))
            }
            if kind.outer.contains(six), let family = kind.inner.first {
                let outside = Cases.Variant(
                    "\(kind.name) in IPv6 with \(name)", "RFC 8200 4.1: the tunnel begins behind the chain")
                let frame = try kind.frame(six, around: try packet(family.tcp(80))) { $0.extensions = chain }
                cases.add(outside, "tcp/80", frame, (.opened, right))
                let banned = try kind.frame(six, around: try packet(family.tcp(80, from: family.banned))) {
                    $0.extensions = chain
                }
                let enemy = right == .web ? Judgement.banned : right
                cases.add(outside, "banned source", banned, (.closed, enemy))
            }
        }
    }
}
