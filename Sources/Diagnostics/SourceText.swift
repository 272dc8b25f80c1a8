// SPDX-License-Identifier: Apache-2.0
// Source texts and positions in them: what every diagnostic points at.

/// One file's text, kept whole for the lines that diagnostics quote.
public final class SourceText: Sendable, Hashable {
    /// The path as the user gave it.
    public let path: String
    public let bytes: [UInt8]
    /// Line feeds before each block of `blockLength` bytes: an entry a line would take more memory than a
    /// list of a million short lines itself.
    private let lineFeedsBefore: [Int32]
    private static let blockLength = 4096

    public init(path: String, bytes: [UInt8]) {
        self.path = path
        self.bytes = bytes
        var counts: [Int32] = [0]
        counts.reserveCapacity(bytes.count / Self.blockLength + 1)
        bytes.withUnsafeBufferPointer { bytes in
            var start = 0
            while start + Self.blockLength <= bytes.count {
                let block = UnsafeBufferPointer(rebasing: bytes[start..<(start + Self.blockLength)])
                counts.append(counts[counts.count - 1] &+ lineFeeds(block))
                start += Self.blockLength
            }
        }
        lineFeedsBefore = counts
    }

    public convenience init(path: String, text: String) { self.init(path: path, bytes: Array(text.utf8)) }

    /// The 1-based line's text without its line break; empty beyond the end.
    public func line(_ number: Int) -> String {
        String(decoding: bytes[lineBounds(number)], as: UTF8.self)
    }

    /// The bytes of the 1-based line without its line break; empty beyond the end.
    func lineBounds(_ number: Int) -> Range<Int> {
        guard let start = lineStart(number) else { return bytes.count..<bytes.count }
        var end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
        if end > start, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        return start..<end
    }

    /// The line's first byte; nil for a line that is not there.
    private func lineStart(_ number: Int) -> Int? {
        if number == 1 { return markLength }
        guard number > 1 else { return nil }
        // The last block before which fewer lines end than before this one.
        let wanted = number - 1
        var block = 0
        var high = lineFeedsBefore.count
        while block + 1 < high {
            let middle = (block + high) / 2
            if Int(lineFeedsBefore[middle]) < wanted { block = middle } else { high = middle }
        }
        var left = wanted - Int(lineFeedsBefore[block])
        for index in (block * Self.blockLength)..<bytes.count where bytes[index] == UInt8(ascii: "\n") {
            left -= 1
            if left == 0 { return index + 1 }
        }
        return nil
    }

    /// A byte-order mark is no character of the first line.
    private var markLength: Int { bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0 }

    /// 1-based line and column (in characters) of a byte offset.
    public func position(ofByte offset: Int) -> (line: Int, column: Int) {
        let clamped = min(max(offset, markLength), bytes.count)
        let block = min(clamped / Self.blockLength, lineFeedsBefore.count - 1)
        var line = Int(lineFeedsBefore[block]) + 1
        for index in (block * Self.blockLength)..<clamped where bytes[index] == UInt8(ascii: "\n") {
            line += 1
        }
        let before = bytes[..<clamped].lastIndex(of: UInt8(ascii: "\n"))
        let start = max(markLength, before.map { $0 + 1 } ?? 0)
        return (line, String(decoding: bytes[start..<clamped], as: UTF8.self).count + 1)
    }

    public static func == (a: SourceText, b: SourceText) -> Bool { a === b }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

private func lineFeeds(_ block: UnsafeBufferPointer<UInt8>) -> Int32 {
    var count: Int32 = 0
    for byte in block { count &+= byte == UInt8(ascii: "\n") ? 1 : 0 }
    return count
}

/// A run of bytes in a source text; never reversed. A policy of 100,000 rules has more than a million of
/// them: offsets beyond 4 GiB, which no file that is read has, are kept as 4 GiB.
public struct SourceRange: Hashable, Sendable {
    public let source: SourceText
    private let low: UInt32
    private let high: UInt32

    public var start: Int { Int(low) }
    public var end: Int { Int(high) }

    public init(_ source: SourceText, _ start: Int, _ end: Int) {
        self.source = source
        low = UInt32(clamping: start)
        high = UInt32(clamping: max(start, end))
    }

    public var line: Int { source.position(ofByte: start).line }
    public var column: Int { source.position(ofByte: start).column }
}
