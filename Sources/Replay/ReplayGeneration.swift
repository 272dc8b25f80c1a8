// SPDX-License-Identifier: Apache-2.0
// What the engines that run the XDP program's code share: the policy compiled for a replay, which interface has
// which index, and the program's answers in words.
import Dataplane
import GuardABI
import MapCompiler
import PolicyLanguage

struct ReplayGeneration {
    private let ruleNames: [String]
    private let policy: CheckedPolicy
    private let asksForInterfaces: Bool
    private var target = CompileTarget()
    private var interfaces: [String: UInt32] = [:]

    init(policy: CheckedPolicy) {
        self.policy = policy
        ruleNames = policy.rules.map(\.name)
        asksForInterfaces = policy.rules.contains { $0.match.interface != nil }
        target.isReplay = true
        target.slots = Dictionary(
            ruleNames.enumerated().map { ($0.element, UInt32($0.offset)) },
            uniquingKeysWith: { first, _ in first })
    }

    func image() throws(CompileError) -> MapImage { try compile(policy, for: target) }

    /// The index given to an interface name, 0 where the policy asks for none. With `isNew` the image must be
    /// compiled and loaded again before the program knows the name.
    mutating func index(of name: String?) -> (index: UInt32, isNew: Bool) {
        guard let name, asksForInterfaces || name == "lo" else { return (0, false) }
        if let known = interfaces[name] { return (known, false) }
        let index = UInt32(interfaces.count + 1)
        interfaces[name] = index
        target.interfaces.append(.init(name: name, index: index))
        return (index, true)
    }

    func judgement(_ answer: ProgramAnswer) -> Judgement {
        var result = Judgement(Verdict(answer.verdict), Words.reason(answer.reason))
        result.detail = Words.detail(answer.detail)
        result.rule = answer.ruleSlot.map(ruleName)
        if answer.wouldDrop {
            result.wouldDrop = answer.wouldDropSlot.map(ruleName) ?? result.reason.rawValue
        }
        return result
    }

    /// In a replay a rule's slot is its position.
    private func ruleName(_ slot: UInt32) -> String {
        ruleNames.indices.contains(Int(slot)) ? ruleNames[Int(slot)] : "slot \(slot)"
    }
}

extension Verdict {
    init(_ verdict: guard_verdict) {
        switch verdict {
        case GUARD_PASS: self = .pass
        case GUARD_REJECT: self = .reject
        default: self = .drop
        }
    }
}

extension Reason {
    /// The ABI's printable names are this type's raw values; a test holds them together.
    init(_ reason: guard_reason) {
        self = Reason(rawValue: String(cString: guard_reason_name(reason))) ?? .default
    }
}

/// The ABI's words, made once: a conversion from C text costs more than a packet.
private enum Words {
    private static let reasons = (0..<GUARD_REASONS.rawValue).map { Reason(guard_reason(rawValue: $0)) }
    private static let details = (0..<GUARD_DETAILS.rawValue).map {
        String(cString: guard_detail_name(guard_detail(rawValue: $0)))
    }

    static func reason(_ reason: guard_reason) -> Reason {
        reasons.indices.contains(Int(reason.rawValue)) ? reasons[Int(reason.rawValue)] : .default
    }

    static func detail(_ detail: guard_detail) -> String {
        details.indices.contains(Int(detail.rawValue)) ? details[Int(detail.rawValue)] : "unknown"
    }
}
