// SPDX-License-Identifier: Apache-2.0
// What the program and the controller change at the same time beside the ban table: the prefix lengths that
// bans have, and the program's own clearing.
import CBPF
import Glibc
import GuardABI
import NetworkTypes
import Synchronization

/// guard_ban_lengths through mmap: bits change by atomics on both sides, so that none is lost.
struct BanLengths {
    private let memory: MapMemory
    private static let words = MemoryLayout<guard_ban_lengths>.size / 8

    init(map: Int32) throws(KernelError) {
        memory = try MapMemory(map: map, length: MemoryLayout<guard_ban_lengths>.size)
    }

    private var words: UnsafeMutablePointer<Atomic<UInt64>> {
        memory.base.assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    func set(_ prefix: Prefix) {
        let bit = guard_ban_lengths.bit(of: prefix)
        _ = words[guard_ban_lengths.word(of: prefix)].bitwiseOr(bit, ordering: .sequentiallyConsistent)
    }

    func set(_ lengths: guard_ban_lengths) {
        for (number, bits) in lengths.words.enumerated() where bits != 0 {
            _ = words[number].bitwiseOr(bits, ordering: .sequentiallyConsistent)
        }
    }

    /// - Returns: whether any bit was cleared.
    func clear(except kept: guard_ban_lengths) -> Bool {
        var isChanged = false
        for (number, bits) in kept.words.enumerated() {
            let result = words[number].bitwiseAnd(bits, ordering: .sequentiallyConsistent)
            isChanged = isChanged || result.oldValue != result.newValue
        }
        return isChanged
    }

    var value: guard_ban_lengths {
        var lengths = guard_ban_lengths()
        withUnsafeMutableBytes(of: &lengths) { bytes in
            for number in 0..<Self.words {
                bytes.bindMemory(to: UInt64.self)[number] = words[number].load(
                    ordering: .sequentiallyConsistent)
            }
        }
        return lengths
    }
}

extension guard_ban_lengths {
    fileprivate var words: [UInt64] { withUnsafeBytes(of: self) { Array($0.bindMemory(to: UInt64.self)) } }
}

extension SharedState {
    func lengths() throws(KernelError) -> BanLengths { try BanLengths(map: descriptor(.banLengths)) }

    func upkeep() throws(KernelError) -> guard_ban_upkeep {
        var key: UInt32 = 0
        var value = guard_ban_upkeep()
        try check(
            bpf_map_lookup_elem(descriptor(.banUpkeep), &key, &value), "read how the table of bans is kept")
        return value
    }

    /// How often limits have banned somebody, or lengthened a ban.
    public func bansMadeByLimits() throws(KernelError) -> UInt64 { try upkeep().made }

    /// Counts a ban that found no room, as the program does.
    func countLost() throws(KernelError) {
        let size = MemoryLayout<guard_ban_upkeep>.size
        let memory = try MapMemory(map: descriptor(.banUpkeep), length: size)
        let lost = memory.base.assumingMemoryBound(to: Atomic<UInt64>.self)
        _ = lost.pointee.wrappingAdd(1, ordering: .relaxed)
    }

    /// Waits until every clearing that the program has begun by now is done: one looks at each ban of the
    /// table, which takes milliseconds.
    func waitForClearing() throws(KernelError) {
        let begun = try upkeep().clearings_begun
        for _ in 0..<5000 {
            if try upkeep().clearings_done >= begun { return }
            usleep(1000)
        }
    }
}
