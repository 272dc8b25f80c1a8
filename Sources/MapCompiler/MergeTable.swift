// SPDX-License-Identifier: Apache-2.0
// How many entries share each key: a flat hash table, as the merging of tuples asks it some million times.
import GuardABI

/// Counts by 64-bit keys, which are hashes and told apart by nothing else: a collision only makes a list look
/// longer than it is.
struct MergeTable {
    private var keys: [UInt64]
    private var counts: [UInt32]
    private var used = 0

    init(capacity: Int) {
        var size = 64
        while size < capacity { size *= 2 }
        keys = [UInt64](repeating: 0, count: size)
        counts = [UInt32](repeating: 0, count: size)
    }

    /// Further keys would make it slow: it has to be filled afresh.
    var isFull: Bool { used * 2 > keys.count }

    /// - Returns: the new count.
    mutating func add(_ key: UInt64) -> UInt32 {
        let place = place(of: key)
        if keys[place] == 0 {
            keys[place] = key | 1
            used += 1
        }
        counts[place] += 1
        return counts[place]
    }

    mutating func remove(_ key: UInt64) {
        let place = place(of: key)
        if counts[place] > 0 { counts[place] -= 1 }
    }

    func count(_ key: UInt64) -> UInt32 { counts[place(of: key)] }

    /// Where the key stands, or would.
    private func place(of key: UInt64) -> Int {
        let mask = keys.count - 1
        var place = Int(truncatingIfNeeded: key >> 20) & mask
        while keys[place] != 0, keys[place] != key | 1 { place = (place + 1) & mask }
        return place
    }
}
