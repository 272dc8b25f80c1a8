// SPDX-License-Identifier: Apache-2.0
// Entries to tuples: those of like shape share one, then small tuples move into wider ones as long as lists
// stay short. Fewer tuples are fewer looks a packet.
import GuardABI

/// The tuples of one family's entries while they are chosen.
struct TupleGroups {
    /// A list longer than this is not made by merging, unless too many tuples are left.
    static let listMax: UInt32 = 8
    /// Comparisons that a merge may add, over all entries of the smaller tuple.
    private static let addedMax: UInt64 = 64

    private struct Group {
        var shape: TupleShape
        var tuple: guard_tuple
        /// Positions of entries.
        var members: [Int32]
        /// Comparisons to find each entry once: the sum of their places in their lists.
        var cost: UInt64 = 0
    }

    private let entries: [TupleEntry]
    private let isIPv6: Bool
    private var groups: [Group] = []
    private var table: MergeTable

    /// Puts the entries into at most GUARD_TUPLES_MAX tuples.
    init(_ entries: [TupleEntry], isIPv6: Bool) {
        self.entries = entries
        self.isIPv6 = isIPv6
        table = MergeTable(capacity: entries.count * 4)
        gather()
        count()
        var round: UInt64 = 0
        merge(round)
        while groups.count > Int(GUARD_TUPLES_MAX) {
            addWidest()
            round += 1
            merge(round)
        }
    }

    /// Each entry's tuple, by its position, and the tuples' shapes.
    func assignment() -> (shapes: [TupleShape], tupleOf: [UInt8]) {
        var tupleOf = [UInt8](repeating: 0, count: entries.count)
        for (number, group) in groups.enumerated() {
            for member in group.members { tupleOf[Int(member)] = UInt8(number) }
        }
        return (groups.map(\.shape), tupleOf)
    }

    private mutating func gather() {
        let grid = LengthGrid(isIPv6: isIPv6)
        var numbers: [TupleShape: Int] = [:]
        for position in entries.indices {
            let shape = grid.shape(of: entries[position])
            let number = numbers[shape] ?? groups.count
            if number == groups.count {
                numbers[shape] = number
                groups.append(group(shape))
            }
            groups[number].members.append(Int32(position))
        }
    }

    private func group(_ shape: TupleShape) -> Group {
        // The number only keeps the keys of tuples apart; a group keeps its own for as long as it lives.
        Group(
            shape: shape, tuple: guard_tuple(shape, isIPv6: isIPv6, number: UInt32(groups.count) & 0xff),
            members: [])
    }

    /// A tuple that every other can go into.
    private mutating func addWidest() {
        if !groups.contains(where: { $0.shape == .widest }) { groups.append(group(.widest)) }
    }

    private func key(_ position: Int32, in group: Group) -> UInt64 {
        group.tuple.hash(entries[Int(position)], isIPv6: isIPv6)
    }

    /// Counts all keys afresh.
    private mutating func count() {
        table = MergeTable(capacity: entries.count * 4)
        for number in groups.indices {
            var cost: UInt64 = 0
            for member in groups[number].members {
                cost += UInt64(table.add(key(member, in: groups[number])))
            }
            groups[number].cost = cost
        }
    }

    /// Tries to move each tuple, the smallest first, into the narrowest of the wider ones that takes it.
    /// - Parameter round: each further one allows lists of twice the length.
    private mutating func merge(_ round: UInt64) {
        let order = groups.indices.sorted { (groups[$0].members.count, $0) < (groups[$1].members.count, $1) }
        var left = groups.count
        for number in order where round == 0 || left > Int(GUARD_TUPLES_MAX) {
            let wider = order.filter { $0 != number && isWider($0, than: number) }
                .sorted { (groups[$1].shape.narrowness, $0) < (groups[$0].shape.narrowness, $1) }
            for target in wider {
                if table.isFull { count() }
                guard let cost = tryMoving(number, into: target, round) else { continue }
                groups[target].members += groups[number].members
                groups[target].cost += cost
                groups[number].members = []
                left -= 1
                break
            }
        }
        groups.removeAll { $0.members.isEmpty }
    }

    private func isWider(_ wider: Int, than number: Int) -> Bool {
        let (a, b) = (groups[wider], groups[number])
        guard a.shape != b.shape, a.shape.covers(b.shape) else { return false }
        return !a.members.isEmpty || a.shape == .widest
    }

    /// Counts a tuple's entries under another's keys; nil, and nothing counted, where lists become too long.
    private mutating func tryMoving(_ number: Int, into target: Int, _ round: UInt64) -> UInt64? {
        let wider = groups[target]
        let listMax = Self.listMax << UInt32(min(round, 20))
        let costMax = (groups[number].cost + Self.addedMax) << min(round, 20)
        var cost: UInt64 = 0
        for (done, member) in groups[number].members.enumerated() {
            let places = table.add(key(member, in: wider))
            cost += UInt64(places)
            if places > listMax || cost > costMax {
                for member in groups[number].members[...done] { table.remove(key(member, in: wider)) }
                return nil
            }
        }
        return cost
    }
}
