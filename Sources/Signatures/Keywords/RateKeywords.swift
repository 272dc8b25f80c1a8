// SPDX-License-Identifier: Apache-2.0
// threshold and detection_filter: how often a signature reports. Their lists of `word value` pairs are read
// by `RatePairs`, which threshold.config has as well.

let rateKeywords: [String: KeywordHandler] = [
    "threshold": { draft, option throws(RuleProblem) in
        guard draft.signature.detectionFilter == nil, draft.signature.threshold == nil else {
            throw rateTwice(option)
        }
        var pairs = try RatePairs(try required(option, thresholdForm).plain, option.name)
        draft.signature.threshold = try pairs.threshold()
        try pairs.end()
    },
    "detection_filter": { draft, option throws(RuleProblem) in
        guard draft.signature.detectionFilter == nil, draft.signature.threshold == nil else {
            throw rateTwice(option)
        }
        let form = "as in 'track by_src, count 10, seconds 60'"
        var pairs = try RatePairs(try required(option, form).plain, option.name)
        let tracking = try pairs.tracking()
        let (count, seconds) = (try pairs.number("count", from: 1), try pairs.number("seconds", from: 1))
        var filter = DetectionFilter(tracking: tracking, count: count, seconds: seconds)
        filter.uniqueOn = try pairs.uniqueOn()
        draft.signature.detectionFilter = filter
        try pairs.end()
    },
]

private let thresholdForm = "as in 'type limit, track by_src, count 1, seconds 60'"

private func rateTwice(_ option: RuleOption) -> RuleProblem {
    RuleProblem(
        "duplicate-keyword", "the signature has a 'threshold' or 'detection_filter' already",
        at: option.place,
        help: "delete one of both")
}

/// `word value` pairs between commas, in any order, each once.
struct RatePairs {
    private var values: [String: Slice] = [:]
    private let whole: Slice
    private let keyword: String

    init(_ text: Slice, _ keyword: String) throws(RuleProblem) {
        whole = text
        self.keyword = keyword
        for part in Self.parts(text) where !part.isEmpty {
            let end = part.firstIndex(where: \.isBlank) ?? part.endIndex
            let word = part[..<end].text
            guard values.updateValue(part[end...].trimmed, forKey: word) == nil else {
                throw RuleProblem("duplicate-keyword", "'\(word)' stands twice", at: part.place)
            }
        }
    }

    /// Between commas that stand in no brackets: "ip [192.0.2.1,192.0.2.2]" is one.
    private static func parts(_ text: Slice) -> [Slice] {
        var parts: [Slice] = []
        var (depth, start) = (0, text.startIndex)
        for index in text.indices {
            switch text[index] {
            case UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: ",") where depth == 0:
                parts.append(text[start..<index].trimmed)
                start = index + 1
            default: break
            }
        }
        return parts + [text[start...].trimmed]
    }

    /// The value of a word that must stand there.
    mutating func take(_ word: String) throws(RuleProblem) -> Slice {
        guard let value = values.removeValue(forKey: word) else {
            throw RuleProblem(
                "no-value", "'\(word)' is missing", at: whole.place,
                expected: "'\(word) VALUE' among the others")
        }
        return value
    }

    mutating func takeIfThere(_ word: String) -> Slice? { values.removeValue(forKey: word) }

    mutating func number(_ word: String, from low: UInt64) throws(RuleProblem) -> UInt32 {
        let value = try take(word)
        guard let number = value.number, number >= low, let result = UInt32(exactly: number) else {
            throw RuleProblem(word, value: value, expected: "a number from \(low) to 4294967295")
        }
        return result
    }

    mutating func tracking() throws(RuleProblem) -> RateTracking {
        let value = try take("track")
        guard let tracking = RateTracking(rawValue: value.text) else {
            throw RuleProblem(
                "track", value: value, expected: "'by_src', 'by_dst', 'by_rule', 'by_both' or 'by_flow'")
        }
        return tracking
    }

    mutating func threshold() throws(RuleProblem) -> Threshold {
        let value = try take("type")
        guard let kind = Threshold.Kind(rawValue: value.text) else {
            throw RuleProblem("type", value: value, expected: "'limit', 'threshold', 'both' or 'backoff'")
        }
        let tracking = try tracking()
        let count = try number("count", from: 1)
        // A span that is given with backoff has no effect, and is read all the same.
        let isBackoff = kind == .backoff
        let seconds = isBackoff ? 0 : try number("seconds", from: 1)
        var threshold = Threshold(kind: kind, tracking: tracking, count: count, seconds: seconds)
        if isBackoff { threshold.multiplier = try number("multiplier", from: 2) }
        return threshold
    }

    mutating func uniqueOn() throws(RuleProblem) -> DetectionFilter.Port? {
        guard let value = takeIfThere("unique_on") else { return nil }
        guard let port = DetectionFilter.Port(rawValue: value.text) else {
            throw RuleProblem("unique_on", value: value, expected: "'src_port' or 'dst_port'")
        }
        return port
    }

    /// Says what is left, which nobody asked for.
    func end() throws(RuleProblem) {
        guard let left = values.min(by: { $0.key < $1.key }) else { return }
        throw RuleProblem(
            "bad-value", "'\(left.key)' is no part of '\(keyword)'", at: whole.place,
            help: "delete '\(left.key)'")
    }
}
