// SPDX-License-Identifier: Apache-2.0
// The XDP program in the kernel, its code compiled for the host and the reference model must agree on every
// packet under every policy. Few packets here; the executable `differential` runs millions.
import Glibc
import MapCompiler
import TestSupport
import Testing

@testable import differential

@Suite(.serialized)
struct DifferentialTests {
    /// XDPGUARD_TEST_SEED repeats a run.
    private let seed =
        getenv("XDPGUARD_TEST_SEED").flatMap { UInt64(String(cString: $0)) }
        ?? UInt64.random(in: 0...UInt64.max)

    @Test(.enabled(if: KernelTests.areWanted))
    func `kernel, native engine and model agree on random packets under random policies`() async throws {
        var plan = RunPlan(seed: seed, engines: [.model, .native(linearBytes: nil), .kernel])
        (plan.packets, plan.framesPerSituation) = (1200, 400)
        await expectAgreement(plan)
    }

    @Test func `native engine and model agree on random packets under random policies`() async throws {
        var plan = RunPlan(seed: seed, engines: [.model, .native(linearBytes: nil)])
        (plan.packets, plan.framesPerSituation) = (12_000, 600)
        await expectAgreement(plan)
    }

    @Test(arguments: [ClassifierChoice.tupleSpace, .entriesAlone])
    func `the tuple space and the model agree on random packets under random policies`(
        choice: ClassifierChoice
    ) async throws {
        var plan = RunPlan(seed: seed, engines: [.model, EngineChoice.native(linearBytes: nil).with(choice)])
        (plan.packets, plan.framesPerSituation, plan.classifier) = (12_000, 600, choice)
        await expectAgreement(plan)
    }

    @Test(.enabled(if: KernelTests.areWanted), arguments: [ClassifierChoice.tupleSpace, .entriesAlone])
    func `the tuple space in the kernel and the model agree`(choice: ClassifierChoice) async throws {
        var plan = RunPlan(seed: seed, engines: [.model, EngineChoice.kernel.with(choice)])
        (plan.packets, plan.framesPerSituation) = (800, 400)
        await expectAgreement(plan)
    }

    @Test func `a frame in several buffers meets the same fate as in one`() async throws {
        let split: [UInt32] = [0, 1, 13, 14, 18, 33, 34, 41, 54, 62, 64, 100]
        var plan = RunPlan(seed: seed, engines: [.model] + split.map { .native(linearBytes: $0) })
        (plan.packets, plan.framesPerSituation) = (900, 300)
        await expectAgreement(plan)
    }

    /// Which seed is tried does not matter, so it is always the same one.
    @Test func `random packets meet every reason, detail and match key`() async throws {
        var plan = RunPlan(seed: 1, engines: [.model])
        (plan.packets, plan.framesPerSituation, plan.jobs) = (120_000, 1000, 2)
        let result = await Run(plan).run()
        #expect(result.failure == nil, "\(result.failure?.description ?? "")")
        #expect(result.coverage.packets == 120_000)
        #expect(result.coverage.missing == [])
    }

    private func expectAgreement(_ plan: RunPlan) async {
        let result = await Run(plan).run()
        guard let failure = result.failure else { return }
        let small = try? failure.engines.map { try Small(failure.situation, $0).text }
        Issue.record(
            """
            XDPGUARD_TEST_SEED=\(plan.seed), situation's seed \(failure.seed): \(failure.description)
            \(small ?? "no small situation")
            """)
    }
}
