// SPDX-License-Identifier: Apache-2.0
// The CRYPTO bytes of one side of a QUIC connection (RFC 9000 section 19.6). In: pieces at any place, in any
// order. Out: whole bytes from a hello's start on.

/// The bytes of a side from the start on, which its hello takes, and another connection's with the same ids;
/// and those behind each hello that was read: of the one that answers a retry request (RFC 8446 section
/// 4.1.2).
struct QUICHelloStreams {
    private(set) var first = QUICCryptoStream()
    /// The newest last. Which of them the receiver's is nobody knows: another one may be a decoy.
    private(set) var starts: [QUICStart] = []
    /// One more than the largest packet number that was opened; 0 where none was.
    private(set) var expected: UInt64 = 0
    /// Numbers of the packets that were opened since a first hello was read, the newest last.
    private var numbers: [UInt64] = []

    /// A packet was opened. False where its number came before: its receiver discards it (RFC 9000 section
    /// 12.3).
    /// - Parameter most: numbers that are remembered.
    mutating func admit(_ number: UInt64, most: Int) -> Bool {
        expected = max(expected, number &+ 1)
        if numbers.contains(number) { return false }
        for place in starts.indices { starts[place].admit(number) }
        if numbers.count >= max(1, most) { numbers.removeFirst() }
        numbers.append(number)
        return true
    }

    /// Adds a piece of the packet that was admitted last. False where it goes beyond `limit`; then nothing of
    /// it is kept.
    mutating func add(_ piece: UnsafeRawBufferPointer, at offset: Int, limit: Int) -> Bool {
        guard first.add(piece, at: offset, limit: limit) else { return false }
        for place in starts.indices { starts[place].add(piece, at: offset, limit: limit) }
        return true
    }

    /// The first hello was read, or something else in its place.
    /// - Parameters:
    ///   - length: bytes that it took.
    ///   - digest: what tells it from others; empty where it is no hello, behind which none is read.
    /// - Returns: false where one that was read before had to go.
    mutating func firstWasRead(_ length: Int, _ digest: [UInt8], _ limits: ProtocolLimits) -> Bool {
        let most = max(1, limits.quicNumbers)
        for place in starts.indices { starts[place].know(numbers, most: most) }
        var isKept = true
        if !digest.isEmpty, !starts.contains(where: { $0.digest == digest }) {
            var behind = first
            behind.moveOn(by: length)
            starts.append(QUICStart(digest, behind, numbers))
            if starts.count > max(1, limits.quicStarts) { isKept = !forgetStart() }
        }
        (first, numbers) = (QUICCryptoStream(), [])
        return isKept
    }

    /// A second hello was read, which took `length` bytes; a third one may stand behind it.
    mutating func secondWasRead(_ start: Int, _ reading: Int, _ length: Int) {
        starts[start].readings[reading]?.moveOn(by: length)
    }

    /// What stands behind a hello is none: the server goes on to read other messages.
    mutating func endSecond(_ start: Int, _ reading: Int) { starts[start].readings[reading] = nil }

    /// Nothing stands behind its hellos.
    mutating func endSeconds() { starts = [] }

    /// Forgets what is behind the oldest hello, or behind one where nothing is; false where there is but one.
    mutating func forgetStart() -> Bool {
        guard starts.count > 1 else { return false }
        starts.remove(at: starts.firstIndex { $0.readings.allSatisfy { $0 == nil } } ?? 0)
        return true
    }

    /// In bytes of memory.
    var held: Int { first.held &+ starts.reduce(0) { $0 &+ $1.held } }
}

/// What stands behind a hello.
struct QUICStart {
    /// Tells the hello from others.
    let digest: [UInt8]
    /// As whoever forgot the packets before reads it, and as whoever did not: those discard what has their
    /// numbers. Nil where what stands there is no hello.
    var readings: [QUICCryptoStream?]
    private var numbers: [UInt64]
    /// The packet whose pieces are added has the number of one before.
    private var isRepeated = false

    /// - Parameter numbers: those of the packets before.
    init(_ digest: [UInt8], _ behind: QUICCryptoStream, _ numbers: [UInt64]) {
        (self.digest, readings, self.numbers) = (digest, [behind, behind], numbers)
    }

    /// A packet comes. Once for each, as it may have hundreds of pieces.
    mutating func admit(_ number: UInt64) { isRepeated = numbers.contains(number) }

    mutating func add(_ piece: UnsafeRawBufferPointer, at offset: Int, limit: Int) {
        _ = readings[0]?.add(piece, at: offset, limit: limit)
        if !isRepeated { _ = readings[1]?.add(piece, at: offset, limit: limit) }
    }

    /// More packets came before.
    mutating func know(_ more: [UInt64], most: Int) {
        if readings.contains(where: { $0 != nil }) { numbers = (numbers + more).suffix(most) }
    }

    var held: Int { readings.reduce(0) { $0 &+ ($1?.held ?? 0) } }
}

/// The CRYPTO stream of one side: pieces at any place, in any order; the first bytes at a place win. There
/// may be any number of holes: each place says whether its byte came, and pages without bytes are not there.
struct QUICCryptoStream {
    /// Places by pages: 0 where no byte came, else the byte with 256 added.
    private var pages: [[UInt16]] = []
    /// Where what is looked at begins.
    private var start = 0
    /// Bytes from there on without a hole.
    private(set) var count = 0
    /// Behind the last byte that came.
    private var end = 0
    /// Bytes of memory that the pages take.
    private(set) var held = 0

    private static let page = 512

    /// False where the piece goes beyond `limit`; then nothing of it is kept.
    mutating func add(_ piece: UnsafeRawBufferPointer, at offset: Int, limit: Int) -> Bool {
        guard offset <= limit, piece.count <= limit &- offset else { return false }
        var done = 0
        while done < piece.count {
            let place = offset &+ done
            let part = piece[done..<min(piece.count, done &+ Self.page &- place % Self.page)]
            put(part, page: place / Self.page, at: place % Self.page)
            done &+= part.count
        }
        end = max(end, offset &+ piece.count)
        while let here = byte(start &+ count), here != 0 { count &+= 1 }
        return true
    }

    private mutating func put(_ part: Slice<UnsafeRawBufferPointer>, page: Int, at start: Int) {
        while pages.count <= page { pages.append([]) }
        if pages[page].isEmpty {
            pages[page] = [UInt16](repeating: 0, count: Self.page)
            held &+= 2 &* Self.page
        }
        var place = start
        for byte in part {
            if pages[page][place] == 0 { pages[page][place] = 256 | UInt16(byte) }
            place &+= 1
        }
    }

    private func byte(_ place: Int) -> UInt16? {
        let page = place / Self.page
        guard page < pages.count, !pages[page].isEmpty else { return nil }
        return pages[page][place % Self.page]
    }

    /// Lets go of the first bytes; `length` is at most `count`.
    mutating func moveOn(by length: Int) {
        start &+= length
        count &-= length
        for page in pages.indices.prefix(end <= start ? .max : start / Self.page) where !pages[page].isEmpty {
            pages[page] = []
            held &-= 2 &* Self.page
        }
    }

    /// The first bytes, at most those without a hole.
    func prefix(_ most: Int) -> [UInt8] {
        (0..<max(0, min(most, count))).map { UInt8(truncatingIfNeeded: byte(start &+ $0) ?? 0) }
    }
}
