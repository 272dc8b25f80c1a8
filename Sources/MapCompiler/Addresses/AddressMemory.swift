// SPDX-License-Identifier: Apache-2.0
// The value of guard_addresses' inner map while it is written: grows where a policy is compiled, has a fixed
// size where a set is changed.
import GuardABI

/// Bytes that are given out from the front. Reading and writing outside of what was given out is ignored and
/// reads zero: an image that was damaged gives wrong answers, not a crash.
public final class AddressMemory {
    /// Aligned to 64 bytes.
    public private(set) var base: UnsafeMutableRawPointer
    public private(set) var used: Int
    public private(set) var capacity: Int
    /// More was asked for than there is room: what was written is of no use.
    public private(set) var isFull = false
    private let isOwned: Bool

    /// Memory that grows as needed, with room for the header at its front.
    init(growing: Void) {
        capacity = 1 << 16
        base = .allocate(byteCount: capacity, alignment: 64)
        used = 0
        isOwned = true
        _ = allocate(MemoryLayout<guard_addresses_header>.size, alignment: 64)
    }

    /// Memory of somebody else, who keeps it for as long as this object lives.
    /// - Parameter used: bytes at its front that are given out.
    public init(_ base: UnsafeMutableRawPointer, used: Int, capacity: Int) {
        self.base = base
        self.used = min(used, capacity)
        self.capacity = capacity
        isOwned = false
    }

    deinit { if isOwned { base.deallocate() } }

    /// Zeroed bytes; 0 where there is no room.
    func allocate(_ bytes: Int, alignment: Int = 8) -> Int {
        let at = (used + alignment - 1) & ~(alignment - 1)
        if at + bytes > capacity, !grow(to: at + bytes) {
            isFull = true
            return 0
        }
        (base + used).initializeMemory(as: UInt8.self, repeating: 0, count: at + bytes - used)
        used = at + bytes
        return at
    }

    /// Gives up what was given out behind an offset.
    func truncate(to offset: Int) { used = min(used, max(0, offset)) }

    private func grow(to needed: Int) -> Bool {
        // Offsets of trees are 27 bits of 32 bytes; the verifier takes no value above 512 MiB anyway.
        guard isOwned, needed <= 512 << 20 else { return false }
        let size = max(needed, capacity * 2)
        let bigger = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        bigger.copyMemory(from: base, byteCount: used)
        base.deallocate()
        (base, capacity) = (bigger, size)
        return true
    }

    @inline(__always)
    func read<T: BitwiseCopyable>(_ type: T.Type, at offset: Int, or zero: T) -> T {
        guard offset >= 0, offset + MemoryLayout<T>.size <= used else { return zero }
        return (base + offset).loadUnaligned(as: T.self)
    }

    @inline(__always)
    func write<T: BitwiseCopyable>(_ value: T, at offset: Int) {
        guard offset >= 0, offset + MemoryLayout<T>.size <= used else { return }
        (base + offset).storeBytes(of: value, as: T.self)
    }

    /// The elements as they lie in memory; returns their offset.
    func append<T: BitwiseCopyable>(_ elements: [T]) -> Int {
        let at = allocate(elements.count * MemoryLayout<T>.stride)
        guard !isFull else { return 0 }
        elements.withUnsafeBytes { bytes in
            if let first = bytes.baseAddress { (base + at).copyMemory(from: first, byteCount: bytes.count) }
        }
        return at
    }

    public var header: guard_addresses_header {
        get { read(guard_addresses_header.self, at: 0, or: guard_addresses_header()) }
        set { write(newValue, at: 0) }
    }

    /// A copy of what was given out.
    public var bytes: [UInt8] { Array(UnsafeRawBufferPointer(start: base, count: used)) }
}

extension guard_addresses_header {
    /// By GUARD_PARTITION: IPv4's sources and destinations, then IPv6's.
    subscript(partition number: Int) -> guard_partition {
        get {
            withUnsafeBytes(of: partitions) { $0.bindMemory(to: guard_partition.self)[number & 3] }
        }
        set {
            withUnsafeMutableBytes(of: &partitions) {
                $0.bindMemory(to: guard_partition.self)[number & 3] = newValue
            }
        }
    }
}
