// SPDX-License-Identifier: Apache-2.0
// A ban as it is shown and kept in a file: its times on the wall clock, its limit by name.
import Dataplane
import GuardABI
import NetworkTypes

public struct BanEntry: Sendable, Equatable {
    /// Who banned.
    public enum Origin: Sendable, Equatable {
        case manual, inspector
        case limit(String)

        /// "manual", "limit" or "inspector".
        public var word: String {
            switch self {
            case .manual: "manual"
            case .limit: "limit"
            case .inspector: "inspector"
            }
        }
    }

    public var prefix: Prefix
    public var origin = Origin.manual
    /// Nanoseconds since 1970-01-01T00:00Z.
    public var sinceNanoseconds: Int64
    /// Nil: for ever.
    public var endsNanoseconds: Int64?
    public var reason: String
    public var dropped: Count

    public init(prefix: Prefix, sinceNanoseconds: Int64, endsNanoseconds: Int64?, reason: String) {
        self.prefix = prefix
        self.sinceNanoseconds = sinceNanoseconds
        self.endsNanoseconds = endsNanoseconds
        self.reason = reason
        dropped = Count()
    }
}

/// The program's clock beside the wall clock, and the names of limits: what turns one kind of ban into the
/// other.
struct BanTranslation {
    /// CLOCK_MONOTONIC, and nanoseconds since 1970-01-01T00:00Z, of one moment.
    var now: UInt64
    var wall: Int64
    var limits: [UInt32: String]

    init(_ state: SharedState) throws(KernelError) {
        now = programClock()
        wall = Int64(clamping: now) &+ wallClockOffset()
        limits = try state.limitNames()
    }

    init(now: UInt64, wall: Int64, limits: [UInt32: String]) {
        (self.now, self.wall, self.limits) = (now, wall, limits)
    }

    func entry(_ ban: Ban) -> BanEntry {
        let offset = wall &- Int64(bitPattern: now)
        var entry = BanEntry(
            prefix: ban.prefix, sinceNanoseconds: Int64(bitPattern: ban.sinceNanoseconds) &+ offset,
            endsNanoseconds: ban.endsNanoseconds.map { end in
                let sum = Int64(clamping: end).addingReportingOverflow(offset)
                return sum.overflow ? Int64.max : sum.partialValue
            }, reason: ban.reason)
        entry.dropped = ban.dropped
        switch ban.origin {
        case .manual: entry.origin = .manual
        case .inspector: entry.origin = .inspector
        case .limit(let slot):
            // One that came from a file before its limit had a slot bears the name itself.
            entry.origin = .limit(limits[slot] ?? (ban.reason.isEmpty ? "slot \(slot)" : ban.reason))
            entry.reason = ""
        }
        return entry
    }

    /// Nil where it has ended.
    func ban(_ entry: BanEntry) -> Ban? {
        var ends: UInt64?
        if let end = entry.endsNanoseconds {
            guard end > wall else { return nil }
            let left = end.subtractingReportingOverflow(wall)
            let sum = now.addingReportingOverflow(UInt64(left.overflow ? Int64.max : left.partialValue))
            ends = sum.overflow ? UInt64.max - 1 : sum.partialValue
        }
        let since = Int64(bitPattern: now) &- (wall &- entry.sinceNanoseconds)
        var ban = Ban(
            entry.prefix, since: UInt64(bitPattern: since), ends: ends, reason: entry.reason)
        ban.dropped = entry.dropped
        switch entry.origin {
        case .manual: break
        case .inspector: ban.origin = .inspector
        case .limit(let name):
            ban.origin = .limit(slot: limits.first { $0.value == name }?.key ?? GUARD_NO_SLOT)
            ban.reason = name
        }
        return ban
    }
}
