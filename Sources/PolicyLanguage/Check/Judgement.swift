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

/// Whose sample a packet is. By reference, as a judgement's words are.
public struct SampleMark: Hashable, Sendable {
    private let names: Names

    /// The inspector's name.
    public var inspector: String { names.inspector }
    /// That of the rule that asked for it.
    public var rule: String { names.rule }

    public init(inspector: String, rule: String) {
        names = Names(inspector, rule)
    }

    public static func == (one: SampleMark, other: SampleMark) -> Bool {
        one.names === other.names || one.inspector == other.inspector && one.rule == other.rule
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(inspector)
        hasher.combine(rule)
    }

    private final class Names: Sendable {
        let inspector: String
        let rule: String

        init(_ inspector: String, _ rule: String) { (self.inspector, self.rule) = (inspector, rule) }
    }
}

/// A packet's verdict and all that explains it. Its words are held by reference: most packets are judged as
/// the one before, and five texts that are copied with each would cost more than to judge it.
public struct Judgement: Hashable, Sendable {
    public var verdict: Verdict
    public var reason: Reason
    private var explanation: Explanation

    public init(
        _ verdict: Verdict, _ reason: Reason, detail: String = "", rule: String? = nil,
        wouldDrop: String? = nil
    ) {
        self.verdict = verdict
        self.reason = reason
        explanation = Explanation(Words(detail: detail, rule: rule, wouldDrop: wouldDrop))
    }

    /// Which check (malformed, spoofed, also where the policy let the packet on), which essential traffic,
    /// which limit; else empty.
    public var detail: String {
        get { explanation.words.detail }
        set { change { $0.detail = newValue } }
    }
    /// The rule that decided; nil where none did.
    public var rule: String? {
        get { explanation.words.rule }
        set { change { $0.rule = newValue } }
    }
    /// The rule or limit in monitor mode that would have dropped it; under a policy in monitor mode also the
    /// deciding limit or rule, or without one the reason's name.
    public var wouldDrop: String? {
        get { explanation.words.wouldDrop }
        set { change { $0.wouldDrop = newValue } }
    }
    /// It is sampled for an inspector, within its flow's budget; nil: it is not.
    public var sample: SampleMark? {
        get { explanation.words.sample }
        set { change { $0.sample = newValue } }
    }

    public static func == (one: Judgement, other: Judgement) -> Bool {
        one.verdict == other.verdict && one.reason == other.reason
            && (one.explanation === other.explanation || one.explanation.words == other.explanation.words)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(verdict)
        hasher.combine(reason)
        hasher.combine(explanation.words)
    }

    private mutating func change(_ body: (inout Words) -> Void) {
        var words = explanation.words
        body(&words)
        explanation = Explanation(words)
    }

    private struct Words: Hashable {
        var detail: String
        var rule: String?
        var wouldDrop: String?
        var sample: SampleMark?
    }

    private final class Explanation: Sendable {
        let words: Words
        init(_ words: Words) { self.words = words }
    }
}
