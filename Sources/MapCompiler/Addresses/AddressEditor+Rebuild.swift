// SPDX-License-Identifier: Apache-2.0
// A large change of a set: every partition is read, changed and written anew, without what earlier changes left
// behind.
import GuardABI
import NetworkTypes

extension AddressEditor {
    /// An image as it is after a change; this one's memory is only read.
    public mutating func rebuilt(_ change: SetChange) throws(SetChangeError) -> AddressMemory {
        let set = try number(of: change.set)
        let new = AddressMemory(growing: ())
        var writer = LabelWriter(memory: new)
        var made = guard_addresses_header()
        for partition in 0..<4 {
            let position = control.partitions[partition].sets.firstIndex { $0.set == set }
            let step = position.map {
                LabelStep(partition: partition, position: $0, kind: change.kind, isInside: true)
            }
            made[partition: partition] =
                partition < 2
                ? try rebuild(change.addresses.v4, partition, step, &writer)
                : try rebuild(change.addresses.v6, partition, step, &writer)
        }
        made.unread_row = writer.row(memory.row(at: header.unread_row, words: control.rowWords))
        note(change, of: set)
        new.finish(made, control)
        if new.isFull { throw .tooLarge }
        return new
    }

    private mutating func rebuild<Bound: CellBound>(
        _ addresses: IntervalSet<Bound>, _ number: Int, _ step: LabelStep?, _ writer: inout LabelWriter
    ) throws(SetChangeError) -> guard_partition {
        let old = header[partition: number]
        open(number)
        defer { tables[number] = nil }
        var partition = memory.partition(old, of: Bound.self)
        if let step {
            partition = try edited(
                partition, addresses.ranges[...], upTo: Bound.max, inside: step, outside: step.outside)
        }
        guard let states = tables[number]?.states else { throw .damagedImage }
        let used = try renumber(&partition, states)
        let words = control.partitions[number].conditionWords
        if words > 0 {
            control.partitions[number].conditions = (0..<used.count).flatMap {
                used.state($0).suffix(words)
            }
        }
        var table = guard_partition()
        writer.write(
            used, room: words > 0 ? used.count * 2 + 16 : used.count, control.partitions[number], control,
            to: &table)
        if old.root != 0 {
            table.root = UInt32(PartitionWriter.write(partition, to: writer.memory))
        }
        return table
    }

    /// Numbers the labels that are in use from 0 on.
    private func renumber<Bound: CellBound>(
        _ partition: inout Partition<Bound>, _ states: LabelStates
    ) throws(SetChangeError) -> LabelStates {
        var used = LabelStates(wordCount: states.wordCount)
        var numbers = [Int32](repeating: -1, count: states.count)
        for position in partition.labels.indices {
            let label = Int(partition.labels[position])
            guard label < numbers.count else { throw .damagedImage }
            if numbers[label] < 0 {
                numbers[label] = Int32(used.count)
                used.append(Array(states.state(label)))
            }
            partition.labels[position] = UInt32(numbers[label])
        }
        return used
    }
}
