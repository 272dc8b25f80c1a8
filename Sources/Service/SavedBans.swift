// SPDX-License-Identifier: Apache-2.0
// What the file of bans says, by a clock that may be behind it.
import PolicyLanguage

/// The bans of a file, and when it was saved.
struct SavedBans {
    var entries: [BanEntry]
    /// Nanoseconds since 1970-01-01T00:00Z; nil where the file does not say.
    var savedNanoseconds: Int64?

    /// The bans as they are now. A host without a battery for its clock may boot years behind, and a ban of
    /// ten minutes would hold until the clock has come after it: where the clock is behind the moment of
    /// saving, the file's dates count from that moment on.
    func asOf(_ wall: Int64) -> (entries: [BanEntry], isBehind: Bool) {
        guard let saved = savedNanoseconds, saved > wall else { return (entries, false) }
        let behind = saved.subtractingReportingOverflow(wall)
        let shift = behind.overflow ? Int64.max : behind.partialValue
        let shifted = entries.map { entry in
            var entry = entry
            entry.sinceNanoseconds = Self.earlier(entry.sinceNanoseconds, by: shift)
            entry.endsNanoseconds = entry.endsNanoseconds.map { Self.earlier($0, by: shift) }
            return entry
        }
        return (shifted, true)
    }

    /// A moment as the file has it, to the second.
    static func nanoseconds(_ text: String) throws(ValueError) -> Int64 {
        let seconds = try parseTimestamp(text.prefix(19) + "Z")
        let product = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return product.overflow ? .max : product.partialValue
    }

    private static func earlier(_ time: Int64, by shift: Int64) -> Int64 {
        let difference = time.subtractingReportingOverflow(shift)
        return difference.overflow ? .min : difference.partialValue
    }
}
