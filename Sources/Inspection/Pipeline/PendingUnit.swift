// SPDX-License-Identifier: Apache-2.0
// What one packet brought for the signatures, in one direction: stream bytes in order, transactions with
// something new. Collected while the flow tracker tells, looked at once it has told all.
import NetworkTypes
import SignatureMatching

struct PendingUnit {
    /// New stream bytes.
    private(set) var stream: [UInt8] = []
    /// The place in the stream of the first byte of `stream`.
    private var streamOffset: UInt64 = 0
    /// The bytes that stand right before them.
    private var before: [UInt8] = []
    private(set) var units: [TransactionUnit] = []

    var isEmpty: Bool { stream.isEmpty && units.isEmpty }

    /// - Parameter tail: the bytes that stand right before them, if these are the first.
    mutating func add(_ bytes: UnsafeRawBufferPointer, at offset: Int64, tail: [UInt8]) {
        if stream.isEmpty {
            before = tail
            streamOffset = UInt64(max(0, offset))
        }
        stream.append(contentsOf: bytes)
    }

    /// One entry for each side, with the newest record.
    mutating func add(_ unit: TransactionUnit) {
        if let index = units.firstIndex(where: { $0.side === unit.side }) {
            units[index].record = unit.record
        } else {
            units.append(unit)
        }
    }

    /// The new stream bytes as the matcher takes them; nil where there are none.
    func withStream(_ body: (StreamChunk?) -> Void) {
        guard !stream.isEmpty else { return body(nil) }
        stream.withUnsafeBytes { body(StreamChunk(bytes: $0, streamOffset: streamOffset)) }
    }

    /// The bytes around the place where the new ones begin: what stands across it is found by them.
    /// Signatures that reported of the bytes before or behind it do not report again.
    func withBorder(_ body: (StreamChunk) -> Void) {
        guard !before.isEmpty, !stream.isEmpty else { return }
        // A short piece first, so that the rest of what is looked for lies far behind it: 7 bytes, then all.
        let around = before + stream.prefix(mostTail)
        let offset = streamOffset &- min(streamOffset, UInt64(before.count))
        around.withUnsafeBytes { body(StreamChunk(bytes: $0, streamOffset: offset)) }
    }

    mutating func removeAll() {
        stream.removeAll(keepingCapacity: true)
        before = []
        units.removeAll(keepingCapacity: true)
    }

    /// The newest bytes, which go before the next ones: many near the stream's start, where signatures look,
    /// fewer behind it.
    var tail: [UInt8] {
        let most = mostTail
        guard stream.count < most else { return Array(stream[(stream.count - most)...]) }
        var tail: [UInt8] = []
        tail.reserveCapacity(min(most, before.count + stream.count))
        tail.append(contentsOf: before[max(0, before.count - (most - stream.count))...])
        tail.append(contentsOf: stream)
        return tail
    }

    private var mostTail: Int { streamOffset < 16 << 10 ? 2048 : 512 }
}
