// SPDX-License-Identifier: Apache-2.0
// `decapsulate:`: which layer is judged, what of the layers around and below it counts.
import NetworkTypes
import PolicyLanguage
import Testing

@testable import ReferenceFirewall

/// One tunnel around the same inner TCP packet to port 22, from 192.0.2.7 or 2001:db8::7.
private struct Tunnel: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var name: Encapsulation
    var frame: [UInt8]
}

private let inner4 = IPv4Bytes().packet
private let inner6 = IPv6Bytes().packet

private func outer4(_ proto: UInt8, _ content: [UInt8]) -> [UInt8] {
    var made = IPv4Bytes(proto: proto, content: content)
    made.source = "203.0.113.1"
    return made.frame
}

private func outer6(_ next: UInt8, _ content: [UInt8]) -> [UInt8] {
    var made = IPv6Bytes(next: next, content: content)
    made.source = "2001:db8:1::1"
    return made.frame
}

private func gre(_ flags: Int, _ type: Int, _ content: [UInt8], words: Int = 0) -> [UInt8] {
    be16(flags) + be16(type) + zeros(4 * words) + content
}

private let vxlan: [UInt8] = [8, 0, 0, 0, 0, 0, 7, 0]

private func geneve(_ type: Int, _ content: [UInt8], words: UInt8 = 0) -> [UInt8] {
    [words, 0] + be16(type) + zeros(4) + zeros(4 * Int(words)) + content
}

private let tunnels = [
    Tunnel(testDescription: "IPv4 in IPv4", name: .ipip, frame: outer4(4, inner4)),
    Tunnel(testDescription: "IPv6 in IPv6", name: .ipip, frame: outer6(41, inner6)),
    Tunnel(testDescription: "IPv4 in IPv6", name: .ipv4InIPv6, frame: outer6(4, inner4)),
    Tunnel(testDescription: "IPv6 in IPv4", name: .ipv6InIPv4, frame: outer4(41, inner6)),
    Tunnel(testDescription: "GRE", name: .gre, frame: outer4(47, gre(0, 0x0800, inner4))),
    Tunnel(testDescription: "GRE in IPv6", name: .gre, frame: outer6(47, gre(0, 0x86dd, inner6))),
    Tunnel(testDescription: "checksum", name: .gre, frame: outer4(47, gre(0x8000, 0x0800, inner4, words: 1))),
    Tunnel(testDescription: "key", name: .gre, frame: outer4(47, gre(0x2000, 0x0800, inner4, words: 1))),
    Tunnel(testDescription: "sequence", name: .gre, frame: outer4(47, gre(0x1000, 0x0800, inner4, words: 1))),
    Tunnel(
        testDescription: "all three", name: .gre, frame: outer4(47, gre(0xb000, 0x86dd, inner6, words: 3))),
    Tunnel(
        testDescription: "Ethernet in GRE", name: .gre,
        frame: outer4(47, gre(0x2000, 0x6558, IPv4Bytes().frame, words: 1))),
    Tunnel(
        testDescription: "VXLAN", name: .vxlan, frame: outer4(17, udp(5, 4789, vxlan + IPv6Bytes().frame))),
    Tunnel(
        testDescription: "GENEVE", name: .geneve,
        frame: outer4(17, udp(5, 6081, geneve(0x6558, IPv4Bytes().frame)))),
    Tunnel(
        testDescription: "GENEVE with options", name: .geneve,
        frame: outer6(17, udp(5, 6081, geneve(0x0800, inner4, words: 63)))),
]

/// Port 22 passes, everything else is dropped.
private func opening(_ names: Set<Encapsulation>, _ change: (inout CheckedPolicy) -> Void = { _ in })
    -> CheckedPolicy
{
    policy([rule("ssh", .pass) { $0.service = service(.tcp, 22...22) }]) {
        $0.defaultVerdict = .drop
        $0.decapsulate = names
        change(&$0)
    }
}

private let all = Set(Encapsulation.allCases)
private let byRule = Judgement(.pass, .rule, rule: "ssh")
private let byDefault = Judgement(.drop, .default)

struct TunnelTests {
    @Test(arguments: tunnels)
    fileprivate func `rules judge the inner header of a named tunnel, else the outer one`(_ tunnel: Tunnel) {
        #expect(judge(tunnel.frame, opening([tunnel.name])) == byRule)
        #expect(judge(tunnel.frame, opening([])) == byDefault)
        #expect(judge(tunnel.frame, opening(all.subtracting([tunnel.name]))) == byDefault)
    }

    @Test(arguments: tunnels)
    fileprivate func `a tunnel cut anywhere never passes`(_ tunnel: Tunnel) {
        for length in 0..<tunnel.frame.count {
            #expect(judge(Array(tunnel.frame.prefix(length)), opening(all)).verdict == .drop)
        }
    }

    @Test(arguments: tunnels)
    fileprivate func `a banned source is found in the inner header whatever is named`(_ tunnel: Tunnel) {
        let bans = ["192.0.2.7", "2001:db8::7"].compactMap { IPAddress($0) }.map {
            ReferenceBan(prefix: Prefix($0))
        }
        for names in [[], all] {
            let firewall = ReferenceFirewall(policy: opening(names), bans: bans)
            #expect(firewall.judging(ReferenceFrame(bytes: tunnel.frame)) == Judgement(.drop, .ban))
        }
    }

    @Test(arguments: tunnels)
    fileprivate func `never-ban and failsafe look at the judged layer alone`(_ tunnel: Tunnel) {
        let inner = addresses("192.0.2.7/32", "2001:db8::7/128")
        let outer = addresses("203.0.113.1/32", "2001:db8:1::1/128")
        let bans = ["203.0.113.1", "2001:db8:1::1", "192.0.2.7", "2001:db8::7"].compactMap { IPAddress($0) }
            .map { ReferenceBan(prefix: Prefix($0)) }
        for (names, judged, other) in [(Set(), outer, inner), (all, inner, outer)] {
            for (spared, expected) in [(judged, Verdict.pass), (other, .drop)] {
                let saving = opening(names) {
                    $0.failsafe = [FailsafeEntry(source: spared, service: nil, range: nowhere)]
                }
                let firewall = ReferenceFirewall(policy: saving, bans: bans)
                #expect(firewall.judging(ReferenceFrame(bytes: tunnel.frame)).verdict == expected)
            }
            let sparing = opening(names) { $0.neverBan = judged }
            let firewall = ReferenceFirewall(policy: sparing, bans: bans)
            let banned = firewall.judging(ReferenceFrame(bytes: tunnel.frame))
            #expect(banned.reason == .ban, "the other layer is banned all the same")
        }
    }

    @Test fileprivate func `two layers are opened, a third is not`() {
        let two = outer4(4, IPv4Bytes(proto: 47, content: gre(0, 0x0800, inner4)).packet)
        #expect(judge(two, opening(all)) == byRule)
        #expect(judge(two, opening([.ipip])) == byDefault)
        #expect(judge(two, opening([.gre])) == byDefault, "the outer layer is not named")
        let three = outer4(
            4, IPv4Bytes(proto: 4, content: IPv4Bytes(proto: 4, content: inner4).packet).packet)
        #expect(judge(three, opening(all)) == byDefault)
    }

    @Test(arguments: [
        ("version 1", outer4(47, gre(1, 0x0800, inner4))),
        ("routing", outer4(47, gre(0x4000, 0x0800, inner4))),
        ("ARP in GRE", outer4(47, gre(0, 0x0806, zeros(28)))),
        ("no VXLAN identifier", outer4(17, udp(5, 4789, zeros(8) + IPv4Bytes().frame))),
        ("GENEVE version 1", outer4(17, udp(5, 6081, [0x40] + geneve(0x0800, inner4).dropFirst()))),
        ("ARP in VXLAN", outer4(17, udp(5, 4789, vxlan + ethernet(0x0806, zeros(28))))),
        ("another port", outer4(17, udp(5, 8472, vxlan + IPv4Bytes().frame))),
    ])
    fileprivate func `what is no tunnel that is read is judged by the header around it`(
        _ name: String, _ frame: [UInt8]
    ) {
        #expect(judge(frame, opening(all)) == byDefault, "\(name)")
    }

    @Test fileprivate func `faults count down to the judged layer and not below`() {
        let broken = outer4(4, IPv4Bytes(totalLength: 1).packet)
        #expect(judge(broken, opening(all)) == Judgement(.drop, .malformed, detail: "ip length"))
        #expect(judge(broken, opening([])) == byDefault)
        let cut = outer4(47, be16(0x8000) + be16(0x0800))
        #expect(judge(cut, opening(all)) == Judgement(.drop, .malformed, detail: "truncated tunnel header"))
        #expect(judge(cut, opening([])) == byDefault)
    }

    @Test fileprivate func `a spoofed source counts in every layer down to the judged one`() {
        let inside = outer4(4, IPv4Bytes(source: "127.0.0.1").packet)
        #expect(judge(inside, opening(all)).detail == "loopback source")
        #expect(judge(inside, opening([])) == byDefault)
        let outside = IPv4Bytes(source: "224.0.0.1", proto: 4, content: inner4).frame
        #expect(judge(outside, opening(all)).detail == "multicast or reserved source")
    }

    @Test fileprivate func `a layer in a first fragment is cut by nature, and its later ones follow`() {
        let tracking = opening(all) { $0.fragments = .track }
        var firewall = ReferenceFirewall(policy: tracking)
        var first = IPv4Bytes(proto: 4, content: IPv4Bytes(totalLength: 1400).packet)
        first.fragment = 0x2000
        let later = IPv4Bytes(proto: 4, content: zeros(64), fragment: 5)
        #expect(firewall.judge(ReferenceFrame(bytes: first.frame)) == byRule)
        let followed = firewall.judge(ReferenceFrame(bytes: later.frame))
        #expect(followed == Judgement(.pass, .fragment, rule: "ssh"))
        first.content = Array(first.content.prefix(24))
        let tiny = firewall.judge(ReferenceFrame(bytes: first.frame))
        #expect(tiny == Judgement(.drop, .malformed, detail: "tiny fragment"))
    }
}
