// SPDX-License-Identifier: Apache-2.0
// The check of event lines on their way into a file or to a terminal: whatever took over the worker, what
// comes out is lines of UTF-8 text that no terminal obeys.

/// Whether these are one or more lines, each `{...}` and its end, of UTF-8 without control characters: not
/// those of ASCII, not C1 (U+0080 to U+009F), no line or paragraph separator.
func areEventLines(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.last == UInt8(ascii: "\n") else { return false }
    var start = 0
    var index = 0
    var isPlain = true
    while index < bytes.count {
        let byte = bytes[index]
        if byte == UInt8(ascii: "\n") {
            guard index - start >= 2, bytes[start] == UInt8(ascii: "{"),
                bytes[index - 1] == UInt8(ascii: "}")
            else { return false }
            start = index + 1
        } else if byte < 0x20 || byte == 0x7f {
            return false
        } else if byte >= 0x80 {
            isPlain = false
        }
        index += 1
    }
    return isPlain || isHarmlessText(bytes)
}

private func isHarmlessText(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let text = String(validating: bytes, as: UTF8.self) else { return false }
    return text.unicodeScalars.allSatisfy { scalar in
        switch scalar {
        case "\u{80}"..."\u{9f}", "\u{2028}", "\u{2029}": false
        default: true
        }
    }
}
