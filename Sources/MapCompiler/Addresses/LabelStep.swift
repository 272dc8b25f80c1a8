// SPDX-License-Identifier: Apache-2.0
// What a change of a set makes of labels: the conditions of a label change, and the label of the new
// conditions is found or made.
import GuardABI
import NetworkTypes

/// What happens to the labels of the addresses inside of a change, or outside of it.
struct LabelStep {
    var partition: Int
    /// The set's in the partition.
    var position: Int
    var kind: SetChange.Kind
    var isInside: Bool

    /// What outside of the change's addresses happens; nil: nothing.
    var outside: LabelStep? {
        guard kind != .add, kind != .remove else { return nil }
        var step = self
        step.isInside = false
        return step
    }

    /// The conditions of the set after the step; nil: as they are.
    func value(of condition: SetAlgebra.Condition) -> Bool? {
        switch (kind, condition) {
        case (.restore, .added), (.restore, .removed), (.refresh, .added), (.refresh, .removed): false
        case (.refresh, .own): isInside
        case (.add, .added), (.remove, .removed): true
        case (.add, .removed), (.remove, .added): false
        case (.replace, .added): isInside
        case (.replace, .removed): !isInside
        default: nil
        }
    }
}

/// The labels of a partition while it is changed.
struct PartitionLabels {
    var states: LabelStates
    /// New labels by old ones, inside and outside; -1: not asked yet.
    var steps: [[Int32]] = [[], []]
    var written: Int
}

extension AddressEditor {
    /// Reads the labels of a partition.
    mutating func open(_ partition: Int) {
        let (table, algebra) = (header[partition: partition], control.partitions[partition])
        var states = LabelStates(wordCount: control.rowWords + algebra.conditionWords)
        let mask = algebra.mask(words: control.rowWords)
        labels.adopt(table, rowWords: control.rowWords)
        for label in 0..<Int(table.label_count) {
            let row = memory.row(at: memory.record(label, of: table).row, words: control.rowWords)
            let first = label * algebra.conditionWords
            let conditions = algebra.conditions[safe: first..<first + algebra.conditionWords]
            states.append(zip(row, mask).map { $0 & ~$1 } + conditions)
        }
        tables[partition] = PartitionLabels(states: states, written: states.count)
    }

    /// The label that a label becomes.
    mutating func take(_ step: LabelStep, _ label: UInt32) throws(SetChangeError) -> UInt32 {
        guard var labels = tables[step.partition] else { throw .damagedImage }
        let side = step.isInside ? 1 : 0
        if Int(label) < labels.steps[side].count, labels.steps[side][Int(label)] >= 0 {
            return UInt32(labels.steps[side][Int(label)])
        }
        guard Int(label) < labels.states.count else { throw .damagedImage }
        tables[step.partition] = nil
        defer { tables[step.partition] = labels }
        var state = Array(labels.states.state(Int(label)))
        for condition in [SetAlgebra.Condition.own, .added, .removed] {
            guard let value = step.value(of: condition) else { continue }
            let number = step.position * SetAlgebra.conditions + condition.rawValue
            let (word, bit) = (control.rowWords + number >> 6, UInt64(1) << UInt64(number & 63))
            state[word] = value ? state[word] | bit : state[word] & ~bit
        }
        let found = labels.states.label(of: state, hash: stateHash(state))
        guard found < UInt32(GUARD_LABELS_MAX) else { throw .tooManyClasses }
        while labels.steps[side].count <= Int(label) { labels.steps[side].append(-1) }
        labels.steps[side][Int(label)] = Int32(found)
        return found
    }

    /// Writes the labels that came in.
    mutating func close(_ partition: Int) {
        guard let opened = tables[partition] else { return }
        defer { tables[partition] = nil }
        let states = opened.states
        guard states.count > opened.written else { return }
        var table = header[partition: partition]
        let algebra = control.partitions[partition]
        if states.count > Int(table.label_room) {
            labels.write(states, room: states.count * 2, algebra, control, to: &table)
        } else {
            for label in opened.written..<states.count {
                let record = labels.record(states.state(label), algebra, control)
                memory.write(record, at: Int(table.labels) + label * MemoryLayout<guard_label>.size)
            }
            table.label_count = UInt32(states.count)
        }
        for label in opened.written..<states.count {
            control.partitions[partition].conditions += states.state(label).dropFirst(control.rowWords)
        }
        header[partition: partition] = table
    }
}

extension LabelStates {
    /// A label that is known to be the next one.
    mutating func append(_ state: [UInt64]) { _ = add(state, stateHash(state)) }
}

func stateHash(_ state: [UInt64]) -> UInt64 {
    state.reduce(UInt64(state.count)) { mix($0 ^ $1) }
}

extension Array {
    /// What of a range there is.
    subscript(safe range: Range<Int>) -> ArraySlice<Element> {
        self[Swift.min(range.lowerBound, count)..<Swift.min(range.upperBound, count)]
    }
}
