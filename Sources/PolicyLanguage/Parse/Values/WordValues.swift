// SPDX-License-Identifier: Apache-2.0
// Texts of a few words in, their values out: booleans, hexadecimal bytes, TCP flags, log rates.
import NetworkTypes

/// `true` or `false`, only so spelt.
public func parseBool(_ text: String) throws(ValueError) -> Bool {
    switch text {
    case "true": return true
    case "false": return false
    default: break
    }
    let meant: String? =
        switch text.lowercased() {
        case "true", "yes", "on", "y", "1": "true"
        case "false", "no", "off", "n", "0": "false"
        default: nil
        }
    throw ValueError(
        id: "boolean-syntax", "'\(text)' is neither true nor false",
        help: meant.map { "write \($0)" } ?? "write true or false")
}

/// Bytes as pairs of hexadecimal digits, with or without blanks between bytes: "00 0e 38 63", "000e3863".
public func parseHexBytes(_ text: String) throws(ValueError) -> [UInt8] {
    let expected = "write pairs of hexadecimal digits, as in \"00 0e 38 63\""
    var result: [UInt8] = []
    for group in text.utf8.split(separator: UInt8(ascii: " ")) {
        let digits = group.compactMap(hexDigit)
        guard digits.count == group.count else {
            throw ValueError(id: "hex-syntax", "'\(text)' is not hexadecimal", help: expected)
        }
        guard digits.count.isMultiple(of: 2) else {
            throw ValueError(
                id: "hex-syntax", "'\(Substring(group))' in '\(text)' has an odd number of digits",
                help: expected)
        }
        for index in stride(from: 0, to: digits.count, by: 2) {
            result.append(digits[index] << 4 | digits[index + 1])
        }
    }
    guard !result.isEmpty else {
        throw ValueError(id: "hex-syntax", "'\(text)' holds no byte", help: expected)
    }
    return result
}

/// Flags that must be set, and with "!" those that must not be: ["syn", "!ack"]. An item may hold several,
/// after commas.
public func parseTCPFlags(items: [String]) throws(ValueError) -> TCPFlagsMatch {
    var match = TCPFlagsMatch(mustBeSet: [], mustBeClear: [])
    let words = items.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
    for word in words.map({ $0.trimmed }) {
        let negated = word.hasPrefix("!")
        let name = negated ? word.dropFirst().trimmed : word
        let flag = try parseFlag(name)
        if negated { match.mustBeClear.insert(flag) } else { match.mustBeSet.insert(flag) }
    }
    guard !words.isEmpty else {
        throw ValueError(id: "empty-value", "no tcp flag is named", help: "write one, as in syn")
    }
    if let both = match.mustBeSet.intersection(match.mustBeClear).setNames.first {
        throw ValueError(
            id: "contradictory-flags", "tcp flag '\(both)' cannot be both set and not set",
            help: "remove '\(both)' or '!\(both)'")
    }
    return match
}

private func parseFlag(_ name: Substring) throws(ValueError) -> TCPFlags {
    if let flag = TCPFlags(name: name) { return flag }
    let names = TCPFlags.names.map(\.name)
    throw ValueError(
        id: "unknown-flag", name.isEmpty ? "a tcp flag is missing" : "unknown tcp flag '\(name)'",
        help: suggestion(for: name, among: names, expected: "use \(names.joined(separator: ", "))"))
}

/// `true` is every packet, `1/N` one in N, `false` none (nil).
public func parseLogRate(_ text: String) throws(ValueError) -> UInt32? {
    if text == "true" { return 1 }
    if text == "false" { return nil }
    guard text.hasPrefix("1/") else {
        throw ValueError(
            id: "log-syntax", "'\(text)' is no log rate", help: "write true, or 1/N for one packet in N")
    }
    do throws(ValueError) {
        return UInt32(
            clamping: try parseNumber(text.dropFirst(2), in: 1...UInt64(UInt32.max), named: "log rate"))
    } catch {
        guard error.id == "leading-zero" else { throw error }
        throw leadingZero(text, what: "log rate")
    }
}

extension Substring {
    /// Without blanks at both ends.
    fileprivate var trimmed: Substring {
        var result = drop { $0 == " " || $0 == "\t" }
        while let last = result.last, last == " " || last == "\t" { result.removeLast() }
        return result
    }
}
