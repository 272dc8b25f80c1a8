// SPDX-License-Identifier: Apache-2.0
// Diagnostics in, what an operator reads out.
import Diagnostics
import Testing

@Suite struct DiagnosticTests {
    private func drawn(_ text: String, _ start: Int, _ end: Int, label: String = "") -> String {
        let source = SourceText(path: "p.conf", text: text)
        return Diagnostic(id: "x", "wrong", at: SourceRange(source, start, end), label: label).rendered()
    }

    @Test func `the caret stands under the text`() {
        #expect(
            drawn("a: bad\n", 3, 6, label: "here")
                == "p.conf:1:4: error: wrong [x]\n 1 | a: bad\n   |    ^^^ here\n")
    }

    @Test func `tabs are repeated in the padding`() {
        #expect(drawn("\ta:\tb\n", 4, 5) == "p.conf:1:5: error: wrong [x]\n 1 | \ta:\tb\n   | \t  \t^\n")
    }

    @Test func `characters of several bytes are one column`() {
        #expect(drawn("é😀: b\n", 8, 9) == "p.conf:1:5: error: wrong [x]\n 1 | é😀: b\n   |     ^\n")
    }

    @Test func `a range over a line end is drawn to the end of its first line`() {
        #expect(drawn("ab\ncd\n", 1, 5) == "p.conf:1:2: error: wrong [x]\n 1 | ab\n   |  ^\n")
        #expect(drawn("ab\r\ncd\n", 1, 4) == "p.conf:1:2: error: wrong [x]\n 1 | ab\n   |  ^\n")
    }

    @Test func `an empty range and one at the end have a caret`() {
        #expect(drawn("ab", 2, 2) == "p.conf:1:3: error: wrong [x]\n 1 | ab\n   |   ^\n")
        #expect(drawn("", 0, 0) == "p.conf:1:1: error: wrong [x]\n")
        #expect(drawn("ab\n", 9, 12) == "p.conf:2:1: error: wrong [x]\n")
    }

    @Test func `a byte-order mark is no column`() {
        #expect(drawn("\u{feff}ab", 4, 5) == "p.conf:1:2: error: wrong [x]\n 1 | ab\n   |  ^\n")
        #expect(drawn("\u{feff}ab", 0, 0).hasPrefix("p.conf:1:1:"))
    }

    @Test func `related places and help follow in one gutter`() {
        let source = SourceText(path: "p", text: String(repeating: "k\n", count: 10))
        let one = Diagnostic(
            .warning, id: "twice", "'k' again", at: SourceRange(source, 18, 19), label: "again",
            related: [.init(SourceRange(source, 0, 1), "first")], help: "remove it")
        #expect(
            one.rendered() == "p:10:1: warning: 'k' again [twice]\n 10 | k\n    | ^ again\n"
                + "  1 | k\n    | ^ first\n help: remove it\n")
    }

    @Test func `no text moves the cursor of a terminal`() {
        #expect(drawn("a\u{1b}[2Jb\u{202e}c\n", 5, 6).contains(" 1 | a?[2Jb?c\n   |      ^\n"))
        #expect(printable("a\tb\u{7}") == "a\tb?")
        // What changes the direction of the text around it.
        let turning: [ClosedRange<UInt32>] = [
            0x61c...0x61c, 0x200e...0x200f, 0x202a...0x202e, 0x2066...0x2069,
        ]
        for scalar in turning.joined().compactMap(Unicode.Scalar.init) {
            #expect(printable("a\(scalar)b") == "a?b", "\(scalar.value)")
        }
    }

    @Test func `a long line is cut around the caret`() {
        let text = drawn(String(repeating: "a", count: 100_000), 50_000, 90_000)
        #expect(text.utf8.count < 700)
        #expect(text.contains("..."))
    }

    @Test(arguments: [
        ("sorce", "source"), ("SOURCE", "source"), ("actoin", "action"), ("souce-port", "source-port"),
    ])
    func `a near word is suggested`(_ word: String, _ meant: String) {
        #expect(nearest(to: word, among: ["source", "source-port", "action", "name"]) == meant)
    }

    @Test(arguments: ["", "xyz", "destination", "completely-else"])
    func `a far word is not`(_ word: String) {
        #expect(nearest(to: word, among: ["source", "action"]) == nil)
    }

    @Test func `lines and columns count from one, in characters`() {
        let source = SourceText(path: "p", text: "é\r\nab\n")
        #expect(source.position(ofByte: 0) == (1, 1))
        #expect(source.position(ofByte: 2) == (1, 2))
        #expect(source.position(ofByte: 5) == (2, 2))
        #expect(source.position(ofByte: -4) == (1, 1))
        #expect(source.position(ofByte: 99) == (3, 1))
        #expect(
            source.line(1) == "é" && source.line(2) == "ab" && source.line(9) == "" && source.line(0) == "")
    }

    @Test func `positions are right in files of any length`() {
        // Lines of 0 to 299 bytes: some start or end with a block that line feeds are counted by.
        var bytes: [UInt8] = []
        var starts = [0]
        for number in 0..<400 {
            bytes += Array(repeating: UInt8(ascii: "a"), count: number * 37 % 300) + [0x0a]
            starts.append(bytes.count)
        }
        let source = SourceText(path: "p", bytes: bytes)
        for (index, start) in starts.enumerated() {
            let (line, column) = source.position(ofByte: start)
            #expect(line == index + 1 && column == 1)
            if index < 400 {
                #expect(source.line(index + 1).utf8.count == index * 37 % 300)
                #expect(source.position(ofByte: starts[index + 1] - 1).line == index + 1)
            }
        }
        #expect(source.line(402).isEmpty && source.line(0).isEmpty)
    }

    @Test func `a message that repeats megabytes is cut`() {
        let source = SourceText(path: "p", text: "k: v\n")
        let long = String(repeating: "x", count: 8 << 20)
        let text = Diagnostic(
            id: "t", "'\(long)' is no address", at: SourceRange(source, 3, 4), help: "write \(long)"
        ).rendered()
        #expect(text.utf8.count < 1200)
        #expect(text.contains("...") && text.contains("[t]"))
    }
}
