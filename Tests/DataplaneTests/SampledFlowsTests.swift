// SPDX-License-Identifier: Apache-2.0
// What the kernel says of sampled flows: the one truth that findings of an inspector are held against.
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

@testable import Dataplane

private struct OneFile: FileReader {
    func read(_ path: String) throws(FileReadError) -> [UInt8] {
        Array(
            """
            default: pass
            stateful: false
            inspectors: { web: { sample: { packets: 9 } }, other: { sample: { packets: 9 } } }
            rules:
              - { name: web, service: tcp, inspect: web, action: pass }
              - { name: other, service: udp, inspect: other, action: pass }

            """.utf8)
    }
}

@Suite(.enabled(if: KernelTests.areWanted))
struct SampledFlowsTests {
    private let program: LiveProgram
    private let sampled: SampledFlows

    /// Rule 100 has TCP inspected by the inspector 0, rule 101 UDP by the inspector 1.
    init() throws {
        let policy = try #require(loadPolicy(path: "sampled.conf", reader: OneFile()).policy)
        var target = CompileTarget()
        target.sampleLines = 64
        target.sampleBytes = 1 << 16
        for (slot, rule) in policy.rules.enumerated() { target.slots[rule.name] = UInt32(slot + 100) }
        let image = try compile(policy, for: target)
        program = try LiveProgram(
            GenerationImage(config: image.config, tables: image.tables, addresses: image.addresses, info: []))
        sampled = try #require(try program.state.sampledFlows(of: image.config))
    }

    private func ends(_ text: String) throws -> FlowEnds { FlowEnds(try PacketDescription(parsing: text)) }

    @Test(
        arguments: [
            ("tcp 192.0.2.1:1000 > 198.51.100.1:80 syn", "tcp 198.51.100.1:80 > 192.0.2.1:1000 ack", 100, 0),
            (
                "tcp [2001:db8::9]:1 > [2001:db8::1]:80 ack", "tcp [2001:db8::1]:80 > [2001:db8::9]:1 ack",
                100, 0
            ),
            ("udp 192.0.2.1:53 > 192.0.2.2:53", "udp 192.0.2.2:53 > 192.0.2.1:53", 101, 1),
        ] as [(String, String, UInt32, UInt16)])
    func `a sampled flow is known by both directions, with its rule and inspector`(
        there: String, back: String, slot: UInt32, inspector: UInt16
    ) throws {
        #expect(sampled.owner(of: try ends(there), now: programClock()) == nil)
        _ = try program.run(PacketBuilder(there).bytes)
        let owner = SampledFlows.Owner(ruleSlot: slot, inspector: inspector)
        #expect(sampled.owner(of: try ends(there), now: programClock()) == owner)
        #expect(sampled.owner(of: try ends(back), now: programClock()) == owner)
    }

    @Test(arguments: [
        "tcp 192.0.2.1:1001 > 198.51.100.1:80 ack", "tcp 192.0.2.9:1000 > 198.51.100.1:80 ack",
        "udp 192.0.2.1:1000 > 198.51.100.1:80",
        "tcp 192.0.2.1:80 > 198.51.100.1:1000 ack",
    ]) func `a flow that differs in any field is not known`(_ other: String) throws {
        _ = try program.run(PacketBuilder("tcp 192.0.2.1:1000 > 198.51.100.1:80 ack").bytes)
        #expect(sampled.owner(of: try ends(other), now: programClock()) == nil)
    }

    @Test func `a flow that gave way to others is not known any more, and those that stay are`() throws {
        // 64 lines have 256 places.
        var known = 0
        for port in 1...1000 {
            _ = try program.run(PacketBuilder("tcp 192.0.2.1:\(port) > 198.51.100.1:80 ack").bytes)
        }
        for port in 1...1000 {
            let owner = sampled.owner(
                of: try ends("tcp 192.0.2.1:\(port) > 198.51.100.1:80 ack"), now: programClock())
            if owner == .init(ruleSlot: 100, inspector: 0) { known += 1 }
        }
        #expect(known > 200 && known <= 256)
        #expect(
            sampled.owner(of: try ends("tcp 192.0.2.1:1000 > 198.51.100.1:80 ack"), now: programClock())
                != nil)
    }
}
