// SPDX-License-Identifier: Apache-2.0
// Who is noted as limited where the first packet that a limit drops is a later fragment: the client that its
// first was charged to.
import Dataplane
import Diagnostics
import GuardABI
import MapCompiler
import NativeDatapath
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

/// An engine with one packet for each key of a limit.
private func limiter(_ key: LimitKey) throws -> NativeEngine {
    let nowhere = SourceRange(SourceText(path: "t", text: "t\n"), 0, 1)
    var policy = CheckedPolicy(name: "limiter")
    policy.decapsulate = [.gre]
    var limit = Limit(name: "one", rate: .packets(1, perSeconds: 60), key: key, range: nowhere)
    limit.burst = .packets(1)
    policy.limits = [limit]
    var rule = Rule(name: "dns", action: .pass, range: nowhere)
    rule.limit = "one"
    policy.rules = [rule]
    var target = CompileTarget()
    target.isReplay = true
    target.slots = ["dns": 0]
    return try NativeEngine(compile(policy, for: target))
}

extension NativeEngine {
    fileprivate func reasons(of frames: [[UInt8]]) -> [guard_reason] {
        frames.map { guard_reason(rawValue: UInt32(run($0, now: 1_000_000_000).answer.reason)) }
    }

    fileprivate var limited: [LimitedClient] {
        LimitedClient.all(
            in: UnsafeRawBufferPointer(
                UnsafeBufferPointer(
                    start: native_datapath_limited(datapath), count: Int(GUARD_LIMITED_GROUPS))
            ))
    }
}

/// IPv4 from 192.0.2.9 to 198.51.100.1 behind Ethernet; `fragment`: flags and offset.
private func packet(_ proto: UInt8, _ content: [UInt8], fragment: UInt16) -> [UInt8] {
    let length = UInt16(20 + content.count)
    return [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, UInt8(length >> 8), UInt8(length & 255), 0, 1]
        + [UInt8(fragment >> 8), UInt8(fragment & 255), 64, proto, 0, 0, 192, 0, 2, 9, 198, 51, 100, 1]
        + content
}

/// The two fragments of a datagram.
private func fragments(_ proto: UInt8, _ content: [UInt8]) -> [[UInt8]] {
    let half = content.count / 16 * 8
    return [
        packet(proto, Array(content[..<half]), fragment: 0x2000),
        packet(proto, Array(content[half...]), fragment: UInt16(half / 8)),
    ]
}

private let datagram = try? PacketBuilder("udp 203.0.113.66:1000 > 198.51.100.1:53 len 120").bytes

@Test func `a later fragment's client has the service that its first had`() throws {
    for key in [LimitKey.sourceAndService, .connection] {
        let engine = try limiter(key)
        let segment = Array(try #require(datagram).dropFirst(34))
        #expect(engine.reasons(of: fragments(17, segment)) == [GUARD_REASON_RULE, GUARD_REASON_LIMIT])
        let client = try #require(engine.limited.first)
        #expect(engine.limited.count == 1)
        #expect(client.ipProtocol == .udp && client.port == 53)
        #expect(client.source == IPAddress("192.0.2.9"))
        #expect(client.sourcePort == (key == .connection ? 1000 : nil))
    }
}

@Test func `a tunnel's later fragment is of the client within the tunnel`() throws {
    let engine = try limiter(.source(ipv4Prefix: 32))
    let inner = Array(try #require(datagram).dropFirst(14))
    let train = fragments(47, [0, 0, 8, 0] + inner)
    #expect(engine.reasons(of: train) == [GUARD_REASON_RULE, GUARD_REASON_LIMIT])
    #expect(engine.limited.map(\.source) == [IPAddress("203.0.113.66")])
    #expect(engine.limited.map(\.dropped.packets) == [1])
}
