// SPDX-License-Identifier: Apache-2.0
// The table of answered connections in the kernel, all of them in one group of places: two CPUs open, answer
// and use connections there as fast as they can. Nothing waits. In: frames of handshakes. Out: no connection
// lost, doubled or half written.
import CBPF
import Glibc
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import Synchronization
import TestSupport
import Testing

@testable import Dataplane

/// A host that lets in nothing but replies, with one group of places.
private func program() throws -> LiveProgram {
    var policy = CheckedPolicy(name: "closed")
    policy.defaultVerdict = .drop
    var target = CompileTarget()
    target.flowCount = UInt32(GUARD_FLOW_GROUP)
    let image = try compile(policy, for: target)
    return try LiveProgram(
        GenerationImage(config: image.config, tables: image.tables, addresses: image.addresses, info: []))
}

/// The frames of one connection of this host.
private struct Handshake: Sendable {
    let port: UInt16
    let syn: [UInt8]
    let synAck: [UInt8]
    let data: [UInt8]

    init(_ number: Int, isV6: Bool) throws {
        port = UInt16(20_000 + number)
        let (here, there) = isV6 ? ("[2001:db8::1]", "[2001:db8::7]") : ("198.51.100.1", "192.0.2.7")
        syn = try PacketBuilder("tcp \(here):\(port) > \(there):443 syn").bytes
        synAck = try PacketBuilder("tcp \(there):443 > \(here):\(port) syn,ack").bytes
        data = try PacketBuilder("tcp \(there):443 > \(here):\(port) ack").bytes
    }
}

private func handshakes(_ count: Int) throws -> [Handshake] {
    try (0..<count).map { try Handshake($0, isV6: $0 % 2 == 1) }
}

/// What two threads saw.
private struct Storm: Sendable {
    var rounds = 0
    var lost = 0
}

/// Two threads, each with its own handshakes, over and over for a while.
private func storm(_ program: LiveProgram, _ shares: [[Handshake]]) -> Storm {
    nonisolated(unsafe) let program = program
    let rounds = Atomic<Int>(0)
    let lost = Atomic<Int>(0)
    let end = programClock() + 1_500_000_000
    var threads: [pthread_t] = []
    for share in shares {
        let thread = startThread {
            while programClock() < end {
                for one in share {
                    _ = try? program.send(one.syn)
                    for frame in [one.synAck, one.data] where (try? program.run(frame).action) != .pass {
                        lost.wrappingAdd(1, ordering: .relaxed)
                    }
                }
                rounds.wrappingAdd(1, ordering: .relaxed)
            }
        }
        if let thread { threads.append(thread) }
    }
    for thread in threads { pthread_join(thread, nil) }
    return Storm(rounds: rounds.load(ordering: .relaxed), lost: lost.load(ordering: .relaxed))
}

/// The only group, as the kernel has it.
private func group(of program: LiveProgram) throws -> guard_flow_group {
    let map = try #require(program.state.maps[.flows])
    var (zero, group) = (UInt32(0), guard_flow_group())
    try #require(bpf_map_lookup_elem(map.raw, &zero, &group) == 0)
    return group
}

/// No place is owned, half written or found under another's tag; none has a key that nobody wrote.
/// - Returns: the local ports that have places.
private func ports(in group: guard_flow_group, among all: [Handshake]) throws -> [UInt16] {
    var group = group
    let tags = withUnsafeBytes(of: group.tags) { Array($0.bindMemory(to: UInt32.self)) }
    let places = group.withPlaces { Array($0) }
    #expect(tags.count == places.count + 1)
    var ports: [UInt16] = []
    for (place, tag) in zip(places, tags.dropFirst()) {
        let end = withUnsafeBytes(of: place.key) { $0.load(fromByteOffset: 32, as: UInt64.self) }
        #expect(end != GUARD_FLOW_OWNED, "a place that nobody gave back")
        #expect((end == 0) == (tag == 0))
        guard end != 0 else { continue }
        let known = all.first { $0.port == place.key.local_port }
        let isV6 = try #require(known, "a port that nobody used").port % 2 == 1
        #expect(place.key.family == (isV6 ? 6 : 4) && place.key.remote_port == 443)
        #expect(place.key.local.high == (isV6 ? 0x2001_0db8_0000_0000 : 0))
        #expect(place.key.remote.low == (isV6 ? 7 : 0xc000_0207))
        ports.append(place.key.local_port)
    }
    return ports
}

@Suite(.enabled(if: KernelTests.areWanted), .serialized)
struct ConnectionPlacesTests {
    private let program: LiveProgram

    init() throws { program = try DataplaneTests.program() }

    @Test func `two CPUs in one group lose no connection of each other while it has room`() throws {
        let all = try handshakes(Int(GUARD_FLOW_PLACES) - 1)
        let shares = [Array(all.prefix(all.count / 2)), Array(all.dropFirst(all.count / 2))]
        let storm = storm(program, shares)
        #expect(storm.rounds > 100 && storm.lost == 0, "\(storm)")
        #expect(try ports(in: group(of: program), among: all).sorted() == all.map(\.port))
        let tables = try #require(try program.state.flows(now: programClock()))
        #expect(tables.displaced == 0 && tables.failed == 0 && tables.answered.used == all.count)
    }

    @Test func `a connection that two CPUs keep at once has one place`() throws {
        let all = try handshakes(4)
        let storm = storm(program, [all, all.reversed(), all])
        #expect(storm.rounds > 100)
        let ports = try ports(in: group(of: program), among: all)
        #expect(Set(ports).count == ports.count, "\(ports)")
        // Nobody disturbs now: each stands once, whatever was left.
        for one in all {
            _ = try program.send(one.syn)
            #expect(try program.run(one.synAck).action == .pass)
        }
        #expect(try DataplaneTests.ports(in: group(of: program), among: all).sorted() == all.map(\.port))
        let tables = try #require(try program.state.flows(now: programClock()))
        #expect(tables.displaced == 0)
    }

    @Test func `a full group forgets the connection that was not seen for longest, and counts it`() throws {
        let all = try handshakes(Int(GUARD_FLOW_PLACES) + 1)
        for one in all.dropLast() {
            _ = try program.send(one.syn)
            #expect(try program.run(one.synAck).action == .pass)
        }
        #expect(try program.state.flows(now: programClock())?.displaced == 0)
        let last = try #require(all.last)
        // All but the third are seen again, once the coarse clock has moved on.
        let begun = programClock()
        while programClock() < begun + 20_000_000 { sched_yield() }
        for one in all.dropLast() where one.port != all[2].port { _ = try program.run(one.data) }
        _ = try program.send(last.syn)
        #expect(try program.run(last.synAck).action == .pass)
        #expect(try program.state.flows(now: programClock())?.displaced == 1)
        #expect(try program.run(last.data).action == .pass)
        for (number, one) in all.enumerated() {
            #expect(try program.run(one.data).action == (number == 2 ? .drop : .pass), "\(number)")
        }
    }

    @Test func `two CPUs that share a full group leave whole connections, one place each`() throws {
        let all = try handshakes(24)
        let storm = storm(program, [Array(all.prefix(12)), Array(all.dropFirst(12))])
        #expect(storm.rounds > 100)
        let ports = try ports(in: group(of: program), among: all)
        #expect(Set(ports).count == ports.count && ports.count == Int(GUARD_FLOW_PLACES))
        let tables = try #require(try program.state.flows(now: programClock()))
        #expect(tables.displaced > 0 && tables.answered.used == ports.count)
    }
}
