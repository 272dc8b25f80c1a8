// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: bytes that were given but not acknowledged yet, to see whether a retransmission brings
// others. What is acknowledged the receiver has and takes no second time, so it is not kept.

/// The last bytes that were given of one direction.
struct StreamHistory {
    private var bytes: [UInt8] = []
    private var start: Int64 = 0

    var isEmpty: Bool { bytes.isEmpty }

    private var end: Int64 { start + Int64(bytes.count) }

    /// Keeps bytes that were given; the oldest half goes where they come to more than `limit`.
    /// - Returns: how many were not kept, for want of room.
    mutating func append(
        _ given: UnsafeRawBufferPointer, at offset: Int64, limit: Int, _ memory: StreamMemory
    ) -> Int {
        guard limit > 0 else { return 0 }
        if bytes.isEmpty || offset != end {
            clear(memory)
            start = offset
        }
        let kept = UnsafeRawBufferPointer(rebasing: given.suffix(limit))
        let excess = bytes.count + kept.count - limit
        if excess > 0 { dropFirst(kept.count == limit ? bytes.count : max(excess, limit / 2), memory) }
        if bytes.isEmpty { start = offset + Int64(given.count - kept.count) }
        guard memory.take(kept.count) else {
            clear(memory)
            return given.count
        }
        bytes.append(contentsOf: kept)
        return 0
    }

    /// Whether bytes differ from those that were given for their place and lie behind `acked`.
    func differs(from other: UnsafeRawBufferPointer, at offset: Int64, acked: Int64) -> Bool {
        let from = max(start, acked, offset)
        let to = min(end, offset + Int64(other.count))
        guard from < to else { return false }
        let mine = Int(from - start)..<Int(to - start)
        let theirs = Int(from - offset)..<Int(to - offset)
        return bytes.withUnsafeBytes { $0[mine].differs(from: other[theirs]) }
    }

    mutating func acknowledge(_ offset: Int64, _ memory: StreamMemory) {
        if offset >= end { clear(memory) }
    }

    mutating func clear(_ memory: StreamMemory) {
        guard !bytes.isEmpty else { return }
        memory.giveBack(bytes.count)
        start = end
        bytes = []
    }

    private mutating func dropFirst(_ wanted: Int, _ memory: StreamMemory) {
        let count = min(wanted, bytes.count)
        bytes.removeFirst(count)
        start += Int64(count)
        memory.giveBack(count)
    }
}
