// SPDX-License-Identifier: Apache-2.0
// What the engines that run the XDP program's code share: the policy compiled for a replay, which interface
// has which index, and the program's answers in words.
import Dataplane
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage

struct ReplayGeneration {
    private let ruleNames: [String]
    private let limitNames: [String]
    private let inspectorNames: [String]
    private let policy: CheckedPolicy
    private var target = CompileTarget()
    /// The index given to each name met so far, and to each kind of name.
    private var interfaces: [String: UInt32] = [:]
    private var kinds: [InterfaceKind: UInt32] = [:]

    /// - Parameter ownAddresses: spoofed as sources.
    init(policy: CheckedPolicy, ownAddresses: [IPAddress], options: EngineOptions) {
        self.policy = policy
        target.classifier = options.classifier
        target.bucketLines = options.bucketLines
        target.sampleLines = options.sampleLines
        ruleNames = policy.rules.map(\.name)
        limitNames = policy.limits.map(\.name)
        inspectorNames = policy.inspectors.map(\.name)
        target.isReplay = true
        target.ownAddresses = ownAddresses
        target.slots = Dictionary(
            ruleNames.enumerated().map { ($0.element, UInt32($0.offset)) },
            uniquingKeysWith: { first, _ in first })
        // Loopback from the start: captures of it are common, and each load of a program takes its time.
        target.interfaces = [.init(name: "lo", index: 1)]
        kinds = [InterfaceKind("", policy): 0, InterfaceKind("lo", policy): 1]
    }

    /// What the engines are told beside the image; nothing where no rule inspects.
    func scopes(_ options: EngineOptions) -> [SampleScope] {
        guard policy.inspects else { return [] }
        return options.sampleScopes.prefix(min(policy.inspectors.count, Int(GUARD_SCOPES))).map {
            SampleScope($0, inspectorsSeed: policy.inspectorsSeed)
        }
    }

    func image() throws(CompileError) -> MapImage { try compile(policy, for: target) }

    /// The index given to an interface name; names that no rule tells apart share one, 0 is that of none.
    /// With `isNew` the image must be compiled and loaded again before the program knows the name.
    mutating func index(of name: String?) -> (index: UInt32, isNew: Bool) {
        guard let name else { return (0, false) }
        if let known = interfaces[name] { return (known, false) }
        let kind = InterfaceKind(name, policy)
        if let known = kinds[kind] {
            interfaces[name] = known
            return (known, false)
        }
        let index = UInt32(target.interfaces.count + 1)
        target.interfaces.append(.init(name: name, index: index))
        kinds[kind] = index
        interfaces[name] = index
        return (index, true)
    }

    func judgement(_ answer: ProgramAnswer) -> Judgement {
        var result = Judgement(Verdict(answer.verdict), Words.reason(answer.reason))
        result.detail = Words.detail(answer.detail)
        // Methods as values would copy all of this for each packet.
        if let slot = answer.ruleSlot { result.rule = ruleName(slot) }
        if let limit = answer.limitSlot { result.detail = limitName(limit) }
        if answer.wouldDrop {
            result.wouldDrop = result.reason.rawValue
            if let limit = answer.wouldDropLimit { result.wouldDrop = limitName(limit) }
            if let slot = answer.wouldDropSlot { result.wouldDrop = ruleName(slot) }
        }
        if let sample = answer.sample { result.sample = mark(sample) }
        return result
    }

    /// Flows can be dropped.
    var inspects: Bool { policy.inspects }

    /// Whose sample the program says that a packet is.
    func mark(_ sample: ProgramSample) -> SampleMark? {
        guard inspectorNames.indices.contains(Int(sample.inspector)) else { return nil }
        return SampleMark(
            inspector: inspectorNames[Int(sample.inspector)], rule: ruleName(sample.ruleSlot))
    }

    /// In a replay a rule's slot is its position.
    private func ruleName(_ slot: UInt32) -> String {
        ruleNames.indices.contains(Int(slot)) ? ruleNames[Int(slot)] : "slot \(slot)"
    }
}

extension ReplayGeneration {
    /// In a replay a limit's slot is its position.
    private func limitName(_ slot: UInt32) -> String {
        limitNames.indices.contains(Int(slot)) ? limitNames[Int(slot)] : "slot \(slot)"
    }
}

/// All that a policy can tell of an interface's name.
private struct InterfaceKind: Hashable {
    /// For each rule with an `interface` key, whether it holds.
    var holds: [Bool]
    var isLoopback: Bool

    init(_ name: String, _ policy: CheckedPolicy) {
        holds = policy.rules.compactMap { $0.match.interface?.holds(name) }
        isLoopback = name == "lo"
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
