// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: bytes of one direction that came before those they follow. In: bytes at offsets, in any
// order, repeated, overlapping. Out: pieces in order; of bytes for one place the first that came.

/// Bytes that wait at a place.
struct StreamPiece {
    let offset: Int64
    var bytes: [UInt8]
    /// Bytes behind `bytes` that nobody will bring: the capture cut them off.
    var lost: Int64 = 0

    var end: Int64 { offset + Int64(bytes.count) + lost }
}

/// Pieces in order, none of which overlap.
struct SegmentQueue {
    private(set) var pieces: [StreamPiece] = []
    private(set) var byteCount = 0

    /// What became of bytes that were put in.
    struct Insertion {
        /// Bytes that were there already, with other values.
        var differs = false
        var stored = 0
        /// There was no room for some.
        var isRefused = false
    }

    var first: StreamPiece? { pieces.first }
    var isEmpty: Bool { pieces.isEmpty }

    /// Puts in what is not there yet of `bytes`, and compares the rest.
    mutating func insert(_ bytes: UnsafeRawBufferPointer, at offset: Int64, _ memory: StreamMemory)
        -> Insertion
    {
        var insertion = Insertion()
        let end = offset + Int64(bytes.count)
        var position = offset
        var index = firstIndex(endingBehind: position)
        while position < end {
            if index < pieces.count, pieces[index].offset <= position {
                let overlapEnd = min(end, pieces[index].end)
                let part = slice(bytes, from: position - offset, to: overlapEnd - offset)
                if differs(part, at: position, pieces[index]) { insertion.differs = true }
                position = overlapEnd
                index += 1
                continue
            }
            let until = index < pieces.count ? min(end, pieces[index].offset) : end
            let part = slice(bytes, from: position - offset, to: until - offset)
            guard store(part, at: position, &index, memory) else {
                insertion.isRefused = true
                return insertion
            }
            insertion.stored += part.count
            position = until
        }
        return insertion
    }

    /// Says that bytes which no piece holds will never come; where one does, nothing is said.
    mutating func insertLoss(of count: Int64, at offset: Int64, _ memory: StreamMemory) {
        let index = firstIndex(endingBehind: offset)
        var end = offset + count
        if index < pieces.count { end = min(end, pieces[index].offset) }
        guard end > offset, memory.take(StreamMemory.pieceCost) else { return }
        pieces.insert(StreamPiece(offset: offset, bytes: [], lost: end - offset), at: index)
    }

    /// Takes out the first piece, or the part of it that stands before `end`.
    mutating func popFirst(upTo end: Int64 = .max, _ memory: StreamMemory) -> StreamPiece? {
        guard let first = pieces.first else { return nil }
        if end > first.offset, end - first.offset < Int64(first.bytes.count) {
            return split(first, at: Int(end - first.offset), memory)
        }
        let piece = pieces.removeFirst()
        byteCount -= piece.bytes.count
        memory.giveBack(piece.bytes.count + StreamMemory.pieceCost)
        if pieces.isEmpty { pieces = [] }
        return piece
    }

    /// Forgets the last piece.
    mutating func dropLast(_ memory: StreamMemory) {
        guard let last = pieces.popLast() else { return }
        byteCount -= last.bytes.count
        memory.giveBack(last.bytes.count + StreamMemory.pieceCost)
    }

    private mutating func split(_ first: StreamPiece, at count: Int, _ memory: StreamMemory) -> StreamPiece {
        let rest = Array(first.bytes[count...])
        pieces[0] = StreamPiece(offset: first.offset + Int64(count), bytes: rest, lost: first.lost)
        byteCount -= count
        memory.giveBack(count)
        return StreamPiece(offset: first.offset, bytes: Array(first.bytes[..<count]))
    }

    mutating func removeAll(_ memory: StreamMemory) {
        memory.giveBack(byteCount + pieces.count * StreamMemory.pieceCost)
        pieces = []
        byteCount = 0
    }

    private func firstIndex(endingBehind position: Int64) -> Int {
        var low = 0
        var high = pieces.count
        while low < high {
            let middle = (low + high) / 2
            if pieces[middle].end <= position { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func slice(_ bytes: UnsafeRawBufferPointer, from: Int64, to: Int64) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[Int(from)..<Int(to)])
    }

    private func differs(_ part: UnsafeRawBufferPointer, at position: Int64, _ piece: StreamPiece) -> Bool {
        let start = Int(position - piece.offset)
        let count = min(part.count, piece.bytes.count - start)
        guard count > 0 else { return false }
        return piece.bytes.withUnsafeBytes { $0[start..<start + count].differs(from: part[..<count]) }
    }

    /// Appends to the piece before where it ends here: a stream in small segments costs no more than a copy.
    private mutating func store(
        _ part: UnsafeRawBufferPointer, at position: Int64, _ index: inout Int, _ memory: StreamMemory
    ) -> Bool {
        if index > 0, pieces[index - 1].end == position, pieces[index - 1].lost == 0 {
            guard memory.take(part.count) else { return false }
            pieces[index - 1].bytes.append(contentsOf: part)
        } else {
            guard memory.take(part.count + StreamMemory.pieceCost) else { return false }
            pieces.insert(StreamPiece(offset: position, bytes: Array(part)), at: index)
            index += 1
        }
        byteCount += part.count
        return true
    }
}
