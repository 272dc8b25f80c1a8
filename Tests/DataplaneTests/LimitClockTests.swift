// SPDX-License-Identifier: Apache-2.0
// A limit in the kernel, on the live clock: two threads charge one bucket as fast as they can. Nothing waits;
// how long it takes is measured.
import CBPF
import Diagnostics
import Glibc
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import Synchronization
import TestSupport
import Testing

@testable import Dataplane

private func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// A program with one limit for all packets, on the kernel's own clock.
private func program(rate: UInt64, burst: UInt64) throws -> GuardObject {
    var policy = CheckedPolicy(name: "hammered")
    var limit = Limit(name: "all", rate: .packets(rate, perSeconds: 1), key: .rule, range: World.range)
    limit.burst = .packets(burst)
    policy.limits = [limit]
    policy.rules = [Rule(name: "all", action: .pass, range: World.range)]
    policy.rules[0].limit = "all"
    var target = CompileTarget()
    target.slots = ["all": 0]
    let image = try compile(policy, for: target)
    return try GuardObject(
        GenerationImage(config: image.config, tables: image.tables, addresses: image.addresses, info: []),
        reusing: [:])
}

@Suite(.enabled(if: KernelTests.areWanted), .serialized)
struct LimitClockTests {
    /// One whose burst lasts 10 ms, on the exact clock, and one on the coarse clock.
    @Test(arguments: [(200_000, 2000), (200_000, 200_000)] as [(UInt64, UInt64)])
    func `two CPUs at one bucket get its rate and its burst and no more`(rate: UInt64, burst: UInt64) throws {
        let object = try program(rate: rate, burst: burst)
        let frame = try PacketBuilder("udp 192.0.2.1:1000 > 198.51.100.1:53").bytes
        let descriptor = object.program
        let runs = Atomic<Int>(0)
        let begin = nanoseconds()
        let end = begin + 700_000_000
        var threads: [pthread_t] = []
        for _ in 0..<2 {
            threads.append(
                try #require(
                    startThread {
                        while nanoseconds() < end {
                            var options = bpf_test_run_opts()
                            options.sz = optionsSize(upTo: \bpf_test_run_opts.repeat)
                            options.repeat = 20_000
                            frame.withUnsafeBytes {
                                options.data_in = $0.baseAddress
                                options.data_size_in = UInt32($0.count)
                                _ = bpf_prog_test_run_opts(descriptor, &options)
                            }
                            runs.wrappingAdd(20_000, ordering: .relaxed)
                        }
                    }))
        }
        for thread in threads { pthread_join(thread, nil) }
        let elapsed = Double(nanoseconds() - begin) / 1e9
        let counters = try perCPUValues(object.descriptor("guard_limits"), key: 0, of: guard_limit_counters())
        let passed = counters.reduce(0) { $0 + $1.passed.packets }
        let all = passed + counters.reduce(0) { $0 + $1.dropped.packets }
        #expect(all == UInt64(runs.load(ordering: .relaxed)))
        // One tick of the coarse clock is at most 10 ms (CONFIG_HZ 100).
        #expect(
            Double(passed) <= Double(burst) + Double(rate) * (elapsed + 0.01), "\(passed) in \(elapsed) s")
        // A burst of 10 ms runs over where both threads have no CPU for so long; one of a second does not.
        guard burst == rate, all > 4 * passed else { return }
        #expect(
            Double(passed) >= 0.98 * (Double(burst) + Double(rate) * (elapsed - 0.02)),
            "\(passed) in \(elapsed) s")
    }
}

/// A thread that runs `body`; nil where there can be none.
func startThread(_ body: @escaping @Sendable () -> Void) -> pthread_t? {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let result = pthread_create(
        &thread, nil,
        { argument in
            guard let argument else { return nil }
            Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
    return result == 0 ? thread : nil
}
