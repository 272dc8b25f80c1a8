// SPDX-License-Identifier: Apache-2.0
// Texts with units in, exact numbers out: durations, rates, sizes.
import NetworkTypes

/// What a limit lets through, exactly as it is written.
public enum Rate: Hashable, Sendable {
    /// So many packets in so many seconds: 1 for `pps` and `/s`, 60 for `/m`. Both are above zero.
    case packets(UInt64, perSeconds: UInt64)
    /// Bits of IP packets in a second; above zero.
    case bits(perSecond: UInt64)
}

/// "500ms 30s 10m 2h 7d" in nanoseconds; more than zero.
public func parseDuration(_ text: String) throws(ValueError) -> Int64 {
    let units: [(String, UInt64)] = [
        ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
    ]
    let expected = "write a whole number and a unit, as in 500ms, 30s, 10m, 2h or 7d"
    guard let (number, word) = splitUnit(text), let unit = units.first(where: { $0.0 == word }) else {
        throw ValueError(id: "duration-syntax", "'\(text)' is no duration", help: expected)
    }
    let count = try wholeNumber(number, text, what: "duration")
    let total = try scaled(count, by: unit.1, text, what: "duration")
    guard total > 0 else { throw zeroValue(text, what: "duration") }
    guard let nanoseconds = Int64(exactly: total) else { throw tooLarge(text, what: "duration") }
    return nanoseconds
}

/// What a rate can be: above it a bucket's cost of a packet would not be exact any more.
private let mostPacketsPerSecond: UInt64 = 100_000_000
private let mostBitsPerSecond: UInt64 = 100_000_000_000

/// "1000 pps", "5/s", "30/m", "50k pps", "20 Mbit/s"; more than zero, at most 100M pps or 100 Gbit/s.
public func parseRate(_ text: String) throws(ValueError) -> Rate {
    let bitUnits: [(String, UInt64)] = [
        ("bit/s", 1), ("kbit/s", 1000), ("Mbit/s", 1_000_000), ("Gbit/s", 1_000_000_000),
    ]
    let units = ["pps", "/s", "/m"] + bitUnits.map(\.0)
    guard let (number, word) = splitRateUnit(text) else { throw rateSyntax(text, word: "", units: units) }
    guard units.contains(word) else { throw rateSyntax(text, word: word, units: units) }
    let count: UInt64
    do throws(ValueError) {
        count = try parseCount(String(number))
    } catch {
        if error.id == "out-of-range" { throw rateTooHigh(text) }
        throw inWhole(error, text, what: "rate")
    }
    guard count > 0 else { throw zeroValue(text, what: "rate") }
    if let unit = bitUnits.first(where: { $0.0 == word }) {
        let (bits, overflow) = count.multipliedReportingOverflow(by: unit.1)
        guard !overflow, bits <= mostBitsPerSecond else { throw rateTooHigh(text) }
        return .bits(perSecond: bits)
    }
    let seconds: UInt64 = word == "/m" ? 60 : 1
    guard count <= mostPacketsPerSecond * seconds else { throw rateTooHigh(text) }
    return .packets(count, perSeconds: seconds)
}

private func rateTooHigh(_ text: String) -> ValueError {
    ValueError(
        id: "out-of-range", "rate '\(text)' is too large", help: "use at most 100M pps or 100 Gbit/s")
}

private func rateSyntax(_ text: String, word: String, units: [String]) -> ValueError {
    let expected = "write a number and a unit, as in 1000 pps, 5/s, 30/m or 20 Mbit/s"
    let help =
        if word.isEmpty {
            expected
        } else if word.hasSuffix("bit/s") {
            // Not the nearest word: of Tbit/s that is bit/s.
            "write bit/s, kbit/s, Mbit/s or Gbit/s, at most 100 Gbit/s"
        } else {
            suggestion(for: word, among: units, expected: expected)
        }
    return ValueError(id: "rate-syntax", "'\(text)' is no rate", help: help)
}

/// "256 KiB" in bytes; zero is a size.
public func parseSize(_ text: String) throws(ValueError) -> UInt64 {
    let units: [(String, UInt64)] = [
        ("B", 1), ("KB", 1000), ("MB", 1_000_000), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ]
    let expected = "write a whole number and one of B, KB, MB, KiB, MiB, GiB, TiB, as in 256 KiB"
    guard let (number, word) = splitUnit(text) else {
        throw ValueError(id: "size-syntax", "'\(text)' is no size", help: expected)
    }
    guard let unit = units.first(where: { $0.0 == word }) else {
        // Of "M" the nearest word would be B.
        let isPrefix = ["", "K", "M", "G", "T"].contains(word.uppercased())
        let help = isPrefix ? expected : suggestion(for: word, among: units.map(\.0), expected: expected)
        throw ValueError(id: "size-syntax", "'\(text)' is no size", help: help)
    }
    return try scaled(wholeNumber(number, text, what: "size"), by: unit.1, text, what: "size")
}

/// The digits that a text starts with and the unit behind them, blanks between dropped; nil where no digit
/// leads.
private func splitUnit(_ text: String) -> (number: Substring, unit: String)? {
    let number = text.prefix { $0.isASCII && $0.isNumber }
    guard !number.isEmpty else { return nil }
    return (number, String(text[number.endIndex...].drop { $0 == " " }))
}

/// As `splitUnit`, with the `k` or `M` of a count kept at the number: "50k pps", "5k/s", but "5kbit/s" is 5
/// `kbit/s`.
private func splitRateUnit(_ text: String) -> (number: Substring, unit: String)? {
    guard let (number, unit) = splitUnit(text) else { return nil }
    let rest = text[number.endIndex...]
    guard let suffix = rest.first, suffix == "k" || suffix == "M", !unit.dropFirst().hasPrefix("bit") else {
        return (number, unit)
    }
    let end = text.index(after: number.endIndex)
    return (text[..<end], String(text[end...].drop { $0 == " " }))
}

private func wholeNumber(_ number: Substring, _ text: String, what: String) throws(ValueError) -> UInt64 {
    guard number.utf8.count == 1 || number.utf8.first != 0x30 else { throw leadingZero(text, what: what) }
    guard let value = decimalNumber(number.utf8) else { throw tooLarge(text, what: what) }
    return value
}

/// An error about the number alone, said of the whole text.
private func inWhole(_ error: ValueError, _ text: String, what: String) -> ValueError {
    switch error.id {
    case "leading-zero": leadingZero(text, what: what)
    case "out-of-range": tooLarge(text, what: what)
    default: error
    }
}

private func zeroValue(_ text: String, what: String) -> ValueError {
    ValueError(id: "zero-value", "\(what) '\(text)' is zero", help: "write a number above zero")
}
