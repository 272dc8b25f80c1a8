// SPDX-License-Identifier: Apache-2.0
// What labels stand for, as the program reads it: states in, label records with their rows and lists of sets out.
import GuardABI

/// Rows and lists of sets, each written once.
struct LabelWriter {
    let memory: AddressMemory
    private var rows: [[UInt64]: UInt32] = [:]
    private var lists: [[UInt16]: UInt32] = [:]

    init(memory: AddressMemory) { self.memory = memory }

    /// - Parameter words: the head, then the words of the rules.
    mutating func row(_ words: [UInt64]) -> UInt32 {
        if let known = rows[words] { return known }
        var summary: UInt64 = 0
        for (number, word) in words.dropFirst().prefix(64).enumerated() where word != 0 {
            summary |= 1 << UInt64(number)
        }
        let at = UInt32(memory.append([words[0], summary] + words.dropFirst()))
        rows[words] = at
        return at
    }

    /// The record of a state: first the words of the row without bits that depend on sets, then conditions.
    mutating func record(
        _ state: ArraySlice<UInt64>, _ algebra: PartitionAlgebra, _ control: AddressControl
    ) -> guard_label {
        var words = Array(state.prefix(control.rowWords))
        guard !algebra.bits.isEmpty else { return guard_label(row: row(words), sets: 0) }
        let conditions = state.dropFirst(control.rowWords)
        let members = algebra.members(conditions)
        for bit in algebra.bits where algebra.holds(bit, members, conditions) {
            words[bit.bit >> 6] |= 1 << UInt64(bit.bit & 63)
        }
        var slots: [UInt16] = []
        for (position, isMember) in members.enumerated() where isMember {
            slots.append(UInt16(truncatingIfNeeded: control.sets[algebra.sets[position].set].slot))
        }
        return guard_label(row: row(words), sets: list(slots))
    }

    private mutating func list(_ slots: [UInt16]) -> UInt32 {
        if slots.isEmpty { return 0 }
        if let known = lists[slots] { return known }
        let at = UInt32(memory.append([UInt16(slots.count)] + slots))
        lists[slots] = at
        return at
    }

    /// Writes the records of all states of a partition; `room` of them can be there later.
    mutating func write(
        _ states: LabelStates, room: Int, _ algebra: PartitionAlgebra, _ control: AddressControl,
        to table: inout guard_partition
    ) {
        table.label_count = UInt32(states.count)
        table.label_room = UInt32(max(room, states.count))
        var records = (0..<states.count).map { record(states.state($0), algebra, control) }
        records += Array(repeating: guard_label(), count: Int(table.label_room) - records.count)
        table.labels = UInt32(memory.append(records))
    }

    /// What is written already, where an image is changed.
    mutating func adopt(_ table: guard_partition, rowWords: Int) {
        var seen: Set<UInt32> = []
        for label in 0..<Int(table.label_count) {
            let record = memory.record(label, of: table)
            if seen.insert(record.row).inserted { rows[memory.row(at: record.row, words: rowWords)] = record.row }
        }
    }
}

extension AddressMemory {
    func record(_ label: Int, of table: guard_partition) -> guard_label {
        read(guard_label.self, at: Int(table.labels) + label * MemoryLayout<guard_label>.size, or: guard_label())
    }

    /// A row without its summary.
    func row(at offset: UInt32, words: Int) -> [UInt64] {
        (0..<words).map { read(UInt64.self, at: Int(offset) + ($0 == 0 ? 0 : 8 + $0 * 8), or: 0) }
    }

    /// Writes the control behind everything else, and the header.
    func finish(_ header: guard_addresses_header, _ control: AddressControl) {
        var header = header
        let bytes = control.sets.isEmpty ? [] : control.encoded()
        header.control = bytes.isEmpty ? 0 : UInt32(append(bytes))
        header.control_size = UInt32(bytes.count)
        header.used = UInt32(used)
        self.header = header
    }
}
