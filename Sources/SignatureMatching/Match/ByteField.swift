// SPDX-License-Identifier: Apache-2.0
// a number field of byte_test and its kin + a buffer -> the number, and where the field ends.

import Signatures

/// A number read from a buffer.
struct FieldValue: Equatable {
    var number: UInt64
    /// Behind the field's last byte.
    var end: Int
}

/// Where and how a field stands, its operands resolved.
struct FieldPlace {
    var start: Int
    var count: Int
    var isLittleEndian: Bool
    var text: NumberField.Text?
    var bitmask: UInt64?
}

/// The field's number; nil where it does not lie within the buffer, holds no number, or one beyond 64 bits.
func readField(_ place: FieldPlace, in bytes: UnsafeRawBufferPointer) -> FieldValue? {
    guard place.start >= 0, place.count >= 0, place.count <= 32, place.start <= bytes.count,
        place.count <= bytes.count - place.start
    else { return nil }
    let end = place.start + place.count
    let field = UnsafeRawBufferPointer(rebasing: bytes[place.start..<end])
    let number: UInt64
    if let text = place.text {
        guard let parsed = parseNumber(field, base: UInt64(text.rawValue)) else { return nil }
        number = parsed
    } else {
        guard place.count <= 8 else { return nil }
        number = binaryNumber(field, isLittleEndian: place.isLittleEndian)
    }
    guard let mask = place.bitmask, mask != 0 else { return FieldValue(number: number, end: end) }
    return FieldValue(number: (number & mask) >> UInt64(mask.trailingZeroBitCount), end: end)
}

private func binaryNumber(_ field: UnsafeRawBufferPointer, isLittleEndian: Bool) -> UInt64 {
    var number: UInt64 = 0
    for index in field.indices {
        let byte = UInt64(field[index])
        number = isLittleEndian ? number | byte << UInt64(8 * index) : number << 8 | byte
    }
    return number
}

/// As strtoull reads it: blanks, a sign, 0x before hexadecimal digits, digits; what follows is passed over.
private func parseNumber(_ field: UnsafeRawBufferPointer, base: UInt64) -> UInt64? {
    var index = 0
    while index < field.count, isSpace(field[index]) { index += 1 }
    var isNegative = false
    if index < field.count, field[index] == UInt8(ascii: "-") || field[index] == UInt8(ascii: "+") {
        isNegative = field[index] == UInt8(ascii: "-")
        index += 1
    }
    if base == 16, index + 2 < field.count, field[index] == UInt8(ascii: "0"),
        field[index + 1] | 0x20 == 0x78,
        digit(field[index + 2], base: 16) != nil
    {
        index += 2
    }
    var number: UInt64 = 0
    var hasDigits = false
    while index < field.count, let value = digit(field[index], base: base) {
        let (product, overflow) = number.multipliedReportingOverflow(by: base)
        let (sum, carry) = product.addingReportingOverflow(value)
        guard !overflow, !carry else { return nil }
        number = sum
        hasDigits = true
        index += 1
    }
    guard hasDigits else { return nil }
    return isNegative ? 0 &- number : number
}

private func digit(_ byte: UInt8, base: UInt64) -> UInt64? {
    let value: UInt64
    switch byte {
    case 0x30...0x39: value = UInt64(byte &- 0x30)
    case 0x41...0x46: value = UInt64(byte &- 0x41 &+ 10)
    case 0x61...0x66: value = UInt64(byte &- 0x61 &+ 10)
    default: return nil
    }
    return value < base ? value : nil
}

/// The C locale's white space.
@inline(__always) func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) }
