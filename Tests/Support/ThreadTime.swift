// SPDX-License-Identifier: Apache-2.0
// How long the calling thread computed: other tests on the same processors do not count.
import Glibc

/// Measures processor time of one thread, for bounds that must not depend on what runs beside a test.
public enum ThreadTime {
    /// The processor time that the calling thread takes for `body`, which must not suspend.
    public static func measure(_ body: () throws -> Void) rethrows -> Duration {
        let start = now()
        try body()
        return now() - start
    }

    private static func now() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
