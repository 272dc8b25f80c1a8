// SPDX-License-Identifier: Apache-2.0
// A capture's times to the program's two clocks: dates as they are, and one on which time that goes back
// counts as none.

/// What one packet's time is on the program's clocks.
struct ReplayTime {
    /// Nanoseconds since 1970; 0 for times before.
    var date: UInt64
    /// The date of the first packet and the nanoseconds that went by since: never goes back.
    var clock: UInt64
}

struct ReplayClock {
    private var last: ReplayTime?

    /// The program's clock, in nanoseconds.
    var now: UInt64 { last?.clock ?? 0 }

    /// The time after a duration; the last one is kept for "never".
    func later(_ duration: UInt64) -> UInt64 {
        let (time, isBeyond) = now.addingReportingOverflow(duration)
        return isBeyond ? UInt64.max - 1 : min(time, UInt64.max - 1)
    }

    /// - Parameter nanoseconds: the packet's time since 1970.
    mutating func advance(to nanoseconds: Int64) -> ReplayTime {
        let date = UInt64(max(0, nanoseconds))
        var time = ReplayTime(date: date, clock: date)
        if let last {
            let elapsed = date > last.date ? date - last.date : 0
            // A capture's times can be any numbers: the clock stops at its end.
            let (clock, isBeyond) = last.clock.addingReportingOverflow(elapsed)
            time.clock = isBeyond ? UInt64.max : clock
        }
        last = time
        return time
    }
}
