// SPDX-License-Identifier: Apache-2.0
// What this host opened and nobody answered yet, in the kernel's tables: a flood of SYNs that it answers
// takes no place of it.
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

@testable import Dataplane

private func program() throws -> LiveProgram {
    var policy = CheckedPolicy(name: "closed")
    policy.defaultVerdict = .drop
    let image = try compile(policy, for: CompileTarget())
    return try LiveProgram(
        GenerationImage(config: image.config, tables: image.tables, addresses: image.addresses, info: []))
}

@Suite(.enabled(if: KernelTests.areWanted), .serialized)
struct UnansweredTests {
    private let program: LiveProgram

    init() throws { program = try DataplaneTests.program() }

    /// SYN+ACKs of this host's to as many clients, as many ports.
    private func accept(_ count: Int) throws {
        var frame = try PacketBuilder("tcp 198.51.100.1:443 > 10.0.0.0:1 syn,ack").bytes
        for client in 0..<count {
            frame[31] = UInt8(truncatingIfNeeded: client >> 16)
            frame[32] = UInt8(truncatingIfNeeded: client >> 8)
            frame[33] = UInt8(truncatingIfNeeded: client)
            _ = try program.send(frame)
        }
    }

    @Test func `answers come in behind 100,000 SYNs that this host answered`() throws {
        let ports = 40_000..<40_100
        let here = "198.51.100.1"
        for port in ports {
            _ = try program.send(PacketBuilder("udp \(here):\(port) > 192.0.2.7:53").bytes)
            _ = try program.send(PacketBuilder("tcp \(here):\(port) > 192.0.2.7:443 syn").bytes)
        }
        try accept(100_000)
        var lost = 0
        for port in ports {
            for answer in [
                "udp 192.0.2.7:53 > \(here):\(port)", "tcp 192.0.2.7:443 > \(here):\(port) syn,ack",
            ]
            where try program.run(PacketBuilder(answer).bytes).action != .pass {
                lost += 1
            }
        }
        #expect(lost == 0)
    }

    @Test func `a SYN of either side begins anew what the other had begun`() throws {
        let (ours, theirs) = ("198.51.100.1:443", "192.0.2.7:40000")
        let frame = { (text: String) in try PacketBuilder(text).bytes }
        for _ in 0..<3 {
            _ = try program.send(frame("tcp \(ours) > \(theirs) syn"))
            #expect(try program.state.flows(now: programClock())?.flows.map(\.isOpenedHere) == [true])
            // Its answer passes; an acknowledgement without a SYN establishes nothing.
            #expect(try program.run(frame("tcp \(theirs) > \(ours) ack")).action == .pass)
            #expect(try program.state.flows(now: programClock())?.flows.map(\.state) == [.halfOpen])
            #expect(try program.run(frame("tcp \(theirs) > \(ours) rst,ack")).action == .pass)
            _ = try program.send(frame("tcp \(ours) > \(theirs) syn,ack"))
            #expect(try program.state.flows(now: programClock())?.flows.map(\.isOpenedHere) == [false])
            #expect(try program.run(frame("tcp \(theirs) > \(ours) syn,ack")).action == .drop)
        }
    }
}
