// SPDX-License-Identifier: Apache-2.0
// a buffer's bytes + a signature's transforms -> the bytes that its inspections see.

import Signatures

/// A dot in front of names, and blanks in other places, may add this much; nothing else grows.
private let mostBase64Bytes = 64 << 10

/// Applies transforms one after the other.
func apply(_ transforms: [Transform], to bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var result = [UInt8](bytes)
    for transform in transforms { result = apply(transform, to: result) }
    return result
}

private func apply(_ transform: Transform, to bytes: [UInt8]) -> [UInt8] {
    switch transform {
    case .dotPrefix: [UInt8(ascii: ".")] + bytes
    case .toLowercase: bytes.map(lowercased)
    case .toUppercase: bytes.map { $0 &- 0x61 < 26 ? $0 & 0xdf : $0 }
    case .stripWhitespace: bytes.filter { !isSpace($0) }
    case .compressWhitespace: compressWhitespace(bytes)
    case .md5: bytes.withUnsafeBytes { Digest.md5.of($0) }
    case .sha1: bytes.withUnsafeBytes { Digest.sha1.of($0) }
    case .sha256: bytes.withUnsafeBytes { Digest.sha256.of($0) }
    case .urlDecode: urlDecode(bytes)
    case .xor(let key): xor(bytes, key)
    case .xorExtracted(let offset, let keyLength, let keyOffset):
        xorExtracted(bytes, offset, keyLength, keyOffset)
    case .fromBase64(let offset, let count, let mode): fromBase64(bytes, offset, count, mode)
    case .stripPseudoHeaders: joinedLines(bytes) { $0.first == UInt8(ascii: ":") ? nil : Array($0) }
    case .headerLowercase: joinedLines(bytes, headerNameLowercased)
    case .domain: registrableDomain(bytes)
    case .topLevelDomain:
        Array(bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).last ?? [])
    }
}

/// A run of white space becomes its first byte's place with one blank; a single one stays as it is.
private func compressWhitespace(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
        guard isSpace(bytes[index]) else {
            result.append(bytes[index])
            index += 1
            continue
        }
        let start = index
        while index < bytes.count, isSpace(bytes[index]) { index += 1 }
        result.append(index - start == 1 ? bytes[start] : 0x20)
    }
    return result
}

private func urlDecode(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
        let byte = bytes[index]
        if byte == UInt8(ascii: "%"), index + 2 < bytes.count, let high = hexValue(bytes[index + 1]),
            let low = hexValue(bytes[index + 2])
        {
            result.append(high << 4 | low)
            index += 3
        } else {
            result.append(byte == UInt8(ascii: "+") ? 0x20 : byte)
            index += 1
        }
    }
    return result
}

private func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
}

private func xor(_ bytes: [UInt8], _ key: [UInt8]) -> [UInt8] {
    guard !key.isEmpty else { return bytes }
    var result = bytes
    for index in result.indices { result[index] ^= key[index % key.count] }
    return result
}

/// The key stands in the buffer itself.
private func xorExtracted(_ bytes: [UInt8], _ offset: Int, _ length: Int, _ keyOffset: Int) -> [UInt8] {
    guard offset >= 0, keyOffset >= 0, length > 0, keyOffset <= bytes.count,
        length <= bytes.count - keyOffset, offset <= bytes.count
    else { return bytes }
    return bytes[..<offset] + xor(Array(bytes[offset...]), Array(bytes[keyOffset..<keyOffset + length]))
}

private func fromBase64(
    _ bytes: [UInt8], _ offset: Int, _ count: Int?, _ mode: Transform.Base64Mode
) -> [UInt8] {
    guard offset >= 0, offset <= bytes.count else { return [] }
    let available = bytes.count - offset
    let end = offset + min(available, max(0, count ?? available))
    return bytes[offset..<end].withUnsafeBytes { decodeBase64($0, mode: mode) }
}

/// Base64 text to at most 64 KiB.
func decodeBase64(_ text: UnsafeRawBufferPointer, mode: Transform.Base64Mode) -> [UInt8] {
    var result: [UInt8] = []
    var bits: UInt32 = 0
    var bitCount: UInt32 = 0
    var digits = 0
    var end = 0
    while end < text.count, text[end] != UInt8(ascii: "="), result.count < mostBase64Bytes {
        let value = base64Value(text[end])
        end += 1
        guard let value else {
            switch mode {
            case .rfc2045: continue
            case .rfc4648: return result
            case .strict: return []
            }
        }
        digits += 1
        bits = bits << 6 | UInt32(value)
        bitCount += 6
        if bitCount >= 8 {
            bitCount -= 8
            result.append(UInt8(truncatingIfNeeded: bits >> bitCount))
        }
    }
    if mode == .strict {
        let padding = text[end...]
        let isWhole = (digits + padding.count) % 4 == 0 && padding.count <= 2
        return isWhole && padding.allSatisfy { $0 == UInt8(ascii: "=") } ? result : []
    }
    return result
}

private func base64Value(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x41...0x5a: byte - 0x41
    case 0x61...0x7a: byte - 0x61 + 26
    case 0x30...0x39: byte - 0x30 + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
}

/// Each line, without its end, changed or taken out; CRLF between them and behind each.
private func joinedLines(_ bytes: [UInt8], _ change: (ArraySlice<UInt8>) -> [UInt8]?) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var start = 0
    while start < bytes.count {
        let end = bytes[start...].firstIndex(of: 0x0a).map { $0 + 1 } ?? bytes.count
        if let line = change(bytes[start..<end]) { result += line }
        start = end
    }
    return result
}

private func headerNameLowercased(_ line: ArraySlice<UInt8>) -> [UInt8] {
    // HTTP/2 names may begin with a colon.
    let colon = line.dropFirst().firstIndex(of: UInt8(ascii: ":")) ?? line.startIndex
    return line[..<colon].map(lowercased) + line[colon...]
}

/// The last two labels, or three under a second level of two or three letters and a country's two, as in
/// "co.uk": what the public suffix list says for nearly all names, without the list.
private func registrableDomain(_ name: [UInt8]) -> [UInt8] {
    let labels = name.split(separator: UInt8(ascii: "."))
    guard labels.count >= 2 else { return name }
    let isNested =
        labels.count >= 3 && labels[labels.count - 1].count == 2 && labels[labels.count - 2].count <= 3
    return Array(labels.suffix(isNested ? 3 : 2).joined(separator: [UInt8(ascii: ".")]))
}
