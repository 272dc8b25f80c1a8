// SPDX-License-Identifier: Apache-2.0
// Limits as integers: costs and tolerances by hand, their records in the tables, and what names a bucket.
import Diagnostics
import GuardABI
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

@testable import MapCompiler

private let second: UInt64 = 256_000_000_000

private struct Case: Sendable {
    var rate: Rate
    var burst: Burst?
    var cost: UInt64
    var shift: UInt8 = 0
    var tolerance: UInt64
}

private let packets: [Case] = [
    Case(
        rate: .packets(1000, perSeconds: 1), burst: .packets(2000), cost: second / 1000, tolerance: 2 * second
    ),
    Case(rate: .packets(1000, perSeconds: 1), cost: second / 1000, tolerance: second),
    // Rounded to the nearest: a third of a second, two thirds.
    Case(rate: .packets(3, perSeconds: 1), cost: 85_333_333_333, tolerance: 255_999_999_999),
    Case(rate: .packets(3, perSeconds: 2), cost: 170_666_666_667, tolerance: 256_000_000_001),
    // One second's worth is at least a packet.
    Case(rate: .packets(30, perSeconds: 60), cost: 2 * second, tolerance: 2 * second),
    Case(rate: .packets(90, perSeconds: 60), cost: 170_666_666_667, tolerance: 256_000_000_001),
    Case(
        rate: .packets(1, perSeconds: 60), burst: .packets(144_000), cost: 60 * second,
        tolerance: 8_640_000 * second),
    Case(rate: .packets(100_000_000, perSeconds: 1), burst: .packets(1), cost: 2560, tolerance: 2560),
]

@Suite struct TokenBucketTests {
    @Test(arguments: packets)
    fileprivate func `a packet's cost and the burst's are what the rate says`(expected: Case) {
        let bucket = TokenBucket(rate: expected.rate, burst: expected.burst)
        #expect(bucket.cost == expected.cost && bucket.costShift == 0)
        #expect(bucket.tolerance == expected.tolerance)
    }

    @Test(
        arguments: [
            1, 7, 8, 9999, 64_000, 1_000_000, 333_333_333, 7_000_000_000, 99_999_999_999, 100_000_000_000,
        ] as [UInt64])
    func `a byte's cost is as fine as the longest packet leaves room for`(bits: UInt64) {
        let bucket = TokenBucket(rate: .bits(perSecond: bits), burst: nil)
        let scaled = UInt128(second) * 8 << UInt128(bucket.costShift)
        let error =
            UInt128(bucket.cost) * UInt128(bits) > scaled
            ? UInt128(bucket.cost) * UInt128(bits) - scaled : scaled - UInt128(bucket.cost) * UInt128(bits)
        #expect(error * 2 <= UInt128(bits), "to the nearest")
        let (product, overflow) = bucket.cost.multipliedReportingOverflow(
            by: UInt64(GUARD_LIMITED_LENGTH_MAX))
        let half = (UInt64(1) << UInt64(bucket.costShift)) >> 1
        #expect(!overflow && !product.addingReportingOverflow(half).overflow)
        // One bit more would not fit, or is not asked for.
        let more = UInt128(bucket.cost) * 2 * UInt128(GUARD_LIMITED_LENGTH_MAX) + UInt128(half) * 2
        #expect(bucket.costShift == 32 || more + UInt128(GUARD_LIMITED_LENGTH_MAX) > UInt128(UInt64.max))
        #expect(bucket.tolerance == bucket.cost(ofBytes: max(1500, bits / 8)))
    }

    @Test func `bytes cost the same one by one or together, but for rounding`() {
        let bucket = TokenBucket(rate: .bits(perSecond: 100_000_000_000), burst: .bytes(1 << 40))
        #expect(bucket.cost(ofBytes: 100) == 2048)
        #expect(bucket.cost(ofBytes: 28) == 573)
        #expect(bucket.cost(ofBytes: 65_575) == 1_342_976)
        #expect(bucket.tolerance == 87_960_930_222 << 8)
    }

    @Test func `a limit's record says who shares a bucket and what follows over the rate`() throws {
        var policy = CheckedPolicy(name: "limits")
        var first = Limit(
            name: "a", rate: .packets(10, perSeconds: 1), key: .source(ipv4Prefix: 24), range: World.range)
        first.ipv6Prefix = 56
        first.over = .ban(nanoseconds: 5)
        var second = Limit(name: "b", rate: .bits(perSecond: 8000), key: .connection, range: World.range)
        second.monitor = true
        second.burst = .bytes(1500)
        let third = Limit(
            name: "c", rate: .packets(1_000_000, perSeconds: 1), key: .destination, range: World.range)
        policy.limits = [first, second, third]
        policy.rules = ["c", nil, "a"].map {
            var rule = Rule(name: $0 ?? "none", action: .pass, range: World.range)
            rule.limit = $0
            return rule
        }
        var target = CompileTarget()
        target.limitSlots = ["a": 7, "b": 9]
        let image = try compile(policy, for: target)
        #expect(image.config.flags & UInt32(GUARD_CFG_LIMITS.rawValue) != 0)
        #expect(image.config.limit_count == 3 && image.config.bucket_lines == UInt32(GUARD_BUCKET_LINES))
        let interpreter = ImageInterpreter(image)
        #expect((0..<3).map { interpreter.rule($0).limit } == [2, UInt16(GUARD_NO_LIMIT), 0])
        let records = (0..<3).map {
            interpreter.read(guard_limit.self, image.config.limits + UInt32($0) * 48, or: guard_limit())
        }
        #expect(records.map(\.slot) == [7, 9, 2])
        #expect(records.map(\.prefix4) == [24, 32, 32] && records.map(\.prefix6) == [56, 64, 64])
        #expect(
            records.map { UInt32($0.key) }
                == [GUARD_LIMIT_SOURCE, GUARD_LIMIT_CONNECTION, GUARD_LIMIT_DESTINATION].map(\.rawValue))
        #expect(
            records.map { Int32($0.flags) } == [GUARD_LIMIT_BAN, GUARD_LIMIT_BYTES | GUARD_LIMIT_MONITOR, 0])
        #expect(records[0].ban_ns == 5)
        #expect(Set(records.map(\.seed)).count == 3)
        #expect(image.limits.map(\.seed) == records.map(\.seed))
    }

    @Test func `bursts that are gone within some ticks of the coarse clock ask for the exact one`() {
        for (burst, isExact) in [(49, true), (50, false)] as [(UInt64, Bool)] {
            var limit = Limit(name: "a", rate: .packets(1000, perSeconds: 1), key: .rule, range: World.range)
            limit.burst = .packets(burst)
            let flags = guard_limit(limit, slot: 0).flags
            #expect((flags & UInt8(GUARD_LIMIT_EXACT_CLOCK) != 0) == isExact)
        }
    }

    @Test func `without a rule that has a limit no buckets are needed`() throws {
        var policy = CheckedPolicy(name: "unused")
        policy.limits = [Limit(name: "a", rate: .packets(1, perSeconds: 1), key: .rule, range: World.range)]
        let config = try compile(policy, for: CompileTarget()).config
        #expect(config.flags & UInt32(GUARD_CFG_LIMITS.rawValue) == 0 && config.bucket_lines == 0)
    }

    @Test func `more limits than there are counters are refused with the one too many`() throws {
        var policy = CheckedPolicy(name: "many")
        policy.limits = (0...Int(GUARD_LIMITS)).map {
            Limit(name: "l\($0)", rate: .packets(1, perSeconds: 1), key: .rule, range: World.range)
        }
        let error = #expect(throws: CompileError.self) { try compile(policy, for: CompileTarget()) }
        #expect(
            error?.diagnostics.map(\.message) == ["the policy has 1025 limits, but at most 1024 are possible"]
        )
    }

    @Test func `a definition tells all that makes another bucket`() {
        var limit = Limit(
            name: "per-client", rate: .packets(1000, perSeconds: 1), key: .source(ipv4Prefix: 24),
            range: World.range)
        #expect(limit.definition() == "per-client|packets|1000|1|0|source|24|64")
        limit.rate = .bits(perSecond: 8000)
        limit.burst = .bytes(1500)
        limit.key = .sourceAndService
        limit.ipv6Prefix = 48
        #expect(limit.definition(for: "web") == "per-client|bits|8000|1|1500|source+service|32|48")
        limit.key = .rule
        #expect(limit.definition(for: "web") == "per-client|bits|8000|1|1500|rule|32|48|web")
        // FNV-1a of "a" is in its authors' table.
        #expect(
            guard_limit(TokenBucket(rate: limit.rate, burst: nil), definition: "a").seed
                == 0xaf63_dc4c_8601_ec8c)
    }
}
