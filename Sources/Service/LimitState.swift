// SPDX-License-Identifier: Apache-2.0
// What a bucket's time means: the tokens that are left in it. In: a limit and the theoretical arrival time.
// Out: tokens, and when the bucket is full again.
import GuardABI

/// A bucket's tokens: packets, or bytes where the limit counts those.
public struct BucketTokens: Sendable, Hashable {
    public var left: UInt64
    /// Of a full bucket.
    public var burst: UInt64
    /// Until it is full again.
    public var nanosecondsToFull: UInt64
}

extension GenerationInfo.LimitInfo {
    /// - Parameters:
    ///   - time: the bucket's theoretical arrival time, in 1/256 ns modulo 2^64; nil: the client has none.
    ///   - now: the program's clock in nanoseconds.
    public func tokens(time: UInt64?, now: UInt64) -> BucketTokens {
        let now = now << UInt64(GUARD_BUCKET_TIME_SHIFT)
        // What is further ahead than a burst, and a second for the clock's ticks, is past: a full bucket.
        let ahead = time.map { $0 &- now } ?? 0
        let slack = UInt64(1_000_000_000) << UInt64(GUARD_BUCKET_TIME_SHIFT)
        let taken = ahead <= tolerance &+ slack ? ahead : 0
        return BucketTokens(
            left: tokens(worth: tolerance - min(taken, tolerance)), burst: tokens(worth: tolerance),
            nanosecondsToFull: taken >> UInt64(GUARD_BUCKET_TIME_SHIFT))
    }

    /// "packets" or "bytes".
    public var unit: String { countsBytes ? "bytes" : "packets" }

    /// Nearest for bytes, whose cost is rounded; whole ones for packets, as a part of one lets none pass.
    private func tokens(worth span: UInt64) -> UInt64 {
        guard cost > 0 else { return 0 }
        if !countsBytes { return span / cost }
        let scaled = UInt128(span) << UInt128(min(costShift, 63))
        return UInt64(clamping: (scaled + UInt128(cost) / 2) / UInt128(cost))
    }
}
