// SPDX-License-Identifier: Apache-2.0
// The regex wrapper: matches, groups, limits.

import CPCRE2
import Testing

@testable import SignatureMatching
import Signatures

private func search(
    _ pattern: String, in text: [UInt8], from start: Int = 0, options: UInt32 = 0, machineCode: Bool = true
) throws -> RegexOutcome {
    let searcher = RegexSearcher(limits: RegexLimits(), usesMachineCode: machineCode)
    let regex = try Signatures.Regex(Array(pattern.utf8), options: options)
    return text.withUnsafeBytes { searcher.search(regex, in: $0, from: start) }
}

struct RegexCase: Sendable, CustomTestStringConvertible {
    var pattern: String
    var text: String
    var start = 0
    var expected: Range<Int>?
    var testDescription: String { "/\(pattern)/ in '\(text)' from \(start)" }
}

@Test(
    arguments: [
        RegexCase(pattern: "b+", text: "abbbc", expected: 1..<4),
        RegexCase(pattern: "b+", text: "abbbc", start: 2, expected: 2..<4),
        RegexCase(pattern: "b+", text: "abbbc", start: 5, expected: nil),
        RegexCase(pattern: "b+", text: "abbbc", start: 6, expected: nil),
        RegexCase(pattern: "^", text: "", expected: 0..<0),
        RegexCase(pattern: "^a", text: "ba", start: 1, expected: nil),
        RegexCase(pattern: "(?<=x)y", text: "xy", start: 1, expected: 1..<2),
    ], [true, false])
func `a search finds the first match at or after its start`(_ given: RegexCase, _ code: Bool) throws {
    let outcome = try search(given.pattern, in: Array(given.text.utf8), from: given.start, machineCode: code)
    #expect(outcome == given.expected.map { .match($0) } ?? .none)
}

@Test(arguments: [true, false])
func `a pattern of exponential time is stopped by its limit`(_ machineCode: Bool) throws {
    let text = [UInt8](repeating: UInt8(ascii: "a"), count: 200) + [UInt8(ascii: "b")]
    #expect(try search("^(a+)+$", in: text, machineCode: machineCode) == .limit)
    // The "c" that PCRE2 first looks for is there.
    let other = text + [UInt8(ascii: "c")]
    #expect(try search("^(a|aa)+c$", in: other, machineCode: machineCode) == .limit)
}

@Test(arguments: [true, false])
func `deep recursion is stopped by its limit`(_ machineCode: Bool) throws {
    let text = [UInt8](repeating: UInt8(ascii: "("), count: 1 << 20)
    #expect(try search("^(\\((?1)*\\))", in: text, machineCode: machineCode) != .match(0..<1))
}

@Test func `groups that took no part have no range`() throws {
    let searcher = RegexSearcher(limits: RegexLimits())
    let regex = try Signatures.Regex(Array("(a)|(b)(c)?".utf8), options: 0)
    #expect(regex.captureCount == 3)
    Array("xb".utf8).withUnsafeBytes { bytes in
        #expect(searcher.search(regex, in: bytes, from: 0) == .match(1..<2))
        #expect(searcher.capture(1) == nil)
        #expect(searcher.capture(2) == 1..<2)
        #expect(searcher.capture(3) == nil)
        #expect(searcher.capture(99) == nil && searcher.capture(-1) == nil)
    }
}

@Test func `more groups than a searcher keeps still match`() throws {
    let many = String(repeating: "(a)", count: RegexSearcher.mostCaptures + 9)
    let text = [UInt8](repeating: UInt8(ascii: "a"), count: RegexSearcher.mostCaptures + 9)
    #expect(try search(many, in: text) == .match(0..<text.count))
}

// Without \K in lookarounds no match starts behind its end.
@Test func `a match start moved in a lookaround is refused at load`() {
    #expect(throws: RegexError.self) { try Signatures.Regex(Array("(?=ab\\K)".utf8), options: 0) }
}

@Test func `a pattern that PCRE2 refuses says where and why`() {
    #expect(throws: RegexError(offset: 2, reason: "missing closing parenthesis")) {
        try Signatures.Regex(Array("(a".utf8), options: 0)
    }
}

@Test func `patterns are bytes, not text`() throws {
    #expect(try search("[\u{1}-\u{2}]\\xff$", in: [1, 0xff]) == .match(0..<2))
}
