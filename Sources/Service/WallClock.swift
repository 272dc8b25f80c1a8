// SPDX-License-Identifier: Apache-2.0
// The wall clock, and how far it is ahead of the program's: what times of the kernel are told by.
import Dataplane
import Glibc

/// Nanoseconds since 1970-01-01T00:00Z.
public func wallClock() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// How far the wall clock is ahead of the program's, in nanoseconds, to a millisecond: two commands tell the
/// same time of what happened once. The clocks can only be read one after the other, so what lies between
/// the readings, which differs each time, is rounded away.
func wallClockOffset(program: () -> UInt64 = programClock, wall: () -> Int64 = wallClock) -> Int64 {
    var best = (width: UInt64.max, offset: Int64(0))
    // A few times, as anything may run between two of them.
    for _ in 0..<8 {
        let before = program()
        let told = wall()
        let width = program() &- before
        guard width < best.width else { continue }
        best = (width, told &- Int64(clamping: before &+ width / 2))
    }
    let millisecond: Int64 = 1_000_000
    let rest = best.offset % millisecond
    let below = best.offset &- (rest < 0 ? rest &+ millisecond : rest)
    return best.offset &- below < millisecond / 2 ? below : below &+ millisecond
}
