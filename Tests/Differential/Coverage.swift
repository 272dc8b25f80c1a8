// SPDX-License-Identifier: Apache-2.0
// What a run has met: how often each reason, each detail, and each match key in a rule that decided.
import GuardABI
import PolicyLanguage
import TestSupport

/// Counts that add up.
struct Coverage: Sendable {
    private(set) var packets = 0
    private(set) var reasons: [Reason: Int] = [:]
    private(set) var details: [String: Int] = [:]
    /// Rules that held, by the names of their keys.
    private(set) var keys: [String: Int] = [:]
    /// Sampled packets: those that came in, later fragments, and this host's.
    private(set) var samples: [String: Int] = [:]

    static let allSamples = ["received", "later fragment", "sent"]

    /// Details that packets can have in a replay, in the ABI's order: there nobody inspects, so that no
    /// inspector is overloaded.
    static let allDetails: [String] = (1..<GUARD_DETAILS.rawValue)
        .filter { $0 != GUARD_DETAIL_OVERLOAD.rawValue }
        .map { String(cString: guard_detail_name(guard_detail(rawValue: $0))) }

    /// Random limits by their names: with reason `limit` the name is the detail.
    static let allLimits = SeededGenerator.limitKinds.keys.sorted()

    static let allKeys = [
        "source", "destination", "service", "source-port", "tcp-flags", "family", "interface", "vlan",
        "inner-vlan", "length", "ttl", "dscp", "fragment", "ip-options", "payload", "state",
    ]

    /// What the run has not met.
    var missing: [String] {
        Reason.allCases.filter { reasons[$0] == nil }.map(\.rawValue)
            + (Self.allDetails + Self.allLimits).filter { details[$0] == nil }
            + Self.allKeys.filter { keys[$0] == nil }
            + Self.allSamples.filter { samples[$0] == nil }.map { "sampled: " + $0 }
    }

    mutating func add(_ other: Coverage) {
        packets += other.packets
        reasons.merge(other.reasons, uniquingKeysWith: +)
        details.merge(other.details, uniquingKeysWith: +)
        keys.merge(other.keys, uniquingKeysWith: +)
        samples.merge(other.samples, uniquingKeysWith: +)
    }

    /// One line for each kind.
    var text: String {
        func line(_ kind: String, _ counts: [(String, Int)]) -> String {
            "\(kind): " + counts.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
        }
        return [
            line(
                "reasons",
                Reason.allCases.compactMap { reason in reasons[reason].map { (reason.rawValue, $0) } }),
            line("details", Self.allDetails.map { ($0, details[$0, default: 0]) }),
            line("limits", Self.allLimits.map { ($0, details[$0, default: 0]) }),
            line("sampled", Self.allSamples.map { ($0, samples[$0, default: 0]) }),
            line("keys of rules that decided", Self.allKeys.map { ($0, keys[$0, default: 0]) }),
        ].joined(separator: "\n")
    }
}

extension Coverage {
    /// Collects a situation's judgements; cheap for each packet, summed up at the end.
    struct Tally {
        private var coverage = Coverage()
        private var ruleCounts: [Int]

        init(_ draft: PolicyDraft) { ruleCounts = [Int](repeating: 0, count: draft.rules.count) }

        mutating func add(_ judgement: Judgement) {
            coverage.packets += 1
            coverage.reasons[judgement.reason, default: 0] += 1
            if !judgement.detail.isEmpty { coverage.details[judgement.detail, default: 0] += 1 }
            if judgement.sample != nil {
                let kind =
                    judgement.reason == .outbound
                    ? "sent" : judgement.reason == .fragment ? "later fragment" : "received"
                coverage.samples[kind, default: 0] += 1
            }
            // Random rules are called by their position: "r12".
            guard let name = judgement.rule else { return }
            let number = name.utf8.dropFirst().reduce(0) { $0 * 10 + Int($1 & 15) }
            if ruleCounts.indices.contains(number) { ruleCounts[number] += 1 }
        }

        func sum(_ draft: PolicyDraft) -> Coverage {
            var sum = coverage
            for (rule, count) in zip(draft.rules, ruleCounts) where count > 0 {
                for entry in rule where Coverage.allKeys.contains(entry.key) {
                    sum.keys[entry.key, default: 0] += count
                }
            }
            return sum
        }
    }
}
