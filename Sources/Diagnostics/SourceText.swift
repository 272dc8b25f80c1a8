// SPDX-License-Identifier: Apache-2.0
// Source texts and positions in them: what every diagnostic points at.

/// One file's text, kept whole for the lines that diagnostics quote.
public final class SourceText: Sendable, Hashable {
    /// The path as the user gave it.
    public let path: String
    public let bytes: [UInt8]
    /// Byte offset of each line's first byte.
    let lineStarts: [Int]

    public init(path: String, bytes: [UInt8]) {
        self.path = path
        self.bytes = bytes
        // A byte-order mark is no character of the first line.
        var starts = [bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0]
        bytes.withUnsafeBufferPointer { bytes in
            for index in bytes.indices where bytes[index] == UInt8(ascii: "\n") { starts.append(index + 1) }
        }
        lineStarts = starts
    }

    public convenience init(path: String, text: String) { self.init(path: path, bytes: Array(text.utf8)) }

    /// The 1-based line's text without its line break; empty beyond the end.
    public func line(_ number: Int) -> String {
        String(decoding: bytes[lineBounds(number)], as: UTF8.self)
    }

    /// The bytes of the 1-based line without its line break; empty beyond the end.
    func lineBounds(_ number: Int) -> Range<Int> {
        guard (1...lineStarts.count).contains(number) else { return bytes.count..<bytes.count }
        let start = lineStarts[number - 1]
        var end = number < lineStarts.count ? lineStarts[number] - 1 : bytes.count
        if end > start, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        return start..<end
    }

    /// 1-based line and column (in characters) of a byte offset.
    public func position(ofByte offset: Int) -> (line: Int, column: Int) {
        let clamped = min(max(offset, lineStarts[0]), bytes.count)
        var low = 0
        var high = lineStarts.count
        while low + 1 < high {
            let middle = (low + high) / 2
            if lineStarts[middle] <= clamped { low = middle } else { high = middle }
        }
        let prefix = String(decoding: bytes[lineStarts[low]..<clamped], as: UTF8.self)
        return (low + 1, prefix.count + 1)
    }

    public static func == (a: SourceText, b: SourceText) -> Bool { a === b }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// A run of bytes in a source text; never reversed.
public struct SourceRange: Hashable, Sendable {
    public let source: SourceText
    public let start: Int
    public let end: Int

    public init(_ source: SourceText, _ start: Int, _ end: Int) {
        self.source = source
        self.start = start
        self.end = max(start, end)
    }

    public var line: Int { source.position(ofByte: start).line }
    public var column: Int { source.position(ofByte: start).column }
}
