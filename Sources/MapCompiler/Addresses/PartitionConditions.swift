// SPDX-License-Identifier: Apache-2.0
// What decides the bits of one partition's rows: match keys in, conditions on addresses out. A key that names
// sets is not resolved here: whether a set holds an address is a condition of its own, which can change.
import GuardABI
import NetworkTypes
import PolicyLanguage

struct PartitionConditions {
    private(set) var sets: [NamedSet]
    private let rowWords: Int
    var algebra = PartitionAlgebra()
    /// Bits of a label's state and what they hold for.
    private var conditions: [(bit: Int, addresses: AddressSet)] = []
    /// Where sets stand in the algebra, by their position in the policy; -1: not there.
    private var positions: [Int]
    private var later: [(bit: Int, expression: AddressExpression)] = []

    init(_ sets: [NamedSet], rowWords: Int) {
        self.sets = sets
        self.rowWords = rowWords
        positions = Array(repeating: -1, count: sets.count)
    }

    /// - Parameter expression: the key by names; nil where it names no set that can change.
    mutating func add(_ bit: Int, _ addresses: AddressSet, _ expression: AddressExpression?) {
        guard let expression else { return conditions.append((bit, addresses)) }
        for set in expression.included + expression.excluded { include(set) }
        later.append((bit, expression))
    }

    /// A set after those that it names.
    private mutating func include(_ set: Int) {
        guard positions.indices.contains(set), positions[set] < 0 else { return }
        let expression = sets[set].expression
        for other in (expression?.included ?? []) + (expression?.excluded ?? []) { include(other) }
        positions[set] = algebra.sets.count
        var made = SetAlgebra(set: set)
        made.included = (expression?.included ?? []).map { positions[$0] }
        made.excluded = (expression?.excluded ?? []).map { positions[$0] }
        made.startsFromAll = expression?.startsFromAll ?? false
        algebra.sets.append(made)
    }

    /// Gives every condition its place, once all keys were added, and notes which sets are in use.
    mutating func close(_ control: inout AddressControl) {
        let first = rowWords * 64
        for (position, set) in algebra.sets.enumerated() {
            control.sets[set.set].isUsed = true
            let named = sets[set.set]
            let bit = first + position * SetAlgebra.conditions
            conditions.append((bit, named.expression?.literals ?? named.addresses))
            if let excluded = named.expression?.excludedLiterals, !excluded.isEmpty {
                conditions.append((bit + SetAlgebra.Condition.ownExcluded.rawValue, excluded))
            }
        }
        var next = algebra.sets.count * SetAlgebra.conditions
        for (bit, expression) in later {
            var made = BitAlgebra(bit: bit)
            made.included = expression.included.map { positions[$0] }
            made.excluded = expression.excluded.map { positions[$0] }
            made.startsFromAll = expression.startsFromAll
            for (addresses, place) in [
                (expression.literals, \BitAlgebra.literal),
                (expression.excludedLiterals, \BitAlgebra.excludedLiteral),
            ] where !addresses.isEmpty {
                made[keyPath: place] = next
                conditions.append((first + next, addresses))
                next += 1
            }
            algebra.bits.append(made)
        }
        algebra.conditionWords = (next + 63) / 64
    }

    func constraints<Bound>(
        _ part: KeyPath<AddressSet, IntervalSet<Bound>>
    ) -> [Constraint<Bound>] {
        conditions.map { Constraint(bit: $0.bit, values: $0.addresses[keyPath: part]) }
    }
}

extension AddressControl {
    init(_ policy: CheckedPolicy, rowWords: Int, slots: [String: UInt32]) {
        self.rowWords = rowWords
        sets = policy.sets.enumerated().map { position, set in
            ImageSet(name: set.name, slot: slots[set.name] ?? UInt32(position), file: set.file ?? "")
        }
    }

    /// Whether a change of some set changes what is looked up.
    var canChange: Bool { sets.contains { $0.isUsed } }
}

/// Bytes of guard_addresses' value: room for changes where sets can change.
func addressesSize(_ used: Int, canChange: Bool) -> UInt32 {
    canChange ? UInt32(used + max(256 << 10, used / 4) + 7) & ~7 : UInt32(used + 7) & ~7
}
