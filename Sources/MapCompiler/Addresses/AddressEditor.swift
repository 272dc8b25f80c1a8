// SPDX-License-Identifier: Apache-2.0
// A set changes: an image and the change in, the image as it is to be out. Little changes rebuild only the
// /24s that they touch, in a copy; others write everything anew.
import GuardABI
import NetworkTypes

/// What is to become of a set.
public struct SetChange: Sendable {
    public enum Kind: Sendable, Equatable {
        /// By hand: it holds whatever the set's definition says, until the next refresh or apply.
        case add, remove, replace
        /// The addresses are what the set's file holds now; changes by hand end.
        case refresh
        /// Changes by hand end.
        case restore
    }
    public var set: String
    public var kind: Kind
    public var addresses: AddressSet
    /// Prefixes, addresses or ranges that were given.
    public var count: Int
    /// Since 1970-01-01T00:00Z.
    public var nanoseconds: Int64
    public init(_ set: String, _ kind: Kind, _ addresses: AddressSet, count: Int, nanoseconds: Int64) {
        self.set = set
        self.kind = kind
        self.addresses = addresses
        self.count = count
        self.nanoseconds = nanoseconds
    }
}

/// Why a set cannot change so.
public enum SetChangeError: Error, Sendable, Equatable {
    case damagedImage, unknownSet, unusedSet
    /// More than GUARD_LABELS_MAX classes of addresses.
    case tooManyClasses
    /// The tables are larger than can be loaded.
    case tooLarge
}

/// One image that is being changed.
public struct AddressEditor {
    let memory: AddressMemory
    var header: guard_addresses_header
    var control: AddressControl
    var labels: LabelWriter
    var tables: [PartitionLabels?] = [nil, nil, nil, nil]

    /// - Parameter memory: holds an image; it is changed in place by `apply`.
    public init(_ memory: AddressMemory) throws(SetChangeError) {
        self.memory = memory
        header = memory.header
        labels = LabelWriter(memory: memory)
        guard header.control != 0, Int(header.control) + Int(header.control_size) <= memory.used else {
            throw .damagedImage
        }
        let bytes = UnsafeRawBufferPointer(
            start: memory.base + Int(header.control), count: Int(header.control_size))
        do throws(DamagedImage) { control = try AddressControl(Array(bytes)) } catch { throw .damagedImage }
    }

    public var sets: [ImageSet] { control.sets }

    /// Most /24s that are rebuilt one by one.
    private static let mostCells = 20_000

    /// Whether a change is little enough for `apply`; else `rebuilt`.
    public static func isLittle(_ change: SetChange) -> Bool {
        guard change.kind == .add || change.kind == .remove else { return false }
        var cells = 0
        for range in change.addresses.v4.ranges {
            cells += 1 + Int(range.upperBound >> 8 - range.lowerBound >> 8)
        }
        for range in change.addresses.v6.ranges {
            cells += 1 + Int(truncatingIfNeeded: range.upperBound >> 104 - range.lowerBound >> 104)
            if cells > mostCells { return false }
        }
        return cells <= mostCells
    }

    /// Carries out a change in place.
    /// - Returns: false where there is no room: what the memory holds is of no use then.
    public mutating func apply(_ change: SetChange) throws(SetChangeError) -> Bool {
        let set = try number(of: change.set)
        // The control is the last thing in an image; it is written again at the end.
        if Int(header.control) + Int(header.control_size) == memory.used {
            memory.truncate(to: Int(header.control))
        }
        for partition in 0..<4 {
            guard let position = control.partitions[partition].sets.firstIndex(where: { $0.set == set })
            else { continue }
            open(partition)
            let step = LabelStep(partition: partition, position: position, kind: change.kind, isInside: true)
            if partition < 2 {
                try edit(change.addresses.v4, step)
            } else {
                try edit(change.addresses.v6, step)
            }
            close(partition)
        }
        note(change, of: set)
        memory.finish(header, control)
        return !memory.isFull
    }

    func number(of name: String) throws(SetChangeError) -> Int {
        guard let set = control.sets.firstIndex(where: { $0.name == name }) else { throw .unknownSet }
        guard control.sets[set].isUsed else { throw .unusedSet }
        return set
    }

    mutating func note(_ change: SetChange, of set: Int) {
        let mostTold = 64
        control.sets[set].changedNanoseconds = change.nanoseconds
        let kind: ImageChange.Kind
        switch change.kind {
        case .add: kind = .added
        case .remove: kind = .removed
        case .replace: kind = .replaced
        case .refresh, .restore: return control.sets[set].changes = []
        }
        if kind == .replaced { control.sets[set].changes = [] }
        control.sets[set].changes.append(
            ImageChange(kind: kind, nanoseconds: change.nanoseconds, count: UInt32(clamping: change.count)))
        control.sets[set].changes = control.sets[set].changes.suffix(mostTold)
    }
}

// Editing /24 by /24.
extension AddressEditor {
    private mutating func edit<Bound: CellBound>(
        _ addresses: IntervalSet<Bound>, _ step: LabelStep
    ) throws(SetChangeError) {
        guard !addresses.isEmpty else { return }
        let shift = Bound.bitWidth - 24
        let room = CellRoom()
        var (range, ranges) = (0, addresses.ranges)
        var cell = ranges[0].lowerBound >> shift
        var group = OpenGroup(number: -1)
        while range < ranges.count {
            if Int(cell >> 6) != group.number {
                flush(group, step.partition, room)
                group = openGroup(Int(cell >> 6), step.partition, room)
            }
            let first = cell << shift
            let last = first | ((1 << shift) - 1)
            var end = range
            while end < ranges.count, ranges[end].lowerBound <= last { end += 1 }
            try edit(ranges[range..<end], cell: first, step, room)
            while range < ranges.count, ranges[range].upperBound <= last { range += 1 }
            guard range < ranges.count else { break }
            cell = max(cell + 1, ranges[range].lowerBound >> shift)
        }
        flush(group, step.partition, room)
    }

    /// A group whose entries are in the room; number -1: none.
    private struct OpenGroup { var number: Int }

    private func openGroup(_ number: Int, _ partition: Int, _ room: CellRoom) -> OpenGroup {
        let root = Int(header[partition: partition].root)
        memory.expand(memory.group(number, root: root).group, into: room.entries)
        return OpenGroup(number: number)
    }

    private func flush(_ group: OpenGroup, _ partition: Int, _ room: CellRoom) {
        guard group.number >= 0 else { return }
        let root = Int(header[partition: partition].root)
        let (old, place) = memory.group(group.number, root: root)
        let at = place ?? memory.addBlock(of: old.label, group: group.number, root: root)
        memory.write(memory.group(of: room.entries), at: at)
    }

    private mutating func edit<Bound: CellBound>(
        _ ranges: ArraySlice<ClosedRange<Bound>>, cell first: Bound, _ step: LabelStep, _ room: CellRoom
    ) throws(SetChangeError) {
        let shift = Bound.bitWidth - 24
        let number = Int(truncatingIfNeeded: first >> shift & 63)
        var old = Partition<Bound>()
        (old.starts, old.labels) = ([], [])
        Bound.intervals(of: room.entries[number], from: first, in: memory) { start, label in
            old.starts.append(start)
            old.labels.append(label)
        }
        let last = first | ((1 << shift) - 1)
        let new = try edited(old, ranges, upTo: last, inside: step, outside: nil)
        room.entries[number] = new.starts.withUnsafeBufferPointer { starts in
            new.labels.withUnsafeBufferPointer { labels in
                labels.count == 1
                    ? UInt64(labels[0])
                    : Bound.entry(of: Cell(starts: starts, labels: labels), in: memory, room)
            }
        }
    }

    /// Intervals up to `last` whose labels take a step inside of the ranges, and another one outside.
    mutating func edited<Bound: CellBound>(
        _ old: Partition<Bound>, _ ranges: ArraySlice<ClosedRange<Bound>>, upTo last: Bound,
        inside: LabelStep, outside: LabelStep?
    ) throws(SetChangeError) -> Partition<Bound> {
        var new = Partition<Bound>()
        var range = ranges.startIndex
        for (number, start) in old.starts.enumerated() {
            let end = number + 1 < old.starts.count ? old.starts[number + 1] - 1 : last
            let label = old.labels[number]
            var at = start
            while true {
                while range < ranges.endIndex, ranges[range].upperBound < at { range += 1 }
                let isIn = range < ranges.endIndex && ranges[range].lowerBound <= at
                var stop = end
                if range < ranges.endIndex {
                    stop = min(end, isIn ? ranges[range].upperBound : ranges[range].lowerBound - 1)
                }
                let step = isIn ? inside : outside
                let next = try step.map { step throws(SetChangeError) in try take(step, label) } ?? label
                if number == 0, at == start {
                    (new.starts, new.labels) = ([start], [next])
                } else {
                    new.append(at, next)
                }
                if stop >= end { break }
                at = stop + 1
            }
        }
        return new
    }
}

extension AddressMemory {
    /// A block of groups in the place of one label.
    /// - Returns: where the group stands in it.
    func addBlock(of label: UInt32, group: Int, root: Int) -> Int {
        let size = MemoryLayout<guard_address_group>.size
        let block = allocate(64 * size, alignment: 64)
        for number in 0..<64 {
            write(guard_address_group(differs: 0, entries: 0, label: label), at: block + number * size)
        }
        if !isFull { write(UInt32(block / 8), at: root + (group >> 6) * 4) }
        return block + (group & 63) * size
    }
}
