// SPDX-License-Identifier: Apache-2.0
// A flow that finds no place in the table of budgets, as other CPUs take each one that it tries: no run on
// one CPU shows that, so a copy of the program in which every such try fails is compiled and loaded. In: one
// packet that a rule wants inspected. Out: its sample is lost, and counted.
import Capture
import Foundation
import PolicyLanguage
import TestSupport
import Testing

@testable import Dataplane
@testable import Replay

@Suite(.serialized, .enabled(if: KernelTests.areWanted))
struct LostPlaceTests {
    private static let contended = Mutation(
        "every place is taken meanwhile", "stages/sample.bpf.h",
        "__sync_val_compare_and_swap(&line->tags[way], before, tag) != before",
        "__sync_val_compare_and_swap(&line->tags[way], before + 1, tag) != before + 1")

    /// An engine whose program is the source's, changed; and the counts of its samples.
    private func engine(_ mutation: Mutation?) throws -> (KernelReplayEngine, () throws -> SampleCounts?) {
        var policy = CheckedPolicy(name: "inspect")
        policy.defaultVerdict = .pass
        policy.inspectors = [Inspector(name: "all", range: World.range)]
        policy.rules = [Rule(name: "watch", action: .pass, range: World.range)]
        policy.rules[0].inspect = "all"
        let object = try compiledProgram(mutating: mutation)
        let loaded = LoadedPrograms()
        let engine = try KernelReplayEngine(policy: policy, bans: []) { image, _ in
            let program = try ReplayProgram(GuardObject(image, reusing: [:], elf: object))
            loaded.programs.append(program)
            return program
        }
        return (engine, { try loaded.programs.last?.state.sampleCounts() })
    }

    @Test(arguments: [nil, LostPlaceTests.contended])
    func `a flow without a place is a lost sample, which is counted`(mutation: Mutation?) throws {
        var (engine, counts) = try engine(mutation)
        let frame = try PacketBuilder("udp 192.0.2.7:4000 > 198.51.100.1:53").bytes
        for time in 0..<3 {
            let judged = try engine.judge(frame, at: 1_000_000_000 + Int64(time))
            #expect(judged.verdict == .pass && (judged.sample == nil) == (mutation != nil))
        }
        let found = try #require(try counts())
        #expect(found.lostPlace == (mutation == nil ? 0 : 3) && found.lost == found.lostPlace)
        #expect(found.flows == (mutation == nil ? 1 : 0) && found.forgotten == 0)
    }
}

/// Used by one test, one call after the other.
private final class LoadedPrograms: @unchecked Sendable {
    var programs: [ReplayProgram] = []
}
