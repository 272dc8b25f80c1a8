// SPDX-License-Identifier: Apache-2.0
// What an image says of its sets: their members, and of one address why it is in a set or not.
import GuardABI
import NetworkTypes

/// Why an address is in a set or is not.
public indirect enum Membership: Sendable, Equatable {
    case addedByHand, removedByHand
    /// What the set's file, or its definition in the policy, says itself.
    case listed
    /// A definition that only takes out starts from all addresses.
    case startsFromAll
    /// Through a set that it names.
    case through(set: String, Membership)
    /// Taken out by an address with "!", or by a set with "!".
    case excluded
    case excludedThrough(set: String, Membership)
    case notListed

    public var isMember: Bool {
        switch self {
        case .addedByHand, .listed, .startsFromAll, .through: true
        case .removedByHand, .excluded, .excludedThrough, .notListed: false
        }
    }
}

extension AddressEditor {
    /// The members of a set.
    public func members(of name: String) throws(SetChangeError) -> AddressSet {
        try addresses(of: name) { algebra, position, conditions in algebra.members(conditions)[position] }
    }

    /// What the set's file or definition gave when it was last read, without the sets that it names.
    public func listed(in name: String) throws(SetChangeError) -> AddressSet {
        try addresses(of: name) { _, position, conditions in
            Self.holds(position * SetAlgebra.conditions, conditions)
        }
    }

    private typealias Question = (PartitionAlgebra, Int, ArraySlice<UInt64>) -> Bool

    private func addresses(of name: String, _ question: Question) throws(SetChangeError) -> AddressSet {
        let set = try number(of: name)
        return AddressSet(
            v4: intervals(of: set, from: 0, question), v6: intervals(of: set, from: 2, question))
    }

    /// - Parameter first: of the family's partitions; where both know the set they agree.
    private func intervals<Bound: CellBound>(
        of set: Int, from first: Int, _ question: Question
    ) -> IntervalSet<Bound> {
        for number in first...first + 1 {
            let algebra = control.partitions[number]
            guard let position = algebra.sets.firstIndex(where: { $0.set == set }) else { continue }
            let isIn = (0..<Int(header[partition: number].label_count)).map {
                question(algebra, position, conditions(of: $0, algebra))
            }
            let partition = memory.partition(header[partition: number], of: Bound.self)
            var ranges: [ClosedRange<Bound>] = []
            for (place, label) in partition.labels.enumerated() where isIn[safe: Int(label)] {
                let end = place + 1 < partition.starts.count ? partition.starts[place + 1] - 1 : Bound.max
                ranges.append(partition.starts[place]...end)
            }
            return IntervalSet(ranges)
        }
        return IntervalSet()
    }

    private func conditions(of label: Int, _ algebra: PartitionAlgebra) -> ArraySlice<UInt64> {
        let first = label * algebra.conditionWords
        let found = algebra.conditions[safe: first..<first + algebra.conditionWords]
        return found.count == algebra.conditionWords
            ? found : ArraySlice(repeating: 0, count: algebra.conditionWords)
    }

    private static func holds(_ number: Int, _ conditions: ArraySlice<UInt64>) -> Bool {
        conditions[conditions.startIndex + number >> 6] >> UInt64(number & 63) & 1 == 1
    }

    /// Why an address is in a set or not.
    public func membership(of address: IPAddress, in name: String) throws(SetChangeError) -> Membership {
        let set = try number(of: name)
        let first = address.family == .ipv4 ? 0 : 2
        for number in first...first + 1 {
            let algebra = control.partitions[number]
            guard let position = algebra.sets.firstIndex(where: { $0.set == set }) else { continue }
            let root = header[partition: number].root
            let label =
                address.v4Bits.map { memory.label(of: $0, root: Int(root)) }
                ?? memory.label(of: address.bits, root: Int(root))
            return membership(position, algebra, conditions(of: Int(label), algebra))
        }
        throw .unusedSet
    }

    private func membership(
        _ position: Int, _ algebra: PartitionAlgebra, _ conditions: ArraySlice<UInt64>
    ) -> Membership {
        let set = algebra.sets[position]
        let first = position * SetAlgebra.conditions
        func holds(_ condition: SetAlgebra.Condition) -> Bool {
            Self.holds(first + condition.rawValue, conditions)
        }
        if holds(.removed) { return .removedByHand }
        if holds(.added) { return .addedByHand }
        if holds(.ownExcluded) { return .excluded }
        for other in set.excluded {
            let why = membership(other, algebra, conditions)
            if why.isMember { return .excludedThrough(set: name(other, algebra), why) }
        }
        if holds(.own) { return .listed }
        for other in set.included {
            let why = membership(other, algebra, conditions)
            if why.isMember { return .through(set: name(other, algebra), why) }
        }
        return set.startsFromAll ? .startsFromAll : .notListed
    }

    private func name(_ position: Int, _ algebra: PartitionAlgebra) -> String {
        control.sets[algebra.sets[position].set].name
    }
}

extension AddressMemory {
    func label<Bound: CellBound>(of address: Bound, root: Int) -> UInt32 {
        let cell = Int(truncatingIfNeeded: address >> (Bound.bitWidth - 24))
        let group = group(cell >> 6, root: root).group
        let bit = UInt64(1) << UInt64(cell & 63)
        guard group.differs & bit != 0 else { return group.label }
        let place = (group.differs & (bit - 1)).nonzeroBitCount
        let entry = read(UInt64.self, at: (Int(group.entries) + place) * 8, or: 0)
        var found: UInt32 = 0
        let first = (address >> (Bound.bitWidth - 24)) << (Bound.bitWidth - 24)
        Bound.intervals(of: entry, from: first, in: self) { start, label in
            if start <= address { found = label }
        }
        return found
    }
}

extension Array where Element == Bool {
    /// False where there is nothing.
    subscript(safe index: Int) -> Bool { indices.contains(index) && self[index] }
}
