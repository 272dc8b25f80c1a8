// SPDX-License-Identifier: Apache-2.0
// The timer's ticks in time: what the program needs to know CLOCK_MONOTONIC, as coarse as the kernel's coarse
// clock, without a call into the kernel. Ticks are counted in jiffies, which the kernel derives from
// CLOCK_MONOTONIC, so that one moment at which both are known says all. In: both clocks, read by
// xdp/clock.bpf.c. Out: a tick's length and the time of jiffy 0.
import CBPF
import Glibc
import GuardABI

/// The tick's length and the time of jiffy 0 from moments at which both clocks were read.
struct TickClock {
    /// Nanoseconds: 1 ms to 10 ms (CONFIG_HZ is 100 to 1000).
    let tick: UInt64
    /// CLOCK_MONOTONIC in nanoseconds at jiffy 0, modulo 2^64, as near as was seen: never before it.
    private(set) var zero: UInt64?
    private var firstJiffy: UInt64?
    private(set) var ticksSeen: UInt64 = 0

    /// Ticks that have other lengths are none that jiffies count.
    static let tickLengths: ClosedRange<UInt64> = 1_000_000...10_000_000

    init?(tick: UInt64) {
        guard Self.tickLengths.contains(tick) else { return nil }
        self.tick = tick
    }

    /// Takes one moment: the jiffy is not younger than the time.
    mutating func note(_ clocks: guard_clocks) {
        let candidate = clocks.monotonic_ns &- clocks.jiffies &* tick
        // Of two the one with less time behind the tick.
        if zero.map({ Int64(bitPattern: candidate &- $0) < 0 }) ?? true { zero = candidate }
        if firstJiffy == nil { firstJiffy = clocks.jiffies }
        ticksSeen = clocks.jiffies &- (firstJiffy ?? 0)
    }

    /// What the program's clock lags behind at a moment, in nanoseconds; negative where it is ahead.
    static func lag(_ clocks: guard_clocks, of host: guard_host) -> Int64 {
        Int64(bitPattern: clocks.monotonic_ns &- (clocks.jiffies &* host.tick_ns &+ host.tick_zero_ns))
    }
}

extension guard_host {
    /// Ticks that are watched for the moment at which one begins, and the most readings, some microsecond
    /// each.
    private static let ticks: UInt64 = 2
    private static let readings = 100_000

    /// Finds out what ticks are, in the time of three. Where they are not to be known, the kernel is asked.
    mutating func setClock() throws(KernelError) {
        (tick_ns, tick_zero_ns) = (0, 0)
        var resolution = timespec()
        guard clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) == 0, resolution.tv_sec == 0,
            var clock = TickClock(tick: UInt64(resolution.tv_nsec))
        else { return }
        let reader = try ClockReader()
        for _ in 0..<Self.readings where clock.ticksSeen <= Self.ticks { clock.note(try reader.read()) }
        guard clock.ticksSeen > Self.ticks, let zero = clock.zero else { return }
        (tick_ns, tick_zero_ns) = (clock.tick, zero)
    }

    /// Whether time and ticks went apart by more than a tick that is late, as where ticks were lost.
    func clockIsWrong() throws(KernelError) -> Bool {
        guard tick_ns > 0 else { return false }
        let lag = TickClock.lag(try ClockReader().read(), of: self)
        return !(-Int64(tick_ns)...3 * Int64(tick_ns)).contains(lag)
    }
}

extension guard_config {
    mutating func adopt(_ host: guard_host) {
        (seed, tick_ns, tick_zero_ns) = (host.seed, host.tick_ns, host.tick_zero_ns)
    }
}

/// The program that reads both clocks, loaded for as long as this lives.
private final class ClockReader {
    private let object: OpaquePointer
    private var program: Int32 = -1

    init() throws(KernelError) {
        // From here on a throw runs deinit, which closes the object.
        object = try openEmbedded(clockObjectBase64, "clock program")
        try loadEmbedded(object, "clock program")
        program = bpf_program__fd(bpf_object__find_program_by_name(object, "xdpguard_clock"))
    }

    deinit { bpf_object__close(object) }

    func read() throws(KernelError) -> guard_clocks {
        var clocks = guard_clocks()
        let result = withUnsafeMutableBytes(of: &clocks) { bytes in
            var options = bpf_test_run_opts()
            options.sz = MemoryLayout<bpf_test_run_opts>.size
            // The kernel writes back what the program changed.
            options.ctx_in = UnsafeRawPointer(bytes.baseAddress)
            options.ctx_size_in = UInt32(bytes.count)
            return bpf_prog_test_run_opts(program, &options)
        }
        try check(result, "read the clocks")
        return clocks
    }
}
