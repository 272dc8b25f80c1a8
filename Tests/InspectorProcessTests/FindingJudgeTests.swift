// SPDX-License-Identifier: Apache-2.0
// What the controller believes: findings of workers that tell the truth, and of some that do not.
import InspectorProcess
import NetworkTypes
import Testing

@Suite struct FindingJudgeTests {
    static let client = IPAddress(v4: 0xcb00_714d)  // 203.0.113.77
    static let server = IPAddress(v4: 0xc633_6401)  // 198.51.100.1
    static let stranger = IPAddress(v4: 0xc000_0207)  // 192.0.2.7
    static let flow = InspectedFlow(
        proto: .tcp, source: client, sourcePort: 40_000, destination: server, destinationPort: 80)
    static let minute: UInt64 = 60_000_000_000

    /// Inspector 0 bans for ten minutes at most, 1 drops flows, 2 alerts.
    private static let inspectors = [
        InspectorBounds(strongest: .ban(nanoseconds: 10 * minute), ruleSlots: [7, 8], meets: [1]),
        InspectorBounds(strongest: .dropFlow, ruleSlots: [9]),
        InspectorBounds(strongest: .alert, ruleSlots: [10]),
    ]

    struct JudgeCase: CustomTestStringConvertible {
        var name: String
        var response: ReportedFinding.Response = .ban(client)
        var inspector: UInt16 = 0
        var slot: UInt32 = 7
        var nanoseconds: UInt64 = minute
        /// What the kernel knows of the flow.
        var sampling: FlowSampling? = FlowSampling(ruleSlot: 7, inspector: 0)
        var refusal: FindingRefusal?
        var testDescription: String { name }
    }

    private static let cases = [
        JudgeCase(name: "a ban of the flow's source"),
        JudgeCase(name: "a ban of the flow's destination", response: .ban(server)),
        JudgeCase(name: "a ban as long as the policy has it", nanoseconds: 10 * minute),
        JudgeCase(name: "a weaker response than the policy has", response: .dropFlow),
        JudgeCase(
            name: "a dropped flow", response: .dropFlow, inspector: 1, slot: 9,
            sampling: FlowSampling(ruleSlot: 9, inspector: 1)),
        JudgeCase(
            name: "a flow dropped for a quarter of an hour", response: .dropFlow,
            nanoseconds: FindingJudge.mostDropNanoseconds),
        JudgeCase(
            name: "a ban of somebody else", response: .ban(stranger), refusal: .foreignAddress),
        JudgeCase(
            name: "a ban that is too long", nanoseconds: 10 * minute + 1, refusal: .tooLong),
        JudgeCase(name: "a ban for ever", nanoseconds: .max, refusal: .tooLong),
        JudgeCase(
            name: "a flow dropped for too long", response: .dropFlow,
            nanoseconds: FindingJudge.mostDropNanoseconds + 1, refusal: .tooLong),
        JudgeCase(name: "an inspector that is not there", inspector: 3, refusal: .unknownInspector),
        JudgeCase(name: "the last number of inspectors", inspector: .max, refusal: .unknownInspector),
        JudgeCase(name: "a rule with another inspector", slot: 9, refusal: .unknownRule),
        JudgeCase(name: "a rule that is not there", slot: .max, refusal: .unknownRule),
        JudgeCase(
            name: "a ban by an inspector that drops flows", inspector: 1, slot: 9,
            refusal: .strongerThanPolicy),
        JudgeCase(
            name: "a dropped flow by an inspector that alerts", response: .dropFlow, inspector: 2, slot: 10,
            refusal: .strongerThanPolicy),
        JudgeCase(name: "a flow that the kernel does not know", sampling: nil, refusal: .unknownFlow),
        JudgeCase(
            name: "a flow whose latest packet another inspector was asked for",
            sampling: FlowSampling(ruleSlot: 9, inspector: 1)),
        JudgeCase(
            name: "a flow that is sampled for an inspector that it never meets",
            sampling: FlowSampling(ruleSlot: 10, inspector: 2), refusal: .unknownFlow),
        JudgeCase(
            name: "a flow whose latest packet another rule of the inspector asked for",
            sampling: FlowSampling(ruleSlot: 8, inspector: 0)),
    ]

    @Test(arguments: cases) func `a finding is carried out only where all of it holds`(_ test: JudgeCase) {
        var judge = FindingJudge(inspectors: Self.inspectors)
        let finding = ReportedFinding(
            test.response, cause: .signature(2_024_217), flow: Self.flow, ruleSlot: test.slot,
            inspector: test.inspector, nanoseconds: test.nanoseconds)
        do throws(FindingRefusal) {
            let act = try judge.judge(finding, now: 1) { $0 == Self.flow ? test.sampling : nil }
            #expect(test.refusal == nil)
            #expect(act == Self.act(of: finding))
            #expect(judge.accepted == 1)
            #expect(judge.refused.isEmpty)
        } catch {
            #expect(error == test.refusal)
            #expect(judge.accepted == 0)
            #expect(judge.refused == [error: 1])
        }
    }

    private static func act(of finding: ReportedFinding) -> InspectionAct {
        switch finding.response {
        case .dropFlow:
            .dropFlow(
                finding.flow, ruleSlot: finding.ruleSlot, nanoseconds: finding.nanoseconds,
                cause: finding.cause)
        case .ban(let address):
            .ban(
                address, ruleSlot: finding.ruleSlot, nanoseconds: finding.nanoseconds, cause: finding.cause)
        }
    }

    /// Moments in milliseconds, how many findings come in each, and how many of them are carried out.
    @Test(arguments: [
        [(UInt64(0), 5, 5), (0, 6, 5)],
        [(0, 10, 10), (100, 5, 1), (200, 5, 1), (1200, 20, 10)],
        [(5000, 10, 10), (4000, 1, 0), (5100, 1, 1)],
        [(0, 10, 10), (86_400_000, 11, 10)],
    ]) func `more findings than the rate wait for no one`(_ moments: [(UInt64, Int, Int)]) {
        var judge = FindingJudge(inspectors: Self.inspectors, perSecond: 10)
        let finding = ReportedFinding(
            .ban(Self.client), cause: .protocolName("BitTorrent"), flow: Self.flow, ruleSlot: 7,
            inspector: 0, nanoseconds: 1)
        for (milliseconds, count, carriedOut) in moments {
            let before = judge.accepted
            for _ in 0..<count {
                _ = try? judge.judge(finding, now: milliseconds * 1_000_000) { _ in
                    FlowSampling(ruleSlot: 7, inspector: 0)
                }
            }
            #expect(judge.accepted - before == UInt64(carriedOut), "at \(milliseconds) ms")
        }
        #expect(judge.refused.keys.allSatisfy { $0 == .tooMany })
    }

    @Test func `only what no honest worker says is a lie`() {
        #expect(FindingRefusal.allCases.filter { !$0.isLie } == [.unknownFlow, .tooMany])
    }
}
