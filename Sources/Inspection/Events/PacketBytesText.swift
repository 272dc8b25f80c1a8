// SPDX-License-Identifier: Apache-2.0
// Bytes that somebody sent, as text for an event: bounded, and what is no UTF-8 made visible. JSONOutput
// escapes the rest.
import JSONOutput

/// The most bytes of one field that an event repeats: what Suricata's default for a URL is near, and what no
/// honest client exceeds.
let longestField = 4096
/// The most bytes of one field of which an event has many: names in answers, header values.
let longestName = 512

/// At most `limit` bytes as text. A byte that belongs to no UTF-8 character becomes `\xNN`; what is cut ends
/// in "...".
func eventText(_ bytes: some Collection<UInt8>, limit: Int = longestField) -> String {
    let shown = bytes.prefix(limit)
    var text = ""
    if let whole = String(validating: shown, as: UTF8.self) {
        text = whole
    } else {
        var decoder = UTF8Runs(Array(shown))
        decoder.decode(into: &text)
    }
    return bytes.count > limit ? text + "..." : text
}

func eventValue(_ bytes: some Collection<UInt8>, limit: Int = longestField) -> JSONValue {
    .string(eventText(bytes, limit: limit))
}

/// Decodes UTF-8 character by character where some of it is broken.
private struct UTF8Runs {
    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func decode(into text: inout String) {
        while index < bytes.count {
            let length = characterLength
            if length > 0, index + length <= bytes.count,
                let part = String(validating: bytes[index..<(index + length)], as: UTF8.self)
            {
                text += part
                index += length
            } else {
                text += "\\x" + hexPair(bytes[index])
                index += 1
            }
        }
    }

    /// What the lead byte at `index` announces; 0 for a byte that leads nothing.
    private var characterLength: Int {
        switch bytes[index] {
        case 0x00...0x7f: 1
        case 0xc2...0xdf: 2
        case 0xe0...0xef: 3
        case 0xf0...0xf4: 4
        default: 0
        }
    }
}

/// Two hexadecimal digits, lower case.
func hexPair(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
