// SPDX-License-Identifier: Apache-2.0
// The words of limits and inspectors in, their values out: "source/24", "ban 10m", "1/100".
import Diagnostics
import NetworkTypes

/// `source`, `source/N`, `destination`, `source+service`, `connection`, `rule`.
func parseLimitKey(_ text: String) throws(ValueError) -> LimitKey {
    switch text {
    case "source": return .source(ipv4Prefix: 32)
    case "destination": return .destination
    case "source+service": return .sourceAndService
    case "connection": return .connection
    case "rule": return .rule
    default: break
    }
    guard text.hasPrefix("source/") else {
        let words = ["source", "source/24", "destination", "source+service", "connection", "rule"]
        throw ValueError(
            id: "unknown-word", "'\(text)' is no value of 'per'",
            help: suggestion(for: text, among: words, expected: "use \(words.joined(separator: ", "))"))
    }
    do throws(ValueError) {
        return .source(
            ipv4Prefix: UInt8(
                clamping: try parseNumber(text.dropFirst(7), in: 1...32, named: "prefix length")))
    } catch {
        let help =
            error.id == "leading-zero"
            ? "write \(withoutLeadingZeros(text))" : "write source/N with N from 1 to 32"
        throw ValueError(id: error.id, error.message, help: help)
    }
}

func parseIPv6PrefixLength(_ text: String) throws(ValueError) -> UInt8 {
    UInt8(clamping: try parseNumber(text, in: 1...128, named: "prefix length"))
}

func parseLimitExcess(_ text: String) throws(ValueError) -> LimitExcess {
    if text == "drop" { return .drop }
    if let duration = try banDuration(text) { return .ban(nanoseconds: duration) }
    throw ValueError(id: "unknown-word", "'\(text)' is no value of 'over'", help: "write drop, or ban 10m")
}

func parseMatchResponse(_ text: String) throws(ValueError) -> MatchResponse {
    if text == "alert" { return .alert }
    if text == "drop-flow" { return .dropFlow }
    if let duration = try banDuration(text) { return .ban(nanoseconds: duration) }
    throw ValueError(
        id: "unknown-word", "'\(text)' is no value of 'on-match'",
        help: suggestion(
            for: text, among: ["alert", "drop-flow"], expected: "write alert, drop-flow, or ban 10m"))
}

/// Nanoseconds of `ban D`; nil where the text starts otherwise.
private func banDuration(_ text: String) throws(ValueError) -> Int64? {
    if text == "ban" {
        throw ValueError(
            id: "duration-syntax", "'ban' has no duration", help: "write for how long, as in ban 10m")
    }
    guard text.hasPrefix("ban ") else { return nil }
    return try parseDuration(String(text.dropFirst(4).drop { $0 == " " }))
}

/// What a full bucket holds, in the unit that its rate has.
func parseBurst(_ text: String, for rate: Rate) throws(ValueError) -> Burst {
    let burst: Burst
    do throws(ValueError) {
        switch rate {
        case .packets: burst = .packets(try parseCount(text))
        case .bits: burst = .bytes(try parseSize(text))
        }
    } catch {
        guard error.id != "leading-zero", error.id != "out-of-range" else { throw error }
        throw ValueError(id: error.id, error.message, help: burstHelp(text, rate) ?? error.help)
    }
    guard burst != .packets(0), burst != .bytes(0) else {
        throw ValueError(
            id: "zero-value", "a burst of '\(text)' lets nothing pass", help: "write a number above zero")
    }
    return burst
}

private func burstHelp(_ text: String, _ rate: Rate) -> String? {
    switch rate {
    case .packets where (try? parseSize(text)) != nil:
        "the rate counts packets: write packets here too, as in 2000"
    case .bits where (try? parseCount(text)) != nil: "the rate counts bits: write a size here, as in 256 KiB"
    default: nil
    }
}

/// `1`, `100` or `1/100`: one flow in so many.
func parseFlowShare(_ text: String) throws(ValueError) -> UInt32 {
    let digits = text.hasPrefix("1/") ? String(text.dropFirst(2)) : text
    return UInt32(
        clamping: try atLeastOne(parseCount(digits), most: UInt64(UInt32.max), text, named: "share of flows"))
}

func parseSampledPackets(_ text: String) throws(ValueError) -> UInt32 {
    UInt32(
        clamping: try atLeastOne(parseCount(text), most: UInt64(UInt32.max), text, named: "number of packets")
    )
}

func parseSampledBytes(_ text: String) throws(ValueError) -> UInt64 {
    try atLeastOne(parseSize(text), most: 1 << 40, text, named: "number of bytes")
}

func parseProtocolName(_ text: String) throws(ValueError) -> String { try parseName(text) }

/// The number of `text`, which must be at least 1.
private func atLeastOne(
    _ number: UInt64, most: UInt64, _ text: String, named what: String
) throws(ValueError) -> UInt64 {
    guard number > 0, number <= most else {
        throw ValueError(id: "out-of-range", "\(what) '\(text)' is out of range", help: "use 1 to \(most)")
    }
    return number
}
