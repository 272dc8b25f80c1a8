// SPDX-License-Identifier: Apache-2.0
// A policy's own tests: what passes, and what a failure says.
import Diagnostics
import NetworkTypes
import PolicyLanguage
import Testing

@testable import PolicyAnalysis

private func packet(_ port: UInt16) -> PacketDescription {
    var made = PacketDescription(
        proto: .tcp, source: IPAddress(v4: 0xc000_0207), destination: IPAddress(v4: 0xc633_6401))
    made.sourcePort = 40000
    made.destinationPort = port
    made.tcpFlags = .syn
    return made
}

private func tested(_ change: (inout PolicyTest) -> Void, port: UInt16 = 22, now: Int64 = 0)
    -> PolicyTestResult?
{
    let ssh = Draft("ssh", .pass) { $0.service = service(.tcp, 22...22) }
    let ending = Draft("ending", .reject) { $0.service = service(.tcp, 80...80) }.with { $0.expires = 10 }
    var made = policy([ssh, ending])
    let source = SourceText(path: "policy.conf", text: "\n\ntests:\n  - packet: tcp\n")
    var test = PolicyTest(packet: packet(port), range: SourceRange(source, 21, 24))
    change(&test)
    made.tests = [test]
    return runPolicyTests(made, now: now).first
}

@Test func `a test passes where all that it asks for is so`() {
    let asked: (inout PolicyTest) -> Void = {
        $0.verdict = .pass
        $0.rule = "ssh"
        $0.reason = "rule"
    }
    #expect(tested(asked)?.passed == true)
    #expect(tested({ _ in })?.passed == true)
    #expect(
        tested(
            {
                $0.verdict = .drop
                $0.reason = "default"
            }, port: 23)?.passed == true)
}

@Test func `a failed test says what was expected, what happened and which rule did it`() {
    let failure = tested { $0.verdict = .drop }?.failure
    #expect(failure?.id == "test-failed")
    #expect(failure?.severity == .error)
    #expect(failure?.message == "expected 'drop', got 'pass' by rule 'ssh' on line 1")
    #expect(failure?.range.line == 4)
    #expect(failure?.related.map(\.text) == ["this rule decided it"])
}

@Test func `a failed test without a deciding rule names the reason`() {
    let failure = tested(
        {
            $0.verdict = .pass
            $0.rule = "ssh"
        }, port: 23)?.failure
    #expect(failure?.message == "expected 'pass' by rule 'ssh', got 'drop' with reason 'default'")
    #expect(failure?.related.isEmpty == true)
    let malformed = tested {
        $0.packet.tcpFlags = []
        $0.reason = "rule"
    }?.failure
    #expect(
        malformed?.message == "expected with reason 'rule', got 'drop' with reason 'malformed' (tcp flags)")
}

@Test func `the right verdict by another rule fails`() {
    #expect(
        tested {
            $0.verdict = .pass
            $0.rule = "ending"
        }?.passed == false)
    #expect(
        tested {
            $0.verdict = .pass
            $0.reason = "default"
        }?.passed == false)
}

@Test func `a rule that has ended at the time of the tests does not decide`() {
    #expect(tested({ $0.verdict = .reject }, port: 80, now: 9_999_999_999)?.passed == true)
    #expect(
        tested(
            {
                $0.verdict = .drop
                $0.reason = "default"
            }, port: 80, now: 10_000_000_000)?.passed == true)
}

@Test func `the interface that a packet names is the one it comes in on`() {
    var made = policy([Draft("wan", .reject) { $0.interface = NameMatch(included: ["wan*"], excluded: []) }])
    var test = PolicyTest(packet: packet(1), range: SourceRange(SourceText(path: "p", text: ""), 0, 0))
    test.packet.interface = "wan0"
    test.verdict = .reject
    made.tests = [test]
    #expect(runPolicyTests(made, now: 0).allSatisfy { $0.passed })
}
