// SPDX-License-Identifier: Apache-2.0
// Token buckets as the C code keeps them, against exact ones: over random rates, across clock wraps and
// swaps, and in a table that is flooded. Time is what a test says it is.
import Diagnostics
import GuardABI
import MapCompiler
import NativeDatapath
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

private let nowhere = SourceRange(SourceText(path: "t", text: "t\n"), 0, 1)

/// A bucket in whole numbers without rounding: what is missing of it, in units of which a second refills
/// `perSecond`.
private struct ExactBucket {
    /// Units that a packet, or a byte, takes.
    let unit: UInt128
    let perNanosecond: UInt128
    let capacity: UInt128
    var missing: UInt128 = 0

    /// - Parameter thousandths: how much faster it refills and how much more it holds.
    init(_ rate: Rate, burst: UInt128, faster thousandths: UInt128 = 0) {
        let more = 1000 + thousandths
        switch rate {
        case .packets(let count, let seconds):
            unit = UInt128(seconds) * 1_000_000_000 * 1000
            perNanosecond = UInt128(count) * more
        case .bits(let bits):
            unit = 8 * 1_000_000_000 * 1000
            perNanosecond = UInt128(bits) * more
        }
        capacity = burst * unit * more / 1000
    }

    mutating func wait(_ nanoseconds: UInt64) {
        let refilled = UInt128(nanoseconds) * perNanosecond
        missing = missing > refilled ? missing - refilled : 0
    }

    func holds(_ amount: UInt128) -> Bool { missing + amount * unit <= capacity }
}

/// A random limit with its burst in packets or bytes.
private struct RandomLimit {
    var limit: Limit
    var burst: UInt128
    /// Of a packet of `bytes` bytes at the limit's rate.
    func interval(_ bytes: Int) -> UInt64 {
        switch limit.rate {
        case .packets(let count, let seconds): seconds * 1_000_000_000 / count
        case .bits(let bits): UInt64(bytes) * 8_000_000_000 / bits
        }
    }

    init(_ random: inout SeededGenerator) {
        let magnitude = UInt64(1) << UInt64(random.below(27))
        let number = UInt64(random.below(Int(magnitude))) + magnitude
        if random.chance(60) {
            let rate = Rate.packets(min(number, 100_000_000), perSeconds: random.pick([1, 1, 60]))
            limit = Limit(name: "l", rate: rate, key: .rule, range: nowhere)
            let packets = UInt64(random.below(random.pick([1, 10, 1000])) + 1)
            limit.burst = .packets(packets)
            burst = UInt128(packets)
        } else {
            let rate = Rate.bits(perSecond: min(number * UInt64(random.pick([1, 1000])), 100_000_000_000))
            limit = Limit(name: "l", rate: rate, key: .rule, range: nowhere)
            let bytes = UInt64(random.below(random.pick([1, 100_000, 10_000_000])) + 1500)
            limit.burst = .bytes(bytes)
            burst = UInt128(bytes)
        }
    }
}

private func engine(_ limits: [Limit], lines: UInt32 = 1 << 10) throws -> NativeEngine {
    try NativeEngine(try limited(limits, lines: lines))
}

/// One rule for each limit, for UDP to port 1, 2, …
private func limited(_ limits: [Limit], lines: UInt32 = 1 << 10) throws -> MapImage {
    var policy = CheckedPolicy(name: "limits")
    policy.limits = limits
    policy.rules = limits.enumerated().map { number, limit in
        var rule = rule("r\(number)", port: UInt16(number + 1), .pass)
        rule.limit = limit.name
        return rule
    }
    var target = CompileTarget()
    target.isReplay = true
    target.bucketLines = lines
    target.slots = Dictionary(uniqueKeysWithValues: policy.rules.enumerated().map { ($1.name, UInt32($0)) })
    return try compile(policy, for: target)
}

extension NativeEngine {
    /// Whether a packet to the port of a limit passes at a time of the virtual clock.
    fileprivate func passes(
        port: UInt16 = 1, bytes: Int = 38, from source: UInt32 = 0xc000_024d, at now: UInt64
    )
        -> Bool
    {
        var frame = udp(port: port, payload: bytes - 28)
        frame.replaceSubrange(26..<30, with: IPAddress(v4: source).bytes)
        return run(frame, now: now).answer.verdict == UInt8(GUARD_PASS.rawValue)
    }
}

@Suite struct BucketTests {
    private let seed = UInt64.random(in: 0...UInt64.max)

    /// Where clocks begin: the time of buckets wraps at 2^56 ns, its sign in between.
    static let starts: [UInt64] = [0, 1_767_225_600_000_000_000, 1 << 55, 1 << 56, 1 << 63]

    @Test(arguments: starts)
    func `a bucket lets through what an exact one does, to a thousandth and one packet`(start: UInt64) throws
    {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<25 {
            let random1 = RandomLimit(&random)
            let engine = try engine([random1.limit])
            var exact = ExactBucket(random1.limit.rate, burst: random1.burst)
            var bound = ExactBucket(random1.limit.rate, burst: random1.burst, faster: 1)
            // Times are whole nanoseconds: what comes a fraction of one too early for the exact bucket comes
            // in time for one whose costs are rounded.
            var quick = bound
            // So that a wrap comes in the middle of it.
            var now = start &- random1.interval(500) &* UInt64(random.below(400))
            var (passed, exactly, quickly) = (UInt128(0), UInt128(0), UInt128(0))
            for _ in 0..<400 {
                let bytes = random.below(1400) + 28
                let wait = UInt64(random.below(Int(clamping: random1.interval(700) &* 2 &+ 2)))
                now &+= wait
                exact.wait(wait)
                bound.wait(wait)
                quick.wait(wait)
                var amount: UInt128 = 1
                if case .bits = random1.limit.rate { amount = UInt128(bytes) }
                if exact.holds(amount) {
                    exact.missing += amount * exact.unit
                    exactly += amount
                }
                if quick.holds(amount) {
                    quick.missing += amount * quick.unit
                    quickly += amount
                }
                guard engine.passes(bytes: bytes, at: now) else { continue }
                passed += amount
                #expect(
                    bound.holds(max(0, amount - 1)),
                    "seed \(seed): more than burst and rate in some window, \(random1.limit)")
                bound.missing += amount * bound.unit
            }
            let largest: UInt128 = if case .bits = random1.limit.rate { 1428 } else { 1 }
            let slack = largest + exactly / 1000
            #expect(
                passed + slack >= min(exactly, quickly) && passed <= max(exactly, quickly) + slack,
                "seed \(seed): \(passed), not \(exactly), \(random1.limit)")
        }
    }

    @Test func `over the rate nothing is written, so that a flood cannot keep a client out`() throws {
        let limit = Limit(name: "l", rate: .packets(10, perSeconds: 1), key: .rule, range: nowhere)
        let engine = try engine([limit])
        let tenth: UInt64 = 100_000_000
        let passed = (0..<20_000).count { engine.passes(at: 5 + UInt64($0) * tenth / 200) }
        // 10 of the burst, and one in each tenth of a second of ten.
        #expect(passed == 10 + 99)
        let counters = native_datapath_limits(engine.datapath)[0]
        #expect(counters.passed.packets == 109 && counters.dropped.packets == 20_000 - 109)
        #expect(counters.passed.bytes == 109 * 52)
    }

    @Test func `a client that was silent for years has a full bucket, and no more`() throws {
        let limit = Limit(name: "l", rate: .packets(1, perSeconds: 1), key: .rule, range: nowhere)
        let day: UInt64 = 86_400_000_000_000
        for days: UInt64 in [1, 99, 101, 416, 418, 700, 833, 840, 5000] {
            let engine = try engine([limit])
            #expect(engine.passes(at: 7 * day))
            #expect(!engine.passes(at: 7 * day))
            #expect(engine.passes(at: (7 + days) * day), "\(days) days")
            #expect(!engine.passes(at: (7 + days) * day), "\(days) days")
        }
    }

    @Test func `a swap neither fills nor empties the bucket of a limit that did not change`() throws {
        var limit = Limit(
            name: "l", rate: .packets(1, perSeconds: 60), key: .source(ipv4Prefix: 32), range: nowhere)
        limit.burst = .packets(2)
        let other = Limit(name: "other", rate: .packets(5, perSeconds: 1), key: .rule, range: nowhere)
        let engine = try engine([limit])
        func load(_ limits: [Limit]) throws {
            let image = try limited(limits)
            #expect(image.withNative { native_datapath_load(engine.datapath, $0) } == 0)
        }
        #expect(engine.passes(at: 1000) && engine.passes(at: 1000) && !engine.passes(at: 1000))
        var changed = limit
        changed.over = .ban(nanoseconds: 1)
        // At another position, with another `over`, by way of a policy without it.
        try load([other])
        try load([other, changed])
        #expect(!engine.passes(port: 2, at: 1000))
        for change: (inout Limit) -> Void in [
            { $0.rate = .packets(2, perSeconds: 60) }, { $0.burst = .packets(3) }, { $0.name = "m" },
            { $0.key = .source(ipv4Prefix: 31) }, { $0.key = .sourceAndService }, { $0.ipv6Prefix = 63 },
        ] {
            var begun = limit
            change(&begun)
            try load([begun])
            // The ban has ended, and not a packet's tokens have come.
            #expect(engine.passes(at: 1001), "\(begun)")
        }
        try load([limit])
        #expect(!engine.passes(at: 1001))
    }

    @Test func `a flood of new sources frees no client from its limit and holds none up`() throws {
        let limit = Limit(
            name: "l", rate: .packets(100, perSeconds: 1), key: .source(ipv4Prefix: 32), range: nowhere)
        let engine = try engine([limit], lines: 256)
        let (heavy, calm): (UInt32, UInt32) = (0xcb00_7101, 0xcb00_7102)
        var (heavyPassed, calmPassed, flooded) = (0, 0, 0)
        // 198.18.0.0/15, of benchmarks (RFC 2544).
        let (start, network): (UInt64, UInt32) = (1 << 40, 0xc612_0000)
        // 10 s: a heavy client at ten times the rate, a calm one at half of it, 13,000 new sources a second.
        for millisecond in 0..<10_000 {
            let now = start + UInt64(millisecond) * 1_000_000
            if engine.passes(from: heavy, at: now) { heavyPassed += 1 }
            if millisecond % 20 == 0, engine.passes(from: calm, at: now) { calmPassed += 1 }
            for number in 0..<13
            where engine.passes(from: network + UInt32(millisecond * 13 + number), at: now) {
                flooded += 1
            }
        }
        #expect(calmPassed == 500)
        #expect((1099...1100).contains(heavyPassed))
        #expect(flooded == 130_000)
    }

    @Test func `without an IP header all packets share one bucket, and frames count by their length`() throws
    {
        var limit = Limit(name: "l", rate: .bits(perSecond: 8), key: .source(ipv4Prefix: 32), range: nowhere)
        limit.burst = .bytes(1500)
        var policy = CheckedPolicy(name: "headless")
        policy.limits = [limit]
        policy.malformed = .pass
        policy.rules = [Rule(name: "all", action: .pass, range: nowhere)]
        policy.rules[0].limit = "l"
        var target = CompileTarget()
        target.isReplay = true
        target.slots = ["all": 0]
        let engine = try NativeEngine(try compile(policy, for: target))
        func passes(_ frame: [UInt8]) -> Bool {
            engine.run(frame, now: 1).answer.verdict == UInt8(GUARD_PASS.rawValue)
        }
        let headless = [UInt8](repeating: 0, count: 12) + [8, 0] + [UInt8](repeating: 0, count: 986)
        #expect(passes(headless))
        #expect(!passes(headless))
        #expect(passes(Array(headless.prefix(486))))
        // 14 bytes are left, and less than an Ethernet header counts as one.
        #expect(passes([1, 2, 3]))
        #expect(!passes([]))
        #expect(passes(udp(port: 1)))
    }
}
