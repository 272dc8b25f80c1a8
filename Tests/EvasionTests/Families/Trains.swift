// SPDX-License-Identifier: Apache-2.0
// Fragments under `fragments: track`: trains of them in the order in which they come. Every train has an
// identification of its own, so that the suite's frames can go through one engine.
import NetworkTypes
import PolicyLanguage
import TestSupport

extension Judgement {
    /// A later fragment that follows its first.
    static func following(_ verdict: Verdict, _ rule: String? = nil) -> Judgement {
        Judgement(verdict, .fragment, rule: rule)
    }
}

/// Pieces of one datagram: 24 bytes each, the later ones looking like the header of a packet to `decoyPort`.
struct FragmentPieces {
    var ip: AddressFamily
    var text: String
    var id: Int
    var decoyPort = 80
    var wear: (inout PacketBuilder) -> Void = { _ in }

    /// - Parameter offset: in units of 8 bytes.
    func at(_ offset: Int, more: Bool = true) throws -> [UInt8] {
        try packet(text) { part in
            let content = offset == 0 ? part.segment + zeros(24) : decoy(decoyPort) + zeros(4)
            part.segment = Array(content.prefix(24))
            if ip == .ipv4 {
                part.ipHeader.replaceSubrange(4..<6, with: big(id))
                part.ipHeader.replaceSubrange(6..<8, with: big(offset | (more ? 0x2000 : 0)))
            } else {
                let header = [0] + big(offset << 3 | (more ? 1 : 0)) + [0, 0] + big(id)
                part.extensions.append(PacketBuilder.Extension(44, rest: header))
            }
            wear(&part)
        }
    }

    var first: [UInt8] { get throws { try at(0) } }
    var last: [UInt8] { get throws { try at(3, more: false) } }
}

/// A frame of a train as a table's line.
typealias TrainLine = (note: String, frame: [UInt8], right: Judgement)

/// A table of trains under construction.
struct Trains {
    var cases: Cases
    private var id: Int

    /// - Parameter id: identifications above it are this table's.
    init(_ family: String, idsAbove id: Int) {
        cases = Cases(family)
        self.id = id
    }

    mutating func pieces(_ ip: AddressFamily, _ text: String) -> FragmentPieces {
        id += 1
        return FragmentPieces(ip: ip, text: text, id: id)
    }

    /// Adds the frames of one train in their order, all at one time.
    mutating func add(
        _ name: String, _ why: String, _ ip: AddressFamily, under scenario: Scenario = .tracked,
        of carrying: String = "", _ frames: [TrainLine]
    ) {
        let steps = frames.map { Step(note: $0.note, frame: $0.frame, expected: $0.right) }
        let title = carrying.isEmpty ? ip.title : "\(ip.title) \(carrying)"
        cases.addTrain(.init(name, why), title, steps, under: scenario)
    }
}

func trainCases() throws -> [EvasionCase] {
    var trains = Trains("Fragment trains", idsAbove: 1000)
    for ip in [AddressFamily.ipv4, .ipv6] {
        try addFollowing(&trains, ip)
        try addLost(&trains, ip)
        try addOthers(&trains, ip)
        try addReplaced(&trains, ip)
        try addOverlapping(&trains, ip)
        try addAboveRules(&trains, ip)
        try addKinds(&trains, ip)
    }
    try addChains(&trains)
    return trains.cases.all
}

private let follows = "POLICY, fragments: track: a later fragment gets its first's verdict and rule"

private func addFollowing(_ trains: inout Trains, _ ip: AddressFamily) throws {
    let fates: [(String, String, Scenario, Judgement, Judgement)] = [
        ("tcp/80", ip.tcp(80), .tracked, .web, .following(.pass, "web")),
        ("tcp/8080", ip.tcp(8080), .tracked, .dropped, .fragment),
        ("tcp/23", ip.tcp(23), .tracked, .telnet, .following(.drop, "no telnet")),
        ("tcp/8080", ip.tcp(8080), .openTracked, .passed, .following(.pass)),
        ("tcp/23", ip.tcp(23), .openTracked, .telnet, .following(.drop, "no telnet")),
        ("udp/443", ip.udp(40000, 443), .tracked, .web, .following(.pass, "web")),
    ]
    for (name, text, scenario, first, later) in fates {
        for decoyPort in [80, 23] {
            var pieces = trains.pieces(ip, text)
            pieces.decoyPort = decoyPort
            trains.add(
                "in order", follows, ip, under: scenario,
                of: "\(name), the later ones looking like tcp/\(decoyPort)",
                [
                    ("first", try pieces.first, first), ("later", try pieces.at(3), later),
                    ("last", try pieces.at(6, more: false), later),
                ])
        }
    }
}

private func addLost(_ trains: inout Trains, _ ip: AddressFamily) throws {
    let lost = trains.pieces(ip, ip.tcp(80))
    trains.add(
        "first lost", "POLICY: one that comes without its first is dropped", ip,
        [("later", try lost.at(3), .fragment), ("last", try lost.at(6, more: false), .fragment)])
    let overtaking = trains.pieces(ip, ip.tcp(80))
    trains.add(
        "out of order", "POLICY: a later fragment that overtakes its first has nothing to follow", ip,
        [
            ("last before its first", try overtaking.last, .fragment), ("first", try overtaking.first, .web),
            ("last behind it", try overtaking.last, .following(.pass, "web")),
        ])
    let open = trains.pieces(ip, ip.tcp(80))
    trains.add(
        "first lost under default pass", "POLICY: dropped whatever the default is", ip, under: .openTracked,
        [("last", try open.last, .fragment)])
}

private func addOthers(_ trains: inout Trains, _ ip: AddressFamily) throws {
    let pieces = trains.pieces(ip, ip.tcp(80))
    let other = ip == .ipv4 ? "203.0.113.8" : "2001:db8:7::8"
    let host = ip == .ipv4 ? "198.51.100.2" : "2001:db8::2"
    let family: AddressFamily = ip == .ipv4 ? .ipv6 : .ipv4
    let elsewhere = ip.tcp(80).split(separator: " ").map {
        $0.hasSuffix(":80") ? "\(ip.bracketed(host)):80" : "\($0)"
    }
    .joined(separator: " ")
    func last(_ text: String, _ ip: AddressFamily, id: Int) throws -> [UInt8] {
        try FragmentPieces(ip: ip, text: text, id: id).last
    }
    trains.add(
        "another train's fragment",
        "RFC 791 3.2, RFC 8200 4.5: addresses, identification and protocol tell datagrams apart", ip,
        [
            ("first", try pieces.first, .web),
            ("other identification", try last(ip.tcp(80), ip, id: pieces.id + 30000), .fragment),
            ("other source", try last(ip.tcp(80, from: other), ip, id: pieces.id), .fragment),
            ("other destination", try last(elsewhere, ip, id: pieces.id), .fragment),
            ("other protocol", try last(ip.udp(40000, 443), ip, id: pieces.id), .fragment),
            ("other family", try last(family.tcp(80), family, id: pieces.id), .fragment),
            ("its own", try pieces.last, .following(.pass, "web")),
        ])
}

/// Two first fragments with one identification: whoever follows, follows the one that was let in last.
private func addReplaced(_ trains: inout Trains, _ ip: AddressFamily) throws {
    let why = "POLICY: the last first fragment with a key is the one that is followed"
    let allowed = trains.pieces(ip, ip.tcp(80))
    let denied = FragmentPieces(ip: ip, text: ip.tcp(8080), id: allowed.id)
    trains.add(
        "allowed first, then a denied one", why, ip,
        [
            ("first of tcp/80", try allowed.first, .web), ("first of tcp/8080", try denied.first, .dropped),
            ("last", try allowed.last, .fragment),
        ])
    let refused = trains.pieces(ip, ip.tcp(8080))
    let welcome = FragmentPieces(ip: ip, text: ip.tcp(80), id: refused.id)
    trains.add(
        "denied first, then an allowed one", why, ip,
        [
            ("first of tcp/8080", try refused.first, .dropped), ("first of tcp/80", try welcome.first, .web),
            ("last", try welcome.last, .following(.pass, "web")),
        ])
    let longer = trains.pieces(ip, ip.udp(40000, 443))
    var shorter = longer
    shorter.wear = { $0.segment = Array($0.segment.prefix(16)) }
    trains.add(
        "a shorter first behind a longer one",
        "RFC 5722 3: what the longer one was judged by must not be written over", ip,
        [
            ("first, 24 bytes", try longer.first, .web), ("first, 16 bytes", try shorter.first, .web),
            ("later from byte 16", try longer.at(2), .malformed("overlapping fragment")),
            ("last from byte 24", try longer.last, .following(.pass, "web")),
        ])
    let kept = trains.pieces(ip, ip.udp(40000, 443))
    var tiny = kept
    tiny.wear = { $0.segment = zeros(4) }
    trains.add(
        "allowed first, then a tiny one", "RFC 1858 3.1: a tiny one is malformed and decides nothing", ip,
        [
            ("first", try kept.first, .web), ("tiny first", try tiny.first, .malformed("tiny fragment")),
            ("last", try kept.last, .following(.pass, "web")),
        ])
}

private func addOverlapping(_ trains: inout Trains, _ ip: AddressFamily) throws {
    let pieces = trains.pieces(ip, ip.udp(40000, 443))
    let overlapping = Judgement.malformed("overlapping fragment")
    trains.add(
        "overlap with the first", "RFC 1858 3.2, RFC 5722 3: no honest sender overlaps what was judged", ip,
        [
            ("first, 24 bytes", try pieces.first, .web),
            ("later from byte 16", try pieces.at(2), overlapping),
            ("later from byte 8", try pieces.at(1), overlapping),
            ("last from byte 16", try pieces.at(2, more: false), overlapping),
            ("later from byte 24", try pieces.at(3), .following(.pass, "web")),
            ("last from byte 48", try pieces.at(6, more: false), .following(.pass, "web")),
        ])
    let dropped = trains.pieces(ip, ip.udp(40000, 444))
    trains.add(
        "overlap with a dropped first", "RFC 5722 3: malformed comes before all that decides", ip,
        [("first", try dropped.first, .dropped), ("later from byte 16", try dropped.at(2), overlapping)])
}

/// Failsafe, bans, spoofed sources, essential traffic: what decides above the rules.
private func addAboveRules(_ trains: inout Trains, _ ip: AddressFamily) throws {
    let banned = trains.pieces(ip, ip.tcp(80, from: ip.banned))
    trains.add(
        "banned source", "POLICY: bans come before fragments", ip,
        [("first", try banned.first, .banned), ("last", try banned.last, .banned)])
    let safe = ip == .ipv4 ? "192.0.2.9" : "2001:db8:5afe::9"
    let saved = trains.pieces(ip, ip.tcp(22, from: safe))
    trains.add(
        "failsafe" + (ip == .ipv4 ? ", the source is banned" : ""),
        "POLICY: a failsafe entry with a port passes a later fragment with its first, above the bans", ip,
        [
            ("last without its first", try saved.last, ip == .ipv4 ? .banned : .fragment),
            ("first", try saved.first, .failsafe), ("last", try saved.last, .following(.pass)),
        ])
    let local = trains.pieces(ip, ip.tcp(80, from: ip == .ipv4 ? "127.0.0.1" : "::1"))
    trains.add(
        "spoofed source", "RFC 1122 3.2.1.3, RFC 4291 2.5.3: in every fragment", ip,
        [
            ("first", try local.first, .spoofed("loopback source")),
            ("last", try local.last, .spoofed("loopback source")),
        ])
    let lease = trains.pieces(ip, ip == .ipv4 ? ip.udp(67, 68) : ip.udp(547, 546))
    trains.add(
        "essential traffic", "POLICY: a first fragment is judged like a packet", ip,
        [("first", try lease.first, .essential("dhcp")), ("last", try lease.last, .following(.pass))])
}

private func addKinds(_ trains: inout Trains, _ ip: AddressFamily) throws {
    let question = "\(ip == .ipv4 ? "icmp" : "icmpv6") \(ip.ordinary) > \(ip.host) echo-request"
    let ping = trains.pieces(ip, question)
    trains.add(
        "ping", follows, ip,
        [("first", try ping.first, .ping), ("last", try ping.last, .following(.pass, "ping"))])
    var worm = trains.pieces(ip, ip.udp(40000, 443))
    let harmless = worm
    worm.wear = { $0.segment.replaceSubrange(8..<12, with: [0xde, 0xad, 0xbe, 0xef]) }
    trains.add(
        "a pattern in the first", follows, ip,
        [
            ("first with the worm", try worm.first, .worm),
            ("last", try harmless.last, .following(.drop, "worm")),
        ])
    var tagged = trains.pieces(ip, ip.tcp(80))
    let untagged = tagged
    tagged.wear = { $0.tags = [PacketBuilder.Tag(66)] }
    trains.add(
        "a first from the guests' VLAN", "POLICY: tags are no part of a datagram's key", ip,
        [
            ("first in VLAN 66", try tagged.first, .guests),
            ("last without a tag", try untagged.last, .following(.drop, "guests")),
        ])
    let whole = trains.pieces(ip, ip.tcp(80))
    trains.add(
        "whole packet with the identification",
        "RFC 6946 4: what is no fragment, or an atomic one, has no later ones", ip,
        [
            ("offset 0 without more-fragments", try whole.at(0, more: false), .web),
            ("last", try whole.last, .fragment),
        ])
}

/// IPv6's next header is the key's protocol, in the first fragment and in the later ones.
private func addChains(_ trains: inout Trains) throws {
    let ip = AddressFamily.ipv6
    var first = trains.pieces(ip, ip.tcp(80))
    first.wear = { $0.extensions.append(.plain(60)) }
    var later = first
    later.wear = { $0.ipHeader[6] = 60 }
    let plain = FragmentPieces(ip: ip, text: ip.tcp(80), id: first.id)
    trains.add(
        "destination options behind the fragment header",
        "RFC 8200 4.5: the next header of a later fragment is that of its first", ip,
        [
            ("first", try first.first, .web), ("last that says TCP", try plain.at(4, more: false), .fragment),
            ("last that says destination options", try later.at(4, more: false), .following(.pass, "web")),
        ])
    var hidden = trains.pieces(ip, ip.tcp(80))
    hidden.wear = { $0.extensions.insert(.plain(0), at: 0) }
    trains.add(
        "hop-by-hop before the fragment header", "RFC 8200 4.5: headers before it are in every fragment", ip,
        [("first", try hidden.first, .web), ("last", try hidden.last, .following(.pass, "web"))])
}
