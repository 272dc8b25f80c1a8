// SPDX-License-Identifier: Apache-2.0
// Which inspectors may be asked for packets of one flow, and what the controller makes of it: a finding is
// carried out where the flow's latest packet was sampled for another one too.
import Foundation
import InspectorProcess
import NetworkTypes
import PolicyLanguage
import Testing

@testable import Service

@Suite struct InspectorMeetingsTests {
    private static let slots: [String: UInt32] = ["first": 1, "second": 2]

    /// The inspectors of two rules, each with its own.
    private func infos(_ first: String, _ second: String) throws -> [GenerationInfo.InspectorInfo] {
        let text = """
            default: drop
            inspectors:
              one: { on-match: ban 10m }
              two: { on-match: drop-flow }
            rules:
              - { name: first, \(first), inspect: one, action: pass }
              - { name: second, \(second), inspect: two, action: pass }

            """
        let path = NSTemporaryDirectory() + "xdpguard-\(UUID().uuidString).conf"
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        defer { unlink(path) }
        let policy = try #require(loadPolicy(path: path).policy)
        return GenerationInfo.InspectorInfo.all(of: policy, slots: Self.slots)
    }

    /// Two rules, and whether packets of one flow may match both.
    struct Pair: CustomTestStringConvertible {
        let first: String
        let second: String
        let meet: Bool
        var testDescription: String { "\(first); \(second)" }
    }

    private static let clients = "source-port: 1024-65535"

    @Test(arguments: [
        // The same packet.
        Pair(first: "service: tcp/8000-9000", second: "service: tcp/8080, ttl: 64", meet: true),
        Pair(first: "service: udp/53", second: "service: [tcp/25, udp/53]", meet: true),
        Pair(first: "service: udp/53", second: "dscp: 46", meet: true),
        Pair(first: "service: icmp/8", second: "service: icmp/0", meet: true),
        Pair(first: "service: udp/53", second: "service: icmp", meet: false),
        Pair(first: "service: tcp/80", second: "service: udp/80", meet: false),
        // A packet and its answer.
        Pair(first: "service: tcp/80", second: "source-port: 80, service: tcp/1024-65535", meet: true),
        Pair(
            first: "\(clients), service: tcp/80", second: "source-port: 80, service: tcp/1024-65535",
            meet: true),
        Pair(first: "service: tcp/443", second: "source-port: 80, service: tcp/1024-65535", meet: false),
        Pair(first: "\(clients), service: tcp/80", second: "source-port: 80, service: tcp/22", meet: false),
        Pair(first: "service: tcp/80", second: "source-port: 80, service: udp/1024-65535", meet: false),
        // A client may have any port that rules do not exclude, a server's among them.
        Pair(first: "service: tcp/80", second: "service: tcp/25", meet: true),
        Pair(first: "\(clients), service: tcp/80", second: "service: tcp/25", meet: false),
        Pair(first: "\(clients), service: tcp/80", second: "service: tcp/8080", meet: true),
        // Sets change while the policy runs.
        Pair(
            first: "source: 192.0.2.0/24, service: tcp/80",
            second: "source: 198.51.100.0/24, source-port: 80, service: tcp/1024-65535", meet: true),
    ]) func `inspectors meet in a flow whose packets the rules of both may match`(_ pair: Pair) throws {
        let expected: [[Int]] = pair.meet ? [[1], [0]] : [[], []]
        #expect(try infos(pair.first, pair.second).map(\.meets) == expected)
        #expect(try infos(pair.second, pair.first).map(\.meets) == expected)
    }

    /// A router has both directions of a flow judged, the request by one rule and its answer by another: the
    /// kernel has one place for both.
    @Test func `a request's finding is carried out though its answer was sampled last`() throws {
        let inspectors = try infos("service: tcp/80", "source-port: 80, service: tcp/1024-65535").map(
            \.bounds)
        var judge = FindingJudge(inspectors: inspectors)
        let client = try #require(IPAddress("203.0.113.77"))
        let flow = InspectedFlow(
            proto: .tcp, source: client, sourcePort: 40_000,
            destination: try #require(IPAddress("198.51.100.1")), destinationPort: 80)
        let finding = ReportedFinding(
            .ban(client), cause: .signature(1), flow: flow, ruleSlot: 1, inspector: 0, nanoseconds: 60)
        let act = try judge.judge(finding, now: 1) { _ in FlowSampling(ruleSlot: 2, inspector: 1) }
        #expect(act == .ban(client, ruleSlot: 1, nanoseconds: 60, cause: .signature(1)))
        #expect(judge.refused.isEmpty)
    }
}
