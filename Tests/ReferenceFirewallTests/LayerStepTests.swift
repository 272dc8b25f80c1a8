// SPDX-License-Identifier: Apache-2.0
// What each step looks at where a packet has layers: bans at all of them, spoofed at those down to the judged
// one, failsafe, never-ban, essential and the rules at the judged one alone.
import NetworkTypes
import PolicyLanguage
import Testing

@testable import ReferenceFirewall

/// Four headers, each in the one before, all of one family; TCP to port 22 in the last.
private struct Nest: Sendable, CustomTestStringConvertible {
    var testDescription: String { family.rawValue }
    var family: AddressFamily
    var sources: [String]

    /// - Parameter depth: how many headers there are, the outer one counted.
    func frame(_ depth: Int, replacing layer: Int? = nil, by source: String = "") -> [UInt8] {
        var packet = tcp()
        for index in (0..<depth).reversed() {
            let isLast = index == depth - 1
            let from = index == layer ? source : sources[index]
            packet =
                family == .ipv4
                ? IPv4Bytes(source: from, proto: isLast ? 6 : 4, content: packet).packet
                : IPv6Bytes(source: from, next: isLast ? 6 : 41, content: packet).packet
        }
        return ethernet(family == .ipv4 ? 0x0800 : 0x86dd, packet)
    }
}

private let nests = [
    Nest(family: .ipv4, sources: ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"]),
    Nest(family: .ipv6, sources: ["2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::3", "2001:db8:1::4"]),
]

private func opening(_ isOpen: Bool, _ change: (inout CheckedPolicy) -> Void = { _ in }) -> CheckedPolicy {
    policy {
        $0.decapsulate = isOpen ? Set(Encapsulation.allCases) : []
        change(&$0)
    }
}

private func judged(_ frame: [UInt8], _ made: CheckedPolicy, banned: [String] = []) -> Judgement {
    let bans = banned.compactMap { IPAddress($0) }.map { ReferenceBan(prefix: Prefix($0)) }
    return ReferenceFirewall(policy: made, bans: bans).judging(ReferenceFrame(bytes: frame))
}

private let passed = Judgement(.pass, .default)

// Which layer is judged.

@Test(arguments: nests)
private func `the third header is judged, a fourth is never read`(_ nest: Nest) {
    let rules = nest.sources.map { source in rule(source, .pass) { $0.source = addresses(source) } }
    for depth in 1...4 {
        let frame = nest.frame(depth)
        let expected = nest.sources[min(depth, 3) - 1]
        #expect(judged(frame, opening(true) { $0.rules = rules }).rule == expected, "\(depth) headers")
        #expect(judged(frame, opening(false) { $0.rules = rules }).rule == nest.sources[0])
    }
}

@Test(arguments: nests)
private func `rules see no field of the headers around`(_ nest: Nest) {
    let outer = rule("tunnel", .drop) { match in
        match.service = service(IPProtocol(rawValue: nest.family == .ipv4 ? 4 : 41))
    }
    #expect(judged(nest.frame(2), opening(true) { $0.rules = [outer] }) == passed)
    #expect(judged(nest.frame(2), opening(false) { $0.rules = [outer] }).rule == "tunnel")
}

@Test func `tags are those of the last Ethernet header above the judged one`() {
    let tags = (1...4).map { id in
        rule("vlan \(id)", .pass) { $0.vlan = TagMatch(none: false, ids: .init(UInt16(id)...UInt16(id))) }
    }
    let untagged = rule("none", .pass) { $0.vlan = TagMatch(none: true, ids: .init()) }
    func decider(_ frame: [UInt8]) -> String? {
        judged(frame, opening(true) { $0.rules = tags + [untagged] }).rule
    }
    func vxlan(_ carried: [UInt8]) -> [UInt8] {
        let outer = IPv4Bytes(proto: 17, content: udp(5, 4789, [8] + zeros(7) + carried))
        return ethernet(0x0800, outer.packet, tags: [(0x8100, 1)])
    }
    let inner = IPv4Bytes().packet
    #expect(decider(vxlan(ethernet(0x0800, inner, tags: [(0x8100, 2)]))) == "vlan 2")
    #expect(decider(vxlan(ethernet(0x0800, inner))) == "none")
    #expect(decider(vxlan(ethernet(0x0806, inner, tags: [(0x8100, 2)]))) == "vlan 1", "ARP within")
    let nested = IPv4Bytes(proto: 4, content: inner).packet
    #expect(decider(ethernet(0x0800, nested, tags: [(0x8100, 3)])) == "vlan 3")
    #expect(decider(vxlan(ethernet(0x0800, nested, tags: [(0x8100, 4)]))) == "vlan 4")
}

// Bans.

@Test(arguments: nests)
private func `a ban holds at each of three headers, whatever is opened, and not at a fourth`(_ nest: Nest) {
    for isOpen in [false, true] {
        for depth in 1...4 {
            for (layer, source) in nest.sources.enumerated() {
                let judgement = judged(nest.frame(depth), opening(isOpen), banned: [source])
                let isSeen = layer < min(depth, 3)
                let place = "header \(layer) of \(depth), open: \(isOpen)"
                #expect(judgement == (isSeen ? Judgement(.drop, .ban) : passed), "\(place)")
            }
        }
    }
}

@Test(arguments: nests)
private func `never-ban frees the judged header alone`(_ nest: Nest) {
    for (isOpen, judgedLayer) in [(false, 0), (true, 2)] {
        for (layer, source) in nest.sources.prefix(3).enumerated() {
            let sparing = opening(isOpen) { $0.neverBan = addresses(source) }
            let judgement = judged(nest.frame(3), sparing, banned: [source])
            #expect(judgement.reason == (layer == judgedLayer ? .default : .ban), "header \(layer)")
        }
    }
}

@Test func `bans are found behind every kind of tunnel that is not opened`() {
    let (v4, v6) = (IPv4Bytes().packet, IPv6Bytes().packet)
    let carriers: [(UInt8, [UInt8])] = [
        (4, v4), (41, v6), (47, [0, 0, 8, 0] + v4), (47, [0xb0, 0, 0x86, 0xdd] + zeros(12) + v6),
        (47, [0, 0, 0x65, 0x58] + ethernet(0x0800, v4, tags: [(0x88a8, 1), (0x8100, 2)])),
        (17, udp(5, 4789, [8] + zeros(7) + IPv6Bytes().frame)),
        (17, udp(5, 6081, [2, 0, 8, 0] + zeros(12) + v4)),
    ]
    for (proto, carried) in carriers {
        let frames = [
            IPv4Bytes(source: "203.0.113.1", proto: proto, content: carried).frame,
            IPv6Bytes(source: "2001:db8:1::1", next: proto, content: carried).frame,
        ]
        for frame in frames {
            let judgement = judged(frame, opening(false), banned: ["192.0.2.7", "2001:db8::7"])
            #expect(judgement == Judgement(.drop, .ban), "protocol \(proto)")
            #expect(judged(frame, opening(false), banned: ["192.0.2.8"]) == passed)
        }
    }
}

@Test func `below the judged header nothing is malformed, and what cannot be read ends the search`() {
    let carriers: [(String, [UInt8], Bool)] = [
        ("whole", IPv4Bytes().packet, true),
        ("its addresses alone", Array(IPv4Bytes().packet.prefix(20)), true),
        ("a false length", IPv4Bytes(totalLength: 1).packet, true),
        ("cut in its addresses", Array(IPv4Bytes().packet.prefix(19)), false),
        ("another version", IPv4Bytes(version: 6).packet, false),
        ("spoofed", IPv4Bytes(source: "127.0.0.1").packet, false),
    ]
    for (name, carried, isSeen) in carriers {
        let frame = IPv4Bytes(source: "203.0.113.1", proto: 4, content: carried).frame
        let expected = isSeen ? Judgement(.drop, .ban) : passed
        #expect(judged(frame, opening(false), banned: ["192.0.2.7"]) == expected, "\(name)")
        #expect(judged(frame, opening(false)) == passed, "\(name)")
    }
    let behindCut = IPv4Bytes(proto: 4, content: [0x45] + zeros(7)).packet
    let deep = IPv4Bytes(proto: 4, content: behindCut).frame
    #expect(judged(deep, opening(false), banned: ["203.0.113.9"]) == passed)
}

@Test func `bans are found in a first fragment and not in a later one`() {
    var outer = IPv4Bytes(source: "203.0.113.1", proto: 4, content: IPv4Bytes().packet, fragment: 0x2000)
    #expect(judged(outer.frame, opening(false), banned: ["192.0.2.7"]).reason == .ban)
    outer.fragment = 5
    #expect(judged(outer.frame, opening(false), banned: ["192.0.2.7"]) == passed)
}

// Spoofed, failsafe, essential.

@Test(arguments: nests)
private func `a spoofed source counts in every header down to the judged one`(_ nest: Nest) {
    let loopback = nest.family == .ipv4 ? "127.0.0.1" : "::1"
    let expected = Judgement(.drop, .spoofed, detail: "loopback source")
    for layer in 0..<4 {
        let frame = nest.frame(4, replacing: layer, by: loopback)
        #expect(judged(frame, opening(true)) == (layer < 3 ? expected : passed), "header \(layer)")
        #expect(judged(frame, opening(false)) == (layer < 1 ? expected : passed), "header \(layer)")
        #expect(judge(frame, opening(true), interface: "lo") == passed)
    }
}

@Test func `of two spoofed headers the outer one is named, behind what is malformed in either`() {
    func both(_ content: [UInt8] = tcp()) -> [UInt8] {
        let inner = IPv4Bytes(source: "127.0.0.1", content: content).packet
        return IPv4Bytes(source: "224.0.0.1", proto: 4, content: inner).frame
    }
    #expect(judged(both(), opening(true)).detail == "multicast or reserved source")
    #expect(judged(both(tcp(flags: [])), opening(true)).detail == "tcp flags")
    #expect(judged(both(tcp(flags: [])), opening(false)).detail == "multicast or reserved source")
    let own = ReferenceFirewall(policy: opening(true), ownAddresses: Set([IPAddress(v4: 0xc000_0207)]))
    let carried = IPv4Bytes(source: "203.0.113.1", proto: 4, content: IPv4Bytes().packet).frame
    #expect(own.judging(ReferenceFrame(bytes: carried)).detail == "own address as source")
}

@Test(arguments: nests)
private func `failsafe looks at the judged header alone and holds above a ban of any`(_ nest: Nest) {
    for (isOpen, judgedLayer) in [(false, 0), (true, 2)] {
        for (layer, source) in nest.sources.prefix(3).enumerated() {
            let saving = opening(isOpen) {
                $0.failsafe = [FailsafeEntry(source: addresses(source), service: nil, range: nowhere)]
            }
            let judgement = judged(nest.frame(3), saving, banned: nest.sources)
            #expect(judgement.reason == (layer == judgedLayer ? .failsafe : .ban), "header \(layer)")
        }
    }
}

@Test func `essential traffic is none in a tunnel`() {
    let offer = IPv4Bytes(proto: 17, content: udp(67, 68)).packet
    let frame = IPv4Bytes(source: "203.0.113.1", proto: 4, content: offer).frame
    #expect(judged(IPv4Bytes(proto: 17, content: udp(67, 68)).frame, opening(true)).reason == .essential)
    #expect(judged(frame, opening(true)) == passed)
    #expect(judged(frame, opening(false)) == passed)
}
