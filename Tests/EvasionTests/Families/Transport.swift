// SPDX-License-Identifier: Apache-2.0
// TCP flags and data offsets, UDP lengths, ICMP types, payload patterns, and source ports that some
// firewalls trust.
import NetworkTypes
import PolicyLanguage
import TestSupport

func transportCases() throws -> [EvasionCase] {
    var cases = Cases("TCP, UDP, SCTP and ICMP")
    try addFlags(&cases)
    try addDataOffsets(&cases)
    try addUDPLengths(&cases)
    try addTypes(&cases)
    try addTrustedPorts(&cases)
    try addPayloads(&cases)
    return cases.all
}

private let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"]

private func text(_ flags: UInt8) -> String {
    let set = names.indices.filter { flags >> UInt8($0) & 1 == 1 }.map { names[$0] }
    return set.isEmpty ? "none" : set.joined(separator: "+")
}

/// RFC 9293 3.10.7 has no use for these; scanners (FIN, NULL, Xmas) and evasions do.
private func isImpossible(_ flags: UInt8) -> Bool {
    let six = flags & 0x3f
    let hasAck = six & 0x10 != 0, hasFin = six & 1 != 0, hasSyn = six & 2 != 0, hasRst = six & 4 != 0
    return six == 0 || six == 0x3f || hasSyn && hasFin || hasSyn && hasRst || hasFin && !hasAck
}

private func addFlags(_ cases: inout Cases) throws {
    let never = Cases.Variant(
        "flags that no stack sends",
        "RFC 9293 3.5, 3.10.7.4: every segment but SYN and RST has ACK; none, all, "
            + "SYN+FIN, SYN+RST and FIN without ACK are scans (RFC 9293 has no state that sends them)")
    let usual = Cases.Variant(
        "flags that a rule decides", "RFC 9293 3.10.7: judged by the rules like any segment")
    let withBits: [UInt8] = [0x42, 0xc2, 0x52, 0xd0, 0x40, 0x80, 0xc0, 0xff, 0xc3, 0xc1]
    for flags in (0..<64).map(UInt8.init) + withBits {
        let impossible = isImpossible(flags)
        for (ip, port, plain) in [
            (AddressFamily.ipv4, 80, (Scenario.closed, Judgement.web)), (.ipv4, 23, (.open, .telnet)),
            (.ipv6, 80, (.closed, .web)),
        ] {
            let frame = try packet(ip.tcp(port)) { $0.segment[13] = flags }
            cases.add(
                impossible ? never : usual, "\(ip.title) tcp/\(port) \(text(flags))", frame,
                (plain.0, impossible ? .malformed("tcp flags") : plain.1))
        }
    }
}

private func addDataOffsets(_ cases: inout Cases) throws {
    for ip in [AddressFamily.ipv4, .ipv6] {
        for words in 0...15 {
            let fits = words == 5
            let why =
                fits
                ? "RFC 9293 3.1: five words are the header without options"
                : "RFC 9293 3.1: the data offset is at least 5 and inside the segment"
            let dress = Dress(
                "TCP data offset \(words) in 20 bytes", why, malformed: fits ? nil : "tcp header length"
            ) { $0.segment[12] = UInt8(words << 4) }
            try cases.add(dress, over: ip)
        }
        let full = Dress("TCP with 40 bytes of options", "RFC 9293 3.1: up to 60 bytes are a header") {
            $0.segment[12] = 0xf0
            $0.segment += [UInt8](repeating: 1, count: 40)
        }
        try cases.add(full, over: ip)
    }
}

private func addUDPLengths(_ cases: inout Cases) throws {
    let lies = Cases.Variant(
        "UDP length that lies",
        "RFC 768: at least 8, and inside the IP payload (0 is for jumbograms, RFC 2675 4)")
    let allowed = Cases.Variant(
        "UDP length below the IP payload", "RFC 768: what is behind the datagram is not part of it")
    for ip in [AddressFamily.ipv4, .ipv6] {
        for length in [0, 1, 7, 13, 100, 65535] {
            for (port, scenario) in [(443, Scenario.closed), (23, .open)] {
                let frame = try packet(ip.udp(40000, port, more: " payload 01020304")) {
                    $0.segment.replaceSubrange(4..<6, with: big(length))
                }
                cases.add(
                    lies, "\(ip.title) udp/\(port), \(length) of 12", frame,
                    (scenario, .malformed("udp length")))
            }
        }
        for length in [8, 11, 12] {
            let frame = try packet(ip.udp(40000, 443, more: " payload deadbeef")) {
                $0.segment.replaceSubrange(4..<6, with: big(length))
            }
            // Only at 12 bytes the worm's four are inside the datagram.
            cases.add(
                allowed, "\(ip.title) udp/443 with the worm's bytes, \(length) of 12", frame,
                (.closed, length == 12 ? .worm : .web))
        }
    }
}

private func addTypes(_ cases: inout Cases) throws {
    let v4 = Cases.Variant("ICMP types", "RFC 792: only the type that a rule names passes (echo request, 8)")
    let v6 = Cases.Variant("ICMPv6 types", "RFC 4443 2.1: only the type that a rule names passes (128)")
    for type in [0, 3, 4, 5, 8, 9, 10, 11, 12, 13, 15, 17, 128, 255] {
        let frame = try packet("icmp 203.0.113.7 > 198.51.100.1 type \(type)")
        cases.add(v4, "type \(type)", frame, (.closed, type == 8 ? .ping : .dropped))
    }
    for type in [0, 1, 3, 4, 8, 127, 128, 129, 130, 131, 132, 137, 138, 139, 141, 143, 151, 255] {
        let frame = try packet("icmpv6 2001:db8:7::7 > 2001:db8::1 type \(type)")
        cases.add(v6, "type \(type)", frame, (.closed, type == 128 ? .ping : .dropped))
    }
    let crossed = Cases.Variant(
        "ICMP's number under the other version", "docs/policy.md, L4: each number is read as its own protocol"
    )
    let icmp = try packet("icmp 203.0.113.7 > 198.51.100.1 type 128") { $0.ipHeader[9] = 58 }
    let icmpv6 = try packet("icmpv6 2001:db8:7::7 > 2001:db8::1 type 8") { $0.ipHeader[6] = 1 }
    cases.add(crossed, "ICMPv6 128 in IPv4", icmp, (.closed, .ping))
    cases.add(crossed, "ICMP 8 in IPv6", icmpv6, (.closed, .ping))
}

private func addTrustedPorts(_ cases: inout Cases) throws {
    let variant = Cases.Variant(
        "source ports that look like answers",
        "POLICY 7: no source port passes by itself (RFC 6056: it proves "
            + "nothing); answers pass by a rule or by state")
    for ip in [AddressFamily.ipv4, .ipv6] {
        for port in [20, 53, 67, 68, 88, 123, 161, 443, 500, 547, 853, 5353] {
            cases.add(
                variant, "\(ip.title) udp from \(port)", try packet(ip.udp(port, 40000)), (.closed, .dropped))
        }
        for port in [20, 22, 53, 80, 443] {
            let text = ip.tcp(40000, flags: "syn,ack").replacing(":40000 >", with: ":\(port) >")
            cases.add(variant, "\(ip.title) tcp from \(port)", try packet(text), (.closed, .dropped))
        }
        let telnet = try packet(ip.udp(53, 23))
        cases.add(variant, "\(ip.title) udp from 53 to 23", telnet, (.open, .telnet))
        let banned = try packet(ip.udp(53, 40000, from: ip.banned))
        cases.add(variant, "\(ip.title) udp from 53, banned", banned, (.open, .banned))
    }
}

/// The pattern stands at the payload's start, wherever that is.
private func addPayloads(_ cases: inout Cases) throws {
    let variant = Cases.Variant(
        "payload pattern",
        "POLICY: offset 0 is the first byte behind the L4 header, options and chains included")
    let worm: [UInt8] = [0xde, 0xad, 0xbe, 0xef]
    let shapes: [(String, AddressFamily, (inout PacketBuilder) -> Void, Judgement)] = [
        ("at the start", .ipv4, { $0.segment += worm }, .worm),
        (
            "behind IP options", .ipv4,
            {
                $0.ipOptions = zeros(40); $0.segment += worm
            }, .worm
        ),
        (
            "behind TCP options", .ipv4,
            {
                $0.segment[12] = 0xf0; $0.segment += zeros(40) + worm
            }, .worm
        ),
        (
            "as TCP options", .ipv4,
            {
                $0.segment[12] = 0x60; $0.segment += worm
            }, .web
        ),
        ("one byte on", .ipv4, { $0.segment += [0] + worm }, .web),
        ("cut by one byte", .ipv4, { $0.segment += worm.dropLast() }, .web),
        (
            "behind a tag", .ipv4,
            {
                $0.tags = [.init(5)]; $0.segment += worm
            }, .worm
        ),
        (
            "behind extension headers", .ipv6,
            {
                $0.extensions = [.plain(0), .plain(60)]; $0.segment += worm
            }, .worm
        ),
        ("in an extension header", .ipv6, { $0.extensions = [.init(60, rest: [0, 1, 4] + worm)] }, .web),
    ]
    for (name, ip, wear, right) in shapes {
        cases.add(variant, "\(ip.title) tcp/80, \(name)", try packet(ip.tcp(80), wear), (.closed, right))
    }
}
