// SPDX-License-Identifier: Apache-2.0
// A full group of the fragment table: whom a flood of first fragments pushes out, and whom not. With a
// replay's seed, 0, it is known which trains share a group; a host's is a secret.
import NetworkTypes
import PolicyLanguage
import TestSupport

func fullGroupCases() throws -> [EvasionCase] {
    var cases = Cases("A full group of the fragment table")
    for ip in [AddressFamily.ipv4, .ipv6] {
        var groups = crowdedGroups(ip).makeIterator()
        for flood in Flood.all {
            guard let trains = groups.next() else { throw WrongScenario(text: "too few full groups") }
            cases.addTrain(
                .init(flood.name, flood.why), ip.title, try flood.steps(ip, trains), under: .tracked)
        }
    }
    return cases.all
}

/// Source and identification of a train.
private struct TrainKey {
    var source: String
    var id: Int
}

/// First fragments in the order in which they come, then a last one for each of them.
private struct Flood {
    var name: String
    var why: String
    /// Each train's port, and whether it is still known in the end.
    var trains: [(port: Int, isKept: Bool)]

    private static let oldest = "docs/policy.md, Fragments: a full group forgets its oldest train"
    private static let dropped =
        "docs/policy.md, Fragments: trains that are dropped give way first, and push out no other"

    static let all = [
        Flood(
            name: "four trains", why: "a group has four places",
            trains: [
                (80, true), (23, true), (80, true), (23, true),
            ]),
        Flood(
            name: "five that pass", why: oldest,
            trains: [
                (80, false), (80, true), (80, true), (80, true), (80, true),
            ]),
        Flood(
            name: "six that pass", why: oldest,
            trains: [
                (80, false), (80, false), (80, true), (80, true), (80, true), (80, true),
            ]),
        Flood(
            name: "four that pass, then one that is dropped", why: dropped,
            trains: [
                (80, true), (80, true), (80, true), (80, true), (23, false),
            ]),
        Flood(
            name: "four that pass, then two that are dropped", why: dropped,
            trains: [
                (80, true), (80, true), (80, true), (80, true), (23, false), (23, false),
            ]),
        Flood(
            name: "a dropped one among those that pass", why: dropped,
            trains: [
                (80, true), (80, true), (23, false), (80, true), (80, true),
            ]),
        Flood(
            name: "two dropped ones among those that pass", why: dropped,
            trains: [
                (80, true), (23, false), (80, true), (23, true), (80, true),
            ]),
        Flood(
            name: "five that are dropped", why: dropped,
            trains: [
                (23, false), (23, true), (23, true), (23, true), (23, true),
            ]),
        Flood(
            name: "five that are dropped, then one that passes", why: dropped,
            trains: [
                (23, false), (23, false), (23, true), (23, true), (23, true), (80, true),
            ]),
    ]

    /// Each frame comes a nanosecond behind the one before.
    func steps(_ ip: AddressFamily, _ keys: [TrainKey]) throws -> [Step] {
        var firsts: [Step] = []
        var lasts: [Step] = []
        for (number, (train, key)) in zip(trains, keys).enumerated() {
            let text = ip.tcp(train.port, from: key.source)
            let pieces = FragmentPieces(ip: ip, text: text, id: key.id)
            let isWeb = train.port == 80
            let fate = isWeb ? Judgement.following(.pass, "web") : .following(.drop, "no telnet")
            firsts.append(
                Step(
                    note: "first \(number + 1) of tcp/\(train.port)", frame: try pieces.first,
                    at: Int64(number), expected: isWeb ? .web : .telnet))
            lasts.append(
                Step(
                    note: "last \(number + 1)", frame: try pieces.last, at: Int64(trains.count + number),
                    expected: train.isKept ? fate : .fragment))
        }
        return firsts + lasts
    }
}

/// Groups with at least six TCP trains of some sources.
private func crowdedGroups(_ ip: AddressFamily) -> [[TrainKey]] {
    var groups: [UInt64: [TrainKey]] = [:]
    let sources = (70...77).map { ip == .ipv4 ? "203.0.113.\($0)" : "2001:db8:7::\($0)" }
    for source in sources {
        let addresses = words(of: source, ip) + words(of: ip.host, ip)
        let joined = ip == .ipv4 ? [addresses[0] << 32 | addresses[1]] : addresses
        for id in 40000..<60000 {
            let hash = (joined + [UInt64(id) | 6 << 32]).reduce(0, mixed)
            groups[hash >> 50, default: []].append(TrainKey(source: source, id: id))
        }
    }
    // From either end, so that the families do not meet.
    let inOrder = groups.sorted { ip == .ipv4 ? $0.key < $1.key : $0.key > $1.key }
    return inOrder.map(\.value).filter { $0.count >= 6 }
}

private func mixed(_ hash: UInt64, _ word: UInt64) -> UInt64 {
    let product = (hash ^ word) &* 0x9e37_79b9_7f4a_7c15
    return product ^ product >> 32
}

/// An IPv4 address as one number, an IPv6 address as its two halves.
private func words(of text: String, _ ip: AddressFamily) -> [UInt64] {
    let bytes = IPAddress(text)?.bytes ?? []
    let size = ip == .ipv4 ? 4 : 8
    return stride(from: 0, to: bytes.count, by: size).map { start in
        bytes[start..<min(start + size, bytes.count)].reduce(0) { $0 << 8 | UInt64($1) }
    }
}
