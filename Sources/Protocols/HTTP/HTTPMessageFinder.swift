// SPDX-License-Identifier: Apache-2.0
// Where messages begin, in bytes of which nobody knows any more what they belong to: behind one that libhtp
// gave up. In: the bytes of a direction. Out: the same bytes, cut where a message may begin.
import NetworkTypes

/// Looks for request lines or status lines. A body needs no line end, so one may begin within a line.
struct HTTPMessageFinder {
    private let direction: FlowDirection
    /// Bytes that may wait for the end of their line.
    private let limit: Int
    /// The end of the line that is not whole, from the first place on where a message may begin.
    private var held: [UInt8] = []
    /// The held line is held from its own start on.
    private var isAtLineStart = true

    init(_ direction: FlowDirection, limit: Int) {
        self.direction = direction
        self.limit = limit
    }

    /// What takes the bytes; true: a message may begin with them.
    typealias Taker = (UnsafeRawBufferPointer, Bool) -> Void

    /// The next bytes.
    mutating func feed(_ bytes: UnsafeRawBufferPointer, _ give: Taker) {
        var start = 0
        while start < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
            let count = rest.firstIndex(of: 0x0a).map { $0 &+ 1 } ?? rest.count
            held.append(contentsOf: rest.prefix(count))
            start &+= count
            if held.last == 0x0a { endLine(give) } else { giveUnneeded(give) }
        }
    }

    /// What comes next does not follow what was held.
    mutating func finish(_ give: Taker) { endLine(give) }

    private mutating func endLine(_ give: Taker) {
        held.withUnsafeBytes { line in
            let starts = starts(line)
            // What stands before the last one may be the end of a body.
            let before = UnsafeRawBufferPointer(rebasing: line[..<(starts.last ?? line.count)])
            if !before.isEmpty { give(before, false) }
            // Each reading is given its whole line: which one the server has is the server's.
            for start in starts { give(UnsafeRawBufferPointer(rebasing: line[start...]), true) }
        }
        held.removeAll(keepingCapacity: true)
        isAtLineStart = true
    }

    /// Gives what stands before the first place where a message may begin. Of a line that is too long the
    /// next place counts.
    private mutating func giveUnneeded(_ give: Taker) {
        let kept = held.withUnsafeBytes { line in
            var place = candidate(line, from: 0)
            while line.count &- place > limit { place = candidate(line, from: place &+ 1) }
            if place > 0 { give(UnsafeRawBufferPointer(rebasing: line[..<place]), false) }
            return place
        }
        guard kept > 0 else { return }
        held.removeFirst(kept)
        isAtLineStart = false
    }
}

extension HTTPMessageFinder {
    /// Whether a message may begin in a whole line.
    func hasStart(_ line: UnsafeRawBufferPointer) -> Bool { !starts(line).isEmpty }

    /// Where in a whole line a message may begin first.
    func firstStart(_ line: UnsafeRawBufferPointer) -> Int? { starts(line).first }

    /// The first place from `from` on where a message may begin, or the count of the bytes.
    private func candidate(_ line: UnsafeRawBufferPointer, from: Int) -> Int {
        if from == 0, isAtLineStart, direction == .toServer {
            let method = line.prefix(33).prefix { HTTPParser.isToken($0) }
            let isWord = !method.isEmpty && method.count < 33
            if isWord, method.count == line.count || Self.isBlank(line[method.count]) { return 0 }
        }
        var place = from
        while place < line.count, !mayStart(UnsafeRawBufferPointer(rebasing: line[place...])) { place &+= 1 }
        return place
    }

    private func beginsWithWord(_ line: UnsafeRawBufferPointer) -> Bool {
        guard isAtLineStart, direction == .toServer else { return false }
        let word = line.prefix { HTTPParser.isToken($0) }
        return !word.isEmpty && word.count < line.count && Self.isBlank(line[word.count])
    }

    /// A known start, or as much of one as there is.
    private func mayStart(_ text: UnsafeRawBufferPointer) -> Bool {
        if direction == .toClient { return Self.begins(text, Self.version, mayEnd: true) }
        return Self.methods.contains { method in
            guard Self.begins(text, method, mayEnd: true) else { return false }
            return text.count <= method.count || Self.isBlank(text[method.count])
        }
    }

    /// Where messages begin in a whole line: of several places the first and the last.
    private func starts(_ line: UnsafeRawBufferPointer) -> [Int] {
        if direction == .toClient {
            let found = line.indices.filter { line[$0] == 0x48 && isStatus(line[$0...]) }
            return found.count > 1 ? [found[0], found[found.count &- 1]] : found
        }
        var end = line.count
        while end > 0, Self.isBlank(line[end &- 1]) || line[end &- 1] == 0x0d || line[end &- 1] == 0x0a {
            end &-= 1
        }
        guard HTTPParser.hasVersion(UnsafeRawBufferPointer(rebasing: line[..<end])) else { return [] }
        // Behind a word of any length: the version says what the line is.
        let first = beginsWithWord(line) ? 0 : candidate(line, from: 0)
        guard first < end &- 9 else { return [] }
        var last = first
        var place = end &- 10
        while place > first {
            if mayStart(UnsafeRawBufferPointer(rebasing: line[place...])) {
                last = place
                break
            }
            place &-= 1
        }
        return last > first ? [first, last] : [first]
    }

    /// "HTTP/1.1 200"
    private func isStatus(_ text: Slice<UnsafeRawBufferPointer>) -> Bool {
        guard text.count >= 12 else { return false }
        let head = UnsafeRawBufferPointer(rebasing: text.prefix(12))
        return Self.begins(head, Self.version, mayEnd: false) && Self.isBlank(head[8])
            && head[9...].allSatisfy { (0x30...0x39).contains($0) }
    }

    private static let methods = HTTPParser.methods + [Array("OPTIONS".utf8)]
    private static let version = Array("HTTP/1.".utf8)
    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private static func begins(_ text: UnsafeRawBufferPointer, _ word: [UInt8], mayEnd: Bool) -> Bool {
        let count = min(text.count, word.count)
        guard count == word.count || mayEnd, text.first == word.first else { return false }
        return zip(text, word).allSatisfy { $0 == $1 }
    }
}
