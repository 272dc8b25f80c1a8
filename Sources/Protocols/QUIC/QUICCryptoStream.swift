// SPDX-License-Identifier: Apache-2.0
// The CRYPTO bytes of one side of a QUIC connection (RFC 9000 section 19.6). In: pieces at any place, in any
// order. Out: whole bytes from a hello's start on.

/// The bytes of a side from the start on, which its hello takes, and another connection's with the same ids;
/// and those behind its hello: the one that answers a retry request (RFC 8446 section 4.1.2).
struct QUICHelloStreams {
    private(set) var first = QUICCryptoStream()
    private(set) var second = QUICCryptoStream()
    /// Where the second begins; 0: no hello was read.
    private var end = 0

    /// False where the piece goes beyond `limit`; then nothing of it is kept.
    mutating func add(_ piece: UnsafeRawBufferPointer, at offset: Int, limit: Int) -> Bool {
        guard first.add(piece, at: offset, limit: limit) else { return false }
        guard end > 0, offset &+ piece.count > end else { return true }
        let rest = UnsafeRawBufferPointer(rebasing: piece[max(0, end &- offset)...])
        return second.add(rest, at: max(0, offset &- end), limit: limit)
    }

    /// The first one was read, which took `length` bytes.
    /// - Parameter isKnown: it is one that was read before, come again.
    mutating func firstWasRead(_ length: Int, isKnown: Bool) {
        if !isKnown || end == 0 {
            second = first.dropFirst(length)
            end = length
        }
        first = QUICCryptoStream()
    }

    /// The second one was read, which took `length` bytes.
    mutating func secondWasRead(_ length: Int) {
        second = second.dropFirst(length)
        end &+= length
    }

    /// In bytes of memory.
    var held: Int { first.held &+ second.held }
}

/// The CRYPTO stream of one side: pieces at any place, in any order; the first bytes at a place win. There
/// may be any number of holes: each place says whether its byte came, and pages without bytes are not there.
struct QUICCryptoStream {
    /// Places by pages: 0 where no byte came, else the byte with 256 added.
    private var pages: [[UInt16]] = []
    /// Bytes from the start on without a hole.
    private(set) var count = 0
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
        while let here = byte(count), here != 0 { count &+= 1 }
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

    /// What came from a place on, as a stream that begins there.
    func dropFirst(_ start: Int) -> QUICCryptoStream {
        var rest = QUICCryptoStream()
        for page in pages.indices where !pages[page].isEmpty && (page &+ 1) &* Self.page > start {
            for place in max(start, page &* Self.page)..<((page &+ 1) &* Self.page) {
                guard let here = byte(place), here != 0 else { continue }
                withUnsafeBytes(of: UInt8(truncatingIfNeeded: here)) {
                    _ = rest.add($0, at: place &- start, limit: .max)
                }
            }
        }
        return rest
    }

    /// The first bytes, at most those without a hole.
    func prefix(_ most: Int) -> [UInt8] {
        (0..<max(0, min(most, count))).map { UInt8(truncatingIfNeeded: byte($0) ?? 0) }
    }
}
