// SPDX-License-Identifier: Apache-2.0
// A replay's results as the lines that `replay` prints.
import Diagnostics
import JSONOutput
import PolicyLanguage

extension ReplayedPacket {
    /// One line of NDJSON.
    public var json: JSONValue {
        var members: [(String, JSONValue)] = [
            ("packet", .integer(Int64(number))), ("time", .string(timestamp(nanoseconds: timeNanoseconds))),
            ("length", .integer(Int64(length))), ("flow", .string(flow)),
            ("verdict", .string(judgement.verdict.rawValue)), ("reason", .string(judgement.reason.rawValue)),
            ("detail", .string(judgement.detail)), ("rule", judgement.rule.map(JSONValue.string) ?? .null),
            ("sampled", .bool(judgement.sample != nil)),
        ]
        if let rule = judgement.wouldDrop { members.append(("would_drop", .string(rule))) }
        if isOutbound { members.append(("direction", "out")) }
        if let place {
            members.append(("capture", .string(place.path)))
            members.append(("capture_packet", .integer(Int64(place.number))))
        }
        return .object(members)
    }

    /// One line for people: number, verdict, why, what.
    public var text: String {
        var why = judgement.reason.rawValue
        if let rule = judgement.rule { why += " '\(rule)'" }
        if !judgement.detail.isEmpty { why += " (\(judgement.detail))" }
        if let rule = judgement.wouldDrop { why += ", would drop: \(rule)" }
        let place = place.map { " (\($0.path): \($0.number))" } ?? ""
        return printable(
            "\(number)\(place) \(judgement.verdict.rawValue) \(why): \(flow.isEmpty ? "not IP" : flow)")
    }
}

extension ReplaySummary {
    public var json: JSONValue {
        let reasons = Reason.allCases.compactMap { reason in
            self.reasons[reason].map { (reason.rawValue, JSONValue.integer(Int64($0))) }
        }
        let rules = self.rules.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.integer(Int64($0.value))) }
        return .object([
            (
                "summary",
                .object([
                    ("packets", .integer(Int64(packets))), ("pass", count(.pass)), ("drop", count(.drop)),
                    ("reject", count(.reject)), ("reasons", .object(reasons)), ("rules", .object(rules)),
                    ("alerts", .integer(Int64(alerts))),
                ])
            )
        ])
    }

    public var text: String {
        var lines = [
            "\(packets) packets: \(verdicts[.pass, default: 0]) passed, "
                + "\(verdicts[.drop, default: 0]) dropped, \(verdicts[.reject, default: 0]) rejected"
        ]
        for reason in Reason.allCases {
            if let n = reasons[reason] { lines.append("  \(reason.rawValue): \(n)") }
        }
        for (rule, n) in rules.sorted(by: { $0.key < $1.key }) {
            lines.append(printable("  rule '\(rule)': \(n)"))
        }
        if alerts > 0 { lines.append("  alerts: \(alerts)") }
        return lines.joined(separator: "\n")
    }

    private func count(_ verdict: Verdict) -> JSONValue { .integer(Int64(verdicts[verdict, default: 0])) }
}
