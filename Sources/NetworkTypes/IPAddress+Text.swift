// SPDX-License-Identifier: Apache-2.0
// Address text as bytes in, addresses out. Lists of a million lines come through here, so nothing is
// allocated.

extension IPAddress {
    /// From UTF-8 text: dotted-quad IPv4 (no leading zeros), or RFC 4291 IPv6, also with an embedded IPv4
    /// tail.
    public init?(utf8 text: UnsafeBufferPointer<UInt8>) {
        if text.contains(UInt8(ascii: ":")) {
            guard let bits = parseV6(text) else { return nil }
            self.init(v6: bits)
        } else {
            guard let bits = parseV4(text[...]) else { return nil }
            self.init(v4: bits)
        }
    }
}

private func parseV4(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> UInt32? {
    guard (7...15).contains(text.count) else { return nil }
    var bits: UInt32 = 0
    var part: UInt32 = 0
    var digits = 0
    var dots = 0
    for byte in text {
        if byte == UInt8(ascii: ".") {
            guard digits > 0, dots < 3 else { return nil }
            bits = bits << 8 | part
            (part, digits, dots) = (0, 0, dots + 1)
        } else {
            guard byte >= 0x30, byte <= 0x39, digits == 0 || part != 0 else { return nil }
            part = part * 10 + UInt32(byte - 0x30)
            digits += 1
            guard part <= 255 else { return nil }
        }
    }
    return digits > 0 && dots == 3 ? bits << 8 | part : nil
}

private func parseV6(_ text: UnsafeBufferPointer<UInt8>) -> UInt128? {
    let colon = UInt8(ascii: ":")
    var groups = GroupsV6()
    var index = 0
    if text.count >= 2, text[0] == colon {
        guard text[1] == colon else { return nil }
        groups.gap = 0
        index = 2
    }
    while index < text.count {
        let start = index
        guard let group = hexGroup(text, &index) else { return nil }
        if index < text.count, text[index] == UInt8(ascii: ".") {
            guard let tail = parseV4(text[start...]) else { return nil }
            groups.append(UInt128(tail), count: 2)
            break
        }
        groups.append(UInt128(group), count: 1)
        guard groups.count <= 8 else { return nil }
        if index == text.count { break }
        guard text[index] == colon, index + 1 < text.count else { return nil }
        index += 1
        guard text[index] == colon else { continue }
        guard groups.gap == nil else { return nil }
        groups.gap = groups.count
        index += 1
    }
    return groups.bits
}

/// One to four hexadecimal digits from `index` on, which moves behind them; nil where there are none or
/// more.
private func hexGroup(_ text: UnsafeBufferPointer<UInt8>, _ index: inout Int) -> UInt16? {
    var value: UInt16 = 0
    let start = index
    while index < text.count, let digit = hexDigit(text[index]) {
        guard index - start < 4 else { return nil }
        value = value << 4 | UInt16(digit)
        index += 1
    }
    return index > start ? value : nil
}

/// The value of a hexadecimal digit in either case; nil for any other byte.
public func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
}

/// The 16-bit groups read so far, and how many stood before "::".
private struct GroupsV6 {
    private var value: UInt128 = 0
    private(set) var count = 0
    var gap: Int?

    mutating func append(_ group: UInt128, count added: Int) {
        value = value << UInt128(16 * added) | group
        count += added
    }

    var bits: UInt128? {
        guard let gap else { return count == 8 ? value : nil }
        guard count <= 7 else { return nil }
        let tailBits = UInt128(16 * (count - gap))
        let tail = value & ((UInt128(1) << tailBits) - 1)
        return (value >> tailBits) << UInt128(16 * (8 - gap)) | tail
    }
}
