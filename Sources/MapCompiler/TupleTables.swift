// SPDX-License-Identifier: Apache-2.0
// A tuple space as the program reads it: tuples, slots, lists of entries, and the sets of tuples by address.
import GuardABI
import PolicyLanguage

extension PolicyCompiler {
    /// Writes a family's tuple space and its part of the configuration.
    mutating func write(_ space: TupleSpace, into classifier: inout guard_classifier) {
        var tuples = space.shapes.enumerated().map {
            guard_tuple($1, isIPv6: space.isIPv6, number: UInt32($0))
        }
        for index in tuples.indices { tuples[index].first = .max }
        for (position, entry) in space.entries.enumerated() {
            let tuple = Int(space.tupleOf[position])
            tuples[tuple].first = min(tuples[tuple].first, entry.rule)
        }
        classifier.tuples = writer.append(tuples)
        classifier.tuple_count = UInt32(tuples.count)
        var sets = TupleSets()
        classifier.sides.0 = sets.writeSide(.source, of: space, to: &writer)
        classifier.sides.1 = sets.writeSide(.destination, of: space, to: &writer)
        classifier.tuple_sets = writer.append(sets.all)
        writeLists(space, tuples, into: &classifier)
    }

    private mutating func writeLists(
        _ space: TupleSpace, _ tuples: [guard_tuple], into classifier: inout guard_classifier
    ) {
        var lists = EntryLists(space, tuples, conditionBase: classifier.rule_words * 64)
        lists.build(records)
        classifier.slots = writer.append(lists.slots)
        classifier.slot_shift = UInt32(64 - lists.slotBits)
        classifier.entries =
            space.isIPv6
            ? writer.append(lists.long, alignment: 64) : writer.append(lists.short, alignment: 64)
        classifier.entry_count = UInt32(lists.count)
        classifier.longest = UInt32(lists.longest)
    }
}

/// Slots and the lists that they lead to. Keys that fall into one slot share its list.
private struct EntryLists {
    private let space: TupleSpace
    private let conditionBase: UInt32
    private let hashes: [UInt64]
    let slotBits: Int
    private(set) var slots: [UInt32]
    private(set) var short: [guard_entry4] = []
    private(set) var long: [guard_entry6] = []
    private(set) var count = 0
    private(set) var longest = 0

    init(_ space: TupleSpace, _ tuples: [guard_tuple], conditionBase: UInt32) {
        self.space = space
        self.conditionBase = conditionBase
        hashes = space.entries.indices.map {
            tuples[Int(space.tupleOf[$0])].hash(space.entries[$0], isIPv6: space.isIPv6)
        }
        // At most half of the slots are taken: most keys have one of their own.
        var bits = 6
        while 1 << bits < hashes.count * 2 { bits += 1 }
        slotBits = bits
        slots = [UInt32](repeating: 0, count: 1 << bits)
    }

    /// - Parameter records: the rules', by number.
    mutating func build(_ records: [guard_rule]) {
        let order = bySlotAndRule()
        var begin = 0
        while begin < order.count {
            let slot = slot(order[begin])
            var tag = tag(order[begin])
            var end = begin
            while end < order.count, self.slot(order[end]) == slot {
                if self.tag(order[end]) != tag { tag = 0 }
                end += 1
            }
            slots[slot] = UInt32(count + 1) | tag << UInt32(GUARD_SLOT_ENTRY_BITS)
            for place in begin..<end { append(order[place], records, isLast: place == end - 1) }
            longest = max(longest, end - begin)
            begin = end
        }
    }

    private func slot(_ position: Int) -> Int { Int(hashes[position] >> UInt64(64 - slotBits)) }

    private func tag(_ position: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: hashes[position] >> 24) & UInt32(GUARD_SLOT_TAG_MASK) | 1
    }

    /// Positions of entries, those of a slot together and in rule order.
    private func bySlotAndRule() -> [Int] {
        var keys = hashes.indices.map { position in
            UInt64(slot(position)) << 40 | UInt64(space.entries[position].rule) << 20 | UInt64(position)
        }
        keys.sort()
        return keys.map { Int($0 & 0xf_ffff) }
    }

    private mutating func append(_ position: Int, _ records: [guard_rule], isLast: Bool) {
        let entry = space.entries[position]
        let rest = rest(entry, records[Int(entry.rule)], isLast: isLast)
        count += 1
        if space.isIPv6 {
            long.append(
                guard_entry6(
                    rest: rest, source: guard_address6(entry.source),
                    destination: guard_address6(entry.destination), source_drop: drops(entry.sourceLength),
                    destination_drop: drops(entry.destinationLength), padding: (0, 0, 0, 0)))
        } else {
            short.append(
                guard_entry4(
                    rest: rest, source: UInt32(entry.source), destination: UInt32(entry.destination)))
        }
    }

    private func rest(_ entry: TupleEntry, _ record: guard_rule, isLast: Bool) -> guard_entry {
        var order = entry.rule
        if record.decidesAlone {
            order |= GUARD_ORDER_DECIDES.rawValue
            order |= UInt32(record.action) << GUARD_ORDER_VERDICT_SHIFT.rawValue
        }
        if entry.needsIP { order |= GUARD_ORDER_NEEDS_IP.rawValue }
        if isLast { order |= GUARD_ORDER_LAST.rawValue }
        let condition = entry.condition == 0 ? 0 : conditionBase + UInt32(entry.condition)
        return guard_entry(
            service_low: entry.serviceLow, service_high: entry.serviceHigh, port_low: entry.portLow,
            port_high: entry.portHigh, order: order, slot: record.slot, condition: UInt16(condition),
            source_drop: space.isIPv6 ? 0 : 32 - entry.sourceLength,
            destination_drop: space.isIPv6 ? 0 : 32 - entry.destinationLength)
    }

    /// Bits behind an IPv6 prefix in the high and in the low word.
    private func drops(_ length: UInt8) -> (UInt8, UInt8) {
        (length < 64 ? 64 - length : 0, length < 64 ? 64 : 128 - length)
    }
}

extension guard_rule {
    /// Whether the rule's keys are all that it asks, and it ends the search.
    fileprivate var decidesAlone: Bool {
        flags == 0 && log_every == 0 && pattern_count == 0 && action != UInt8(GUARD_ACTION_CONTINUE.rawValue)
            && limit == UInt16(GUARD_NO_LIMIT) && cookies == UInt16(GUARD_NO_LIMIT)
            && inspector == UInt16(GUARD_NO_INSPECTOR)
    }
}
