// SPDX-License-Identifier: Apache-2.0
// Trees of boundaries (guard_tree_node of guard_abi.h): keys and values in, a tree value out.
import GuardABI

/// Ascending keys and the values from there on; `keys[0]` is 0.
struct TreeContent {
    var keys: [UInt64] = []
    var values: [UInt32] = []

    mutating func removeAll() {
        keys.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
    }

    /// What a key before this one began ends here; equal neighbours are one.
    mutating func append(_ key: UInt64, _ value: UInt32) {
        if keys.last == key {
            values[values.count - 1] = value
            if values.count > 1, values[values.count - 2] == value {
                keys.removeLast()
                values.removeLast()
            }
        } else if values.last != value {
            keys.append(key)
            values.append(value)
        }
    }
}

extension AddressMemory {
    private static let leafWidth = 6
    private static let nodeWidth = 8

    /// - Returns: a tree value; a bare label where there is nothing to search.
    func appendTree(_ content: TreeContent) -> UInt32 {
        if content.keys.count == 1 { return content.values[0] }
        return content.keys.count <= 3 ? appendShort(content) : appendLevels(content)
    }

    private func appendShort(_ content: TreeContent) -> UInt32 {
        let at = allocate(MemoryLayout<guard_tree_short>.size, alignment: 32)
        for key in 0..<2 {
            write(key + 1 < content.keys.count ? content.keys[key + 1] : GUARD_NO_KEY, at: at + key * 8)
        }
        for (number, value) in content.values.enumerated() { write(value, at: at + 16 + number * 4) }
        return UInt32(GUARD_TREE_SHORT) << UInt32(GUARD_TREE_SHIFT) | UInt32(at / 32)
    }

    private func appendLevels(_ content: TreeContent) -> UInt32 {
        let width = Self.leafWidth
        let count = (content.keys.count + width - 1) / width
        let leaves = allocate(count * 64, alignment: 64)
        for leaf in 0..<count {
            let first = leaf * width
            for place in 0..<width {
                let number = first + place
                if place > 0 {
                    let key = number < content.keys.count ? content.keys[number] : GUARD_NO_KEY
                    write(key, at: leaves + leaf * 64 + (place - 1) * 8)
                }
                let value = number < content.values.count ? content.values[number] : 0
                write(value, at: leaves + leaf * 64 + 40 + place * 4)
            }
        }
        var level = TreeLevel(offset: leaves, count: count, stride: width)
        var levels: UInt32 = 0
        while level.count > 1 {
            level = appendNodes(above: level, content)
            levels += 1
        }
        return levels << UInt32(GUARD_TREE_SHIFT) | UInt32(level.offset / 32)
    }

    /// `stride`: keys of the content below one of its nodes.
    private struct TreeLevel {
        var offset: Int
        var count: Int
        var stride: Int
    }

    private func appendNodes(above level: TreeLevel, _ content: TreeContent) -> TreeLevel {
        let width = Self.nodeWidth
        let count = (level.count + width - 1) / width
        let nodes = allocate(count * 64, alignment: 64)
        for node in 0..<count {
            for place in 1..<width {
                let child = node * width + place
                let key = child < level.count ? content.keys[child * level.stride] : GUARD_NO_KEY
                write(key, at: nodes + node * 64 + (place - 1) * 8)
            }
            write(UInt32((level.offset + node * width * 64) / 32), at: nodes + node * 64 + 56)
        }
        return TreeLevel(offset: nodes, count: count, stride: level.stride * width)
    }
}
