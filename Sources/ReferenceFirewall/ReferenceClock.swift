// SPDX-License-Identifier: Apache-2.0
// The clock of rates, timeouts and the ends of bans: times of frames in, a time that never goes back out.

/// Starts with the first frame's time. Where the time goes back none goes by.
struct ReferenceClock: Sendable {
    /// Nanoseconds since 1970-01-01T00:00Z, and more where frames went back and forth.
    private(set) var nanoseconds: UInt64 = 0
    private var latest: UInt64?

    /// - Parameter time: nanoseconds since 1970-01-01T00:00Z; one before counts as that.
    mutating func advance(to time: Int64) {
        let date = UInt64(max(0, time))
        let elapsed = date - min(date, latest ?? 0)
        let sum = nanoseconds.addingReportingOverflow(elapsed)
        nanoseconds = sum.overflow ? UInt64.max : sum.partialValue
        latest = date
    }

    /// The time after a duration; the last one is kept for "never".
    func later(_ duration: UInt64) -> UInt64 {
        let sum = nanoseconds.addingReportingOverflow(duration)
        return sum.overflow ? UInt64.max - 1 : min(sum.partialValue, UInt64.max - 1)
    }
}
