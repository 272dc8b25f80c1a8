// SPDX-License-Identifier: Apache-2.0
// Dropped flows through the kernel: both directions, until their end, with their counts; room and renewal.
import Dataplane
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

private func ends(_ text: String) throws -> FlowEnds { FlowEnds(try PacketDescription(parsing: text)) }
private func frame(_ text: String) throws -> [UInt8] { try PacketBuilder(text).bytes }

private let there = "tcp 192.0.2.1:1000 > 198.51.100.1:80 ack"
private let back = "tcp 198.51.100.1:80 > 192.0.2.1:1000 ack"
private let minute: UInt64 = 60_000_000_000

@Suite(.enabled(if: KernelTests.areWanted))
struct DroppedFlowTests {
    let inspecting: Inspecting
    private var program: LiveProgram { inspecting.program }
    private var state: SharedState { inspecting.program.state }

    init() throws { inspecting = try Inspecting() }

    private func drop(_ text: String, for duration: UInt64?, sid: UInt32? = nil) throws {
        let now = programClock()
        var flow = DroppedFlow(try ends(text), since: now, ends: duration.map { now + $0 })
        (flow.sid, flow.ruleSlot) = (sid, sid == nil ? nil : 100)
        try state.drop(flow, now: now)
    }

    @Test(arguments: [
        (there, back),
        ("udp [2001:db8::9]:53 > [2001:db8::1]:53", "udp [2001:db8::1]:53 > [2001:db8::9]:53"),
        ("icmp 192.0.2.1 > 198.51.100.1 echo-request", "icmp 198.51.100.1 > 192.0.2.1 echo-reply"),
    ])
    func `a dropped flow's packets are dropped both ways, counted, and not sampled`(
        there: String, back: String
    ) throws {
        #expect(try program.run(frame(there)).action == .pass)
        #expect(try program.send(frame(back)))
        // By either direction's name.
        try drop(back, for: minute, sid: 2_024_217)
        for _ in 0..<3 { #expect(try program.run(frame(there)).action == .drop) }
        #expect(try !program.send(frame(back)))
        let flow = try #require(try state.droppedFlow(ends(there)))
        #expect(flow.received.packets == 3 && flow.sent.packets == 1 && flow.received.bytes > 60)
        #expect(flow.sid == 2_024_217 && flow.ruleSlot == 100 && !flow.isSpared)
        let counts = try inspecting.counts()
        #expect(counts.droppedReceived == 3 && counts.droppedSent == 1)
        #expect(inspecting.samples().count == 2)
        #expect(try state.reasonCounts().compactMap { $0["flow"]?.drop.packets }.reduce(0, +) == 3)
    }

    @Test func `other flows of the same hosts pass`() throws {
        try drop(there, for: nil)
        #expect(try program.run(frame("tcp 192.0.2.1:1001 > 198.51.100.1:80 ack")).action == .pass)
        #expect(try program.run(frame("udp 192.0.2.1:1000 > 198.51.100.1:80")).action == .pass)
        #expect(try program.send(frame("tcp 198.51.100.1:81 > 192.0.2.1:1000 ack")))
        #expect(try program.run(frame(there)).action == .drop)
    }

    @Test func `a flow passes again once its time is over, or it is let go`() throws {
        // The program's clock may be some milliseconds behind the exact one.
        let second: UInt64 = 1_000_000_000
        let now = programClock() - second
        try state.drop(DroppedFlow(try ends(there), since: now, ends: now + second / 2), now: now)
        #expect(try program.run(frame(there)).action == .pass)
        try drop(there, for: minute)
        #expect(try program.run(frame(there)).action == .drop)
        #expect(try state.remove([ends(there), ends("udp 192.0.2.7:1 > 198.51.100.1:2")]) == [ends(there)])
        #expect(try program.run(frame(there)).action == .pass)
        #expect(try program.send(frame(back)))
        #expect(try state.droppedFlows().isEmpty)
    }

    @Test func `of two ends the later one holds, with the counts of both`() throws {
        try drop(there, for: 10 * minute)
        _ = try program.run(frame(there))
        let first = try #require(try state.droppedFlow(ends(there)))
        try drop(there, for: minute)
        #expect(try state.droppedFlow(ends(there)) == first)
        try drop(there, for: nil, sid: 5)
        let last = try #require(try state.droppedFlow(ends(there)))
        #expect(last.endsNanoseconds == nil && last.received.packets == 1 && last.sid == 5)
        #expect(last.sinceNanoseconds == first.sinceNanoseconds)
    }

    @Test func `never-ban lets a flow pass, and this host's answers with it`() throws {
        let spared = try Inspecting { $0.neverBan = AddressSet(v4: .init(0xc000_0201...0xc000_0201)) }
        let now = programClock()
        try spared.program.state.drop(DroppedFlow(try ends(there), since: now, ends: nil), now: now)
        #expect(try !spared.program.send(frame(back)))
        #expect(try spared.program.run(frame(there)).action == .pass)
        #expect(try spared.program.send(frame(back)))
        #expect(try spared.program.state.droppedFlow(ends(there))?.isSpared == true)
    }

    @Test func `a policy in monitor mode drops no flow`() throws {
        let watching = try Inspecting { $0.mode = .monitor }
        let now = programClock()
        try watching.program.state.drop(DroppedFlow(try ends(there), since: now, ends: nil), now: now)
        #expect(try watching.program.run(frame(there)).action == .pass)
        #expect(try watching.program.send(frame(back)))
    }

    @Test func `a full table clears what has ended, then refuses with words`() throws {
        let now = programClock()
        func flow(_ number: Int) -> FlowEnds {
            FlowEnds(
                .udp, .init(IPAddress(v4: 0xc633_6401), 53),
                .init(IPAddress(v4: 0xc000_0200 + UInt32(number >> 16)), UInt16(truncatingIfNeeded: number)))
        }
        let room = Int(GUARD_DROPPED_FLOWS)
        for number in 0..<room {
            let end = number < 10 ? now : now + 600 * minute
            try state.drop(DroppedFlow(flow(number), since: now, ends: end), now: now)
        }
        try state.drop(DroppedFlow(flow(room), since: now, ends: nil), now: now)
        #expect(try state.droppedFlows().count == room - 9)
        for number in 1...9 {
            try state.drop(DroppedFlow(flow(room + number), since: now, ends: nil), now: now)
        }
        let error = #expect(throws: KernelError.self) {
            try state.drop(DroppedFlow(flow(room + 10), since: now, ends: nil), now: now)
        }
        #expect(error?.description.contains("full with 65536 flows") == true)
        // One that is there can be dropped for longer.
        try state.drop(DroppedFlow(flow(room), since: now, ends: nil), now: now)
    }

    @Test func `without inspectors no flow can be dropped, which is said`() throws {
        var policy = CheckedPolicy(name: "plain")
        policy.defaultVerdict = .pass
        let image = try compile(policy, for: CompileTarget())
        let plain = try LiveProgram(
            GenerationImage(config: image.config, tables: image.tables, addresses: image.addresses, info: []))
        let error = #expect(throws: KernelError.self) {
            try plain.state.drop(DroppedFlow(ends(there), since: 0, ends: nil), now: 0)
        }
        #expect(error?.description.contains("'inspect'") == true)
        #expect(try plain.state.droppedFlows().isEmpty)
    }
}
