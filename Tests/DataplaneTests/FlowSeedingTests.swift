// SPDX-License-Identifier: Apache-2.0
// Sockets put into the tables of connections while the programs use them: what these know is kept, and no
// place is left half written.
import CBPF
import Glibc
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

@testable import Dataplane

@Suite(.enabled(if: KernelTests.areWanted), .serialized)
struct FlowSeedingTests {
    private let program: LiveProgram
    private let seeding: FlowSeeding

    init() throws { try self.init(.drop) }

    private init(_ verdict: PassOrDrop) throws {
        var policy = CheckedPolicy(name: "connections")
        policy.defaultVerdict = verdict
        // Under `default: pass` connections are followed where a rule asks for them.
        var rule = Rule(name: "known", action: .pass, range: World.range)
        rule.state = [.established]
        policy.rules = verdict == .pass ? [rule] : []
        var target = CompileTarget()
        target.flowCount = UInt32(GUARD_FLOW_GROUP)
        let image = try compile(policy, for: target)
        let program = try LiveProgram(
            GenerationImage(config: image.config, tables: image.tables, addresses: image.addresses, info: []))
        self.program = program
        seeding = try FlowSeeding(seed: image.config.seed) { map throws(KernelError) in
            try program.state.descriptor(map)
        }
    }

    private func socket(_ port: UInt16, _ phase: ConnectedSocket.Phase) throws -> ConnectedSocket {
        let (local, remote) = (IPAddress("198.51.100.1"), IPAddress("192.0.2.7"))
        return ConnectedSocket(
            proto: .tcp, local: try #require(local), remote: try #require(remote), localPort: port,
            remotePort: 443, isAccepted: false, phase: phase)
    }

    private func passes(_ port: UInt16, _ flags: String) throws -> Bool {
        try program.run(PacketBuilder("tcp 192.0.2.7:443 > 198.51.100.1:\(port) \(flags)").bytes).action
            == .pass
    }

    private func send(_ port: UInt16, _ flags: String) throws {
        _ = try program.send(PacketBuilder("tcp 198.51.100.1:\(port) > 192.0.2.7:443 \(flags)").bytes)
    }

    private func flows() throws -> [Flow] {
        try program.state.flows(now: programClock())?.flows.sorted { $0.localPort < $1.localPort } ?? []
    }

    @Test func `sockets go on as far as they are`() throws {
        #expect(try seeding.seed(socket(40_001, .established), now: programClock()))
        #expect(try seeding.seed(socket(40_002, .closing), now: programClock()))
        #expect(try seeding.seed(socket(40_003, .asked), now: programClock()))
        #expect(try flows().map(\.state) == [.established, .closing, .halfOpen])
        #expect(try flows().allSatisfy { $0.isOpenedHere })
        #expect(try passes(40_001, "ack") && passes(40_002, "ack"))
        #expect(try passes(40_003, "ack") && flows().map(\.state).last == .halfOpen)
        #expect(try passes(40_003, "syn,ack") && flows().map(\.state).last == .established)
        #expect(try !passes(40_004, "ack"))
    }

    @Test func `what the programs know of a connection is kept`() throws {
        try send(40_001, "syn")
        #expect(try passes(40_001, "syn,ack"))
        try send(40_001, "fin,ack")
        #expect(try flows().map(\.state) == [.closing])
        for phase in [ConnectedSocket.Phase.asked, .established] {
            #expect(try seeding.seed(socket(40_001, phase), now: programClock()))
        }
        #expect(try flows().map(\.state) == [.closing] && flows()[0].packets == 3)
        try send(40_002, "syn")
        #expect(try seeding.seed(socket(40_002, .asked), now: programClock()))
        #expect(try flows().last?.packets == 1)
    }

    /// Its handshake ended between the egress program, which saw the SYN, and the XDP program.
    @Test func `a socket past its handshake is answered, whatever the programs missed`() throws {
        try send(40_001, "syn")
        #expect(try passes(40_001, "ack") && flows().map(\.state) == [.halfOpen])
        #expect(try seeding.seed(socket(40_001, .established), now: programClock()))
        #expect(try passes(40_001, "ack"))
        #expect(try flows().map(\.state) == [.established])
        #expect(try program.state.flows(now: programClock())?.unanswered.used == 0)
    }

    @Test func `a server's socket does not make its clients' conversations this host's`() throws {
        let open = try FlowSeedingTests(.pass)
        _ = try open.program.run(PacketBuilder("udp 192.0.2.7:443 > 198.51.100.1:5353").bytes)
        _ = try open.program.send(PacketBuilder("udp 198.51.100.1:5353 > 192.0.2.7:443").bytes)
        var served = try socket(5353, .established)
        served.proto = .udp
        #expect(try open.seeding.seed(served, now: programClock()))
        #expect(try open.flows().isEmpty)
        #expect(try open.seeding.seed(served, now: programClock() + 200_000_000_000))
        #expect(try open.flows().count == 1)
    }

    @Test func `who opened a connection stays so where its listener is gone`() throws {
        let open = try FlowSeedingTests(.pass)
        _ = try open.program.run(PacketBuilder("tcp 192.0.2.7:443 > 198.51.100.1:8080 syn").bytes)
        _ = try open.program.send(PacketBuilder("tcp 198.51.100.1:8080 > 192.0.2.7:443 syn,ack").bytes)
        #expect(try open.seeding.seed(socket(8080, .established), now: programClock()))
        #expect(try open.flows().map(\.isOpenedHere) == [false])
    }

    @Test func `a full group takes no socket, and loses no connection`() throws {
        for port in 0..<UInt16(GUARD_FLOW_PLACES) {
            #expect(try seeding.seed(socket(40_000 + port, .established), now: programClock()))
        }
        #expect(try !seeding.seed(socket(41_000, .established), now: programClock()))
        for port in 0..<UInt16(GUARD_FLOW_PLACES) { #expect(try passes(40_000 + port, "ack")) }
    }

    @Test func `sockets stored beside a program that keeps and drops the same ones have one place each`()
        throws
    {
        let ports = (40_000..<40_020).map { UInt16($0) }
        let sockets = try ports.map { try socket($0, .established) }
        let frames = try ports.map { port in
            (
                try PacketBuilder("tcp 198.51.100.1:\(port) > 192.0.2.7:443 syn").bytes,
                try PacketBuilder("tcp 192.0.2.7:443 > 198.51.100.1:\(port) syn,ack").bytes
            )
        }
        nonisolated(unsafe) let (program, seeding) = (program, seeding)
        let end = programClock() + 1_000_000_000
        let thread = startThread {
            while programClock() < end {
                for (syn, synAck) in frames {
                    _ = try? program.send(syn)
                    _ = try? program.run(synAck)
                }
            }
        }
        while programClock() < end {
            for socket in sockets { _ = try seeding.seed(socket, now: programClock()) }
        }
        if let thread { pthread_join(thread, nil) }
        var (zero, group) = (UInt32(0), guard_flow_group())
        let map = try #require(program.state.maps[.flows])
        #expect(bpf_map_lookup_elem(map.raw, &zero, &group) == 0)
        let tags = withUnsafeBytes(of: group.tags) { Array($0.bindMemory(to: UInt32.self)) }.dropFirst()
        let places = group.withPlaces { Array($0) }
        for (place, tag) in zip(places, tags) {
            #expect((place.key.family == 0) == (tag == 0) && place.key.padding == 0)
            #expect(tag == 0 || (place.key.family == 4 && place.key.remote.low == 0xc000_0207))
        }
        let kept = places.filter { $0.key.family != 0 }.map(\.key.local_port)
        #expect(Set(kept).count == kept.count && Set(kept).isSubset(of: ports), "\(kept)")
    }
}
