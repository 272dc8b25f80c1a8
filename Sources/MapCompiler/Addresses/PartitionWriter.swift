// SPDX-License-Identifier: Apache-2.0
// Intervals with labels to what the program searches: root, groups, entries (guard_abi.h).
import GuardABI
import NetworkTypes

/// What differs between the families: how the part of an interval behind the first 24 bits is written.
protocol CellBound: FixedWidthInteger, UnsignedInteger, Sendable {
    /// The entry of a /24 that holds several intervals.
    static func entry(of cell: Cell<Self>, in memory: AddressMemory, _ room: CellRoom) -> UInt64

    /// Calls `body` with each interval of a /24's entry: where it begins, and its label.
    static func intervals(
        of entry: UInt64, from first: Self, in memory: AddressMemory, _ body: (Self, UInt32) -> Void)
}

/// Intervals that a /24 touches; the first begins at or before it.
struct Cell<Bound> {
    var starts: UnsafeBufferPointer<Bound>
    var labels: UnsafeBufferPointer<UInt32>
    var count: Int { starts.count }
}

/// Memory that is used over and over.
final class CellRoom {
    var tree = TreeContent()
    var subtree = TreeContent()
    /// Of the 64 /24s of a group.
    let entries = UnsafeMutablePointer<UInt64>.allocate(capacity: 64)

    deinit { entries.deallocate() }
}

/// Lives as long as the intervals it was given.
struct PartitionWriter<Bound: CellBound> {
    private let memory: AddressMemory
    private let starts: UnsafeBufferPointer<Bound>
    private let labels: UnsafeBufferPointer<UInt32>
    /// The interval that holds the address that the writer has come to.
    private var interval = 0
    private let room = CellRoom()

    init(
        starts: UnsafeBufferPointer<Bound>, labels: UnsafeBufferPointer<UInt32>, memory: AddressMemory
    ) {
        self.starts = starts
        self.labels = labels
        self.memory = memory
    }

    /// Writes a partition.
    /// - Returns: the root's offset.
    static func write(_ partition: Partition<Bound>, to memory: AddressMemory) -> Int {
        partition.starts.withUnsafeBufferPointer { starts in
            partition.labels.withUnsafeBufferPointer { labels in
                var writer = PartitionWriter(starts: starts, labels: labels, memory: memory)
                return writer.write()
            }
        }
    }

    private static var groupShift: Int { Bound.bitWidth - 18 }
    private static var cellShift: Int { Bound.bitWidth - 24 }
    private static var rootShift: Int { Bound.bitWidth - Int(GUARD_ROOT_BITS) }

    /// Writes all of it.
    /// - Returns: the root's offset.
    private mutating func write() -> Int {
        let root = memory.allocate(4 << Int(GUARD_ROOT_BITS), alignment: 64)
        for number in 0..<1 << Int(GUARD_ROOT_BITS) {
            let first = Bound(number) << Self.rootShift
            let entry =
                wholeLabel(first, first | ((1 << Self.rootShift) - 1)).map { GUARD_LABEL | $0 }
                ?? UInt32(block(from: first) / 8)
            memory.write(entry, at: root + number * 4)
        }
        return root
    }

    private mutating func block(from first: Bound) -> Int {
        let block = memory.allocate(64 * MemoryLayout<guard_address_group>.size, alignment: 64)
        for number in 0..<64 {
            let start = first | Bound(number) << Self.groupShift
            let group = group(from: start)
            memory.write(group, at: block + number * MemoryLayout<guard_address_group>.size)
        }
        return block
    }

    /// The group that begins at an address.
    mutating func group(from first: Bound) -> guard_address_group {
        if let label = wholeLabel(first, first | ((1 << Self.groupShift) - 1)) {
            return guard_address_group(differs: 0, entries: 0, label: label)
        }
        for number in 0..<64 {
            let start = first | Bound(number) << Self.cellShift
            room.entries[number] = entry(start, start | ((1 << Self.cellShift) - 1))
        }
        return memory.group(of: room.entries)
    }

    private mutating func entry(_ first: Bound, _ last: Bound) -> UInt64 {
        if let label = wholeLabel(first, last) { return UInt64(label) }
        let begin = interval
        var end = interval + 1
        while end < starts.count, starts[end] <= last { end += 1 }
        interval = end - 1
        let cell = Cell(
            starts: UnsafeBufferPointer(rebasing: starts[begin..<end]),
            labels: UnsafeBufferPointer(rebasing: labels[begin..<end]))
        return Bound.entry(of: cell, in: memory, room)
    }

    /// The label of the interval that holds all of a range; nil where none does.
    @inline(__always)
    private mutating func wholeLabel(_ first: Bound, _ last: Bound) -> UInt32? {
        while interval + 1 < starts.count, starts[interval + 1] <= first { interval += 1 }
        guard interval + 1 == starts.count || starts[interval + 1] > last else { return nil }
        return labels[interval]
    }
}

extension AddressMemory {
    /// A group of 64 /24s.
    func group(of entries: UnsafeMutablePointer<UInt64>) -> guard_address_group {
        var group = guard_address_group()
        group.label = majority(entries)
        for number in 0..<64 where entries[number] != UInt64(group.label) {
            group.differs |= 1 << UInt64(number)
        }
        var at = allocate(group.differs.nonzeroBitCount * 8)
        group.entries = UInt32(at / 8)
        for number in 0..<64 where entries[number] != UInt64(group.label) {
            write(entries[number], at: at)
            at += 8
        }
        return group
    }

    /// The label of most of the whole cells, where it is that of more than half of them (Boyer and Moore's
    /// vote); else one of them.
    private func majority(_ entries: UnsafeMutablePointer<UInt64>) -> UInt32 {
        var (label, votes): (UInt64, Int) = (0, 0)
        for number in 0..<64 where entries[number] >> 62 == 0 {
            if votes == 0 { label = entries[number] }
            votes += entries[number] == label ? 1 : -1
        }
        return UInt32(truncatingIfNeeded: label)
    }
}

extension UInt32: CellBound {
    static func entry(of cell: Cell<UInt32>, in memory: AddressMemory, _ room: CellRoom) -> UInt64 {
        let a = cell.labels[0]
        guard let b = cell.labels.first(where: { $0 != a }) else { return UInt64(a) }
        if cell.count == 2 || (cell.count == 3 && cell.labels[2] == a) {
            let last = cell.count == 2 ? 255 : (cell.starts[2] - 1) & 255
            return rangeEntry(a, b, UInt64(cell.starts[1] & 255), UInt64(last))
        }
        if cell.labels.allSatisfy({ $0 == a || $0 == b }) { return bitmapEntry(cell, a, b, memory) }
        room.tree.removeAll()
        for number in 0..<cell.count {
            room.tree.append(number == 0 ? 0 : UInt64(cell.starts[number] & 255), GUARD_LABEL | cell.labels[number])
        }
        return UInt64(GUARD_ENTRY_TREE.rawValue) << 62 | UInt64(memory.appendTree(room.tree))
    }

    private static func rangeEntry(_ a: UInt32, _ b: UInt32, _ first: UInt64, _ last: UInt64) -> UInt64 {
        UInt64(GUARD_ENTRY_RANGE.rawValue) << 62 | last << 40 | first << 32 | UInt64(b) << 16 | UInt64(a)
    }

    private static func bitmapEntry(
        _ cell: Cell<UInt32>, _ a: UInt32, _ b: UInt32, _ memory: AddressMemory
    ) -> UInt64 {
        let at = memory.allocate(32)
        for number in 1..<cell.count where cell.labels[number] == b {
            let last = number + 1 < cell.count ? (cell.starts[number + 1] - 1) & 255 : 255
            for value in cell.starts[number] & 255...last {
                let word = at + Int(value >> 6) * 8
                memory.write(memory.read(UInt64.self, at: word, or: 0) | 1 << UInt64(value & 63), at: word)
            }
        }
        return UInt64(GUARD_ENTRY_BITMAP.rawValue) << 62 | UInt64(at / 8) << 32 | UInt64(b) << 16 | UInt64(a)
    }
}

extension UInt128: CellBound {
    /// The 63 bits of an address behind its first 24, and the last 41.
    static func treeKeys(_ address: UInt128) -> (key: UInt64, low: UInt64) {
        (
            UInt64(truncatingIfNeeded: address >> 41) & (GUARD_NO_KEY - 1),
            UInt64(truncatingIfNeeded: address) & ((1 << 41) - 1)
        )
    }

    static func entry(of cell: Cell<UInt128>, in memory: AddressMemory, _ room: CellRoom) -> UInt64 {
        room.tree.removeAll()
        var label = GUARD_LABEL | cell.labels[0]
        room.tree.append(0, label)
        var number = 1
        while number < cell.count {
            let (key, low) = treeKeys(cell.starts[number])
            if low == 0 {
                label = GUARD_LABEL | cell.labels[number]
                room.tree.append(key, label)
                number += 1
                guard number < cell.count, treeKeys(cell.starts[number]).key == key else { continue }
            }
            // Boundaries below the key's last bit: a tree of their own.
            room.subtree.removeAll()
            room.subtree.append(0, label)
            while number < cell.count, treeKeys(cell.starts[number]).key == key {
                label = GUARD_LABEL | cell.labels[number]
                room.subtree.append(treeKeys(cell.starts[number]).low, label)
                number += 1
            }
            room.tree.append(key, memory.appendTree(room.subtree))
            if key < GUARD_NO_KEY - 1 { room.tree.append(key + 1, label) }
        }
        let value = memory.appendTree(room.tree)
        return value & GUARD_LABEL != 0
            ? UInt64(value & 0xffff) : UInt64(GUARD_ENTRY_TREE.rawValue) << 62 | UInt64(value)
    }
}
