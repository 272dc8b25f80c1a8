// SPDX-License-Identifier: Apache-2.0
// IPv6 extension headers: chains of up to eight are walked to the L4 header, whatever they hold; what
// cannot be walked, or no node may send, is malformed.
import NetworkTypes
import TestSupport

private typealias Extension = PacketBuilder.Extension

private let walked = "RFC 8200 4: the upper-layer header stands at the end of the chain, wherever that is"
private let order =
    "RFC 8200 4.1: the order is recommended, hop-by-hop first is required; a node accepts the rest"
private let atomic = "RFC 6946 2, RFC 8200 4.5: offset 0 and no more fragments is a whole packet"
private let nine = "docs/policy.md, IPv6: a ninth header cannot be looked behind, so it never passes"
private let first = "RFC 8200 4.1: hop-by-hop stands only right behind the IPv6 header"
private let type0 = "RFC 5095 3: routing type 0 is deprecated, a node must not process it"
private let lying = "RFC 8200 4: a header ends inside its packet"

private let hop = Extension.plain(0)
private let dest = Extension.plain(60)
private let route = Extension.plain(43, routingType: 2)
private let auth = Extension.authentication()
private let atom = Extension.fragment(offset: 0, more: false)

/// A destination options header whose content looks like a TCP header.
private func dest(like port: Int) -> Extension { Extension(60, rest: [2, 1, 20] + decoy(port)) }

private let plain: [(String, [Extension], String)] = [
    ("hop-by-hop", [hop], walked),
    ("hop-by-hop of 2048 bytes", [.plain(0, units: 255)], walked),
    ("destination options", [dest], walked),
    ("destination options of 2048 bytes", [.plain(60, units: 255)], walked),
    ("routing type 2 (mobile IPv6)", [route], "RFC 6275 6.4: type 2 is in use; " + walked),
    ("routing type 3 (RPL)", [.plain(43, units: 1, routingType: 3)], "RFC 6554; " + walked),
    ("routing type 4 (segment routing)", [.plain(43, units: 2, routingType: 4)], "RFC 8754; " + walked),
    ("authentication header of 12 bytes", [auth], "RFC 4302 2.2: its length counts 4-byte words, less 2"),
    (
        "authentication header of 24 bytes", [.authentication(words: 4)],
        "RFC 4302 2.2: its length counts 4-byte words, less 2"
    ),
    (
        "authentication header of 8 bytes", [.authentication(words: 0)],
        "RFC 4302 2.2: its length counts 4-byte words, less 2"
    ),
    ("mobility (135)", [.plain(135)], walked),
    ("HIP (139)", [.plain(139, units: 4)], "RFC 7401 5.1; " + walked),
    ("shim6 (140)", [.plain(140)], "RFC 5533 5.1; " + walked),
    ("atomic fragment", [atom], atomic),
    ("atomic fragment twice", [atom, atom], atomic),
    ("hop-by-hop, atomic fragment, destination options", [hop, atom, dest], atomic),
    ("hop-by-hop, destination, routing, destination", [hop, dest, route, dest], order),
    ("hop-by-hop, destination, routing, AH, destination", [hop, dest, route, auth, dest], order),
    ("AH before routing", [auth, route], order),
    ("destination before AH before atomic fragment", [dest, auth, atom], order),
    ("all eight kinds", [hop, route, atom, auth, dest, .plain(135), .plain(139), .plain(140)], walked),
    ("destination options that look like TCP to port 80", [dest(like: 80)], walked),
    ("destination options that look like TCP to port 23", [dest(like: 23)], walked),
    ("hop-by-hop and seven destination options", [hop] + many(dest, 7), walked),
    ("eight of 264 bytes", many(.plain(60, units: 32), 8), walked),
]

private let repeated: [(String, [Extension], String)] = (2...8).map {
    ("\($0) destination options", many(dest, $0), walked)
}

private let odd: [(String, [Extension], String, String)] = [
    ("nine destination options", many(dest, 9), "too many extension headers", nine),
    ("hop-by-hop and eight destination options", [hop] + many(dest, 8), "too many extension headers", nine),
    ("an atomic fragment as the ninth", many(dest, 8) + [atom], "too many extension headers", nine),
    ("an authentication header as the ninth", many(dest, 8) + [auth], "too many extension headers", nine),
    ("twelve of all kinds", [hop, route, atom, auth] + many(dest, 8), "too many extension headers", nine),
    ("hop-by-hop twice", [hop, hop], "hop-by-hop not first", first),
    ("hop-by-hop behind destination options", [dest, hop], "hop-by-hop not first", first),
    ("hop-by-hop behind an atomic fragment", [atom, hop], "hop-by-hop not first", first),
    ("hop-by-hop as the eighth", many(dest, 7) + [hop], "hop-by-hop not first", first),
    ("routing type 0", [.plain(43)], "routing type 0", type0),
    ("routing type 0 behind hop-by-hop", [hop, .plain(43)], "routing type 0", type0),
    ("routing type 0 behind type 2", [route, .plain(43)], "routing type 0", type0),
    ("routing type 0 behind an atomic fragment", [atom, .plain(43, units: 2)], "routing type 0", type0),
    ("hop-by-hop that says 2048 bytes", [lie(0, 255)], "truncated extension header", lying),
    ("destination options that say 40 bytes", [lie(60, 4)], "truncated extension header", lying),
    ("routing that says 2048 bytes", [lie(43, 255)], "truncated extension header", lying),
    ("AH that says 1028 bytes", [lie(51, 255)], "truncated extension header", lying),
    ("mobility that says 2048 bytes", [lie(135, 255)], "truncated extension header", lying),
    ("the second of two that says 48 bytes", [hop, lie(60, 5)], "truncated extension header", lying),
]

private func many(_ part: Extension, _ count: Int) -> [Extension] {
    [Extension](repeating: part, count: count)
}

/// A header of 8 bytes whose length field says more.
private func lie(_ number: UInt8, _ units: UInt8) -> Extension {
    Extension(number, rest: [units, 2, 4, 0, 0, 0, 0])
}

func ipv6ChainCases() throws -> [EvasionCase] {
    var cases = Cases("IPv6 extension headers")
    for (name, chain, why) in plain + repeated {
        try cases.add(Dress(name, why) { $0.extensions = chain }, over: .ipv6)
    }
    for (name, chain, check, why) in odd {
        try cases.add(Dress(name, why, malformed: check) { $0.extensions = chain }, over: .ipv6)
    }
    for version: UInt8 in [0, 4, 5, 15] {
        let dress = Dress(
            "version \(version) under IPv6's ethertype",
            "RFC 8200 3, RFC 2464 3: 0x86dd carries version 6 only",
            malformed: "ip version"
        ) { $0.ipHeader[0] = version << 4 }
        try cases.add(dress, over: .ipv6)
    }
    try addLengthTricks(&cases)
    try addEnds(&cases)
    return cases.all
}

/// Length fields that lie, but inside the packet: the L4 header stands where the chain says.
private func addLengthTricks(_ cases: inout Cases) throws {
    let shorter = Cases.Variant(
        "a header of 32 bytes that says 8", "RFC 8200 4.6: the length field counts; the L4 header follows it")
    // Behind the 8 bytes that count stands a TCP header of its own; the real one is but payload.
    let lie = Extension(60, rest: [0, 1, 4, 0, 0, 0, 0] + decoy(23) + zeros(4))
    cases.add(
        shorter, "port 23, then port 80", try packet(AddressFamily.ipv6.tcp(80)) { $0.extensions = [lie] },
        (.closed, .telnet))
    let wanted = Extension(60, rest: [0, 1, 4, 0, 0, 0, 0] + decoy(80) + zeros(4))
    cases.add(
        shorter, "port 80, then port 23", try packet(AddressFamily.ipv6.tcp(23)) { $0.extensions = [wanted] },
        (.closed, .web))
    let longer = Cases.Variant(
        "a header of 8 bytes that says 16",
        "RFC 8200 4.6: it swallows 8 bytes of TCP, which is then too short")
    cases.add(
        longer, "tcp/80",
        try packet(AddressFamily.ipv6.tcp(80)) {
            $0.extensions = [Extension(60, rest: [1, 1, 4, 0, 0, 0, 0])]
        },
        (.closed, .malformed("truncated l4 header")))
}

/// Protocols that end the chain without ports: no rule for ports can pass them, nothing behind them is read.
private func addEnds(_ cases: inout Cases) throws {
    let ends: [(String, Int, String)] = [
        ("ESP (50)", 50, "RFC 4303 2: what follows is encrypted"),
        ("no next header (59)", 59, "RFC 8200 4.7: nothing follows, bytes behind it are ignored"),
        ("unknown next header 253", 253, "RFC 8200 4: a protocol like any other; no rule passes it"),
        ("unknown next header 254", 254, "RFC 8200 4: a protocol like any other; no rule passes it"),
        ("IPv4 in IPv6 (4)", 4, "RFC 2473: a tunnel is judged by its outer header"),
        ("IPv6 in IPv6 (41)", 41, "RFC 2473: a tunnel is judged by its outer header"),
    ]
    let payload = " payload " + hex(decoy(80))
    for (name, number, why) in ends {
        let variant = Cases.Variant(name, why)
        for (chain, parts) in [("", []), (" behind hop-by-hop", [hop]), (" behind eight", many(dest, 8))] {
            let plain = try packet(AddressFamily.ipv6.proto(number, more: payload)) { $0.extensions = parts }
            let ip = AddressFamily.ipv6
            let banned = try packet(ip.proto(number, from: ip.banned, more: payload)) {
                $0.extensions = parts
            }
            cases.add(variant, "that looks like tcp/80" + chain, plain, (.closed, .dropped))
            cases.add(variant, "that looks like tcp/80" + chain, plain, (.open, .passed))
            cases.add(variant, "banned source" + chain, banned, (.open, .banned))
        }
    }
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
