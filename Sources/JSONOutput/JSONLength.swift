// SPDX-License-Identifier: Apache-2.0
// How long a value's text is before it is written, and the value with shorter strings and arrays: for lines
// that have to find room somewhere.

extension JSONValue {
    /// The most bytes of the value's text, told without reading any string: each byte of one may take six.
    public var roughLength: Int { length { 6 * $0.utf8.count } }

    /// The most bytes of the value's text: characters that some reader obeys count as escaped.
    public var length: Int { length(writtenLength) }

    private func length(_ string: (String) -> Int) -> Int {
        switch self {
        case .null: 4
        case .bool: 5
        case .integer, .unsigned: 20
        case .number: 24
        case .string(let text): string(text) + 2
        case .array(let values): values.reduce(2) { $0 + $1.length(string) + 1 }
        case .object(let members): members.reduce(2) { $0 + string($1.0) + $1.1.length(string) + 4 }
        }
    }

    /// Appends how many bytes each string's text takes, without its quotes; those of keys are left out.
    public func addStringLengths(to lengths: inout [Int]) {
        switch self {
        case .string(let text): lengths.append(writtenLength(text))
        case .array(let values): for value in values { value.addStringLengths(to: &lengths) }
        case .object(let members): for member in members { member.1.addStringLengths(to: &lengths) }
        case .null, .bool, .integer, .unsigned, .number: break
        }
    }

    /// The value with the strings whose text takes more bytes cut to so many, "..." at their end included.
    public func cuttingStrings(to limit: Int) -> JSONValue {
        switch self {
        case .string(let text): .string(cut(text, to: limit))
        case .array(let values): .array(values.map { $0.cuttingStrings(to: limit) })
        case .object(let members): .object(members.map { ($0.0, $0.1.cuttingStrings(to: limit)) })
        case .null, .bool, .integer, .unsigned, .number: self
        }
    }

    /// The value with the first so many elements of each array.
    public func cuttingArrays(to count: Int) -> JSONValue {
        switch self {
        case .array(let values): .array(values.prefix(count).map { $0.cuttingArrays(to: count) })
        case .object(let members): .object(members.map { ($0.0, $0.1.cuttingArrays(to: count)) })
        case .null, .bool, .integer, .unsigned, .number, .string: self
        }
    }
}

private func writtenLength(_ text: String) -> Int {
    var text = text
    return text.withUTF8 { bytes in
        var written = 0
        var place = 0
        while place < bytes.count {
            let next = character(bytes[place...])
            place += next.count
            written += next.written
        }
        return written
    }
}

private func cut(_ text: String, to limit: Int) -> String {
    guard 6 * text.utf8.count > limit else { return text }
    var text = text
    return text.withUTF8 { bytes in
        var (written, place, kept) = (0, 0, 0)
        while place < bytes.count {
            let next = character(bytes[place...])
            place += next.count
            written += next.written
            if written <= limit - 3 { kept = place }
            if written > limit { return String(decoding: bytes[..<kept], as: UTF8.self) + "..." }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The bytes of the first character of UTF-8, and how many its text takes at most: every control character,
/// line separator and mark that turns the direction of text (UAX #9, 2) counts as `\uNNNN`.
private func character(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> (count: Int, written: Int) {
    let first = bytes[bytes.startIndex]
    switch first {
    case 0x22, 0x5c, 0x09, 0x0a, 0x0d: return (1, 2)
    case 0..<0x20, 0x7f: return (1, 6)
    case 0..<0x80: return (1, 1)
    default: break
    }
    let count = min(bytes.count, first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2)
    guard count > 1 else { return (1, 1) }
    let second = bytes[bytes.startIndex + 1]
    let mayBeEscaped =
        first == 0xc2 && second < 0xa0 || first == 0xd8 && second == 0x9c || first == 0xe2 && second <= 0x81
    return (count, mayBeEscaped ? 6 : count)
}
