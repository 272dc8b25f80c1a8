// SPDX-License-Identifier: Apache-2.0
// Tables of connections that floods fill: what is live stays, what a flood can reach is bounded.
import GuardABI
import MapCompiler
import NativeDatapath
import NetworkTypes
import PolicyLanguage
import Testing

/// A policy that drops all but what this host asked for, and UDP to port 53.
private func closed() throws -> MapImage {
    var policy = CheckedPolicy(name: "closed")
    policy.defaultVerdict = .drop
    policy.rules = [rule("dns", port: 53, .pass)]
    var target = CompileTarget()
    target.isReplay = true
    target.slots = ["dns": 0]
    return try compile(policy, for: target)
}

/// A TCP or UDP packet of 198.51.100.1 (`sent`) or to it, of which only ends and flags are written anew.
private struct Frame {
    private(set) var bytes = [UInt8](repeating: 0, count: 54)
    private let isSent: Bool

    init(_ proto: UInt8, sent: Bool) {
        isSent = sent
        bytes.replaceSubrange(12..<26, with: [8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, proto, 0, 0])
        let ours: [UInt8] = [198, 51, 100, 1]
        bytes.replaceSubrange(sent ? 26..<30 : 30..<34, with: ours)
        bytes[46] = 0x50
        if proto == 17 { bytes[39] = 20 }
    }

    /// - Parameter remote: the other side's address, in 10.0.0.0/8.
    mutating func set(remote: Int, port: UInt16, local: UInt16, flags: UInt8 = 0) {
        let at = isSent ? 30 : 26
        (bytes[at], bytes[at + 1]) = (10, UInt8(truncatingIfNeeded: remote >> 16))
        bytes[at + 2] = UInt8(truncatingIfNeeded: remote >> 8)
        bytes[at + 3] = UInt8(truncatingIfNeeded: remote)
        let (first, second) = isSent ? (local, port) : (port, local)
        (bytes[34], bytes[35]) = (UInt8(first >> 8), UInt8(truncatingIfNeeded: first))
        (bytes[36], bytes[37]) = (UInt8(second >> 8), UInt8(truncatingIfNeeded: second))
        if bytes[23] == 6 { bytes[47] = flags }
    }
}

private let second: UInt64 = 1_000_000_000

@Suite struct ConnectionTableTests {
    private let engine: NativeEngine

    init() throws { engine = try NativeEngine(closed()) }

    private init(_ engine: NativeEngine) { self.engine = engine }

    private func send(_ frame: Frame, now: UInt64) {
        var trace = guard_trace()
        trace.clock_ns = now
        frame.bytes.withUnsafeBytes { bytes in
            var frame = native_frame(
                bytes: bytes.baseAddress, length: UInt32(bytes.count), linear: .max)
            native_datapath_send(engine.datapath, &frame, &trace)
        }
    }

    private func reason(_ frame: Frame, now: UInt64) -> guard_reason {
        guard_reason(rawValue: UInt32(engine.run(frame.bytes, now: now).answer.reason))
    }

    @Test func `of 100,000 live connections none is lost in a flood of half-open ones`() {
        var (asked, answered) = (Frame(6, sent: true), Frame(6, sent: false))
        let port = { (flow: Int) in UInt16(1024 + flow % 50_000) }
        for flow in 0..<100_000 {
            asked.set(remote: flow, port: 443, local: port(flow), flags: 0x02)
            send(asked, now: second)
            answered.set(remote: flow, port: 443, local: port(flow), flags: 0x12)
            #expect(reason(answered, now: second) == GUARD_REASON_ESTABLISHED)
        }
        var flood = Frame(6, sent: true)
        for other in 0..<1_000_000 {
            flood.set(remote: 0x80_0000 | other, port: 999, local: 80, flags: other % 2 == 0 ? 0x12 : 0x02)
            send(flood, now: 2 * second)
        }
        var lost = 0
        for flow in 0..<100_000 {
            answered.set(remote: flow, port: 443, local: port(flow), flags: 0x10)
            if reason(answered, now: 3 * second) != GUARD_REASON_ESTABLISHED { lost += 1 }
        }
        #expect(lost == 0)
    }

    @Test func `no question of this host is lost in a flood that it accepts`() {
        var (asked, answer) = (Frame(17, sent: true), Frame(17, sent: false))
        var (syn, synAck) = (Frame(6, sent: true), Frame(6, sent: false))
        for flow in 0..<400 {
            asked.set(remote: flow, port: 53, local: UInt16(40_000 + flow))
            send(asked, now: second)
            syn.set(remote: flow, port: 443, local: UInt16(40_000 + flow), flags: 0x02)
            send(syn, now: second)
        }
        var flood = Frame(6, sent: true)
        for other in 0..<200_000 {
            flood.set(remote: 0x80_0000 | other, port: 999, local: 443, flags: 0x12)
            send(flood, now: 2 * second)
        }
        var lost = 0
        for flow in 0..<400 {
            answer.set(remote: flow, port: 53, local: UInt16(40_000 + flow))
            synAck.set(remote: flow, port: 443, local: UInt16(40_000 + flow), flags: 0x12)
            for frame in [answer, synAck] where reason(frame, now: 3 * second) != GUARD_REASON_ESTABLISHED {
                lost += 1
            }
        }
        #expect(lost == 0)
    }

    @Test func `a full table forgets the connection that was not looked at for longest`() {
        var (asked, answered) = (Frame(17, sent: true), Frame(17, sent: false))
        for flow in 0...Int(GUARD_UNANSWERED) {
            asked.set(remote: flow, port: 53, local: 5353)
            send(asked, now: second)
        }
        answered.set(remote: 0, port: 53, local: 5353)
        #expect(reason(answered, now: second) == GUARD_REASON_DEFAULT)
        answered.set(remote: 1, port: 53, local: 5353)
        #expect(reason(answered, now: second) == GUARD_REASON_ESTABLISHED)
        answered.set(remote: Int(GUARD_UNANSWERED), port: 53, local: 5353)
        #expect(reason(answered, now: second) == GUARD_REASON_ESTABLISHED)
    }

    @Test func `an answer opens nothing for a client whose mark a flood pushed out`() {
        var (asked, answer) = (Frame(17, sent: false), Frame(17, sent: true))
        for client in 0..<1_500_000 {
            asked.set(remote: client, port: 999, local: 53)
            _ = engine.run(asked.bytes, now: second)
        }
        for client in 0..<1000 {
            answer.set(remote: client, port: 999, local: 53)
            send(answer, now: second)
            asked.set(remote: client, port: 999, local: 53)
            #expect(reason(asked, now: second) == GUARD_REASON_RULE)
        }
        // This host's own questions go from a port that nobody is let in on.
        var (question, reply) = (Frame(17, sent: true), Frame(17, sent: false))
        question.set(remote: 1, port: 53, local: 40_000)
        send(question, now: second)
        reply.set(remote: 1, port: 53, local: 40_000)
        #expect(reason(reply, now: second) == GUARD_REASON_ESTABLISHED)
        // Once all is over that may have been lost, the port opens connections again.
        answer.set(remote: 1, port: 1000, local: 53)
        send(answer, now: 200 * second)
        asked.set(remote: 1, port: 1000, local: 53)
        #expect(reason(asked, now: 200 * second) == GUARD_REASON_ESTABLISHED)
    }

    @Test func `inbound packets put nothing into the tables`() {
        var frame = Frame(6, sent: false)
        for flags in [0x02, 0x12, 0x10, 0x18, 0x11, 0x04] as [UInt8] {
            frame.set(remote: 1, port: 999, local: 53, flags: flags)
            #expect(reason(frame, now: second) == GUARD_REASON_DEFAULT)
        }
        var key = guard_flow_key()
        key.local.low = 0xc633_6401
        key.remote.low = 0x0a00_0001
        (key.local_port, key.remote_port) = (53, 999)
        (key.family, key.protocol) = (4, 6)
        #expect(native_datapath_find_flow(engine.datapath, &key) == nil)
    }

    /// An earlier policy may have let a scan of all ports in.
    @Test func `a port that was spoken to long ago asks again in a flood of another`() throws {
        var open = rule("all", port: 0, .pass)
        open.match.service?.exceptions[.udp] = .init(values: IntervalSet(0...65_535), unread: false)
        var policy = CheckedPolicy(name: "open")
        policy.defaultVerdict = .drop
        policy.rules = [open]
        var target = CompileTarget()
        target.isReplay = true
        target.slots = ["all": 0]
        let engine = try NativeEngine(compile(policy, for: target))
        let table = ConnectionTableTests(engine)
        var (asked, question) = (Frame(17, sent: false), Frame(17, sent: true))
        asked.set(remote: 1, port: 999, local: 40_000)
        _ = engine.run(asked.bytes, now: second)
        let opens = { (now: UInt64) in
            for client in 0..<1_500_000 {
                asked.set(remote: client, port: 999, local: 53)
                _ = engine.run(asked.bytes, now: now)
            }
            question.set(remote: 2, port: 53, local: 40_000)
            table.send(question, now: now)
            var key = guard_flow_key()
            (key.local.low, key.local_port) = (0xc633_6401, 40_000)
            (key.remote.low, key.remote_port) = (0x0a00_0002, 53)
            (key.family, key.protocol) = (4, 17)
            return native_datapath_find_flow(engine.datapath, &key) != nil
        }
        #expect(!opens(100 * second))
        #expect(opens(130 * second))
    }
}
