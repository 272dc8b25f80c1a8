// SPDX-License-Identifier: Apache-2.0
// Text to rules. In: a source text. Out: each rule's bytes, continuation lines joined, and for each byte
// its place in the source. Comments and empty lines end here.
import Diagnostics

/// A run of a rule's bytes. Its indices are places in `RuleText.bytes`.
typealias Slice = ArraySlice<UInt8>

/// One rule's text.
struct RuleText {
    let source: SourceText
    /// The source's own bytes, or those of the joined lines.
    let bytes: [UInt8]
    /// The rule within `bytes`.
    let start: Int
    let end: Int
    /// Where joined lines begin: in `bytes`, and in the source. Empty where `bytes` are the source's.
    fileprivate(set) var pieces: [(at: Int, origin: Int)] = []

    var slice: Slice { bytes[start..<end] }

    /// Of a place in `bytes`.
    func range(_ place: Range<Int>) -> SourceRange {
        let first = origin(of: place.lowerBound)
        guard place.upperBound > place.lowerBound else { return SourceRange(source, first, first) }
        return SourceRange(source, first, origin(of: place.upperBound - 1) + 1)
    }

    var range: SourceRange { range(start..<end) }

    private func origin(of index: Int) -> Int {
        // Few: a rule is written on tens of lines at most, and this is asked for diagnostics alone.
        guard let piece = pieces.last(where: { $0.at <= index }) else { return index }
        return piece.origin + index - piece.at
    }
}

/// Goes through a source text rule by rule, in one pass.
struct RuleReader {
    private let source: SourceText
    private let bytes: [UInt8]
    private var next: Int

    init(_ source: SourceText) {
        self.source = source
        bytes = source.bytes
        // A byte-order mark is nobody's action.
        next = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
    }

    /// The next rule; nil at the end.
    mutating func rule() -> RuleText? {
        while next < bytes.count {
            let line = takeLine()
            guard let first = line.first else { continue }
            // Both start comments: "# disabled" and "; disabled".
            if first == UInt8(ascii: "#") || first == UInt8(ascii: ";") { continue }
            guard line.last == UInt8(ascii: "\\") else {
                return RuleText(source: source, bytes: bytes, start: line.startIndex, end: line.endIndex)
            }
            return joined(from: line)
        }
        return nil
    }

    /// A line, its white space at the end left out; of a rule's first line also that in front.
    private mutating func takeLine(isFirst: Bool = true) -> Slice {
        let start = next
        let end = bytes.withUnsafeBufferPointer { bytes in
            var index = start
            while index < bytes.count, bytes[index] != UInt8(ascii: "\n") { index += 1 }
            return index
        }
        next = end + 1
        let line = bytes[start..<end]
        let trimmed = line.trimmed
        return isFirst ? trimmed : bytes[start..<max(start, trimmed.endIndex)]
    }

    /// A rule whose lines end in a backslash each but the last; a comment in between is none. Lines are
    /// joined with nothing between them: white space in front of the next one counts.
    private mutating func joined(from first: Slice) -> RuleText {
        var all: [UInt8] = []
        var pieces: [(at: Int, origin: Int)] = []
        var line = first
        while true {
            let goesOn = line.last == UInt8(ascii: "\\")
            pieces.append((all.count, line.startIndex))
            all += goesOn ? line.dropLast() : line
            if !goesOn || next >= bytes.count { break }
            line = takeLine(isFirst: false)
        }
        var rule = RuleText(source: source, bytes: all, start: 0, end: all.count)
        rule.pieces = pieces
        return rule
    }
}
