// SPDX-License-Identifier: Apache-2.0
// What was decided for first fragments, for their later ones; docs/policy.md, "Fragments". The places of a
// group are in the order in which they were first taken.
import NetworkTypes
import PolicyLanguage

/// What fragments of one datagram have in common.
struct FragmentKey: Hashable {
    var source: IPAddress
    var destination: IPAddress
    var identification: UInt32
    /// IPv4's protocol, the next header of IPv6's fragment header.
    var proto: UInt8
}

/// A first fragment's fate.
struct FirstFragment {
    var judgement: Judgement
    /// Bytes of the datagram that it has.
    var end: Int
    var passedByFailsafe: Bool
    /// What its later ones are charged to.
    var charges: [KeptCharge] = []
    /// The name of its flow, where that is sampled.
    var sampledFlow: UInt64?
}

struct FragmentMemory {
    private static let places = 4
    private static let life: Int64 = 30_000_000_000

    private struct Place {
        var key: FragmentKey
        var kept: Int64
        var first: FirstFragment
    }

    private var groups: [UInt64: [Place]] = [:]

    /// What was kept for a later fragment at this time (nanoseconds).
    func find(_ key: FragmentKey, at time: Int64) -> FirstFragment? {
        let place = groups[Self.group(of: key)]?.first { $0.key == key }
        guard let place, !Self.isOver(place, at: time) else { return nil }
        return place.first
    }

    /// A capture's times can be any numbers, so that their distance may not fit; one that goes back is none.
    private static func isOver(_ place: Place, at time: Int64) -> Bool {
        guard time > place.kept else { return false }
        let (age, isBeyond) = time.subtractingReportingOverflow(place.kept)
        return isBeyond || age >= life
    }

    mutating func keep(_ first: FirstFragment, for key: FragmentKey, at time: Int64) {
        var place = Place(key: key, kept: time, first: first)
        var group = groups[Self.group(of: key)] ?? []
        if let own = group.firstIndex(where: { $0.key == key }) {
            if let before = find(key, at: time) { place.first.end = max(before.end, first.end) }
            group[own] = place
        } else if group.count < Self.places {
            group.append(place)
        } else if let given = Self.placeThatGivesWay(in: group, to: first) {
            group[given] = place
        }
        groups[Self.group(of: key)] = group
    }

    /// The oldest train that was dropped; without one, for a train that passes, the oldest.
    private static func placeThatGivesWay(in group: [Place], to first: FirstFragment) -> Int? {
        func oldest(_ indices: [Int]) -> Int? { indices.min { group[$0].kept < group[$1].kept } }
        let dropped = group.indices.filter { group[$0].first.judgement.verdict != .pass }
        if let found = oldest(dropped) { return found }
        return first.judgement.verdict == .pass ? oldest(Array(group.indices)) : nil
    }

    /// The upper 14 bits of the key's hash, with the seed of a replay.
    private static func group(of key: FragmentKey) -> UInt64 {
        let last = UInt64(key.identification) | UInt64(key.proto) << 32
        var words: [UInt64]
        if key.source.family == .ipv4 {
            words = [UInt64(key.source.bits) << 32 | UInt64(key.destination.bits)]
        } else {
            words = [key.source.bits, key.destination.bits].flatMap {
                [UInt64($0 >> 64), UInt64(truncatingIfNeeded: $0)]
            }
        }
        words.append(last)
        let hash = words.reduce(UInt64(0)) { hash, word in
            let product = (hash ^ word) &* 0x9e37_79b9_7f4a_7c15
            return product ^ product >> 32
        }
        return hash >> 50
    }
}
