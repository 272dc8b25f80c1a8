// SPDX-License-Identifier: Apache-2.0
// The suite on each engine, and what holds for all of its frames together.
import PolicyLanguage
import Replay
import TestSupport
import Testing

@Suite(.serialized)
struct EvasionTests {
    @Test func `no variant walks around the model`() throws {
        for failure in try failures(of: evasionCases(), on: modelEngine) { Issue.record("\(failure)") }
    }

    @Test func `no variant walks around the native engine`() throws {
        for failure in try failures(of: evasionCases(), on: nativeEngine) { Issue.record("\(failure)") }
    }

    @Test(.enabled(if: KernelTests.areWanted))
    func `no variant walks around the kernel program`() throws {
        for failure in try failures(of: evasionCases(), on: kernelEngine) { Issue.record("\(failure)") }
    }

    @Test func `the table has hundreds of variants, each with a name of its own and a reason`() throws {
        let cases = try evasionCases()
        #expect(Set(cases.flatMap(\.steps).map(\.frame)).count >= 2000)
        #expect(Dictionary(grouping: cases, by: \.name).filter { $0.value.count > 1 }.keys.sorted() == [])
        #expect(cases.filter { $0.why.isEmpty || $0.carrying.isEmpty }.map(\.name) == [])
        let nameless = cases.filter { $0.steps.count != 1 && $0.steps.contains { $0.note.isEmpty } }
        #expect(nameless.map(\.name) == [])
        #expect(Set(cases.map(\.scenario)) == Set(Scenario.all))
    }

    @Test(.enabled(if: KernelTests.areWanted))
    func `the three engines agree on every frame under every scenario`() throws {
        let cases = try evasionCases()
        for scenario in Scenario.all {
            var model = try EvasionRun(scenario, on: modelEngine)
            var kernel = try EvasionRun(scenario, on: kernelEngine)
            var native = try EvasionRun(scenario, on: nativeEngine)
            for one in cases {
                let expected = try model.judgements(of: one)
                #expect(try native.judgements(of: one) == expected, "\(scenario.id): \(one.name)")
                #expect(try kernel.judgements(of: one) == expected, "\(scenario.id): \(one.name)")
            }
        }
    }

    @Test(arguments: [Scenario.closed, .closedFragments, .bare, .tracked, .opened])
    func `under default drop only a rule, failsafe, essential traffic, non-ip and their fragments pass`(
        scenario: Scenario
    ) throws {
        var run = try EvasionRun(scenario, on: modelEngine)
        for one in try evasionCases() {
            for got in try run.judgements(of: one) where got.verdict == .pass {
                let isSound = [.rule, .failsafe, .essential, .nonIP, .fragment].contains(got.reason)
                #expect(isSound && (got.detail.isEmpty || got.reason == .essential), "\(one.name)")
            }
        }
    }
}
