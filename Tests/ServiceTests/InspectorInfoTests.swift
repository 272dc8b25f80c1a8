// SPDX-License-Identifier: Apache-2.0
// What is stored of a policy's inspectors with its program: the bounds that findings are held against, which
// a worker finds again in the policy's file, or not.
import Foundation
import InspectorProcess
import NetworkTypes
import PolicyLanguage
import Testing

@testable import Service

@Suite struct InspectorInfoTests {
    private static let text = """
        default: drop
        inspectors:
          api: { sample: { packets: 16 }, on-match: ban 10m }
          files: { on-match: drop-flow }
          names: { sample: { bytes: 4 KiB } }
        rules:
          - { name: web, service: tcp/80, inspect: api, action: pass }
          - { name: ssh, service: tcp/22, action: pass }
          - { name: mail, service: tcp/25, inspect: files, action: continue }
          - { name: more, service: tcp/8080, inspect: api, action: pass }
          - { name: dns, service: udp/53, inspect: names, action: pass }

        """
    private static let slots: [String: UInt32] = ["web": 4, "ssh": 5, "mail": 9, "more": 2, "dns": 7]

    private func policy(_ text: String) throws -> CheckedPolicy {
        let path = NSTemporaryDirectory() + "xdpguard-\(UUID().uuidString).conf"
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        defer { unlink(path) }
        return try #require(loadPolicy(path: path).policy)
    }

    private func infos(_ text: String = text) throws -> [GenerationInfo.InspectorInfo] {
        GenerationInfo.InspectorInfo.all(of: try policy(text), slots: Self.slots)
    }

    @Test func `an inspector keeps its name, its strongest response and the slots of its rules`() throws {
        let infos = try infos()
        #expect(infos.map(\.name) == ["api", "files", "names"])
        #expect(infos.map(\.onMatch) == ["ban", "drop-flow", "alert"])
        #expect(infos.map(\.banNanoseconds) == [600_000_000_000, 0, 0])
        #expect(infos.map(\.ruleSlots) == [[4, 2], [9], [7]])
    }

    @Test func `acts keep to the bounds of the policy that runs by then`() throws {
        let source = try #require(IPAddress("203.0.113.7"))
        let flow = InspectedFlow(
            proto: .udp, source: source, sourcePort: 4000,
            destination: try #require(IPAddress("198.51.100.1")), destinationPort: 9)
        func permitted(_ act: InspectionAct) throws -> [Bool] { try infos().map { $0.bounds.permits(act) } }
        func ban(_ slot: UInt32, _ seconds: UInt64) -> InspectionAct {
            .ban(source, ruleSlot: slot, nanoseconds: seconds * 1_000_000_000, cause: .signature(1))
        }
        func drop(_ slot: UInt32) -> InspectionAct {
            .dropFlow(flow, ruleSlot: slot, nanoseconds: 1, cause: .signature(1))
        }
        #expect(try permitted(ban(4, 600)) == [true, false, false])
        #expect(try permitted(ban(4, 601)) == [false, false, false])
        #expect(try permitted(ban(9, 1)) == [false, false, false])
        #expect(try permitted(drop(2)) == [true, false, false])
        #expect(try permitted(drop(9)) == [false, true, false])
        #expect(try permitted(drop(7)) == [false, false, false])
    }

    @Test func `what is stored becomes the bounds that findings are held against`() throws {
        #expect(
            try infos().map(\.bounds) == [
                InspectorBounds(
                    strongest: .ban(nanoseconds: 600_000_000_000), ruleSlots: [4, 2], meets: [1]),
                InspectorBounds(strongest: .dropFlow, ruleSlots: [9], meets: [0]),
                InspectorBounds(strongest: .alert, ruleSlots: [7]),
            ])
    }

    /// Changes of the file, and whether inspection is another one then.
    @Test(arguments: [
        ("ban 10m", "ban 20m", true), ("inspect: files", "inspect: names", true),
        ("packets: 16", "packets: 17", false), ("tcp/22", "tcp/23", false),
        ("{ on-match: drop-flow }", "{ on-match: alert }", true),
    ]) func `a file that changes what findings may do is another policy`(
        _ old: String, _ new: String, isOther: Bool
    ) throws {
        let changed = Self.text.replacingOccurrences(of: old, with: new)
        #expect(changed != Self.text)
        let report = try? policy(changed)
        guard let report else { return #expect(isOther, "the changed policy has an error") }
        let infos = GenerationInfo.InspectorInfo.all(of: report, slots: Self.slots)
        #expect((infos != (try self.infos())) == isOther)
    }

    @Test func `a description with inspectors and intervals comes back as it was stored`() throws {
        var header = GenerationInfo.Header(
            policy: "p", file: "/etc/xdpguard/p.conf", mode: "enforce", appliedNanoseconds: 7, user: 0,
            version: "1", tableBytes: 9)
        header.inspectorBounds = try infos()
        header.refreshes = [SetRefresh(name: "drop", everyNanoseconds: 600_000_000_000)]
        let info = GenerationInfo(header: header, rules: [.init(name: "web", slot: 4)])
        let decoded = try #require(GenerationInfo.decoded(try info.encoded()))
        #expect(decoded.header.inspectorBounds == header.inspectorBounds)
        #expect(decoded.header.refreshes == header.refreshes)
        #expect(decoded.inspects)
    }

    @Test func `a policy whose rules name no inspector inspects nothing`() throws {
        var header = GenerationInfo.Header(
            policy: "p", file: "/p.conf", mode: "enforce", appliedNanoseconds: 7, user: 0, version: "1",
            tableBytes: 9)
        #expect(!GenerationInfo(header: header, rules: []).inspects)
        header.inspectorBounds = [
            .init(name: "unused", onMatch: "alert", banNanoseconds: 0, ruleSlots: [])
        ]
        #expect(!GenerationInfo(header: header, rules: []).inspects)
    }

    @Test func `a worker's job is what its command line says`() {
        var job = WorkerJob(user: 65_534, memoryBytes: 1 << 31, ringBytes: 1 << 26, inspectorsSeed: .max)
        #expect(
            job.arguments == [
                "--user", "65534", "--memory", "2147483648", "--ring", "67108864", "--seed",
                "18446744073709551615",
            ])
        job.verifiesChecksums = false
        #expect(job.arguments.last == "--any-checksums")
        job.isOneSided = true
        #expect(job.arguments.suffix(2) == ["--any-checksums", "--one-sided"])
    }
}
