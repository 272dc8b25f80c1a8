// SPDX-License-Identifier: Apache-2.0
// threshold.config to values, line by line: `threshold`, `event_filter`, `suppress`, `rate_filter`; and
// their application to a set of signatures.
import Diagnostics
import NetworkTypes

/// Loads a text in the syntax of Suricata's threshold.config. A line that is wrong is a diagnostic and hurts
/// no other.
public func loadThresholds(
    _ source: SourceText, settings: SignatureSettings = SignatureSettings()
) -> ThresholdConfiguration {
    var configuration = ThresholdConfiguration()
    let context = LoadContext(settings, StateNames())
    var reader = RuleReader(source)
    while let line = reader.rule() {
        do {
            let reader = HeaderSetReader<AddressSet>(variables: context.addressVariables, context: context)
            try configuration.read(line.slice, reader)
        } catch {
            if configuration.diagnostics.count < SignatureLimits.diagnostics {
                configuration.diagnostics.append(error.diagnostic(in: line))
            }
        }
    }
    return configuration
}

extension ThresholdConfiguration {
    fileprivate mutating func read(
        _ line: Slice, _ addresses: HeaderSetReader<AddressSet>
    ) throws(RuleProblem) {
        let end = line.firstIndex(where: \.isBlank) ?? line.endIndex
        let kind = line[..<end]
        let known = ["threshold", "event_filter", "suppress", "rate_filter"]
        guard known.contains(kind.text) else {
            throw RuleProblem(
                "bad-threshold", "'\(kind.text.prefix(32))' is no kind of threshold", at: kind.place,
                expected: known.map { "'\($0)'" }.joined(separator: ", "))
        }
        var pairs = try RatePairs(line[end...].trimmed, kind.text)
        let selection = SignatureSelection(
            gid: try pairs.number("gen_id", from: 0), sid: try pairs.number("sig_id", from: 0))
        switch kind.text {
        case "suppress":
            let suppression = try Self.suppression(&pairs, addresses)
            try pairs.end()
            suppressions.append((selection, suppression))
        case "rate_filter":
            let filter = try Self.rateFilter(&pairs)
            try pairs.end()
            rateFilters.append((selection, filter))
        default:
            let threshold = try pairs.threshold()
            try pairs.end()
            thresholds.append((selection, threshold))
        }
    }

    private static func suppression(
        _ pairs: inout RatePairs, _ addresses: HeaderSetReader<AddressSet>
    ) throws(RuleProblem) -> Suppression {
        guard let track = pairs.takeIfThere("track") else { return Suppression(side: nil, addresses: .all) }
        guard let side = Suppression.Side(rawValue: track.text) else {
            throw RuleProblem("track", value: track, expected: "'by_src', 'by_dst' or 'by_either'")
        }
        return Suppression(side: side, addresses: try addresses.read(try pairs.take("ip")))
    }

    private static func rateFilter(_ pairs: inout RatePairs) throws(RuleProblem) -> RateFilter {
        let word = try pairs.take("new_action")
        guard let action = SignatureAction(rawValue: word.text) else {
            throw RuleProblem("new_action", value: word, expected: "'alert', 'drop', 'pass' or 'reject'")
        }
        return RateFilter(
            tracking: try pairs.tracking(), count: try pairs.number("count", from: 1),
            seconds: try pairs.number("seconds", from: 1), action: action,
            timeout: try pairs.number("timeout", from: 0))
    }
}

extension SignatureSet {
    /// Gives the signatures what a threshold.config says of them. A signature's own `threshold` or
    /// `detection_filter` stays; of several lines the last one for a kind counts, suppressions add up.
    public mutating func apply(_ configuration: ThresholdConfiguration) {
        for index in signatures.indices {
            let signature = signatures[index]
            if signature.threshold == nil, signature.detectionFilter == nil,
                let line = configuration.thresholds.last(where: { $0.selection.selects(signature) })
            {
                signatures[index].threshold = line.threshold
            }
            for line in configuration.suppressions where line.selection.selects(signature) {
                signatures[index].suppressions.append(line.suppression)
            }
            if let line = configuration.rateFilters.last(where: { $0.selection.selects(signature) }) {
                signatures[index].rateFilter = line.filter
            }
        }
    }
}
