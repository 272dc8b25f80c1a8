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
        #expect(Set(cases.map(\.frame)).count >= 200)
        #expect(Dictionary(grouping: cases, by: \.name).filter { $0.value.count > 1 }.keys.sorted() == [])
        #expect(cases.filter { $0.why.isEmpty || $0.carrying.isEmpty }.map(\.name) == [])
        #expect(Set(cases.map(\.scenario)) == Set(Scenario.all))
    }

    @Test(.enabled(if: KernelTests.areWanted))
    func `the three engines agree on every frame under every scenario`() throws {
        let frames = Set(try evasionCases().map(\.frame))
        for scenario in Scenario.all {
            var model = try modelEngine(try scenario.policy(), try Scenario.banPrefixes())
            var kernel = try kernelEngine(try scenario.policy(), try Scenario.banPrefixes())
            var native = try nativeEngine(try scenario.policy(), try Scenario.banPrefixes())
            for frame in frames {
                let expected = try model.judge(frame)
                #expect(try native.judge(frame) == expected, "\(scenario.id), frame \(hex(frame))")
                #expect(try kernel.judge(frame) == expected, "\(scenario.id), frame \(hex(frame))")
            }
        }
    }

    @Test(arguments: [Scenario.closed, .closedFragments, .bare])
    func `under default drop only a rule, failsafe, essential traffic and non-ip pass`(
        scenario: Scenario
    ) throws {
        var engine = try modelEngine(try scenario.policy(), try Scenario.banPrefixes())
        for one in try evasionCases() {
            let got = try engine.judge(one.frame)
            guard got.verdict == .pass else { continue }
            let isSound = [.rule, .failsafe, .essential, .nonIP].contains(got.reason)
            #expect(isSound && (got.detail.isEmpty || got.reason == .essential), "\(one.name)")
        }
    }
}
