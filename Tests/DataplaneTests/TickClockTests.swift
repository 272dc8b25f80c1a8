// SPDX-License-Identifier: Apache-2.0
// The timer's ticks in time: from made-up moments, and on the kernel that runs the tests.
import CBPF
import Glibc
import GuardABI
import TestSupport
import Testing

@testable import Dataplane

@Suite struct TickClockTests {
    private static let tick: UInt64 = 4_000_000

    /// Moments of a kernel whose jiffy 0 was at `zero`.
    private func moments(zero: UInt64, jiffies: ClosedRange<UInt64>, late: [UInt64]) -> [guard_clocks] {
        jiffies.flatMap { jiffy in
            late.map { guard_clocks(jiffies: jiffy, monotonic_ns: zero &+ jiffy &* Self.tick &+ $0) }
        }
    }

    @Test(arguments: [0, 12_345, UInt64.max - 1_200_000_000_000])
    func `the least late moment says when jiffy 0 was, before the boot too`(zero: UInt64) throws {
        var clock = try #require(TickClock(tick: Self.tick))
        for moment in moments(
            zero: zero, jiffies: 4_294_892_296...4_294_892_299, late: [900, 3_999_000, 250])
        {
            clock.note(moment)
        }
        #expect(clock.zero == zero &+ 250)
        #expect(clock.ticksSeen == 3)
    }

    @Test(arguments: [0, 1, 999_999, 10_000_001, 1_000_000_000] as [UInt64])
    func `a tick of no length that kernels have is not believed`(tick: UInt64) {
        #expect(TickClock(tick: tick) == nil)
    }

    @Test func `what the clock lags behind is told with its sign`() {
        let host = guard_host(seed: 0, tick_ns: Self.tick, tick_zero_ns: 1000)
        let now = guard_clocks(jiffies: 10, monotonic_ns: 40_001_000)
        #expect(TickClock.lag(now, of: host) == 0)
        #expect(TickClock.lag(guard_clocks(jiffies: 10, monotonic_ns: 43_001_000), of: host) == 3_000_000)
        #expect(TickClock.lag(guard_clocks(jiffies: 11, monotonic_ns: 40_001_000), of: host) == -4_000_000)
    }

    @Test(.enabled(if: KernelTests.areWanted))
    func `this kernel's ticks are found, and its clock is not behind by more than one that is late`() throws {
        var host = guard_host()
        try host.setClock()
        var resolution = timespec()
        #expect(clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) == 0)
        #expect(host.tick_ns == UInt64(resolution.tv_nsec))
        #expect(try !host.clockIsWrong())
        // One that is a second off is found out.
        host.tick_zero_ns &+= 1_000_000_000
        #expect(try host.clockIsWrong())
        host.tick_zero_ns &-= 2_000_000_000
        #expect(try host.clockIsWrong())
    }
}
