// SPDX-License-Identifier: Apache-2.0
// `--engine kernel`: the very XDP program, by BPF_PROG_TEST_RUN, on the capture's clock.
import Capture
import Dataplane
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage

public struct KernelReplayEngine: ReplayEngine {
    private let policy: CheckedPolicy
    private var target = CompileTarget()
    private var program: ReplayProgram
    /// The index given to each name met so far, and to each kind of name.
    private var interfaces: [String: UInt32] = [:]
    private var kinds: [InterfaceKind: UInt32] = [:]

    /// - Parameters:
    ///   - bans: banned from the first packet on, without an end.
    ///   - ownAddresses: spoofed as sources; on a live interface this host's, in a replay none.
    public init(policy: CheckedPolicy, bans: [Prefix], ownAddresses: [IPAddress] = []) throws {
        self.policy = policy
        target.isReplay = true
        target.ownAddresses = ownAddresses
        target.slots = Dictionary(
            policy.rules.enumerated().map { ($0.element.name, UInt32($0.offset)) },
            uniquingKeysWith: { first, _ in first })
        // Loopback from the start: captures of it are common, and each load of the program takes its time.
        target.interfaces = [.init(name: "lo", index: 1)]
        kinds = [InterfaceKind("", policy): 0, InterfaceKind("lo", policy): 1]
        program = try Self.load(policy, target)
        for prefix in bans { _ = try program.state.add(Ban(prefix, since: 0, ends: nil, reason: ""), now: 0) }
    }

    public mutating func judge(_ frame: CapturedFrame) throws -> Judgement {
        let interface = try index(of: frame.interface)
        let time = UInt64(max(0, frame.timeNanoseconds))
        guard frame.bytes.count >= 14 else { return try judgeShort(time, interface) }
        return judgement(try program.run(frame.bytes, nanoseconds: time, interface: interface))
    }

    /// The kernel runs no frame below 14 bytes. One that ends behind a tag's ethertype is as unreadable;
    /// only its name differs.
    private func judgeShort(_ time: UInt64, _ interface: UInt32) throws -> Judgement {
        let endsInTag: [UInt8] = [UInt8](repeating: 0, count: 12) + [0x81, 0x00]
        let answer = try endsInTag.withUnsafeBytes {
            try program.run($0, nanoseconds: time, interface: interface)
        }
        var result = judgement(answer)
        result.detail = String(cString: guard_detail_name(GUARD_DETAIL_TRUNCATED_ETHERNET))
        return result
    }

    private func judgement(_ answer: ProgramAnswer) -> Judgement {
        var result = Judgement(Verdict(answer.verdict), Reason(answer.reason))
        result.detail = String(cString: guard_detail_name(answer.detail))
        result.rule = answer.ruleSlot.map(ruleName)
        if answer.wouldDrop {
            result.wouldDrop = answer.wouldDropSlot.map(ruleName) ?? result.reason.rawValue
        }
        return result
    }

    /// In a replay a rule's slot is its position.
    private func ruleName(_ slot: UInt32) -> String {
        policy.rules.indices.contains(Int(slot)) ? policy.rules[Int(slot)].name : "slot \(slot)"
    }

    /// The index given to an interface name. Names that no rule tells apart share one; a new kind of name is
    /// compiled in, and the state goes on.
    private mutating func index(of name: String?) throws -> UInt32 {
        guard let name else { return 0 }
        if let known = interfaces[name] { return known }
        let kind = InterfaceKind(name, policy)
        let index = try kinds[kind] ?? add(name)
        kinds[kind] = index
        interfaces[name] = index
        return index
    }

    private mutating func add(_ name: String) throws -> UInt32 {
        let index = UInt32(target.interfaces.count + 1)
        target.interfaces.append(.init(name: name, index: index))
        program = try Self.load(policy, target, continuing: program.state)
        return index
    }

    private static func load(
        _ policy: CheckedPolicy, _ target: CompileTarget, continuing state: SharedState? = nil
    ) throws -> ReplayProgram {
        let image = try compile(policy, for: target)
        return try ReplayProgram(
            GenerationImage(config: image.config, tables: image.tables, info: []), continuing: state)
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
