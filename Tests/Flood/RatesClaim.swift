// SPDX-License-Identifier: Apache-2.0
// Claim: in the long run a limit lets through its rate within 1 %, and in no window more than its burst and
// its rate, on a clock that is exact and on one that ticks.
import GuardABI
import PolicyLanguage
import TestSupport

/// A limit and what is offered to it.
private struct RateCase {
    var rate: Rate
    /// As policies write it.
    var text: String
    /// In packets or bytes.
    var burst: Int
    /// Times the rate.
    var offered: UInt64
    /// Nanoseconds by which the clock goes on at once; 1: it is exact.
    var tick: UInt64 = 1

    var isInBytes: Bool { if case .bits = rate { true } else { false } }

    /// Bursts of 50 ms (at least ten packets), met by four times the rate, and by a clock that ticks: shorter
    /// ones have the exact clock. And of one packet, met by so much that hardly any of its tokens comes too
    /// late.
    static func both(_ rate: Rate, _ text: String) -> [RateCase] {
        let inBurst: UInt64, packet: Int
        switch rate {
        case .packets(let count, let seconds): (inBurst, packet) = (count / seconds / 20, 1)
        case .bits(let bits): (inBurst, packet) = (bits / 8 / 20, 1500)
        }
        let burst = max(Int(inBurst), 10 * packet)
        let long = RateCase(rate: rate, text: text, burst: burst, offered: 4)
        var ticking = long
        // Of a kernel with 100 Hz, the slowest.
        ticking.tick = 10_000_000
        return [long, ticking, RateCase(rate: rate, text: text, burst: packet, offered: 400)]
    }

    static let all: [RateCase] =
        [
            (10, 60), (100, 60), (1, 1), (7, 1), (100, 1), (333, 1), (1000, 1), (12_345, 1), (50_000, 1),
            (333_333, 1), (1_000_000, 1),
        ].flatMap { (count: UInt64, seconds: UInt64) in
            both(.packets(count, perSeconds: seconds), seconds == 1 ? "\(count) pps" : "\(count)/m")
        }
        + [
            (100_000, "100 kbit/s"), (1_000_000, "1 Mbit/s"), (7_777_777, "7777777 bit/s"),
            (100_000_000, "100 Mbit/s"), (999_999_999, "999999999 bit/s"), (1_000_000_000, "1 Gbit/s"),
            (9_876_543_210, "9876543210 bit/s"), (10_000_000_000, "10 Gbit/s"),
        ].flatMap { (bits: UInt64, text: String) in both(.bits(perSecond: bits), text) }

    var policy: String {
        """
        default: drop
        limits: { total: { rate: \(text), burst: \(isInBytes ? "\(burst) B" : "\(burst)"), per: rule } }
        rules: [{ name: all, service: udp, limit: total, action: pass }]
        """
    }

    /// Nanoseconds in which the rate lets one packet of the middle size through, in 1/1000.
    var interval: UInt64 {
        switch rate {
        case .packets(let count, let seconds): seconds * 1_000_000_000_000 / count
        case .bits(let bits): UInt64(UInt128(Self.middleBytes) * 8_000_000_000_000 / UInt128(bits))
        }
    }
    /// Of packets of 64 to 1500 bytes.
    private static let middleBytes: UInt64 = 782
}

/// What came of one limit.
private struct RateResult {
    /// Of the rate: how far the long-run admitted rate is from it.
    var error: Double
    /// Packets or bytes above burst and rate in the worst window; below 0: fewer.
    var excess: Double
    /// The same with a rate faster by 0.1 %, which is what the contract leaves room for.
    var boundedExcess: Double
    var admitted: Int
}

enum RatesClaim {
    /// For each limit; fewer would end before the first tick of the slowest clock.
    private static func packets(_ size: FloodSize) -> Int { size.isQuick ? 250_000 : 1_000_000 }

    static func run(_ size: FloodSize) throws -> Outcome {
        var random = SeededGenerator(seed: size.seed)
        var outcome = Outcome(holds: true, figures: "")
        var (wrong, worstError, worstExcess) = ([String](), 0.0, -Double.infinity)
        let count = packets(size)
        for rate in RateCase.all {
            var run = try RateRun(rate, random.next())
            let result = run.result(count, &outcome.memory)
            // A byte rate's packets are of different sizes: of the longest.
            let packet = rate.isInBytes ? 1500.0 : 1.0
            worstError = max(worstError, result.error)
            worstExcess = max(worstExcess, result.excess / packet)
            if result.error > 0.01 || result.boundedExcess > packet {
                wrong.append(
                    "\(rate.text), burst \(rate.burst), tick \(rate.tick) ns: "
                        + "\(fixed(result.error * 100, 3)) % off, "
                        + "\(fixed(result.boundedExcess, 1)) too much of \(result.admitted)")
            }
        }
        outcome.holds = wrong.isEmpty
        outcome.figures =
            "\(RateCase.all.count) limits from 10/m to 1 M pps and 100 kbit/s to 10 Gbit/s, "
            + "\(grouped(count)) packets each: the admitted rate is at most "
            + "\(fixed(worstError * 100, 3)) % off; in no window more than "
            + "\(fixed(max(0, worstExcess), 3)) packets above burst + rate x (window + tick)"
            + wrong.map { "\n    \($0)" }.joined()
        return outcome
    }
}

/// One limit while it is offered too much.
private struct RateRun {
    private static let start: UInt64 = 1_767_225_600_000_000_000

    private let rate: RateCase
    private let engine: FloodEngine
    private let frame = FloodFrame(.udp)
    private var random: SeededGenerator
    private var (exact, bound): (ExactBucket, ExactBucket)
    private var (excess, boundedExcess) = (Int128.min, Int128.min)
    private var admitted = 0
    /// What was let through at the end of the last tick that ended, and its time.
    private var (atTick, tick) = (0, start)

    init(_ rate: RateCase, _ seed: UInt64) throws {
        self.rate = rate
        engine = try FloodEngine(rate.policy)
        frame.setPorts(remote: 4000, local: 53)
        frame.setRemote(0xcb00_7101)
        random = SeededGenerator(seed: seed)
        exact = ExactBucket(rate.rate, burst: rate.burst, from: Self.start)
        bound = ExactBucket(rate.rate, burst: rate.burst, thousandths: 1001, from: Self.start)
    }

    mutating func result(_ count: Int, _ memory: inout MemoryWatch) -> RateResult {
        let tickful = rate.tick > 1 ? exact.allowance(rate.tick) : 0
        // Of the time between packets, in 1/1000 ns: so that it is right for rates of nanoseconds too.
        let widest = Int(2 * rate.interval / rate.offered) + 1
        var (time, last) = (UInt64(0), Self.start)
        for number in 0..<count {
            time += UInt64(random.below(widest))
            let now = Self.start + time / 1000
            let clock = now / rate.tick * rate.tick
            if clock != last { (atTick, tick, last) = (admitted, last, clock) }
            offer(at: now, clock: clock)
            memory.step(number, of: count)
        }
        let longRun = exact.allowance(tick - Self.start)
        return RateResult(
            error: (Double(atTick - rate.burst) - longRun).magnitude / longRun,
            excess: exact.amount(ofCredits: excess) - tickful,
            boundedExcess: bound.amount(ofCredits: boundedExcess) - tickful, admitted: admitted)
    }

    private mutating func offer(at now: UInt64, clock: UInt64) {
        var amount = 1
        if rate.isInBytes {
            amount = 64 + random.below(1437)
            frame.setLength(amount)
        }
        guard engine.receive(frame, at: clock).passes else { return }
        admitted += amount
        excess = max(excess, exact.charge(amount, at: now))
        boundedExcess = max(boundedExcess, bound.charge(amount, at: now))
    }
}
