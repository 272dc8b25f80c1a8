// SPDX-License-Identifier: Apache-2.0
// The CRYPTO bytes of one side of a QUIC connection (RFC 9000 section 19.6). In: pieces at any place, in any
// order. Out: whole bytes from a hello's start on.

/// The bytes of a side from the start on, which its hello takes, and another connection's with the same ids;
/// and those behind its hello: the one that answers a retry request (RFC 8446 section 4.1.2).
struct QUICHelloStreams {
    private(set) var first = QUICCryptoStream()
    /// As whoever forgot the packets before the hello reads it, and as whoever did not: those discard what
    /// has their numbers. Nil where no hello was read, or what stands behind it is none.
    private(set) var seconds: [QUICCryptoStream?] = [nil, nil]
    private var hasRead = false

    /// False where the piece goes beyond `limit`; then nothing of it is kept.
    /// - Parameter isRepeated: its packet's number came before the hello was read.
    mutating func add(
        _ piece: UnsafeRawBufferPointer, at offset: Int, limit: Int, isRepeated: Bool
    ) -> Bool {
        guard first.add(piece, at: offset, limit: limit) else { return false }
        _ = seconds[0]?.add(piece, at: offset, limit: limit)
        if !isRepeated { _ = seconds[1]?.add(piece, at: offset, limit: limit) }
        return true
    }

    /// The first one was read, which took `length` bytes.
    /// - Parameter isKnown: it is one that was read before, come again.
    mutating func firstWasRead(_ length: Int, isKnown: Bool) {
        if !isKnown || !hasRead {
            var second = first
            second.moveOn(by: length)
            seconds = [second, second]
        }
        hasRead = true
        first = QUICCryptoStream()
    }

    /// A second one was read, which took `length` bytes; a third one may stand behind it.
    mutating func secondWasRead(_ reading: Int, _ length: Int) { seconds[reading]?.moveOn(by: length) }

    /// What stands behind a hello is none: the server goes on to read other messages.
    mutating func endSecond(_ reading: Int) { seconds[reading] = nil }

    mutating func endSeconds() { seconds = [nil, nil] }

    /// In bytes of memory.
    var held: Int { first.held &+ (seconds[0]?.held ?? 0) &+ (seconds[1]?.held ?? 0) }
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
