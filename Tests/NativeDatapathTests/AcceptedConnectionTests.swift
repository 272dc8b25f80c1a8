// SPDX-License-Identifier: Apache-2.0
// What this host accepted beside what it opened, in a table that is too small for both.
import GuardABI
import MapCompiler
import NativeDatapath
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

private let second: UInt64 = 1_000_000_000

/// An engine with one group of places, of a policy that lets TCP to port 80 in.
private struct SmallTable {
    private let engine: NativeEngine
    private let here = "198.51.100.1"

    init(_ state: Set<ConnectionState> = []) throws {
        var web = rule("web", port: 80, .pass)
        web.match.service = ServiceSet(
            others: false, exceptions: [.tcp: .init(values: IntervalSet(80...80), unread: false)])
        var asking = web
        asking.name = "asking"
        asking.state = state
        var policy = CheckedPolicy(name: "web")
        policy.defaultVerdict = .drop
        policy.rules = state.isEmpty ? [web] : [asking, web]
        var target = CompileTarget()
        target.isReplay = true
        target.slots = ["web": 0, "asking": 1]
        target.flowCount = UInt32(GUARD_FLOW_GROUP)
        engine = try NativeEngine(compile(policy, for: target))
    }

    private func send(_ text: String, at now: UInt64) throws {
        var trace = guard_trace()
        trace.clock_ns = now
        try frame(text).withUnsafeBytes { bytes in
            var frame = native_frame(
                bytes: bytes.baseAddress, length: UInt32(bytes.count), linear: .max)
            native_datapath_send(engine.datapath, &frame, &trace)
        }
    }

    private func reason(_ text: String, at now: UInt64) throws -> guard_reason {
        guard_reason(rawValue: UInt32(engine.run(try frame(text), now: now).answer.reason))
    }

    /// A connection of this host's from a port, answered.
    func open(_ port: Int, at now: UInt64) throws {
        try send("tcp \(here):\(port) > 192.0.2.7:443 syn", at: now)
        #expect(try isReply(port, "syn,ack", at: now))
    }

    func isReply(_ port: Int, _ flags: String = "ack", at now: UInt64) throws -> Bool {
        try reason("tcp 192.0.2.7:443 > \(here):\(port) \(flags)", at: now) == GUARD_REASON_ESTABLISHED
    }

    /// A client's connection from a port, on which this host has sent data; then a last segment comes in.
    func accept(_ port: Int, endedBy last: String?, at now: UInt64) throws {
        let (to, from) = ("203.0.113.7:\(port) > \(here):80", "\(here):80 > 203.0.113.7:\(port)")
        #expect(try reason("tcp \(to) syn", at: now) == GUARD_REASON_RULE)
        try send("tcp \(from) syn,ack", at: now)
        try send("tcp \(from) ack,psh len 100", at: now)
        if let last { #expect(try reason("tcp \(to) \(last)", at: now) == GUARD_REASON_RULE) }
    }

    /// Of an accepted one; nil: it is not known.
    func state(_ port: UInt16) -> guard_flow_state? {
        var key = guard_flow_key()
        (key.local.low, key.local_port) = (0xc633_6401, 80)
        (key.remote.low, key.remote_port) = (0xcb00_7107, port)
        (key.family, key.protocol) = (4, 6)
        let flow = native_datapath_find_flow(engine.datapath, &key)
        return flow.map { guard_flow_state(UInt32(guard_flow_state_of($0)) & UInt32(GUARD_FLOW_STATE)) }
    }
}

@Suite struct AcceptedConnectionTests {
    /// The connections of this host's that go on, of ten that it opened first and that were silent since.
    private func liveBehindFlood(_ table: SmallTable, endedBy last: String?) throws -> Int {
        for port in 0..<10 { try table.open(40_000 + port, at: second) }
        for port in 0..<100 { try table.accept(1000 + port, endedBy: last, at: 10 * second) }
        return try (0..<10).count { try table.isReply(40_000 + $0, at: 20 * second) }
    }

    @Test(arguments: [nil, "rst", "rst,ack", "fin,ack"])
    func `accepted connections take no place of this host's own where no rule asks for the state`(
        _ last: String?
    ) throws {
        #expect(try liveBehindFlood(SmallTable(), endedBy: last) == 10)
    }

    @Test func `where a rule asks for the state the connection gives way that was not seen for longest`()
        throws
    {
        #expect(try liveBehindFlood(SmallTable([.established]), endedBy: nil) == 0)
    }

    @Test(arguments: [[], [.established]] as [Set<ConnectionState>])
    func `a reset that was let in ends an accepted connection, whether or not a rule asks`(
        _ state: Set<ConnectionState>
    ) throws {
        let table = try SmallTable(state)
        try table.accept(1001, endedBy: "rst", at: second)
        try table.accept(1002, endedBy: nil, at: second)
        #expect(table.state(1001) == GUARD_FLOW_CLOSING && table.state(1002) == GUARD_FLOW_ESTABLISHED)
    }

    @Test func `a client's FIN waits for this host's own where no rule asks for the state`() throws {
        let table = try SmallTable()
        try table.accept(1001, endedBy: "fin,ack", at: second)
        #expect(table.state(1001) == GUARD_FLOW_ESTABLISHED)
    }
}
