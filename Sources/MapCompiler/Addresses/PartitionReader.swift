// SPDX-License-Identifier: Apache-2.0
// What PartitionWriter wrote, read back: entries to intervals with labels.
import GuardABI

extension AddressMemory {
    /// The group at a position from 0 to 2^18 - 1, and where it stands; nil for the place where the root gives
    /// one label to all of its block.
    func group(_ number: Int, root: Int) -> (group: guard_address_group, at: Int?) {
        let block = read(UInt32.self, at: root + (number >> 6) * 4, or: GUARD_LABEL)
        if block & GUARD_LABEL != 0 {
            return (guard_address_group(differs: 0, entries: 0, label: block & 0xffff), nil)
        }
        let at = Int(block) * 8 + (number & 63) * MemoryLayout<guard_address_group>.size
        return (read(guard_address_group.self, at: at, or: guard_address_group()), at)
    }

    /// The entries of a group's 64 /24s.
    func expand(_ group: guard_address_group, into entries: UnsafeMutablePointer<UInt64>) {
        var at = Int(group.entries) * 8
        for number in 0..<64 {
            guard group.differs >> UInt64(number) & 1 == 1 else {
                entries[number] = UInt64(group.label)
                continue
            }
            entries[number] = read(UInt64.self, at: at, or: 0)
            at += 8
        }
    }

    /// Calls `body` with every interval of a tree, in order: where it begins, and its value.
    func walk(_ tree: UInt32, from first: UInt64 = 0, _ body: (UInt64, UInt32) -> Void) {
        guard tree & GUARD_LABEL == 0 else { return body(first, tree) }
        let levels = tree >> UInt32(GUARD_TREE_SHIFT) & 15
        let at = Int(tree & UInt32((1 << GUARD_TREE_SHIFT) - 1)) * 32
        if levels == UInt32(GUARD_TREE_SHORT) { return walkLeaf(at, keys: 2, from: first, body) }
        walk(at: at, levels: levels, from: first, body)
    }

    private func walk(at: Int, levels: UInt32, from first: UInt64, _ body: (UInt64, UInt32) -> Void) {
        guard levels > 0 else { return walkLeaf(at, keys: 5, from: first, body) }
        let children = Int(read(UInt32.self, at: at + 56, or: 0)) * 32
        for child in 0..<8 {
            let key = child == 0 ? first : read(UInt64.self, at: at + (child - 1) * 8, or: GUARD_NO_KEY)
            guard key != GUARD_NO_KEY else { return }
            walk(at: children + child * 64, levels: levels - 1, from: key, body)
        }
    }

    private func walkLeaf(_ at: Int, keys: Int, from first: UInt64, _ body: (UInt64, UInt32) -> Void) {
        for place in 0...keys {
            let key = place == 0 ? first : read(UInt64.self, at: at + (place - 1) * 8, or: GUARD_NO_KEY)
            guard key != GUARD_NO_KEY else { return }
            body(key, read(UInt32.self, at: at + keys * 8 + place * 4, or: GUARD_LABEL))
        }
    }

    /// All of a partition.
    func partition<Bound: CellBound>(_ table: guard_partition, of type: Bound.Type) -> Partition<Bound> {
        var partition = Partition<Bound>()
        guard table.root != 0 else { return partition }
        let entries = UnsafeMutablePointer<UInt64>.allocate(capacity: 64)
        defer { entries.deallocate() }
        for number in 0..<1 << 18 {
            let (group, at) = group(number, root: Int(table.root))
            let first = Bound(number) << (Bound.bitWidth - 18)
            if at == nil || group.differs == 0 {
                partition.append(first, group.label)
                continue
            }
            expand(group, into: entries)
            for cell in 0..<64 {
                let start = first | Bound(cell) << (Bound.bitWidth - 24)
                if entries[cell] >> 62 == 0 {
                    partition.append(start, UInt32(truncatingIfNeeded: entries[cell]))
                } else {
                    Bound.intervals(of: entries[cell], from: start, in: self) { partition.append($0, $1) }
                }
            }
        }
        return partition
    }
}

extension UInt32 {
    static func intervals(
        of entry: UInt64, from first: UInt32, in memory: AddressMemory, _ body: (UInt32, UInt32) -> Void
    ) {
        let (a, b) = (UInt32(entry & 0xffff), UInt32(entry >> 16 & 0xffff))
        switch guard_address_entry(rawValue: UInt32(entry >> 62)) {
        case GUARD_ENTRY_LABEL: body(first, a)
        case GUARD_ENTRY_RANGE:
            let (low, high) = (UInt32(entry >> 32 & 0xff), UInt32(entry >> 40 & 0xff))
            if low > 0 { body(first, a) }
            body(first | low, b)
            if high < 255 { body(first | (high + 1), a) }
        case GUARD_ENTRY_BITMAP:
            var last: UInt64 = 2
            for value in UInt32(0)..<256 {
                let word = Int(entry >> 32 & 0x3fff_ffff) * 8 + Int(value >> 6) * 8
                let bit = memory.read(UInt64.self, at: word, or: 0) >> UInt64(value & 63) & 1
                if bit != last { body(first | value, bit == 1 ? b : a) }
                last = bit
            }
        default:
            memory.walk(UInt32(truncatingIfNeeded: entry)) { key, value in
                body(first | UInt32(truncatingIfNeeded: key), value & 0xffff)
            }
        }
    }
}

extension UInt128 {
    static func intervals(
        of entry: UInt64, from first: UInt128, in memory: AddressMemory, _ body: (UInt128, UInt32) -> Void
    ) {
        guard entry >> 62 != 0 else { return body(first, UInt32(entry & 0xffff)) }
        memory.walk(UInt32(truncatingIfNeeded: entry)) { key, value in
            let start = first | UInt128(key) << 41
            memory.walk(value) { low, value in body(start | UInt128(low), value & 0xffff) }
        }
    }
}
