// SPDX-License-Identifier: Apache-2.0
// JSON text read back by another parser, and the characters that must not reach a terminal.
import Foundation
import JSONOutput
import TestSupport
import Testing

/// A text and how it stands in JSON, quotes included.
private let strings: [(String, String)] = [
    ("", #""""#), ("plain", #""plain""#), ("\"", #""\"""#), ("\\n", #""\\n""#), ("\n\r\t", #""\n\r\t""#),
    ("\0", #""\u0000""#), ("\u{1b}[31m", #""\u001b[31m""#), ("\u{7f}", #""\u007f""#),
    ("\u{85}", #""\u0085""#), ("\u{9b}", #""\u009b""#), ("\u{2028}\u{2029}", #""\u2028\u2029""#),
    ("\u{200e}\u{200f}\u{61c}", #""\u200e\u200f\u061c""#),
    ("\u{202a}\u{202e}\u{2066}\u{2069}", #""\u202a\u202e\u2066\u2069""#),
    (
        "\u{61b}\u{200d}\u{2010}\u{202f}\u{2065}\u{206a}",
        "\"\u{61b}\u{200d}\u{2010}\u{202f}\u{2065}\u{206a}\""
    ),
    ("\u{a0}é😀", "\"\u{a0}é😀\""), ("e\u{301}", "\"e\u{301}\""), ("/", #""/""#), ("\r\n", #""\r\n""#),
]

@Test(arguments: strings)
func `a string is escaped as RFC 8259 has it, and terminals get no controls`(text: String, json: String) {
    #expect(JSONValue.string(text).text == json)
    #expect(JSONValue.object([(text, .null)]).text == "{\(json):null}", "keys as well")
}

@Test func `any text is read back as it was`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<300 {
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...12, using: &random) {
            let most: UInt32 = Bool.random(using: &random) ? 0x100 : 0x11_0000
            Unicode.Scalar(UInt32.random(in: 0..<most, using: &random)).map { text.append($0) }
        }
        let json = JSONValue.array([.string(String(text))]).text
        let back = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String]
        #expect(back?.first.map { Array($0.unicodeScalars) } == Array(text), "seed \(seed): \(json)")
    }
}

private let numbers: [(JSONValue, String)] = [
    (.integer(Int64.min), "-9223372036854775808"), (.unsigned(UInt64.max), "18446744073709551615"),
    (.number(0.1), "0.1"), (.number(-0.0), "-0.0"), (.number(1e300), "1e+300"), (.number(.nan), "null"),
    (.number(-.infinity), "null"), (.bool(false), "false"), (.array([]), "[]"), (.object([]), "{}"),
    (.array([.object([("z", 1), ("a", .array([true]))])]), #"[{"z":1,"a":[true]}]"#),
]

@Test(arguments: numbers)
func `numbers are whole, and what JSON has no number for is null`(value: JSONValue, text: String) {
    #expect(value.text == text)
}

@Test func `writing appends to what is there`() {
    var text = Array("data: ".utf8)
    JSONValue.object([("a", 1)]).write(to: &text)
    #expect(String(decoding: text, as: UTF8.self) == #"data: {"a":1}"#)
}
