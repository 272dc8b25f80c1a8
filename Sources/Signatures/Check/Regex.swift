// SPDX-License-Identifier: Apache-2.0
// A signature's pcre -> compiled by PCRE2, or refused.
import CPCRE2

/// A pattern that PCRE2 refused.
public struct RegexError: Error, Equatable {
    /// The byte of the pattern where PCRE2 stopped, at most its count.
    public var offset: Int
    public var reason: String

    public init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }
}

/// A compiled pattern. Immutable: workers make their own machine code of it.
public final class Regex: @unchecked Sendable {
    /// PCRE2's `pcre2_code`, as long as this lives.
    public let code: OpaquePointer
    /// How many capturing groups it has.
    public let captureCount: Int

    /// `options` are PCRE2's compile bits.
    public init(_ pattern: [UInt8], options: UInt32) throws(RegexError) {
        var error: Int32 = 0
        var offset = 0
        let compiled = pattern.withUnsafeBufferPointer {
            pcre2_compile_8($0.baseAddress, $0.count, options, &error, &offset, nil)
        }
        guard let compiled else {
            throw RegexError(offset: min(offset, pattern.count), reason: Regex.text(of: error))
        }
        code = compiled
        var groups: UInt32 = 0
        pcre2_pattern_info_8(compiled, UInt32(PCRE2_INFO_CAPTURECOUNT), &groups)
        captureCount = Int(groups)
    }

    deinit { pcre2_code_free_8(code) }

    private static func text(of error: Int32) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { buffer in
            let count = pcre2_get_error_message_8(error, buffer.baseAddress, buffer.count)
            guard count > 0 else { return "error \(error)" }
            return String(decoding: buffer[..<Int(count)], as: UTF8.self)
        }
    }
}
