// SPDX-License-Identifier: Apache-2.0
// Files to rules: lines, comments, continuations, and the places that they come from.
import Diagnostics
import Testing

@testable import Signatures

@Suite struct RuleTextTests {
    private func rules(_ text: String) -> [RuleText] {
        var reader = RuleReader(SourceText(path: "test.rules", text: text))
        var rules: [RuleText] = []
        while let rule = reader.rule() { rules.append(rule) }
        return rules
    }

    struct Lines: CustomTestStringConvertible, Sendable {
        let name: String
        let text: String
        let rules: [String]
        var testDescription: String { name }
    }

    @Test(arguments: [
        Lines(name: "nothing", text: "", rules: []),
        Lines(name: "empty lines", text: "\n \n\t\n\r\n", rules: []),
        Lines(name: "one line without an end", text: "alert x", rules: ["alert x"]),
        Lines(name: "two lines", text: "a\nb\n", rules: ["a", "b"]),
        Lines(name: "carriage returns", text: "a\r\nb\r\n", rules: ["a", "b"]),
        Lines(name: "comments", text: "# a\n  # b\n;c\nd # e\n", rules: ["d # e"]),
        Lines(name: "white space at both ends", text: "  a b \t\n", rules: ["a b"]),
        Lines(name: "a continuation", text: "a \\\nb\nc\n", rules: ["a b", "c"]),
        Lines(name: "a continuation's indentation counts", text: "a\\\n  b\n", rules: ["a  b"]),
        Lines(name: "blanks behind the backslash", text: "a\\  \nb\n", rules: ["ab"]),
        Lines(name: "three lines", text: "a\\\nb\\\nc\n", rules: ["abc"]),
        Lines(name: "a comment in a continuation is none", text: "a\\\n# b\n", rules: ["a# b"]),
        Lines(name: "a continuation at the end of the file", text: "a\\", rules: ["a"]),
        Lines(name: "a continued empty line", text: "a\\\n\nb\n", rules: ["a", "b"]),
        Lines(name: "a byte-order mark", text: "\u{feff}a\n", rules: ["a"]),
    ])
    private func `a text is rules in order`(_ lines: Lines) {
        #expect(rules(lines.text).map { $0.slice.text } == lines.rules)
    }

    @Test func `each byte of a continued rule knows its place in the file`() throws {
        let text = "x\nab\\\n cd\\\nef\n"
        let rule = try #require(rules(text).last)
        #expect(rule.slice.text == "ab cdef")
        let source = Array(text.utf8)
        for index in rule.bytes.indices {
            let range = rule.range(index..<(index + 1))
            #expect(range.end == range.start + 1)
            #expect(source[range.start] == rule.bytes[index])
        }
        #expect(rule.range(0..<0).start == 2)
    }

    @Test func `a finding in a continued rule names its own line`() throws {
        let set = load("alert tcp any any -> any any (\\\n  content:\"a\"; \\\n  dpeth:4; \\\n  sid:1;)\n")
        let found = try #require(set.diagnostics.first)
        #expect(found.range.line == 3 && found.range.column == 3, "\(found.rendered())")
    }

    @Test func `a signature's text is that of the file, continuations and all`() throws {
        let text = "alert tcp any any -> any any (content:\"a\"; \\\n  sid:1;)"
        #expect(try signature(rule: "# first\n\(text)\n").text == text)
    }

    @Test func `a continuation may stand within quotes`() throws {
        #expect(try signature(rule: "alert tcp any any -> any any (msg:\"a\\\nb\"; sid:1;)").message == "ab")
    }
}

@Suite struct SliceTests {
    @Test(
        arguments: [
            ("0", 0), ("7", 7), ("0x1F", 31), ("0Xff", 255), ("007", 7), ("18446744073709551615", UInt64.max),
            ("18446744073709551616", nil), ("", nil), ("0x", nil), ("-1", nil), ("1a", nil), ("0x1g", nil),
            (" 1", nil), ("99999999999999999999999999", nil),
        ] as [(String, UInt64?)])
    func `a number is decimal or hexadecimal and fits 64 bits`(text: String, number: UInt64?) {
        #expect(Array(text.utf8)[...].number == number)
    }

    @Test(
        arguments: [
            ("-5", -5), ("+5", 5), ("5", 5), ("-9223372036854775807", -9_223_372_036_854_775_807),
            ("--5", nil),
            ("-", nil), ("9223372036854775808", nil),
        ] as [(String, Int64?)])
    func `a signed number fits 63 bits`(text: String, number: Int64?) {
        #expect(Array(text.utf8)[...].signedNumber == number)
    }

    @Test(
        arguments: [
            ("", [""]), ("a", ["a"]), ("a,b", ["a", "b"]), (" a , b ", ["a", "b"]), (",", ["", ""]),
            ("a,,b", ["a", "", "b"]),
        ] as [(String, [String])])
    func `parts stand between commas, trimmed`(text: String, parts: [String]) {
        #expect(Array(text.utf8)[...].parts().map(\.text) == parts)
    }
}
