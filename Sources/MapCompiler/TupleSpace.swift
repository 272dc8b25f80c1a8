// SPDX-License-Identifier: Apache-2.0
// One family's entries to a tuple space: entries in tuples, and what is left to bits of the rows.
import GuardABI
import PolicyLanguage

/// The tuple space of a family's rules, before it is written.
struct TupleSpace {
    /// So many rules that no entry can say in full are bits themselves, rather than bits that their entries
    /// ask for.
    private static let plainBitsMax = 256
    /// Rules that may leave lists that are too long.
    private static let bitRulesMax = 1024

    let isIPv6: Bool
    private(set) var entries: [TupleEntry]
    /// Each entry's tuple.
    private(set) var tupleOf: [UInt8]
    private(set) var shapes: [TupleShape]
    /// Numbers of the rules that are bits, ascending.
    private(set) var bitRules: [Int]
    /// What entries ask of rows; an entry's `condition` is 1 + a position here.
    private(set) var conditions: [(match: RuleMatch, rule: Int)]

    /// - Parameter withBits: rules that entries serve badly become bits.
    init(_ maker: EntryMaker, withBits: Bool) {
        isIPv6 = maker.isIPv6
        entries = maker.entries
        conditions = maker.conditions
        bitRules = []
        (shapes, tupleOf) = ([], [])
        if withBits { takeConditioned() }
        let groups = TupleGroups(entries, isIPv6: isIPv6)
        (shapes, tupleOf) = groups.assignment()
        if withBits { takeLongLists() }
        orderTuples()
        renumberConditions()
    }

    /// Few rules with conditions are bits: then rows are looked up only where no earlier entry matches.
    private mutating func takeConditioned() {
        var rules: Set<UInt32> = []
        for entry in entries where entry.condition != 0 {
            rules.insert(entry.rule)
            if rules.count > Self.plainBitsMax { return }
        }
        take(rules)
    }

    /// What all share, like rules for every address: their lists are long whatever the key, and each packet
    /// that matches nothing else would walk them.
    private mutating func takeLongLists() {
        let tuples = shapes.enumerated().map { guard_tuple($1, isIPv6: isIPv6, number: UInt32($0)) }
        let keys = entries.indices.map { tuples[Int(tupleOf[$0])].hash(entries[$0], isIPv6: isIPv6) }
        var table = MergeTable(capacity: entries.count * 2)
        for key in keys { _ = table.add(key) }
        var long = entries.indices.compactMap { position -> (count: UInt32, key: UInt64, rule: UInt32)? in
            let count = table.count(keys[position])
            return count > TupleGroups.listMax ? (count, keys[position], entries[position].rule) : nil
        }
        guard !long.isEmpty else { return }
        long.sort { ($1.count, $0.key, $0.rule) < ($0.count, $1.key, $1.rule) }
        var rules: Set<UInt32> = []
        for entry in long where bitRules.count + rules.count < Self.bitRulesMax { rules.insert(entry.rule) }
        take(rules)
    }

    /// Makes rules bits: none of their entries stays.
    private mutating func take(_ rules: Set<UInt32>) {
        guard !rules.isEmpty else { return }
        let kept = entries.indices.filter { !rules.contains(entries[$0].rule) }
        if !tupleOf.isEmpty { tupleOf = kept.map { tupleOf[$0] } }
        entries = kept.map { entries[$0] }
        bitRules = (bitRules + rules.map(Int.init)).sorted()
    }

    /// Numbers the tuples that still have entries by their first rules.
    private mutating func orderTuples() {
        var first = [UInt32](repeating: .max, count: shapes.count)
        for (position, entry) in entries.enumerated() {
            let tuple = Int(tupleOf[position])
            first[tuple] = min(first[tuple], entry.rule)
        }
        let order = shapes.indices.filter { first[$0] != .max }.sorted { first[$0] < first[$1] }
        var number = [UInt8](repeating: 0, count: shapes.count)
        for (position, tuple) in order.enumerated() { number[tuple] = UInt8(position) }
        shapes = order.map { shapes[$0] }
        tupleOf = tupleOf.map { number[Int($0)] }
    }

    /// Drops the conditions that no entry asks for any more.
    private mutating func renumberConditions() {
        var numbers = [UInt16](repeating: 0, count: conditions.count)
        var kept: [(match: RuleMatch, rule: Int)] = []
        for position in entries.indices where entries[position].condition != 0 {
            let old = Int(entries[position].condition) - 1
            if numbers[old] == 0 {
                kept.append(conditions[old])
                numbers[old] = UInt16(truncatingIfNeeded: kept.count)
            }
            entries[position].condition = numbers[old]
        }
        conditions = kept
    }
}
