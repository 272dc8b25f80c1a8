// SPDX-License-Identifier: Apache-2.0
// How often a full table is searched for what has ended: that looks at each entry, and whoever adds in a loop
// is not to do it each time.

/// At most one clearing a second.
public final class ClearingPace {
    private var next: UInt64 = 0
    private static let span: UInt64 = 1_000_000_000

    public init() {}

    /// Whether it is time; if so, the next one is a second away.
    /// - Parameter now: nanoseconds of a clock that does not go back.
    public func take(at now: UInt64) -> Bool {
        guard now >= next else { return false }
        next = now &+ Self.span
        return true
    }
}
