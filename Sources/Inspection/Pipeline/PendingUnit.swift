// SPDX-License-Identifier: Apache-2.0
// What one packet brought for the signatures, in one direction: stream bytes in order, transactions with
// something new. Collected while the flow tracker tells, looked at once it has told all.
import NetworkTypes
import SignatureMatching
import Signatures

struct PendingUnit {
    /// New stream bytes.
    private(set) var stream: [UInt8] = []
    /// The place in the stream of the first byte of `stream`.
    private var streamOffset: UInt64 = 0
    /// The bytes that stand right before them.
    private var before: [UInt8] = []
    private var sides: [TransactionUnit] = []
    /// Events of transactions of which nothing else has come: one entry for each protocol.
    private var events: [TransactionUnit] = []

    var units: [TransactionUnit] { events.isEmpty ? sides : sides + events }
    var isEmpty: Bool { stream.isEmpty && sides.isEmpty && events.isEmpty }

    /// The stream's first bytes, where these stand among them; else none.
    func opening(_ most: Int) -> [UInt8] {
        guard !stream.isEmpty, streamOffset == UInt64(before.count) else { return [] }
        return Array((before + stream.prefix(most)).prefix(most))
    }

    /// - Parameter tail: the bytes that stand right before them, if these are the first.
    mutating func add(_ bytes: UnsafeRawBufferPointer, at offset: Int64, tail: [UInt8]) {
        if stream.isEmpty {
            before = tail
            streamOffset = UInt64(max(0, offset))
        }
        stream.append(contentsOf: bytes)
    }

    /// One entry for each side, with the newest record. The side knows its place, as a sender chooses how
    /// many come with one packet; what stands there says whether the place is still the side's.
    mutating func add(_ unit: TransactionUnit) {
        if unit.side.isEventOnly { return addEvents(of: unit) }
        let place = unit.side.place
        if place < sides.count, sides[place].side === unit.side {
            sides[place].record = unit.record
        } else {
            unit.side.place = sides.count
            sides.append(unit)
        }
    }

    private mutating func addEvents(of unit: TransactionUnit) {
        guard let known = events.first(where: { $0.side.application == unit.side.application })?.side else {
            return events.append(unit)
        }
        known.fields.events += unit.side.fields.events.filter { !known.fields.events.contains($0) }
    }

    /// Takes out the events of a protocol that came before anything else of their transaction.
    mutating func takeEvents(of application: ApplicationProtocol) -> [String] {
        guard let place = events.firstIndex(where: { $0.side.application == application }) else { return [] }
        return events.remove(at: place).side.fields.events
    }

    /// The new stream bytes as the matcher takes them; nil where there are none.
    func withStream(_ body: (StreamChunk?) -> Void) {
        guard !stream.isEmpty else { return body(nil) }
        stream.withUnsafeBytes { body(StreamChunk(bytes: $0, streamOffset: streamOffset)) }
    }

    /// The bytes around the place where the new ones begin: what stands across it is found by them.
    /// Signatures that reported of the bytes before or behind it do not report again.
    func withBorder(_ body: (StreamBorder) -> Void) {
        guard !before.isEmpty, !stream.isEmpty else { return }
        before.withUnsafeBytes { before in
            stream.withUnsafeBytes { stream in
                let after = UnsafeRawBufferPointer(rebasing: stream.prefix(mostTail))
                body(StreamBorder(before: before, after: after, offset: streamOffset))
            }
        }
    }

    mutating func removeAll() {
        guard !isEmpty else { return }
        stream.removeAll(keepingCapacity: true)
        before = []
        sides.removeAll(keepingCapacity: true)
        events = []
    }

    /// Moves a tail on to the newest bytes, which go before the next ones: many near the stream's start,
    /// where signatures look, fewer behind it.
    /// - Parameter tail: the bytes before `stream`.
    mutating func moveOn(_ tail: inout [UInt8]) {
        // Held twice it would be copied.
        before = []
        let most = mostTail
        guard stream.count < most else {
            tail.removeAll(keepingCapacity: true)
            return tail.append(contentsOf: stream.suffix(most))
        }
        let surplus = tail.count + stream.count - most
        if surplus > 0 { tail.removeFirst(surplus) }
        let count = tail.count + stream.count
        if tail.capacity < count { tail.reserveCapacity(min(most, max(count, 2 * tail.count))) }
        tail.append(contentsOf: stream)
    }

    private var mostTail: Int { streamOffset < 16 << 10 ? 2048 : 512 }
}
