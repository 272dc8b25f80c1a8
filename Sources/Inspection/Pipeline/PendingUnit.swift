// SPDX-License-Identifier: Apache-2.0
// What one packet brought for the signatures, in one direction: stream bytes in order, transactions with
// something new. Collected while the flow tracker tells, looked at once it has told all.
import NetworkTypes
import SignatureMatching

struct PendingUnit {
    /// Stream bytes, those of the tail before them included.
    private(set) var stream: [UInt8] = []
    /// The place in the stream of the first byte of `stream`.
    private(set) var streamOffset: UInt64 = 0
    private(set) var units: [TransactionUnit] = []

    var isEmpty: Bool { stream.isEmpty && units.isEmpty }

    /// - Parameter tail: the bytes that stand right before them, if these are the first.
    mutating func add(_ bytes: UnsafeRawBufferPointer, at offset: Int64, tail: [UInt8]) {
        if stream.isEmpty {
            stream.append(contentsOf: tail)
            streamOffset = UInt64(max(0, offset &- Int64(tail.count)))
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

    /// The stream bytes as the matcher takes them; nil where there are none.
    func withStream(_ body: (StreamChunk?) -> Void) {
        guard !stream.isEmpty else { return body(nil) }
        stream.withUnsafeBytes { body(StreamChunk(bytes: $0, streamOffset: streamOffset)) }
    }

    mutating func removeAll() {
        stream.removeAll(keepingCapacity: true)
        units.removeAll(keepingCapacity: true)
    }

    /// The newest bytes, which go before the next ones: many near the stream's start, where signatures look,
    /// fewer behind it.
    var tail: [UInt8] {
        let end = streamOffset &+ UInt64(stream.count)
        return Array(stream.suffix(end < 16 << 10 ? 2048 : 512))
    }
}
