// SPDX-License-Identifier: Apache-2.0
// Before YAML: bytes in, and out every place that is not text, or not the text that a reader of the file
// would see.
import Diagnostics

/// Errors for invalid UTF-8 and for control characters; a byte-order mark at the start is no error. At most
/// 20.
func checkText(_ source: SourceText) -> [Diagnostic] {
    var found: [Diagnostic] = []
    source.bytes.withUnsafeBufferPointer { bytes in
        var index = byteOrderMarkLength(source.bytes)
        while index < bytes.count, found.count < 20 {
            let byte = bytes[index]
            if byte >= 0x20 && byte < 0x7f || byte == 0x0a || byte == 0x09 {
                index += 1
            } else if byte == 0x0d, index + 1 == bytes.count || bytes[index + 1] == 0x0a {
                index += 1
            } else if let (scalar, length) = decodeScalar(bytes, index) {
                if let message = whyForbidden(scalar) {
                    let range = SourceRange(source, index, index + length)
                    found.append(Diagnostic(id: "control-character", message, at: range, help: "remove it"))
                }
                index += length
            } else {
                let end = endOfInvalidRun(bytes, index)
                found.append(
                    Diagnostic(
                        id: "invalid-utf8",
                        "the file is not UTF-8 text here (byte 0x\(hex(UInt32(byte), 2)))",
                        at: SourceRange(source, index, end), help: "save the file as UTF-8"))
                index = end
            }
        }
    }
    return found
}

/// 3 where the bytes start with UTF-8's byte-order mark, else 0.
func byteOrderMarkLength(_ bytes: [UInt8]) -> Int { bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0 }

private func endOfInvalidRun(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
    var end = start + 1
    while end < bytes.count, bytes[end] >= 0x80, decodeScalar(bytes, end) == nil { end += 1 }
    return end
}

/// The scalar at `index`, strictly (RFC 3629): shortest form only, no surrogates; nil where there is none.
private func decodeScalar(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> (UInt32, length: Int)? {
    let first = bytes[index]
    let (length, lowest): (Int, UInt32)
    switch first {
    case 0..<0x80: return (UInt32(first), 1)
    case 0xc2...0xdf: (length, lowest) = (2, 0x80)
    case 0xe0...0xef: (length, lowest) = (3, 0x800)
    case 0xf0...0xf4: (length, lowest) = (4, 0x10000)
    default: return nil
    }
    guard index + length <= bytes.count else { return nil }
    var value = UInt32(first) & (0x7f >> UInt32(length))
    for next in bytes[(index + 1)..<(index + length)] {
        guard next & 0xc0 == 0x80 else { return nil }
        value = value << 6 | UInt32(next & 0x3f)
    }
    guard value >= lowest, Unicode.Scalar(value) != nil else { return nil }
    return (value, length)
}

/// What is said about a character that a policy cannot hold; nil for all others.
func whyForbidden(_ scalar: UInt32) -> String? {
    switch scalar {
    case 0x0d: "carriage return without a line feed"
    case 0..<0x20, 0x7f..<0xa0: "control character U+\(hex(scalar, 4))"
    // YAML 1.1 ends a line at these, YAML 1.2 and editors do not.
    case 0x2028, 0x2029: "line separator U+\(hex(scalar, 4))"
    // Text that is shown in another order than it is read.
    case 0x202a...0x202e, 0x2066...0x2069: "text direction control U+\(hex(scalar, 4))"
    case 0xfeff: "byte-order mark inside the text"
    case 0xfffe, 0xffff: "U+\(hex(scalar, 4)) is no character"
    default: nil
    }
}

private func hex(_ value: UInt32, _ digits: Int) -> String {
    let text = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}
