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

    /// Whether limits have banned since the file was last written. Before the first time nobody knows: what
    /// they ever banned counts.
    /// - Parameter made: how many bans they have made so far; nil: no policy runs.
    func hasNews(_ made: UInt64?) -> Bool { made.map { $0 != written } ?? false }

    func isDue(at now: UInt64, hasUnsaved: Bool, made: UInt64?) -> Bool {
        now >= next && (hasUnsaved || (now >= nextOfLimits && hasNews(made)))
    }

    /// The file is written now, after `made` was read.
    mutating func begin(at now: UInt64, made: UInt64?, isAgain: Bool) {
        written = made ?? written
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
