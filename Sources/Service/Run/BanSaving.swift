// SPDX-License-Identifier: Apache-2.0
// `run` keeps bans for the next boot: when their file is written, and writing it beside the loop. In: what
// findings and limits have banned since. Out: the file.
import Synchronization

/// When the file of bans is written.
struct BanSavingSchedule {
    /// A crash of this host loses the inspector's bans of so long at most.
    private static let span: UInt64 = 5_000_000_000
    /// And those of limits of so long: a flood may have them ban all the time.
    private static let limitSpan: UInt64 = 60_000_000_000
    /// What could not be written is tried again, and told again, so much later.
    private static let againSpan: UInt64 = 60_000_000_000

    /// How many bans limits had made as the file was last written.
    private var written: UInt64 = 0
    private var next: UInt64 = 0
    private var nextOfLimits: UInt64 = 0

    /// How far the wall clock was ahead of the kernel's then; the file has the wall's times.
    private var lead: Int64
    /// The wall clock was set: what is written then has other times. Less is its being kept right.
    private static let step: Int64 = 1_000_000_000

    /// - Parameter lead: how far the wall clock is ahead of the kernel's, in nanoseconds.
    init(lead: Int64) { self.lead = lead }

    /// Whether limits have banned since the file was last written. Before the first time nobody knows: what
    /// they ever banned counts.
    /// - Parameter made: how many bans they have made so far; nil: no policy runs.
    func hasNews(_ made: UInt64?) -> Bool { made.map { $0 != written } ?? false }

    /// Whether the wall clock was set since: a host that began without the time has its bans end at wrong
    /// ones.
    func isElsewhere(_ lead: Int64) -> Bool { abs(lead &- self.lead) > Self.step }

    func isDue(at now: UInt64, hasUnsaved: Bool, made: UInt64?, lead: Int64) -> Bool {
        now >= next && (hasUnsaved || isElsewhere(lead) || (now >= nextOfLimits && hasNews(made)))
    }

    /// The file is written now, after `made` and `lead` were read.
    mutating func begin(at now: UInt64, made: UInt64?, lead: Int64, isAgain: Bool) {
        written = made ?? written
        self.lead = lead
        next = now &+ (isAgain ? Self.againSpan : Self.span)
        nextOfLimits = now &+ Self.limitSpan
    }
}

/// Writes the file of bans, beside the loop.
final class BanSaving: Sendable {
    private let failed = Mutex(false)

    /// Whether the last attempt failed.
    var hasFailed: Bool { failed.withLock { $0 } }

    func write(_ tell: (String) -> Void) {
        do {
            _ = try BanService(for: "run").save()
            failed.withLock { $0 = false }
        } catch {
            failed.withLock { $0 = true }
            tell("bans would not survive a reboot: \(ServiceError(wrapping: error).message)")
        }
    }
}
