// SPDX-License-Identifier: Apache-2.0
// Header conditions in the programs of the kernel: what an inspector's signatures could match is sampled,
// the rest is left out and counted.
import Dataplane
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

/// A packet, and whether a scope of TCP 80 and UDP 53 around 198.51.100.0/24 and 2001:db8::/64 needs it.
struct ScopedPacket: Sendable, CustomTestStringConvertible {
    var text: String
    var isNeeded: Bool
    init(_ text: String, _ isNeeded: Bool) { (self.text, self.isNeeded) = (text, isNeeded) }
    var testDescription: String { text }
}

@Suite(.enabled(if: KernelTests.areWanted))
struct SampleScopeTests {
    static let scope = FlowScope(
        protocols: IntervalSet([1...1, 6...6, 17...17]), tcpPorts: IntervalSet(80...80),
        udpPorts: IntervalSet(53...53),
        addresses: AddressSet(
            v4: IntervalSet(0xc633_6400...0xc633_64ff),
            v6: IntervalSet(0x2001_0db8 << 96...(0x2001_0db8 << 96 + UInt128(UInt64.max)))))

    static let packets = [
        ScopedPacket("tcp 192.0.2.1:1000 > 198.51.100.1:80 syn", true),
        ScopedPacket("tcp 198.51.100.1:80 > 192.0.2.1:1000 syn,ack", true),
        ScopedPacket("tcp 192.0.2.1:1000 > 198.51.100.1:81 syn", false),
        ScopedPacket("tcp 192.0.2.1:1000 > 203.0.113.1:80 syn", false),
        ScopedPacket("udp 192.0.2.1:1000 > 198.51.100.255:53", true),
        ScopedPacket("udp 192.0.2.1:1000 > 198.51.101.0:53", false),
        ScopedPacket("udp 192.0.2.1:80 > 198.51.100.1:80", false),
        ScopedPacket("icmp 192.0.2.1 > 198.51.100.1 echo-request", true),
        ScopedPacket("icmp 192.0.2.1 > 203.0.113.1 echo-request", false),
        ScopedPacket("sctp 192.0.2.1:1000 > 198.51.100.1:80", false),
        ScopedPacket("tcp [2001:db8::1]:1000 > [2001:db8:1::2]:80 syn", true),
        ScopedPacket("tcp [2001:db8:2::1]:1000 > [2001:db8:1::2]:80 syn", false),
        // What may carry another packet, or be a part of one.
        ScopedPacket("ip 192.0.2.1 > 203.0.113.1 proto 47", true),
        ScopedPacket("ip 192.0.2.1 > 203.0.113.1 proto 4", true),
        ScopedPacket("udp 192.0.2.1:1000 > 203.0.113.1:4789", true),
        ScopedPacket("udp 192.0.2.1:4789 > 203.0.113.1:1000", false),
        ScopedPacket("udp 192.0.2.1:1000 > 203.0.113.1:6081", true),
        ScopedPacket("udp 192.0.2.1:1000 > 203.0.113.1:3544", true),
        ScopedPacket("udp 192.0.2.1:3544 > 203.0.113.1:1000", true),
        ScopedPacket("tcp 192.0.2.1:1000 > 203.0.113.1:3544 syn", false),
        ScopedPacket("tcp 192.0.2.1:1000 > 203.0.113.1:22 syn frag first", true),
    ]

    private func inspecting() throws -> Inspecting {
        try Inspecting {
            $0.fragments = .pass
            $0.malformed = .pass
        }
    }

    private func tell(_ scopes: [FlowScope?], _ inspecting: Inspecting, seed: UInt64? = nil) throws {
        let seed = seed ?? inspecting.policy.inspectorsSeed
        try inspecting.program.state.setSampleScopes(
            scopes.map { SampleScope($0, inspectorsSeed: seed).bytes }, seed: seed)
    }

    @Test(arguments: packets)
    func `a packet is sampled where a signature could match its flow, and else counted`(
        packet: ScopedPacket
    ) throws {
        let inspecting = try inspecting()
        try tell([nil, Self.scope], inspecting)
        let bytes = try PacketBuilder(packet.text).bytes
        #expect(try inspecting.program.run(bytes).action == .pass)
        #expect(inspecting.samples().count == (packet.isNeeded ? 1 : 0))
        #expect(try inspecting.counts().notNeeded == (packet.isNeeded ? 0 : 1))
        let saved = try inspecting.program.state.unneededSamples(
            seed: inspecting.policy.inspectorsSeed, inspectors: 2)
        #expect(saved.map(\.packets) == [0, packet.isNeeded ? 0 : 1])
        // Nothing of it has taken a flow's place.
        #expect(try inspecting.counts().flows == (packet.isNeeded ? 1 : 0))
    }

    @Test func `without a scope, with an open one and with another policy's all is sampled`() throws {
        let bytes = try PacketBuilder("tcp 192.0.2.1:1000 > 203.0.113.1:22 syn").bytes
        let inspecting = try inspecting()
        _ = try inspecting.program.run(bytes)
        try tell([nil, nil], inspecting)
        _ = try inspecting.program.run(bytes)
        try tell([Self.scope, Self.scope], inspecting, seed: 7)
        _ = try inspecting.program.run(bytes)
        #expect(inspecting.samples().count == 3)
        let seed = inspecting.policy.inspectorsSeed
        #expect(try inspecting.program.state.unneededSamples(seed: seed, inspectors: 2).isEmpty)
        try tell([Self.scope, Self.scope], inspecting)
        _ = try inspecting.program.run(bytes)
        #expect(inspecting.samples().isEmpty)
    }

    @Test func `counts go on while the inspectors are the same, and begin anew with others`() throws {
        let bytes = try PacketBuilder("tcp 192.0.2.1:1000 > 203.0.113.1:22 syn").bytes
        let inspecting = try inspecting()
        let (state, seed) = (inspecting.program.state, inspecting.policy.inspectorsSeed)
        try tell([nil, Self.scope], inspecting)
        _ = try inspecting.program.run(bytes, times: 3)
        try tell([nil, nil], inspecting)
        try tell([nil, Self.scope], inspecting)
        _ = try inspecting.program.run(bytes)
        #expect(try state.unneededSamples(seed: seed, inspectors: 2).map(\.packets) == [0, 4])
        #expect(try state.unneededSamples(seed: seed, inspectors: 2)[1].bytes == 4 * 40)
        try tell([nil, Self.scope], inspecting, seed: 7)
        #expect(try state.unneededSamples(seed: 7, inspectors: 2).map(\.packets) == [0, 0])
    }

    @Test func `inspectors beyond those that have room for a scope get every flow`() throws {
        let inspecting = try Inspecting { policy in
            policy.inspectors = (0...64).map { Inspector(name: "i\($0)", range: World.range) }
            policy.rules[0].inspect = "i64"
        }
        try tell([FlowScope?](repeating: FlowScope.none, count: 65), inspecting)
        _ = try inspecting.program.run(try PacketBuilder("udp 192.0.2.1:1000 > 198.51.100.1:53").bytes)
        #expect(inspecting.samples().count == 1)
    }
}
