// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: what one end of a connection sends, in order. In: segments that the receiver takes, at
// offsets, and its acknowledgements. Out: bytes that may be given at once, and steps that follow from them.

/// The stream of one sender. Offsets count from the byte behind its SYN.
final class HalfStream {
    /// The sequence number of offset 0; of no meaning before `isSynced`.
    private(set) var base: UInt32 = 0
    private(set) var isSynced = false
    /// Its sender said what is its next byte: it is not known by what the other end acknowledged alone.
    var isHeard = false
    /// The offset behind all that was given or taken for lost.
    private(set) var next: Int64 = 0
    /// The offset behind all that was seen, the FIN counting as one.
    var seen: Int64 = 0
    /// The offset up to which the receiver acknowledged.
    private(set) var acked: Int64 = 0
    /// The offset at which the receiver's room ends; nil as long as nothing of the receiver was seen.
    private(set) var edge: Int64?
    /// The largest window that the receiver offered.
    private(set) var largestWindow: Int64 = 0
    /// What this sender's windows are to be shifted by.
    var windowShift: UInt8 = 0
    /// Where its FIN stands.
    private(set) var fin: Int64?
    private(set) var isFinAcked = false
    private(set) var hasEnded = false
    /// Something of it was taken for lost.
    private(set) var hasGap = false
    /// Nothing is given yet: the handshake that must fit it is not done.
    var isHeld = false
    private(set) var queue = SegmentQueue()
    /// Bytes of segments that were refused. Where the receiver acknowledges what no other segment brought, it
    /// took these.
    private var doubted = SegmentQueue()
    /// The offset behind them: what their receiver may acknowledge.
    private var doubtedSeen: Int64 = 0
    private var history = StreamHistory()

    /// How far from what is expected a segment may be as long as the receiver's room is not known.
    static let blindWindow: Int64 = 16 << 20

    /// The place of a sequence number, the nearest to what comes next.
    func offset(of sequence: UInt32) -> Int64 {
        let expected = base &+ UInt32(truncatingIfNeeded: next)
        return next + Int64(Int32(bitPattern: sequence &- expected))
    }

    /// Starts, or starts again: offset 0 has this sequence number.
    func sync(_ sequence: UInt32, _ memory: StreamMemory) {
        queue.removeAll(memory)
        doubted.removeAll(memory)
        base = sequence
        isSynced = true
    }

    /// Takes note of an acknowledgement and of the room behind it.
    func acknowledge(_ offset: Int64, window: Int64, _ memory: StreamMemory) {
        acked = max(acked, offset)
        edge = max(edge ?? Int64.min, offset + window)
        largestWindow = max(largestWindow, window)
        if let fin, acked > fin, !hasEnded {
            isFinAcked = acked == fin + 1
            if !isFinAcked { self.fin = nil }
        }
        history.acknowledge(acked, memory)
    }

    /// Whether an acknowledgement can be right (RFC 5961 5.2): not beyond what the receiver offered room for,
    /// one more for a FIN, nor older than the largest window, or than the first byte. That a byte was not
    /// seen does not count: samples get lost.
    /// - Parameter isWhole: offset 0 is the first byte of the connection.
    func mayAcknowledge(_ sequence: UInt32, isWhole: Bool) -> Bool {
        guard isSynced else { return true }
        let offset = offset(of: sequence)
        guard let edge else { return abs(offset - next) <= Self.blindWindow }
        let oldest = acked - (isWhole ? min(largestWindow, acked) : largestWindow)
        return offset >= oldest && offset <= max(edge + 1, seen, doubtedSeen)
    }

    /// Whether an acknowledgement is of bytes that were seen.
    /// - Parameter isPickedUp: the stream was picked up with what its sender said.
    func wasSeen(_ sequence: UInt32, isPickedUp: Bool) -> Bool {
        guard isSynced, edge != nil || isPickedUp else { return true }
        return offset(of: sequence) <= max(seen, doubtedSeen)
    }

    /// Whether a reset has the number that the receiver expects: behind what came in order, what it
    /// acknowledged, or the FIN. Where samples were lost the first two differ.
    func mayReset(_ sequence: UInt32) -> Bool {
        guard isSynced else { return true }
        let offset = offset(of: sequence)
        if let fin, offset == fin || offset == fin + 1 { return true }
        return offset == next || edge != nil && offset == acked
    }

    /// A FIN behind the byte before `offset`. Until one is acknowledged the last one counts.
    func finish(at offset: Int64) {
        fin = offset
        seen = max(seen, offset + 1)
    }

    /// Of a stream that nothing was given of: it begins a byte later.
    func dropFirstByte(_ memory: StreamMemory) {
        sync(base &+ 1, memory)
        acked = max(0, acked - 1)
        seen = max(0, seen - 1)
        edge = edge.map { $0 - 1 }
        fin = fin.map { max(0, $0 - 1) }
    }

    /// Moves on without giving anything.
    func skip(to offset: Int64, _ memory: StreamMemory) {
        discard(memory)
        move(to: max(next, offset))
        seen = max(seen, offset)
    }

    /// What became of a segment's bytes.
    struct Acceptance {
        /// Bytes of the payload that may be given at once, from `start` on.
        var direct = 0..<0
        var start: Int64 = 0
        var use = SegmentUse.none
        var uncompared = 0
        var isWithoutRoom = false
    }

    /// Takes a segment's payload, and what the capture cut off behind it.
    func accept(
        _ payload: UnsafeRawBufferPointer, lost: Int, at offset: Int64, _ limits: HalfLimits
    ) -> Acceptance {
        let memory = limits.memory
        var acceptance = Acceptance()
        let end = offset + Int64(payload.count)
        seen = max(seen, end + Int64(lost))
        var differs = false
        if offset < next { differs = history.differs(from: payload, at: offset, acked: acked) }
        var start = max(offset, next)
        if start < end, start == next, !isHeld, !limits.waitsForAcknowledgement {
            let until = min(end, queue.first?.offset ?? end)
            acceptance.direct = Int(start - offset)..<Int(until - offset)
            acceptance.start = start
            acceptance.uncompared = give(UnsafeRawBufferPointer(rebasing: payload[acceptance.direct]), limits)
            start = until
        }
        var insertion = SegmentQueue.Insertion()
        if isHeld, isOverfull(limits) {
            insertion.isRefused = true
        } else if start < end {
            let rest = UnsafeRawBufferPointer(rebasing: payload[Int(start - offset)...])
            insertion = queue.insert(rest, at: start, memory)
            acceptance.isWithoutRoom = insertion.isRefused
        }
        if lost > 0, end >= next { queue.insertLoss(of: Int64(lost), at: end, memory) }
        acceptance.use = use(acceptance, insertion, differs: differs || insertion.differs)
        return acceptance
    }

    private func use(
        _ acceptance: Acceptance, _ insertion: SegmentQueue.Insertion, differs: Bool
    ) -> SegmentUse {
        if differs { return .differing }
        if !acceptance.direct.isEmpty { return .delivered }
        if insertion.stored > 0 { return .queued }
        return insertion.isRefused ? .unkept : .repeated
    }

    /// Moves on behind bytes that are given now.
    private func give(_ bytes: UnsafeRawBufferPointer, _ limits: HalfLimits) -> Int {
        let uncompared = history.append(bytes, at: next, limit: limits.historyBytes, limits.memory)
        move(to: next + Int64(bytes.count))
        return uncompared
    }

    /// A FIN that is passed is none: its receiver keeps one that comes early until then, and no longer.
    private func move(to offset: Int64) {
        next = offset
        if let fin, offset > fin { (self.fin, isFinAcked) = (nil, false) }
    }

    /// Keeps a payload that was refused. Where there is no room for all of them the nearest are kept.
    /// - Returns: whether another was refused before with other bytes for the same place.
    func doubt(_ payload: UnsafeRawBufferPointer, at offset: Int64, _ limits: HalfLimits) -> Bool {
        let start = max(offset, next)
        let end = offset + Int64(payload.count)
        guard start < end, start - next <= Self.blindWindow, payload.count <= limits.queuedBytes else {
            return false
        }
        while doubted.pieces.count >= limits.queuedPieces
            || doubted.byteCount + payload.count > limits.queuedBytes
        {
            guard let last = doubted.pieces.last, last.offset > start else { return false }
            doubted.dropLast(limits.memory)
        }
        doubtedSeen = max(doubtedSeen, end)
        let rest = UnsafeRawBufferPointer(rebasing: payload[Int(start - offset)...])
        return doubted.insert(rest, at: start, limits.memory).differs
    }

    /// What follows from what is there.
    enum Step {
        case data([UInt8], at: Int64)
        case gap(Int64, at: Int64)
        case end(at: Int64)
    }

    /// There may be something to tell, or to discard: most often there is not.
    var mayTell: Bool { !queue.isEmpty || isFinAcked || !history.isEmpty || !doubted.isEmpty }

    /// The next thing to tell, if any; `isClosing` tells all that is left.
    func nextStep(_ limits: HalfLimits, isClosing: Bool) -> Step? {
        guard !isHeld else { return nil }
        if !doubted.isEmpty, !hasEnded, let step = doubtedStep(limits) { return step }
        guard let piece = queue.first else { return lastStep(isClosing: isClosing) }
        let start = next
        if piece.offset > next {
            // The receiver has what is missing, or too much waits for it.
            guard isClosing || acked >= piece.offset || isOverfull(limits) else { return nil }
            move(to: piece.offset)
            hasGap = true
            return .gap(piece.offset - start, at: start)
        }
        let waits = limits.waitsForAcknowledgement && !isClosing && !isOverfull(limits)
        guard !waits || acked > piece.offset,
            let piece = queue.popFirst(upTo: waits ? acked : .max, limits.memory)
        else { return nil }
        guard piece.bytes.isEmpty else {
            _ = piece.bytes.withUnsafeBytes { give($0, limits) }
            return .data(piece.bytes, at: start)
        }
        move(to: max(next, piece.end))
        return .gap(next - start, at: start)
    }

    /// What was refused, where the receiver acknowledges it and nothing else stands there.
    private func doubtedStep(_ limits: HalfLimits) -> Step? {
        while let piece = doubted.first, piece.offset < next {
            _ = doubted.popFirst(upTo: next, limits.memory)
        }
        let end = min(acked, queue.first?.offset ?? .max)
        guard let piece = doubted.first, piece.offset < end else { return nil }
        let start = next
        guard piece.offset == start else {
            move(to: piece.offset)
            hasGap = true
            return .gap(piece.offset - start, at: start)
        }
        guard let taken = doubted.popFirst(upTo: end, limits.memory) else { return nil }
        _ = taken.bytes.withUnsafeBytes { give($0, limits) }
        return .data(taken.bytes, at: start)
    }

    private func lastStep(isClosing: Bool) -> Step? {
        guard !hasEnded, isSynced else { return nil }
        let isOver = isFinAcked && fin == next
        guard isOver || isClosing else { return nil }
        let last = max(next, fin ?? (isClosing ? acked : next))
        if last > next {
            let start = next
            next = last
            return .gap(last - start, at: start)
        }
        hasEnded = true
        return .end(at: next)
    }

    /// The offset behind all that was given, and what waits right behind it.
    var wholeEnd: Int64 {
        queue.pieces.reduce(next) { end, piece in piece.offset <= end ? max(end, piece.end) : end }
    }

    /// More waits than may.
    func isOverfull(_ limits: HalfLimits) -> Bool {
        queue.byteCount > limits.queuedBytes || queue.pieces.count > limits.queuedPieces
    }

    /// Forgets what waits and what is kept.
    func discard(_ memory: StreamMemory) {
        queue.removeAll(memory)
        doubted.removeAll(memory)
        history.clear(memory)
    }
}

/// Bounds of one direction, and what all connections share.
struct HalfLimits {
    let memory: StreamMemory
    let queuedBytes: Int
    let queuedPieces: Int
    let historyBytes: Int
    let waitsForAcknowledgement: Bool
}
