// SPDX-License-Identifier: Apache-2.0
// The program `differential`: its options, what it counts, and a run of a few packets.
import ArgumentParser
import PolicyLanguage
import TestSupport
import Testing

@testable import differential

struct DifferentialProgramTests {
    @Test func `engines are compared in the order in which they are named`() throws {
        let native = EngineChoice.native(linearBytes: nil)
        #expect(try Differential.parse(["--engines", "native,model"]).chosenEngines() == [native, .model])
        let all = try Differential.parse([]).chosenEngines()
        #expect(all == (KernelTests.areWanted ? [.model, native, .kernel] : [.model, native]))
    }

    @Test(arguments: ["model", "model,model", "model,nativ", ""])
    func `engines that leave nothing to compare are refused`(engines: String) throws {
        let program = try Differential.parse(["--engines", engines])
        #expect(throws: ValidationError.self) { try program.chosenEngines() }
    }

    @Test(arguments: [["--packets", "0"], ["--minutes", "0"], ["--frames", "0"], ["--jobs", "0"]])
    func `a run of nothing is a wrong call`(arguments: [String]) {
        #expect(throws: (any Error).self) { try Differential.parse(arguments) }
    }

    @Test func `a run compares as many packets as asked for, by whole situations, on any number of threads`()
        async
    {
        var plan = RunPlan(seed: 2, engines: [.model, .native(linearBytes: nil)])
        (plan.packets, plan.framesPerSituation) = (350, 100)
        let one = await Run(plan).run()
        plan.jobs = 3
        let three = await Run(plan).run()
        #expect(one.situations == 4 && one.coverage.packets == 400)
        #expect(three.situations == 4 && three.coverage.reasons == one.coverage.reasons)
        #expect(one.failure == nil && three.failure == nil)
    }

    @Test func `what rules decided is counted by their keys, the rest by reason and detail`() {
        var draft = PolicyDraft()
        draft.rules = [
            [.init("name", "r0"), .init("ttl", "1"), .init("action", "drop")],
            [.init("name", "r1"), .init("ttl", "2"), .init("vlan", "3"), .init("action", "pass")],
        ]
        var tally = Coverage.Tally(draft)
        tally.add(Judgement(.drop, .rule, rule: "r0"))
        tally.add(Judgement(.pass, .rule, rule: "r1"))
        tally.add(Judgement(.drop, .malformed, detail: "tcp flags"))
        tally.add(Judgement(.drop, .rule, rule: "r77"))
        var sum = tally.sum(draft)
        sum.add(sum)
        #expect(sum.packets == 8)
        #expect(sum.keys == ["ttl": 4, "vlan": 2])
        #expect(sum.details == ["tcp flags": 2])
        #expect(sum.reasons == [.rule: 6, .malformed: 2])
        #expect(sum.missing.contains("udp length") && !sum.missing.contains("tcp flags"))
        #expect(sum.missing.contains("ban") && sum.missing.contains("flow") && !sum.missing.contains("rule"))
    }
}
