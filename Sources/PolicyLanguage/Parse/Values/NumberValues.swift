// SPDX-License-Identifier: Apache-2.0
// Number texts in, numbers and ranges out: "80", "80-90", "1024-", "-1023", "50k".
import NetworkTypes

/// A number or a range, open ones included: "80", "80-90", "80-", "-90".
/// - Parameter what: the value's name in messages, as in "port".
public func parseNumberRange(
    _ text: String, in limits: ClosedRange<UInt64>, named what: String
) throws(ValueError) -> ClosedRange<UInt64> {
    let isRange = text.utf8.contains(UInt8(ascii: "-"))
    let parts = isRange ? text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false) : []
    guard parts.count == 2 else {
        let number = try parseNumber(text, in: limits, named: what)
        return number...number
    }
    guard text != "-" else {
        throw ValueError(id: "number-syntax", "'-' is no \(what) range", help: "write N-M, N- or -M")
    }
    do throws(ValueError) {
        let low = parts[0].isEmpty ? limits.lowerBound : try parseNumber(parts[0], in: limits, named: what)
        let high = parts[1].isEmpty ? limits.upperBound : try parseNumber(parts[1], in: limits, named: what)
        guard low <= high else {
            throw ValueError(
                id: "range-reversed", "\(what) range '\(text)' ends before it starts",
                help: "write \(high)-\(low)")
        }
        return low...high
    } catch {
        // What was meant is the whole range.
        guard error.id == "leading-zero" else { throw error }
        throw leadingZero(text, what: "\(what) range")
    }
}

/// One decimal number without leading zeros.
func parseNumber(
    _ text: some StringProtocol, in limits: ClosedRange<UInt64>, named what: String
) throws(ValueError) -> UInt64 {
    let digits = text.utf8
    guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }) else {
        throw ValueError(
            id: "number-syntax", "'\(text)' is no \(what)",
            help: "use a number from \(limits.lowerBound) to \(limits.upperBound)")
    }
    guard digits.count == 1 || digits.first != 0x30 else { throw leadingZero(text, what: what) }
    guard let number = decimalNumber(digits), limits.contains(number) else {
        throw ValueError(
            id: "out-of-range", "\(what) '\(text)' is out of range",
            help: "use a number from \(limits.lowerBound) to \(limits.upperBound)")
    }
    return number
}

func leadingZero(_ text: some StringProtocol, what: String) -> ValueError {
    ValueError(
        id: "leading-zero", "\(what) '\(text)' has a leading zero", help: "write \(withoutLeadingZeros(text))"
    )
}

/// A count that may end in `k` (1000) or `M` (1,000,000): "2000", "50k". Zero is a count.
public func parseCount(_ text: String) throws(ValueError) -> UInt64 {
    let suffixes: [(String, UInt64)] = [("k", 1000), ("M", 1_000_000)]
    let suffix = suffixes.first { text.hasSuffix($0.0) }
    let digits = suffix == nil ? text[...] : text.dropLast()
    let expected = "write a whole number, as in 2000, 50k or 5M"
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
        throw ValueError(id: "number-syntax", "'\(text)' is no count", help: expected)
    }
    guard digits.utf8.count == 1 || digits.utf8.first != 0x30 else { throw leadingZero(text, what: "count") }
    guard let number = decimalNumber(digits.utf8) else { throw tooLarge(text, what: "count") }
    return try scaled(number, by: suffix?.1 ?? 1, text, what: "count")
}

func scaled(_ number: UInt64, by unit: UInt64, _ text: String, what: String) throws(ValueError) -> UInt64 {
    let (product, overflow) = number.multipliedReportingOverflow(by: unit)
    if overflow { throw tooLarge(text, what: what) }
    return product
}

func tooLarge(_ text: String, what: String) -> ValueError {
    ValueError(id: "out-of-range", "\(what) '\(text)' is too large", help: "write a smaller number")
}
