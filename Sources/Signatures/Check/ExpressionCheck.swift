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

    /// What PCRE2 says against the pattern, and at which of its bytes it stopped; nil where it takes it.
    var fault: (offset: Int, reason: String)? {
        var error: Int32 = 0
        var offset = 0
        let code = pattern.withUnsafeBufferPointer {
            pcre2_compile_8($0.baseAddress, $0.count, compileOptions, &error, &offset, nil)
        }
        guard let code else { return (min(offset, pattern.count), Self.text(of: error)) }
        pcre2_code_free_8(code)
        return nil
    }

    private static func text(of error: Int32) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { buffer in
            let count = pcre2_get_error_message_8(error, buffer.baseAddress, buffer.count)
            guard count > 0 else { return "error \(error)" }
            return String(decoding: buffer[..<Int(count)], as: UTF8.self)
        }
    }
}
