// SPDX-License-Identifier: Apache-2.0
// Fragment trains under `fragments: track` that wait, mix, overlap, lie or go on under `malformed: pass`.
import NetworkTypes
import PolicyLanguage
import TestSupport

private let second: Int64 = 1_000_000_000

extension Trains {
    /// Adds the frames of one train, each with its seconds and nanoseconds from the train's start.
    fileprivate mutating func addTimed(
        _ name: String, _ why: String, _ ip: AddressFamily, _ frames: [(Int64, TrainLine)]
    ) {
        let steps = frames.map { Step(note: $1.note, frame: $1.frame, at: $0, expected: $1.right) }
        cases.addTrain(.init(name, why), ip.title, steps, under: .tracked)
    }
}

func oddTrainCases() throws -> [EvasionCase] {
    var trains = Trains("Fragment trains that wait, mix and lie", idsAbove: 10000)
    for ip in [AddressFamily.ipv4, .ipv6] {
        try addExpired(&trains, ip)
        try addRenewed(&trains, ip)
        try addInterleaved(&trains, ip)
        try addOverlaps(&trains, ip)
        try addEnds(&trains, ip)
        try addSpared(&trains, ip)
        try addLenient(&trains, ip)
    }
    try addOffsetOne(&trains)
    try addOtherHeaders(&trains)
    try addIPv6Headers(&trains)
    return trains.cases.all
}

private let life = "docs/policy.md, Fragments: kept for 30 s from its first; RFC 791 3.2, RFC 8200 4.5: "
private let hosts = "a host gives up what stays incomplete, Linux's IPv4 after 30 s"

private func addExpired(_ trains: inout Trains, _ ip: AddressFamily) throws {
    let why = life + hosts
    let late = trains.pieces(ip, ip.tcp(80))
    trains.addTimed(
        "later at 30 s", why, ip,
        [(0, ("first", try late.first, .web)), (30 * second, ("last", try late.last, .fragment))])
    let inTime = trains.pieces(ip, ip.tcp(80))
    trains.addTimed(
        "later just before 30 s", why, ip,
        [
            (0, ("first", try inTime.first, .web)),
            (30 * second - 1, ("last", try inTime.last, .following(.pass, "web"))),
        ])
    let slow = trains.pieces(ip, ip.tcp(80))
    trains.addTimed(
        "later ones do not lengthen it", why, ip,
        [
            (0, ("first", try slow.first, .web)),
            (29 * second, ("later", try slow.at(3), .following(.pass, "web"))),
            (30 * second, ("last", try slow.at(6, more: false), .fragment)),
        ])
    let denied = trains.pieces(ip, ip.tcp(23))
    trains.addTimed(
        "what a rule dropped ends likewise", why, ip,
        [
            (0, ("first", try denied.first, .telnet)),
            (30 * second - 1, ("later", try denied.at(3), .following(.drop, "no telnet"))),
            (30 * second, ("last", try denied.at(6, more: false), .fragment)),
        ])
    let overlap = trains.pieces(ip, ip.udp(40000, 443))
    trains.addTimed(
        "nothing to overlap any more", why, ip,
        [
            (0, ("first, 24 bytes", try overlap.first, .web)),
            (30 * second, ("later from byte 16", try overlap.at(2), .fragment)),
        ])
    let saved = trains.pieces(ip, ip.tcp(22, from: ip == .ipv4 ? "192.0.2.9" : "2001:db8:5afe:9::9"))
    trains.addTimed(
        "failsafe's train of a banned source ends", why, ip,
        [
            (0, ("first", try saved.first, .failsafe)),
            (30 * second - 1, ("later", try saved.at(3), .following(.pass))),
            (30 * second, ("last", try saved.at(6, more: false), .banned)),
        ])
}

private func addRenewed(_ trains: inout Trains, _ ip: AddressFamily) throws {
    let again = trains.pieces(ip, ip.tcp(80))
    trains.addTimed(
        "first sent again", life + "a first fragment with a key that is kept replaces it, time and all", ip,
        [
            (0, ("first", try again.first, .web)), (20 * second, ("first", try again.first, .web)),
            (50 * second - 1, ("later", try again.at(3), .following(.pass, "web"))),
            (50 * second, ("last", try again.at(6, more: false), .fragment)),
        ])
    let reused = trains.pieces(ip, ip.tcp(23))
    let allowed = FragmentPieces(ip: ip, text: ip.tcp(80), id: reused.id)
    trains.addTimed(
        "identification used again after 31 s", life + "another datagram, judged anew", ip,
        [
            (0, ("first of tcp/23", try reused.first, .telnet)),
            (31 * second, ("last", try reused.last, .fragment)),
            (31 * second, ("first of tcp/80", try allowed.first, .web)),
            (32 * second, ("last", try allowed.last, .following(.pass, "web"))),
        ])
    let back = trains.pieces(ip, ip.tcp(80))
    trains.addTimed(
        "the clock goes back", "docs/policy.md, Fragments: times that go back count as no time", ip,
        [
            (10 * second, ("first", try back.first, .web)),
            (0, ("later", try back.at(3), .following(.pass, "web"))),
            (40 * second, ("last", try back.at(6, more: false), .fragment)),
        ])
}

private func addInterleaved(_ trains: inout Trains, _ ip: AddressFamily) throws {
    let web = trains.pieces(ip, ip.tcp(80))
    let telnet = trains.pieces(ip, ip.tcp(23))
    let other = trains.pieces(ip, ip.tcp(8080))
    let datagram = FragmentPieces(ip: ip, text: ip.udp(40000, 443), id: web.id)
    let follows = Judgement.following(.pass, "web")
    let refused = Judgement.following(.drop, "no telnet")
    trains.add(
        "four trains at once", "RFC 791 3.2, RFC 8200 4.5: each fragment belongs to its own datagram", ip,
        [
            ("first of tcp/80", try web.first, .web), ("first of tcp/23", try telnet.first, .telnet),
            ("first of tcp/8080", try other.first, .dropped),
            ("later of tcp/80", try web.at(3), follows),
            ("first of udp/443, identification of tcp/80", try datagram.first, .web),
            ("later of tcp/8080", try other.at(3), .fragment),
            ("later of tcp/23", try telnet.at(3), refused),
            ("later of udp/443", try datagram.at(3), follows),
            ("last of tcp/23", try telnet.at(6, more: false), refused),
            ("last of udp/443", try datagram.at(6, more: false), follows),
            ("last of tcp/80", try web.at(6, more: false), follows),
            ("last of tcp/8080", try other.at(6, more: false), .fragment),
        ])
    let turned = trains.pieces(ip, ip.tcp(80))
    trains.add(
        "backwards", "POLICY, fragments: track: one that comes without its first is dropped", ip,
        [
            ("last", try turned.at(6, more: false), .fragment), ("later", try turned.at(3), .fragment),
            ("first", try turned.first, .web),
        ])
    let twice = trains.pieces(ip, ip.tcp(80))
    trains.add(
        "everything twice", "RFC 791 3.2: duplicates are no other content; RFC 5722 4: or are ignored", ip,
        [
            ("first", try twice.first, .web), ("first", try twice.first, .web),
            ("last", try twice.last, follows), ("last", try twice.last, follows),
        ])
}

private let noOverlap = "RFC 1858 3.2, RFC 3128, RFC 5722 3: nothing is written over what was judged"

private func addOverlaps(_ trains: inout Trains, _ ip: AddressFamily) throws {
    let overlapping = Judgement.malformed("overlapping fragment")
    func short(_ pieces: FragmentPieces, _ count: Int) -> FragmentPieces {
        var part = pieces
        part.wear = { $0.segment = Array($0.segment.prefix(count)) }
        return part
    }
    let wholly = trains.pieces(ip, ip.udp(40000, 443))
    trains.add(
        "wholly inside the first", noOverlap, ip,
        [
            ("first, 24 bytes", try wholly.first, .web),
            ("8 bytes at 8", try short(wholly, 8).at(1), overlapping),
            ("8 bytes at 16", try short(wholly, 8).at(2), overlapping),
            ("16 bytes at 8, the last", try short(wholly, 16).at(1, more: false), overlapping),
            ("none at 16", try short(wholly, 0).at(2), overlapping),
            ("none at 24", try short(wholly, 0).at(3), .following(.pass, "web")),
        ])
    let telnet = trains.pieces(ip, ip.udp(40000, 23))
    trains.add(
        "8 bytes into a first that a rule drops", noOverlap, ip,
        [("first", try telnet.first, .telnet), ("later from byte 16", try telnet.at(2), overlapping)])
    let header = trains.pieces(ip, ip.udp(40000, 443))
    trains.add(
        "first with the UDP header alone",
        "RFC 1858 3.2.2: 8 bytes are the whole UDP header; its payload is in no first fragment", ip,
        [
            ("first, 8 bytes", try short(header, 8).first, .web),
            ("later from byte 8", try header.at(1, more: false), .following(.pass, "web")),
        ])
    let others = trains.pieces(ip, ip.udp(40000, 443))
    trains.add(
        "later ones that overlap each other",
        "docs/policy.md, Fragments: what was judged is the first; RFC 5722 4 has the host drop the datagram",
        ip,
        [
            ("first", try others.first, .web), ("later from 24", try others.at(3), .following(.pass, "web")),
            ("later from 32", try others.at(4, more: false), .following(.pass, "web")),
        ])
}

/// Behind the longest packet.
private func addEnds(_ trains: inout Trains, _ ip: AddressFamily) throws {
    let death = trains.pieces(ip, ip.udp(40000, 443))
    trains.add(
        "end beyond 65,535 bytes",
        "RFC 791 3.1, RFC 8200 4.5: no host puts it together; nothing is put together here", ip,
        [
            ("first", try death.first, .web),
            ("last at 65,528", try death.at(8191, more: false), .following(.pass, "web")),
        ])
    let alone = trains.pieces(ip, ip.udp(40000, 443))
    trains.add(
        "end beyond 65,535 bytes, alone", "POLICY: one that comes without its first is dropped", ip,
        [("last at 65,528", try alone.at(8191, more: false), .fragment)])
}

/// Bans and what stands above them.
private func addSpared(_ trains: inout Trains, _ ip: AddressFamily) throws {
    let spared = trains.pieces(ip, ip.tcp(80, from: ip == .ipv4 ? "203.0.113.201" : "2001:db8:bad:1::9"))
    trains.add(
        "never-ban", "POLICY 2: no ban holds for never-ban; its fragments are judged like others", ip,
        [
            ("last without its first", try spared.last, .fragment), ("first", try spared.first, .web),
            ("last", try spared.last, .following(.pass, "web")),
        ])
    let saved = trains.pieces(ip, ip.tcp(22, from: ip == .ipv4 ? "192.0.2.10" : "2001:db8:5afe:9::10"))
    let other = FragmentPieces(
        ip: ip, text: ip.udp(40000, 9, from: ip == .ipv4 ? "192.0.2.10" : "2001:db8:5afe:9::10"),
        id: saved.id)
    trains.add(
        "failsafe's first of a banned source",
        "POLICY 2: with a port it passes no later fragment without its first, and nothing else of the source",
        ip,
        [
            ("last without its first", try saved.last, .banned), ("first", try saved.first, .failsafe),
            ("last", try saved.last, .following(.pass)),
            ("later from byte 16", try saved.at(2), .malformed("overlapping fragment")),
            ("last of UDP", try other.last, .banned),
        ])
}

private func addLenient(_ trains: inout Trains, _ ip: AddressFamily) throws {
    let read = "POLICY, malformed: pass: the rules decide; detail names the check"
    let overlap = "docs/policy.md, Fragments: under malformed: pass an overlapping one follows its first"
    for (name, text, first, later) in [
        ("tcp/80", ip.tcp(80), Judgement.web, Judgement.following(.pass, "web")),
        ("tcp/23", ip.tcp(23), .telnet, .following(.drop, "no telnet")),
    ] {
        let pieces = trains.pieces(ip, text)
        trains.add(
            "overlap under malformed: pass", overlap, ip, under: .lenientTracked, of: name,
            [
                ("first", try pieces.first, first),
                ("later from byte 16", try pieces.at(2), later.noting("overlapping fragment")),
                ("last from byte 24", try pieces.last, later),
            ])
        var flags = trains.pieces(ip, text)
        let plain = flags
        flags.wear = { $0.segment[13] = 3 }
        trains.add(
            "impossible flags in the first", read, ip, under: .lenientTracked, of: name,
            [
                ("first with SYN+FIN", try flags.first, first.noting("tcp flags")),
                ("last", try plain.last, later),
            ])
        var local = text.split(separator: " ").map(String.init)
        local[1] = ip == .ipv4 ? "127.0.0.1:40000" : "[::1]:40000"
        let spoofed = trains.pieces(ip, local.joined(separator: " "))
        trains.add(
            "spoofed source under spoofed: pass", read, ip, under: .lenientTracked, of: name,
            [
                ("first", try spoofed.first, first.noting("loopback source")),
                ("last", try spoofed.last, later.noting("loopback source")),
            ])
    }
    var tiny = trains.pieces(ip, ip.tcp(80))
    let whole = tiny
    tiny.wear = { $0.segment = Array($0.segment.prefix(8)) }
    trains.add(
        "tiny first under malformed: pass",
        "POLICY: a key whose field could not be read matches nothing, negated or not; RFC 1858 3.1", ip,
        under: .lenientTracked,
        [
            ("first, 8 bytes of TCP", try tiny.first, .dropped.noting("tiny fragment")),
            ("last", try whole.at(1, more: false), rightAtOne(ip)),
            ("last from byte 24", try whole.last, .fragment),
        ])
}

/// At offset 1, of a train that the default drops, under `malformed: pass`.
private func rightAtOne(_ ip: AddressFamily) -> Judgement {
    ip == .ipv4 ? .fragment.noting("fragment offset 1") : .fragment
}

private func addOffsetOne(_ trains: inout Trains) throws {
    let v4 = trains.pieces(.ipv4, AddressFamily.ipv4.tcp(80))
    let named = Judgement.malformed("fragment offset 1")
    trains.add(
        "TCP at offset 1", "RFC 1858 3.2.2, RFC 3128: it overwrites the flags, with its first or without it",
        .ipv4,
        [
            ("without its first", try v4.at(1), named), ("first", try v4.first, .web),
            ("later at offset 1", try v4.at(1), named), ("last", try v4.last, .following(.pass, "web")),
        ])
    let v6 = trains.pieces(.ipv6, AddressFamily.ipv6.tcp(80))
    trains.add(
        "TCP at offset 1", "RFC 5722 3: behind its first it overlaps; without it nothing is known of it",
        .ipv6,
        [
            ("without its first", try v6.at(1), .fragment), ("first", try v6.first, .web),
            ("later at offset 1", try v6.at(1), .malformed("overlapping fragment")),
            ("last", try v6.last, .following(.pass, "web")),
        ])
    let udp = trains.pieces(.ipv4, AddressFamily.ipv4.udp(40000, 443))
    trains.add(
        "UDP at offset 1", "POLICY: one that comes without its first is dropped", .ipv4,
        [("without its first", try udp.at(1), .fragment)])
}

/// What differs between the fragments of a datagram, and is no part of its key.
private func addOtherHeaders(_ trains: inout Trains) throws {
    let ip = AddressFamily.ipv4
    let plain = trains.pieces(ip, ip.tcp(80))
    func worn(_ wear: @escaping (inout PacketBuilder) -> Void) -> FragmentPieces {
        var pieces = plain
        pieces.wear = wear
        return pieces
    }
    let follows = Judgement.following(.pass, "web")
    let options = worn { $0.ipOptions = zeros(40) }
    trains.add(
        "headers that differ",
        "RFC 791 3.2: source, destination, protocol and identification are the key; offsets count data",
        ip,
        [
            ("first with 40 bytes of options", try options.first, .web),
            ("later without options, from byte 24", try plain.at(3), follows),
            ("later without options, from byte 16", try plain.at(2), .malformed("overlapping fragment")),
            ("later with options", try options.at(6), follows),
            ("later with TTL 1", try worn { $0.ipHeader[8] = 1 }.at(9), follows),
            ("later with another DSCP", try worn { $0.ipHeader[1] = 0xb8 }.at(9), follows),
            ("later with do-not-fragment", try worn { $0.ipHeader[6] |= 0x40 }.at(9), follows),
            ("later with the reserved bit", try worn { $0.ipHeader[6] |= 0x80 }.at(9), follows),
            ("later in VLAN 66", try worn { $0.tags = [.init(66)] }.at(9), follows),
            ("later with padding", try worn { $0.trailer = 18 }.at(9), follows),
            (
                "later with a byte missing", try worn { $0.lengthField = 45 }.at(9),
                .malformed("truncated packet")
            ),
        ])
}

private func addIPv6Headers(_ trains: inout Trains) throws {
    let ip = AddressFamily.ipv6
    var atomic = trains.pieces(ip, ip.tcp(80))
    let id = atomic.id
    trains.add(
        "atomic fragments alone", "RFC 6946 4: an atomic fragment is a whole packet and keeps nothing", ip,
        [
            ("atomic", try atomic.at(0, more: false), .web), ("later", try atomic.at(3), .fragment),
            ("atomic", try atomic.at(0, more: false), .web),
        ])
    let inner = trains.pieces(ip, ip.tcp(80))
    atomic = inner
    atomic.wear = {
        $0.extensions.insert(.init(44, rest: [0, 0, 0, 0, 0] + big(id + 5000)), at: 0)
    }
    let byAtomic = FragmentPieces(ip: ip, text: ip.tcp(80), id: id + 5000)
    trains.add(
        "atomic header before the real one", "RFC 6946 4, RFC 8200 4.5: the one that is not atomic counts",
        ip,
        [
            ("first", try atomic.first, .web),
            ("last by the atomic header's identification", try byAtomic.last, .fragment),
            ("last behind an atomic header", try atomic.last, .following(.pass, "web")),
            ("last without one", try inner.last, .following(.pass, "web")),
        ])
    var sealed = trains.pieces(ip, ip.tcp(80))
    let plain = sealed
    sealed.wear = { $0.extensions.append(.authentication()) }
    var later = plain
    later.wear = { $0.ipHeader[6] = 51 }
    trains.add(
        "AH behind the fragment header", "RFC 8200 4.5: the fragment header's next header is the key's", ip,
        [
            ("first", try sealed.first, .web),
            ("last that says TCP", try plain.at(5, more: false), .fragment),
            ("last that says AH", try later.at(5, more: false), .following(.pass, "web")),
            ("later that says AH, from byte 16", try later.at(2), .malformed("overlapping fragment")),
        ])
}
