// SPDX-License-Identifier: Apache-2.0
// The model's limits by themselves: its clock, its integers by hand, and bans that a limit makes.
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

@testable import ReferenceFirewall

private func policy(_ limit: String, _ more: String = "") throws -> CheckedPolicy {
    var draft = PolicyDraft()
    draft.header = [.init("default", "pass"), .init("stateful", "false")]
    draft.limits = [.init("slow", "{ \(limit) }")]
    draft.rules = [
        [.init("name", "serve"), .init("service", "udp"), .init("limit", "slow"), .init("action", "pass")]
    ]
    if !more.isEmpty { draft.header.append(.init("never-ban", [more], isList: true)) }
    return try draft.load()
}

private func packet(_ source: String, at seconds: Int64) throws -> ReferenceFrame {
    let text =
        source.contains(":") ? "udp [\(source)]:9 > [2001:db8:51::1]:53" : "udp \(source):9 > 198.51.100.1:53"
    return ReferenceFrame(bytes: try frame(text), timeNanoseconds: seconds * 1_000_000_000)
}

@Suite struct LimitTests {
    @Test func `the clock takes any times that a capture may have, and none back`() {
        var clock = ReferenceClock()
        for (time, now) in [
            (-5, 0), (7, 7), (3, 7), (4, 8), (Int64.max, 8 + UInt64(Int64.max) - 4),
            (0, UInt64(Int64.max) + 4),
            (Int64.max, UInt64.max), (0, .max), (Int64.max, .max), (Int64.min, .max),
        ] as [(Int64, UInt64)] {
            clock.advance(to: time)
            #expect(clock.nanoseconds == now)
        }
    }

    @Test(
        arguments: [
            ("rate: 3 pps, per: rule", 38, 85_333_333_333, 255_999_999_999),
            ("rate: 90/m, per: rule", 38, 170_666_666_667, 256_000_000_001),
            ("rate: 30/m, burst: 4, per: rule", 38, 512_000_000_000, 2_048_000_000_000),
            ("rate: 100 Gbit/s, burst: 1500 B, per: rule", 100, 2048, 30_720),
            ("rate: 8 bit/s, per: rule", 65_576, 65_575 * 256_000_000_000, 1500 * 256_000_000_000),
        ] as [(String, Int, UInt64, UInt64)])
    func `costs and bursts are the integers that the documentation says`(
        text: String, length: Int, cost: UInt64, burst: UInt64
    ) throws {
        let size = try #require(try policy(text).limits.first).size(length: length)
        #expect(size.cost == cost && size.burst == burst)
    }

    @Test func `a ban by a limit begins with the next packet, ends by itself and is not made longer`() throws
    {
        var firewall = ReferenceFirewall(
            policy: try policy("rate: 1/m, burst: 1, per: source/24, over: ban 10s"))
        var reasons: [Reason] = []
        for second: Int64 in [100, 100, 100, 109, 110, 110] {
            reasons.append(firewall.judge(try packet("192.0.2.7", at: second)).reason)
        }
        #expect(reasons == [.rule, .limit, .ban, .ban, .limit, .ban])
        #expect(firewall.judge(try packet("192.0.2.200", at: 110)).reason == .ban)
        #expect(firewall.judge(try packet("203.0.113.7", at: 110)).reason == .rule)
    }

    @Test func `what never-ban holds is limited, but not banned`() throws {
        var firewall = ReferenceFirewall(
            policy: try policy("rate: 1/m, burst: 1, per: source, over: ban 1h", "\"2001:db8::8\""))
        let reasons = try (0..<4).map { _ in firewall.judge(try packet("2001:db8::8", at: 5)).reason }
        #expect(reasons == [.rule, .limit, .limit, .limit])
        // Its neighbour of the /64 is, and that does not hold for it.
        #expect(firewall.judge(try packet("2001:db8::9", at: 5)).reason == .limit)
        #expect(firewall.judge(try packet("2001:db8::9", at: 5)).reason == .ban)
        #expect(firewall.judge(try packet("2001:db8::8", at: 5)).reason == .limit)
    }

    @Test func `model and compiler name a limit's buckets by the same words`() throws {
        let limit = try #require(
            try policy("rate: 8 kbit/s, burst: 1500 B, per: source+service, ipv6-prefix: 48").limits.first)
        // Only `per: rule` has the rule in it. FNV-1a of "slow|bits|8000|1|1500|source+service|32|48".
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "slow|bits|8000|1|1500|source+service|32|48".utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        #expect(limit.definitionHash(for: "serve") == hash)
    }
}
