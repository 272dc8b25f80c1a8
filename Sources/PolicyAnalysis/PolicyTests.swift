// SPDX-License-Identifier: Apache-2.0
// Runs a policy's own `tests:` through the reference firewall: a checked policy in, one result a test out.
import Diagnostics
import NetworkTypes
import PolicyLanguage
import ReferenceFirewall

/// What became of one of a policy's own tests.
public struct PolicyTestResult: Sendable {
    /// The test as the policy has it.
    public let test: PolicyTest
    /// What happened to its packet.
    public let judgement: Judgement
    /// What was expected and what happened instead; nil where the test passed.
    public let failure: Diagnostic?

    /// Whether all that the test asks for happened.
    public var passed: Bool { failure == nil }
}

/// Judges the packet of each test by itself, in order.
/// - Parameter now: the packets' time, nanoseconds since 1970-01-01T00:00Z; `expires` is compared with it.
public func runPolicyTests(_ policy: CheckedPolicy, now: Int64) -> [PolicyTestResult] {
    policy.tests.map { test in
        var firewall = ReferenceFirewall(policy: policy)
        var frame = ReferenceFrame(
            bytes: test.packet.frame(), timeNanoseconds: now, interface: test.packet.interface)
        frame.isEstablished = test.packet.established
        let judgement = firewall.judge(frame)
        return PolicyTestResult(test: test, judgement: judgement, failure: failure(test, judgement, policy))
    }
}

private func failure(_ test: PolicyTest, _ judgement: Judgement, _ policy: CheckedPolicy) -> Diagnostic? {
    let verdictIsRight = test.verdict.map { $0.rawValue == judgement.verdict.rawValue } ?? true
    let ruleIsRight = test.rule.map { $0 == judgement.rule } ?? true
    let reasonIsRight = test.reason.map { $0 == judgement.reason.rawValue } ?? true
    if verdictIsRight, ruleIsRight, reasonIsRight { return nil }
    let deciding = policy.rules.first { $0.name == judgement.rule }
    return Diagnostic(
        id: "test-failed", "expected \(expectation(test)), got \(outcome(judgement, deciding))",
        at: test.range,
        label: "this packet meets '\(judgement.verdict.rawValue)'",
        related: deciding.map { [Diagnostic.Label($0.range, "this rule decided it")] } ?? [],
        help: "change the expectation, or the rule that should decide the packet")
}

/// As in: 'drop' by rule 'ssh'.
private func expectation(_ test: PolicyTest) -> String {
    var words: [String] = []
    if let verdict = test.verdict { words.append("'\(verdict.rawValue)'") }
    if let rule = test.rule { words.append("by rule '\(rule)'") }
    if let reason = test.reason { words.append("with reason '\(reason)'") }
    return words.joined(separator: " ")
}

/// As in: 'pass' by rule 'web' on line 12; 'drop' with reason 'malformed' (tcp flags).
private func outcome(_ judgement: Judgement, _ deciding: Rule?) -> String {
    let verdict = "'\(judgement.verdict.rawValue)'"
    if let deciding { return "\(verdict) by rule '\(deciding.name)' on line \(deciding.range.line)" }
    let detail = judgement.detail.isEmpty ? "" : " (\(judgement.detail))"
    return "\(verdict) with reason '\(judgement.reason.rawValue)'\(detail)"
}
