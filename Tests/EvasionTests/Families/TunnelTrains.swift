// SPDX-License-Identifier: Apache-2.0
// Trains in tunnels, tunnels in trains, and both at once, under `fragments: track`.
import NetworkTypes
import PolicyLanguage
import TestSupport

func tunnelTrainCases() throws -> [EvasionCase] {
    var trains = Trains("Tunnels and fragment trains", idsAbove: 20000)
    for kind in tunnelKinds {
        for outer in kind.outer {
            for inner in kind.inner {
                try addInnerTrains(&trains, kind, outer, inner)
                try addOuterTrains(&trains, kind, outer, inner)
            }
        }
    }
    try addBoth(&trains)
    try addNotOpened(&trains)
    return trains.cases.all
}

private let follows = Judgement.following(.pass, "web")
private let refused = Judgement.following(.drop, "no telnet")

/// The judged header is a fragment, each piece in a whole tunnel packet.
private func addInnerTrains(
    _ trains: inout Trains, _ kind: TunnelKind, _ outer: AddressFamily, _ inner: AddressFamily
) throws {
    let why = "POLICY, fragments: track, decapsulate: a later fragment of the judged header follows its first"
    let udp = trains.pieces(inner, inner.udp(40000, 443))
    func tunnelled(_ frame: [UInt8], from source: String? = nil) throws -> [UInt8] {
        try kind.frame(outer, around: frame, from: source)
    }
    trains.add(
        "train in \(kind.name)", "\(why); \(kind.standard)", outer, under: .opened,
        of: "around \(inner.title)",
        [
            ("last without its first", try tunnelled(udp.last), .fragment),
            ("first", try tunnelled(udp.first), .web), ("later", try tunnelled(udp.at(3)), follows),
            (
                "later from byte 16", try tunnelled(udp.at(2)), .malformed("overlapping fragment")
            ),
            ("last", try tunnelled(udp.at(6, more: false)), follows),
            ("last in a banned outer", try tunnelled(udp.last, from: outer.banned), .banned),
        ])
    let telnet = trains.pieces(inner, inner.tcp(23))
    trains.add(
        "train in \(kind.name)", "\(why); \(kind.standard)", outer, under: .opened,
        of: "around \(inner.title), tcp/23",
        [
            ("first", try tunnelled(telnet.first), .telnet), ("last", try tunnelled(telnet.last), refused),
        ])
    let mixed = trains.pieces(inner, inner.tcp(80))
    trains.add(
        "train partly in \(kind.name)",
        "docs/policy.md, Fragments: addresses, identification and protocol are the key, as hosts reassemble",
        outer, under: .opened, of: "around \(inner.title)",
        [
            ("first in the tunnel", try tunnelled(mixed.first), .web),
            ("later outside", try mixed.at(3), follows),
            ("later inside", try tunnelled(mixed.at(6)), follows),
        ])
}

/// The outer header is cut into fragments; the first one has all the headers.
private func addOuterTrains(
    _ trains: inout Trains, _ kind: TunnelKind, _ outer: AddressFamily, _ inner: AddressFamily
) throws {
    let why = "docs/policy.md, Layers 6: a first fragment is read as far as it goes, its later ones follow it"
    for (name, text, first, later) in [
        ("tcp/80", inner.tcp(80), Judgement.web, follows), ("tcp/23", inner.tcp(23), .telnet, refused),
        ("tcp/8080", inner.tcp(8080), .dropped, .fragment),
        ("a banned source", inner.tcp(80, from: inner.banned), .banned, .fragment),
        ("a loopback source", inner.tcp(80, from: inner.loopback), .spoofed("loopback source"), .fragment),
    ] {
        let id = trains.pieces(outer, text).id
        let whole = try packet(text) { $0.segment += zeros(400) }
        func piece(_ range: Range<Int>, more: Bool) throws -> [UInt8] {
            try kind.frame(outer, around: whole) {
                $0.segment = Array($0.segment.prefix(range.upperBound).dropFirst(range.lowerBound))
                $0.beFragment(outer, id: id, at: range.lowerBound / 8, more: more)
            }
        }
        trains.add(
            "\(kind.name) in a train", "\(why); \(kind.standard)", outer, under: .opened,
            of: "around \(inner.title), \(name)",
            [
                ("last without its first", try piece(400..<2000, more: false), .fragment),
                ("first", try piece(0..<304, more: true), first),
                ("later", try piece(304..<400, more: true), later),
                ("last", try piece(400..<2000, more: false), later),
            ])
    }
}

/// A first fragment in a first fragment: both keys are kept.
private func addBoth(_ trains: inout Trains) throws {
    let ip = AddressFamily.ipv4
    let why =
        "docs/policy.md, Fragments: kept once for each layer down to the judged one that is a first fragment"
    for kind in tunnelKinds where kind.outer.contains(ip) && kind.inner.contains(ip) {
        for (name, text, first, later) in [
            ("tcp/80", ip.tcp(80), Judgement.web, follows), ("tcp/23", ip.tcp(23), .telnet, refused),
        ] {
            let inner = trains.pieces(ip, text)
            let outer = trains.pieces(ip, text).id
            func piece(_ range: Range<Int>, more: Bool) throws -> [UInt8] {
                try kind.frame(ip, around: try inner.first) {
                    $0.segment = Array(($0.segment + zeros(800)).prefix(range.upperBound))
                    $0.segment.removeFirst(range.lowerBound)
                    $0.beFragment(ip, id: outer, at: range.lowerBound / 8, more: more)
                }
            }
            trains.add(
                "first fragment in a first \(kind.name) fragment", "\(why); \(kind.standard)", ip,
                under: .opened, of: name,
                [
                    ("both first", try piece(0..<304, more: true), first),
                    ("last of the outer", try piece(304..<400, more: false), later),
                    ("last of the inner", try kind.frame(ip, around: try inner.last), later),
                    ("last of the inner without a tunnel", try inner.last, later),
                ])
        }
    }
}

/// Where the tunnel is not named the outer header's fragments are all there is; bans look into them.
private func addNotOpened(_ trains: inout Trains) throws {
    let ip = AddressFamily.ipv4
    for kind in tunnelKinds where kind.outer.contains(ip) && kind.inner.contains(ip) {
        let inner = trains.pieces(ip, ip.tcp(80))
        trains.add(
            "train in \(kind.name), not named", "POLICY: the outer header is judged, and it is no fragment",
            ip,
            [
                ("first", try kind.frame(ip, around: try inner.first), .dropped),
                ("last", try kind.frame(ip, around: try inner.last), .dropped),
            ])
        let enemy = trains.pieces(ip, ip.tcp(80, from: ip.banned))
        trains.add(
            "train of a banned source in \(kind.name), not named",
            "POLICY 2: bans see every layer, of fragments too", ip, under: .openTracked,
            [
                ("first", try kind.frame(ip, around: try enemy.first), .banned),
                ("last", try kind.frame(ip, around: try enemy.last), .banned),
            ])
        for (name, source, first) in [
            ("tcp/80", nil, Judgement.passed), ("banned source", ip.banned, .banned),
        ] {
            let id = trains.pieces(ip, "").id
            let whole = try packet(ip.tcp(80, from: source)) { $0.segment += zeros(400) }
            func piece(_ range: Range<Int>, more: Bool) throws -> [UInt8] {
                try kind.frame(ip, around: whole) {
                    $0.segment = Array($0.segment.prefix(range.upperBound).dropFirst(range.lowerBound))
                    $0.beFragment(ip, id: id, at: range.lowerBound / 8, more: more)
                }
            }
            trains.add(
                "\(kind.name) in a train, not named",
                "POLICY 2: a first fragment shows its inner source; what a ban drops keeps nothing", ip,
                under: .openTracked, of: "around \(name)",
                [
                    ("first", try piece(0..<304, more: true), first),
                    (
                        "last", try piece(304..<2000, more: false),
                        first == .passed ? .following(.pass) : .fragment
                    ),
                ])
        }
    }
}
