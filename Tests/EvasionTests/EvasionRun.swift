// SPDX-License-Identifier: Apache-2.0
// The suite through an engine: the table in, a line for each wrong judgement out.
import Capture
import NetworkTypes
import PolicyLanguage
import Replay

/// Makes an engine for a policy with bans.
typealias EngineMaker = @Sendable (CheckedPolicy, [Prefix]) throws -> any ReplayEngine

let modelEngine: EngineMaker = { ModelReplayEngine(policy: $0, bans: $1) }
let nativeEngine: EngineMaker = { try NativeReplayEngine(policy: $0, bans: $1) }
let kernelEngine: EngineMaker = { try KernelReplayEngine(policy: $0, bans: $1) }

/// - Parameter limit: stops behind so many wrong ones.
func failures(
    of cases: [EvasionCase], on makeEngine: EngineMaker, limit: Int = .max
) throws -> [String] {
    var found: [String] = []
    for scenario in Scenario.all where found.count < limit {
        var run = try EvasionRun(scenario, on: makeEngine)
        for one in cases where one.scenario == scenario && found.count < limit {
            found += try run.failures(of: one)
        }
    }
    return found
}

/// An engine with a scenario's policy, and its clock.
struct EvasionRun {
    private var engine: any ReplayEngine
    private var clock: Int64 = 1_000_000_000

    init(_ scenario: Scenario, on makeEngine: EngineMaker) throws {
        engine = try makeEngine(try scenario.policy(), try Scenario.banPrefixes())
    }

    /// The judgements of a case's frames, each at its time. The next case begins when this one has ended.
    mutating func judgements(of one: EvasionCase) throws -> [Judgement] {
        defer { clock += one.steps.map(\.at).max() ?? 0 }
        return try one.steps.map { try engine.judge($0.frame, at: clock + $0.at) }
    }

    /// A line for the first wrong judgement of a case.
    fileprivate mutating func failures(of one: EvasionCase) throws -> [String] {
        let wrong = zip(one.steps, try judgements(of: one)).first { $0.expected != $1 }
        guard let (step, got) = wrong else { return [] }
        let place = step.note.isEmpty ? "" : ", \(step.note)"
        return [
            "\(one.name)\(place): \(words(got)), not \(words(step.expected)), as \(one.why); "
                + "frame \(hex(step.frame))"
        ]
    }
}

extension ReplayEngine {
    /// - Parameter time: nanoseconds.
    mutating func judge(_ frame: [UInt8], at time: Int64) throws -> Judgement {
        try frame.withUnsafeBytes {
            try judge(
                CapturedFrame(
                    bytes: $0, originalLength: frame.count, timeNanoseconds: time, interface: nil, number: 1))
        }
    }
}

/// As in: `pass`, rule `web`; `drop`, malformed (tcp flags).
func words(_ judgement: Judgement) -> String {
    let why = judgement.rule.map { "rule `\($0)`" } ?? judgement.reason.rawValue
    return "`\(judgement.verdict.rawValue)`, \(why)"
        + (judgement.detail.isEmpty ? "" : " (\(judgement.detail))")
}
