// SPDX-License-Identifier: Apache-2.0
// Small readings of a run of bytes: trimming, splitting, numbers. All are total and one pass.

extension UInt8 {
    /// White space as C's isspace has it.
    var isBlank: Bool { self == 0x20 || (self >= 0x09 && self <= 0x0d) }
    var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }

    /// The value of a hexadecimal digit; nil for what is none.
    var hexValue: UInt8? {
        switch self {
        case 0x30...0x39: self - 0x30
        case 0x41...0x46: self - 0x41 + 10
        case 0x61...0x66: self - 0x61 + 10
        default: nil
        }
    }

    /// ASCII letters in lower case.
    var lowered: UInt8 { self >= 0x41 && self <= 0x5a ? self + 0x20 : self }
}

extension ArraySlice<UInt8> {
    var place: Range<Int> { startIndex..<endIndex }
    var text: String { String(decoding: self, as: UTF8.self) }

    /// Without white space at either end.
    var trimmed: Self {
        var (low, high) = (startIndex, endIndex)
        while low < high, self[low].isBlank { low += 1 }
        while high > low, self[high - 1].isBlank { high -= 1 }
        return self[low..<high]
    }

    /// The parts between separators, trimmed; one empty part for empty text.
    func parts(_ separator: UInt8 = UInt8(ascii: ",")) -> [Self] {
        var parts: [Self] = []
        var start = startIndex
        for index in indices where self[index] == separator {
            parts.append(self[start..<index].trimmed)
            start = index + 1
        }
        parts.append(self[start..<endIndex].trimmed)
        return parts
    }

    /// The words between white space.
    var words: [Self] { split(whereSeparator: \.isBlank) }

    /// Without the first byte, where it is this one; trimmed.
    func dropping(_ byte: UInt8) -> Self? { first == byte ? dropFirst().trimmed : nil }

    /// What stands behind a prefix, trimmed; nil where it is not there.
    func dropping(_ prefix: StaticString) -> Self? {
        let wanted = UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount)
        guard starts(with: wanted) else { return nil }
        return dropFirst(wanted.count).trimmed
    }

    /// What stands between double quotes; nil where there are none. Trimmed outside, not inside.
    var unquoted: Self? {
        guard count >= 2, first == UInt8(ascii: "\""), last == UInt8(ascii: "\"") else { return nil }
        return dropFirst().dropLast()
    }

    /// With its quotes, or without where it has none.
    var plain: Self { unquoted ?? self }

    /// Decimal, or hexadecimal behind 0x; nil for anything else and beyond 64 bits.
    var number: UInt64? {
        var digits = self
        var radix: UInt64 = 10
        if count > 2, first == UInt8(ascii: "0"), self[startIndex + 1] | 0x20 == UInt8(ascii: "x") {
            digits = dropFirst(2)
            radix = 16
        }
        guard !digits.isEmpty else { return nil }
        var value: UInt64 = 0
        for byte in digits {
            guard let digit = byte.hexValue, UInt64(digit) < radix else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: radix)
            let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
            guard !overflow, !carry else { return nil }
            value = sum
        }
        return value
    }

    /// As `number`, with a sign in front.
    var signedNumber: Int64? {
        let isNegative = first == UInt8(ascii: "-")
        let digits = isNegative || first == UInt8(ascii: "+") ? dropFirst() : self
        guard let value = digits.number, let signed = Int64(exactly: value) else { return nil }
        return isNegative ? -signed : signed
    }
}
