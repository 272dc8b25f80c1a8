// SPDX-License-Identifier: Apache-2.0
// `malformed: pass` and `spoofed: pass`: the packet goes on to the rules, but a key whose field could not be
// read matches nothing, so that leniency is no way around a rule either.
import NetworkTypes
import PolicyLanguage
import TestSupport

private let unread = "POLICY: a key whose field could not be read matches nothing, negated or not"
private let read = "POLICY, malformed: pass: the fields that could be read decide"

func lenientCases() throws -> [EvasionCase] {
    var cases = Cases("Under malformed: pass and spoofed: pass")
    for ip in [AddressFamily.ipv4, .ipv6] {
        try addUnread(&cases, ip)
        try addRead(&cases, ip)
    }
    let spoofed = Cases.Variant(
        "spoofed source", "POLICY, spoofed: pass: the rules decide, detail names the check")
    let loopback = try packet(AddressFamily.ipv4.tcp(80, from: "127.0.0.1"))
    cases.add(spoofed, "loopback, tcp/80", loopback, (.lenient, .web.noting("loopback source")))
    let telnet = try packet(AddressFamily.ipv4.tcp(23, from: "127.0.0.1"))
    cases.add(spoofed, "loopback, tcp/23", telnet, (.lenient, .telnet.noting("loopback source")))
    let banned = try packet(AddressFamily.ipv4.tcp(80, from: "203.0.113.66", flags: "syn,fin"))
    cases.add(
        .init("banned source", "POLICY 2: bans come next"), "SYN+FIN", banned,
        (.lenient, .banned.noting("tcp flags")))
    let short = Array(try packet(AddressFamily.ipv4.tcp(80, from: "203.0.113.66")).prefix(34))
    cases.add(
        .init("banned source", "POLICY 2: bans come next"), "truncated", short,
        (.lenient, .banned.noting("truncated packet")))
    return cases.all
}

private func addUnread(_ cases: inout Cases, _ ip: AddressFamily) throws {
    let tooMany: (inout PacketBuilder) -> Void = { $0.tags = [.init(5), .init(6), .init(7)] }
    let ninth: (inout PacketBuilder) -> Void = {
        $0.extensions = [PacketBuilder.Extension](repeating: .plain(60), count: 9)
    }
    let lying: (inout PacketBuilder) -> Void = { $0.extensions = [.init(60, rest: [200, 1, 4, 0, 0, 0, 0])] }
    let shared: [(String, (inout PacketBuilder) -> Void, String)] = [
        ("three tags", tooMany, "more than two vlan tags"),
        ("TCP of 19 bytes", { $0.segment.removeLast() }, "truncated l4 header"),
        ("frame cut inside the IP header", { $0.cut = 30 }, "truncated ip header"),
        ("wrong version", { $0.ipHeader[0] = 0x10 }, "ip version"),
    ]
    let own: [(String, (inout PacketBuilder) -> Void, String)] =
        ip == .ipv4
        ? [
            ("header length of 16 bytes", { $0.headerWords = 4 }, "ip header length"),
            ("total length 0", { $0.lengthField = 0 }, "ip length zero"),
            ("total length 19", { $0.lengthField = 19 }, "ip length"),
        ]
        : [
            ("nine extension headers", ninth, "too many extension headers"),
            ("extension header that lies", lying, "truncated extension header"),
        ]
    for (name, wear, check) in shared + own {
        for port in [80, 8080] {
            cases.add(
                .init(name, unread), "\(ip.title) tcp/\(port)", try packet(ip.tcp(port), wear),
                (.lenient, .dropped.noting(check)))
        }
    }
}

private func addRead(_ cases: inout Cases, _ ip: AddressFamily) throws {
    var shapes: [(String, (inout PacketBuilder) -> Void, String)] = [
        ("no TCP flags", { $0.segment[13] = 0 }, "tcp flags"),
        ("TCP data offset 4", { $0.segment[12] = 0x40 }, "tcp header length"),
        (
            "one byte missing",
            {
                $0.segment += [0]; $0.lengthField = ip == .ipv4 ? 42 : 22
            }, "truncated packet"
        ),
    ]
    if ip == .ipv6 {
        shapes += [
            ("hop-by-hop twice", { $0.extensions = [.plain(0), .plain(0)] }, "hop-by-hop not first"),
            ("routing type 0", { $0.extensions = [.plain(43)] }, "routing type 0"),
        ]
    }
    let other = Judgement(.pass, .rule, rule: "all but telnet")
    for (name, wear, check) in shapes {
        for (port, right) in [(80, Judgement.web), (23, .telnet), (8080, other)] {
            cases.add(
                .init(name, read), "\(ip.title) tcp/\(port)", try packet(ip.tcp(port), wear),
                (.lenient, right.noting(check)))
        }
    }
}
