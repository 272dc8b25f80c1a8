// SPDX-License-Identifier: Apache-2.0
// `--engine kernel`: the very XDP program, by BPF_PROG_TEST_RUN, on the capture's clock.
import Capture
import Dataplane
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage

public struct KernelReplayEngine: ReplayEngine {
    /// Loads a compiled policy.
    typealias ProgramLoader = @Sendable (GenerationImage) throws -> ReplayProgram

    private let policy: CheckedPolicy
    private let bans: [Prefix]
    private let loadProgram: ProgramLoader
    private var target = CompileTarget()
    private var program: ReplayProgram
    private var interfaces: [String: UInt32] = [:]

    /// - Parameter bans: banned from the first packet on, without an end.
    public init(policy: CheckedPolicy, bans: [Prefix]) throws {
        try self.init(policy: policy, bans: bans) { try ReplayProgram($0) }
    }

    init(policy: CheckedPolicy, bans: [Prefix], loadProgram: @escaping ProgramLoader) throws {
        self.policy = policy
        self.bans = bans
        self.loadProgram = loadProgram
        target.isReplay = true
        target.slots = Dictionary(
            policy.rules.enumerated().map { ($0.element.name, UInt32($0.offset)) },
            uniquingKeysWith: { first, _ in first })
        program = try Self.load(policy, target, bans, loadProgram)
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

    /// The index given to an interface name. A name that the program does not know yet, in a policy that
    /// asks for
    /// interfaces, is compiled in; the state goes on.
    private mutating func index(of name: String?) throws -> UInt32 {
        guard let name else { return 0 }
        if let known = interfaces[name] { return known }
        guard name == "lo" || policy.rules.contains(where: { $0.match.interface != nil }) else { return 0 }
        let index = UInt32(interfaces.count + 1)
        interfaces[name] = index
        target.interfaces.append(.init(name: name, index: index))
        program = try Self.load(policy, target, bans, loadProgram)
        return index
    }

    private static func load(
        _ policy: CheckedPolicy, _ target: CompileTarget, _ bans: [Prefix], _ loadProgram: ProgramLoader
    ) throws -> ReplayProgram {
        let image = try compile(policy, for: target)
        let program = try loadProgram(GenerationImage(config: image.config, tables: image.tables, info: []))
        for prefix in bans { _ = try program.state.add(Ban(prefix, since: 0, ends: nil, reason: ""), now: 0) }
        return program
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
