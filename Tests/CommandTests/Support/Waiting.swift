// SPDX-License-Identifier: Apache-2.0
// Waiting for conditions, within bounds, on the monotonic clock.
import Glibc

/// A point in time after which a test gives up.
struct Deadline {
    private let end: Int64

    init(seconds: Double) { end = monotonicNanoseconds() + Int64(seconds * 1e9) }

    var isOver: Bool { monotonicNanoseconds() >= end }
}

/// CLOCK_MONOTONIC in nanoseconds.
func monotonicNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// Asks again and again until a condition holds.
/// - Returns: whether it held before the time was over.
func eventually(within seconds: Double = 10, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = Deadline(seconds: seconds)
    while !deadline.isOver {
        if try condition() { return true }
        poll(nil, 0, 5)
    }
    return try condition()
}
