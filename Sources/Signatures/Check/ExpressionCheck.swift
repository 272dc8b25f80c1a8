// SPDX-License-Identifier: Apache-2.0
// A pcre's pattern and flags to PCRE2's verdict on them: what a load refuses the matcher need not.
import CPCRE2

extension PCREMatch {
    /// The flags as PCRE2's compile bits.
    public var compileOptions: UInt32 {
        var options: UInt32 = 0
        if flags.contains(.caseless) { options |= PCRE2_CASELESS }
        if flags.contains(.dotAll) { options |= PCRE2_DOTALL }
        if flags.contains(.multiline) { options |= PCRE2_MULTILINE }
        if flags.contains(.extended) { options |= PCRE2_EXTENDED }
        if flags.contains(.anchored) { options |= PCRE2_ANCHORED }
        if flags.contains(.dollarEndOnly) { options |= PCRE2_DOLLAR_ENDONLY }
        if flags.contains(.ungreedy) { options |= PCRE2_UNGREEDY }
        return options
    }

    /// What PCRE2 says against the pattern; nil where it takes it.
    var fault: RegexError? {
        do throws(RegexError) {
            _ = try Regex(pattern, options: compileOptions)
            return nil
        } catch {
            return error
        }
    }
}
