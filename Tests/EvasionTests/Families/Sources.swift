// SPDX-License-Identifier: Apache-2.0
// Sources: spoofed ones, banned ones in any protocol and at the edges of their prefixes, and those that
// never-ban and failsafe save. Each with the address just outside.
import NetworkTypes
import PolicyLanguage
import TestSupport

/// A wanted packet from a source.
private func web(_ source: String, to port: Int = 80) throws -> [UInt8] {
    try packet((source.contains(":") ? AddressFamily.ipv6 : .ipv4).tcp(port, from: source))
}

func spoofedCases() throws -> [EvasionCase] {
    var cases = Cases("Spoofed sources")
    let tables: [(String, String, [String], [String])] = [
        (
            "loopback source", "RFC 1122 3.2.1.3 g: 127/8 never leaves a host",
            [
                "127.0.0.0", "127.0.0.1",
                "127.255.255.255",
            ], ["126.255.255.255", "128.0.0.0"]
        ),
        (
            "this-network source",
            "RFC 1122 3.2.1.3 b: 0/8 has no packets but a host's that asks for its address",
            ["0.0.0.0", "0.0.0.1", "0.255.255.255"], ["1.0.0.0"]
        ),
        (
            "multicast or reserved source", "RFC 1112 7.2, RFC 1122 3.2.1.3, RFC 6890 2.2.2: never a source",
            ["224.0.0.0", "239.255.255.255", "240.0.0.1", "255.255.255.255"], ["223.255.255.255"]
        ),
        ("loopback source", "RFC 4291 2.5.3: ::1 never leaves a host", ["::1"], ["::2"]),
        (
            "multicast or reserved source", "RFC 4291 2.7: a multicast address is never a source",
            ["ff00::", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
        ),
        (
            "ipv4-mapped source",
            "RFC 4291 2.5.5.2, RFC 4942 2.2: mapped addresses are for sockets, not for wires",
            ["::ffff:0:0", "::ffff:203.0.113.7", "::ffff:255.255.255.255"],
            ["::fffe:ffff:ffff", "::1:0:0:0", "::1:ffff:0:0"]
        ),
        ("unspecified source", "RFC 4291 2.5.2: :: only while a host has no address", ["::"], []),
    ]
    for (detail, why, inside, outside) in tables {
        let just = Cases.Variant("just outside of: \(detail)", why)
        for source in inside {
            for (port, scenario) in [(80, Scenario.closed), (8080, .open)] {
                cases.add(.init(detail, why), source, try web(source, to: port), (scenario, .spoofed(detail)))
            }
        }
        for source in outside { cases.add(just, source, try web(source), (.closed, .web)) }
    }
    try addBeginners(&cases)
    try addReflections(&cases)
    return cases.all
}

/// Hosts that have no address yet.
private func addBeginners(_ cases: inout Cases) throws {
    let dhcp = Cases.Variant("source 0.0.0.0", "RFC 951 4, RFC 2131 4.1: only while it asks by udp 68 > 67")
    let v4 = AddressFamily.ipv4
    let asking = try packet(v4.udp(68, 67, from: "0.0.0.0"))
    cases.add(dhcp, "udp 68 > 67", asking, (.closed, .dropped))
    cases.add(dhcp, "udp 68 > 67", asking, (.open, .passed))
    let this = Judgement.spoofed("this-network source")
    for (source, port) in [(68, 68), (67, 68), (67, 67), (68, 443)] {
        cases.add(
            dhcp, "udp \(source) > \(port)", try packet(v4.udp(source, port, from: "0.0.0.0")), (.open, this))
    }
    let next = try packet(v4.udp(68, 67, from: "0.0.0.1"))
    cases.add(dhcp, "0.0.0.1, udp 68 > 67", next, (.open, this))
    let tcp = try packet("tcp 0.0.0.0:68 > 198.51.100.1:67 syn")
    cases.add(dhcp, "tcp 68 > 67", tcp, (.open, this))
    let detection = Cases.Variant(
        "source ::", "RFC 4862 5.4, RFC 4861 4.1, RFC 3810 5.2.13: only in ICMPv6 133, 135 and 143")
    for (type, right) in [
        (133, Judgement.essential("nd")), (135, .essential("nd")), (143, .dropped),
        (128, .spoofed("unspecified source")), (134, .spoofed("unspecified source")),
        (136, .spoofed("unspecified source")), (142, .spoofed("unspecified source")),
    ] {
        let frame = try packet("icmpv6 :: > 2001:db8::1 type \(type) ttl 255")
        cases.add(detection, "ICMPv6 \(type)", frame, (.closed, right))
    }
    let udp = try packet("udp [::]:68 > [2001:db8::1]:67")
    cases.add(detection, "udp 68 > 67", udp, (.open, .spoofed("unspecified source")))
}

private func addReflections(_ cases: inout Cases) throws {
    let same = Cases.Variant(
        "source is destination", "RFC 4987 and CERT CA-1997-28 (land): no wire brings it")
    let next = Cases.Variant("source next to the destination", "only the very address is a reflection")
    for source in ["198.51.100.1", "2001:db8::1"] {
        cases.add(same, source, try web(source), (.closed, .spoofed("source is destination")))
        cases.add(same, source, try web(source, to: 8080), (.open, .spoofed("source is destination")))
    }
    for source in ["198.51.100.0", "198.51.100.2", "2001:db8::", "2001:db8::2", "2001:db8:0:1::1"] {
        cases.add(next, source, try web(source), (.closed, .web))
    }
}

func banCases() throws -> [EvasionCase] {
    var cases = Cases("Bans, never-ban and failsafe")
    try addBannedProtocols(&cases)
    try addBanEdges(&cases)
    try addFailsafe(&cases)
    return cases.all
}

private func addBannedProtocols(_ cases: inout Cases) throws {
    let banned = Cases.Variant("banned source in any protocol", "POLICY 2: the ban comes before the protocol")
    let plain = Cases.Variant(
        "any protocol from another source", "POLICY 6: what no rule names meets the default")
    let inner: [UInt8] =
        [0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 203, 0, 113, 7, 198, 51, 100, 1] + decoy(80)
    let numbers = [2, 4, 33, 41, 46, 47, 50, 88, 89, 94, 97, 98, 103, 108, 112, 115, 136, 137, 253, 255]
    for ip in [AddressFamily.ipv4, .ipv6] {
        for number in numbers {
            let more = " payload " + hex(inner)
            let from = try packet(ip.proto(number, from: ip.banned, more: more))
            let other = try packet(ip.proto(number, more: more))
            cases.add(banned, "\(ip.title) protocol \(number)", from, (.open, .banned))
            cases.add(plain, "\(ip.title) protocol \(number)", other, (.open, .passed))
            cases.add(plain, "\(ip.title) protocol \(number)", other, (.closed, .dropped))
        }
    }
    let icmp = try packet("icmp 203.0.113.66 > 198.51.100.1 echo-request")
    cases.add(banned, "IPv4 ICMP echo request", icmp, (.closed, .banned))
    let answer = try packet(AddressFamily.ipv4.tcp(40000, from: "203.0.113.66", flags: "syn,ack"))
    cases.add(banned, "IPv4 TCP answer", answer, (.open, .banned))
    let target = try packet("tcp 203.0.113.7:40000 > 203.0.113.66:80 syn")
    cases.add(
        .init("banned destination", "a ban is of a source"), "IPv4 tcp/80", target, (.closed, .web))
    let broken = try packet(AddressFamily.ipv4.tcp(80, from: "203.0.113.66", flags: "syn,fin"))
    cases.add(
        .init("banned source, malformed", "POLICY 1: malformed is judged before all that follows"), "SYN+FIN",
        broken, (.closed, .malformed("tcp flags")))
}

private func addBanEdges(_ cases: inout Cases) throws {
    let edges: [(String, [String], [String])] = [
        ("ban of 203.0.113.66", ["203.0.113.66"], ["203.0.113.65", "203.0.113.67"]),
        ("ban of 203.0.113.192/26", ["203.0.113.192", "203.0.113.255"], ["203.0.113.191", "203.0.114.0"]),
        (
            "ban of 198.51.100.128/31", ["198.51.100.128", "198.51.100.129"],
            ["198.51.100.127", "198.51.100.130"]
        ),
        (
            "ban of 2001:db8:bad::/48", ["2001:db8:bad::", "2001:db8:bad:ffff:ffff:ffff:ffff:ffff"],
            ["2001:db8:bac:ffff:ffff:ffff:ffff:ffff", "2001:db8:bae::"]
        ),
        (
            "ban of 2001:db8:66:0:8000::/65", ["2001:db8:66:0:8000::", "2001:db8:66:0:ffff:ffff:ffff:ffff"],
            ["2001:db8:66:0:7fff:ffff:ffff:ffff", "2001:db8:66:1::"]
        ),
        (
            "ban of 2001:db8:67::66/127", ["2001:db8:67::66", "2001:db8:67::67"],
            ["2001:db8:67::65", "2001:db8:67::68"]
        ),
        ("ban of 2001:db8:68::68", ["2001:db8:68::68"], ["2001:db8:68::67", "2001:db8:68::69"]),
    ]
    for (name, inside, outside) in edges {
        let why = "POLICY 2: a ban holds for its prefix, from its first to its last address, and for no other"
        for source in inside {
            cases.add(.init(name, why), "from \(source)", try web(source), (.closed, .banned))
        }
        for source in outside {
            cases.add(.init(name, why), "from \(source)", try web(source), (.closed, .web))
        }
    }
    let never: [(String, [String], [String])] = [
        (
            "never-ban of 203.0.113.200/30 inside a ban", ["203.0.113.200", "203.0.113.203"],
            ["203.0.113.199", "203.0.113.204"]
        ),
        (
            "never-ban of 2001:db8:bad:1::/64 inside a ban",
            ["2001:db8:bad:1::", "2001:db8:bad:1:ffff:ffff:ffff:ffff"],
            ["2001:db8:bad:0:ffff:ffff:ffff:ffff", "2001:db8:bad:2::"]
        ),
    ]
    for (name, inside, outside) in never {
        let why = "POLICY 2: no ban holds for never-ban; the rules still do"
        for source in inside {
            cases.add(.init(name, why), "from \(source)", try web(source), (.closed, .web))
            cases.add(
                .init(name, why), "from \(source) to port 23", try web(source, to: 23), (.open, .telnet))
        }
        for source in outside {
            cases.add(.init(name, why), "from \(source)", try web(source), (.closed, .banned))
        }
    }
}

private func addFailsafe(_ cases: inout Cases) throws {
    let saved = Cases.Variant("failsafe 192.0.2.0/28 to tcp/22", "POLICY 2: it passes above bans and rules")
    let not = Cases.Variant("just outside of failsafe", "POLICY 2: its sources to its service, nothing else")
    for source in ["192.0.2.0", "192.0.2.5", "192.0.2.15", "2001:db8:5afe::", "2001:db8:5afe:ffff::1"] {
        cases.add(saved, "from \(source)", try web(source, to: 22), (.closed, .failsafe))
    }
    let banned = "from banned 192.0.2.9"
    cases.add(saved, banned, try web("192.0.2.9", to: 22), (.closed, .failsafe))
    for (name, wear): (String, (inout PacketBuilder) -> Void) in [
        ("in QinQ", { $0.tags = [.init(5, ethertype: 0x88a8), .init(6)] }),
        ("in VLAN 66, which a rule drops", { $0.tags = [.init(66)] }),
        ("behind IP options", { $0.ipOptions = zeros(40) }),
        ("first fragment", { $0.ipHeader[6] = 0x20 }),
    ] {
        let frame = try packet(AddressFamily.ipv4.tcp(22, from: "192.0.2.5"), wear)
        cases.add(saved, name, frame, (.closed, .failsafe))
    }
    let reply = try packet("tcp 198.51.100.1:22 > 192.0.2.5:40000 syn,ack")
    cases.add(saved, "a reply to it", reply, (.closed, .failsafe))
    for source in ["192.0.1.255", "192.0.2.16", "2001:db8:5afd:ffff::1", "2001:db8:5aff::"] {
        cases.add(not, "from \(source)", try web(source, to: 22), (.closed, .dropped))
    }
    for port in [21, 23, 2222] {
        let right = port == 23 ? Judgement.telnet : .dropped
        cases.add(not, "to port \(port)", try web("192.0.2.5", to: port), (.closed, right))
        cases.add(not, "to port \(port), banned", try web("192.0.2.9", to: port), (.closed, .banned))
    }
    let odd: [(String, [UInt8], Judgement)] = [
        ("udp/22", try packet(AddressFamily.ipv4.udp(40000, 22, from: "192.0.2.5")), .dropped),
        ("a reply from another port", try packet("tcp 198.51.100.1:23 > 192.0.2.5:40000 syn,ack"), .dropped),
        ("a reply to another host", try packet("tcp 198.51.100.1:22 > 192.0.2.16:40000 syn,ack"), .dropped),
        ("from port 22", try packet("tcp 192.0.2.5:22 > 198.51.100.1:40000 syn,ack"), .dropped),
        (
            "later fragment that looks like tcp/22",
            try packet(AddressFamily.ipv4.tcp(22, from: "192.0.2.5")) { $0.ipHeader[7] = 185 }, .fragment
        ),
        (
            "SYN+FIN", try packet(AddressFamily.ipv4.tcp(22, from: "192.0.2.5", flags: "syn,fin")),
            .malformed("tcp flags")
        ),
        (
            "truncated TCP",
            try packet(AddressFamily.ipv4.tcp(22, from: "192.0.2.5")) { $0.segment.removeLast() },
            .malformed("truncated l4 header")
        ),
    ]
    for (name, frame, right) in odd { cases.add(not, name, frame, (.closed, right)) }
    let udp = Cases.Variant(
        "failsafe 192.0.2.16/28 to udp", "POLICY 2: without a port it holds for later fragments too")
    let later = try packet(AddressFamily.ipv4.udp(40000, 9, from: "192.0.2.17")) { $0.ipHeader[7] = 185 }
    cases.add(udp, "later fragment", later, (.closed, .failsafe))
    cases.add(
        udp, "any port", try packet(AddressFamily.ipv4.udp(40000, 23, from: "192.0.2.31")),
        (.closed, .failsafe))
    let next = try packet(AddressFamily.ipv4.udp(40000, 9, from: "192.0.2.32")) { $0.ipHeader[7] = 185 }
    cases.add(udp, "later fragment from just outside", next, (.closed, .fragment))
    let other = try packet(AddressFamily.ipv4.tcp(9, from: "192.0.2.17")) { $0.ipHeader[7] = 185 }
    cases.add(udp, "later fragment of TCP", other, (.closed, .fragment))
}
