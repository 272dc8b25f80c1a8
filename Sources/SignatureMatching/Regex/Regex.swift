// SPDX-License-Identifier: Apache-2.0
// A compiled pattern -> searched in buffers under limits, so that no pattern can take long.

import CPCRE2
import Signatures

/// How far a search may go. A search that reaches one of them is no match, and is counted.
public struct RegexLimits: Sendable {
    /// Internal match calls of one search (PCRE2's match limit).
    public var match: UInt32 = 50_000
    /// Nested backtracking points of one search (PCRE2's depth limit).
    public var depth: UInt32 = 5_000
    /// Memory of one search in KiB (PCRE2's heap limit).
    public var heapKiB: UInt32 = 4_096

    public init() {}
}

/// What a search found.
enum RegexOutcome: Equatable {
    case match(Range<Int>)
    case none
    case limit
}

/// A worker's memory for searches, and its machine code of the patterns it has used.
final class RegexSearcher {
    private let context: OpaquePointer?
    private let data: OpaquePointer?
    private let stack: OpaquePointer?
    private let usesMachineCode: Bool
    private var machineCode: [ObjectIdentifier: OpaquePointer] = [:]
    private var owners: [Regex] = []
    /// Groups that captures may refer to; patterns with more are refused at load.
    static let mostCaptures = 31

    init(limits: RegexLimits, usesMachineCode: Bool = true) {
        context = pcre2_match_context_create_8(nil)
        data = pcre2_match_data_create_8(UInt32(RegexSearcher.mostCaptures + 1), nil)
        stack = pcre2_jit_stack_create_8(32 << 10, 512 << 10, nil)
        pcre2_set_match_limit_8(context, limits.match)
        pcre2_set_depth_limit_8(context, limits.depth)
        pcre2_set_heap_limit_8(context, limits.heapKiB)
        pcre2_jit_stack_assign_8(context, nil, UnsafeMutableRawPointer(stack))
        self.usesMachineCode = usesMachineCode
    }

    deinit {
        for code in machineCode.values { pcre2_code_free_8(code) }
        pcre2_match_context_free_8(context)
        pcre2_match_data_free_8(data)
        pcre2_jit_stack_free_8(stack)
    }

    /// The first match of `regex` at or after `start`.
    func search(_ regex: Regex, in bytes: UnsafeRawBufferPointer, from start: Int) -> RegexOutcome {
        guard start >= 0, start <= bytes.count else { return .none }
        // PCRE2 takes no null subject with a length of zero before 10.43 without a complaint.
        var nothing: UInt8 = 0
        let count = withUnsafePointer(to: &nothing) { empty in
            pcre2_match_8(
                prepared(regex), bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? empty,
                bytes.count, start, 0, data, context)
        }
        if count == PCRE2_ERROR_NOMATCH { return .none }
        guard count >= 0, let range = capture(0) else { return .limit }
        return .match(range)
    }

    /// Where group `number` matched in the last search that was a match; 0 is the whole match.
    func capture(_ number: Int) -> Range<Int>? {
        guard number >= 0, number < Int(pcre2_get_ovector_count_8(data)),
            let vector = pcre2_get_ovector_pointer_8(data)
        else { return nil }
        let (start, end) = (vector[2 * number], vector[2 * number + 1])
        // A group that took no part is all ones; \K can put a start behind its end.
        guard start != Int.max, start >= 0, start <= end else { return nil }
        return start..<end
    }

    /// Machine code is made at a pattern's first use: most of a set's patterns are never used, and to make
    /// all of them takes longer than the rest of the load.
    private func prepared(_ regex: Regex) -> OpaquePointer {
        guard usesMachineCode else { return regex.code }
        if let code = machineCode[ObjectIdentifier(regex)] { return code }
        guard let copy = pcre2_code_copy_8(regex.code) else { return regex.code }
        pcre2_jit_compile_8(copy, PCRE2_JIT_COMPLETE)
        machineCode[ObjectIdentifier(regex)] = copy
        owners.append(regex)
        return copy
    }
}
