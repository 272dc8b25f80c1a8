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
        var engine = try makeEngine(try scenario.policy(), try Scenario.banPrefixes())
        for one in cases where one.scenario == scenario && found.count < limit {
            let got = try engine.judge(one.frame)
            if got != one.expected {
                found.append(
                    "\(one.name): \(words(got)), not \(words(one.expected)), as \(one.why); "
                        + "frame \(hex(one.frame))"
                )
            }
        }
    }
    return found
}

extension ReplayEngine {
    mutating func judge(_ frame: [UInt8]) throws -> Judgement {
        try frame.withUnsafeBytes {
            try judge(
                CapturedFrame(
                    bytes: $0, originalLength: frame.count, timeNanoseconds: 1_000_000_000, interface: nil,
                    number: 1))
        }
    }
}

/// As in: `pass`, rule `web`; `drop`, malformed (tcp flags).
func words(_ judgement: Judgement) -> String {
    let why = judgement.rule.map { "rule `\($0)`" } ?? judgement.reason.rawValue
    return "`\(judgement.verdict.rawValue)`, \(why)"
        + (judgement.detail.isEmpty ? "" : " (\(judgement.detail))")
}
