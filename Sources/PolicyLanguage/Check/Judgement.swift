// SPDX-License-Identifier: Apache-2.0
// What every evaluator answers for a packet.

public enum Verdict: String, Sendable, CaseIterable { case pass, drop, reject }

/// Why a packet met its verdict; raw values are the printable names.
public enum Reason: String, Sendable, CaseIterable {
    case rule, `default`, ban, limit, malformed, spoofed, fragment, failsafe, essential, established, flow
    case synCookie = "syn-cookie"
    case outbound
    case nonIP = "non-ip"
}

/// Whose sample a packet is.
public struct SampleMark: Hashable, Sendable {
    /// The inspector's name, and that of the rule that asked for it.
    public var inspector: String
    public var rule: String

    public init(inspector: String, rule: String) {
        self.inspector = inspector
        self.rule = rule
    }
}

/// A packet's verdict and all that explains it.
public struct Judgement: Hashable, Sendable {
    public var verdict: Verdict
    public var reason: Reason
    /// Which check (malformed, spoofed, also where the policy let the packet on), which essential traffic,
    /// which limit; else empty.
    public var detail = ""
    /// The rule that decided; nil where none did.
    public var rule: String?
    /// The rule or limit in monitor mode that would have dropped it; under a policy in monitor mode also the
    /// deciding limit or rule, or without one the reason's name.
    public var wouldDrop: String?
    /// It is sampled for an inspector, within its flow's budget; nil: it is not.
    public var sample: SampleMark?

    public init(
        _ verdict: Verdict, _ reason: Reason, detail: String = "", rule: String? = nil,
        wouldDrop: String? = nil
    ) {
        self.verdict = verdict
        self.reason = reason
        self.detail = detail
        self.rule = rule
        self.wouldDrop = wouldDrop
    }
}
