// SPDX-License-Identifier: Apache-2.0
// Documents in, their nodes, positions and errors out.
import Diagnostics
import Testing

@testable import PolicyLanguage

private func read(_ text: String) -> (root: Node?, diagnostics: [Diagnostic]) {
    readDocument(SourceText(path: "policy.conf", text: text))
}

/// The value at a path of keys and positions, as in "rules.0.name".
private func value(_ root: Node?, _ path: String) -> Node? {
    var node = root
    for step in path.split(separator: ".") {
        switch node?.kind {
        case .mapping(let entries): node = entries.first { $0.key.text == String(step) }?.value
        case .sequence(let items): node = Int(step).flatMap { Array(items.dropFirst($0)).first }
        default: node = nil
        }
    }
    return node
}

struct BadDocument: Sendable, CustomTestStringConvertible {
    let text: String
    let id: String
    let line: Int
    let column: Int
    let message: String
    var testDescription: String { text.debugDescription }

    init(_ text: String, _ id: String, _ line: Int, _ column: Int, _ message: String) {
        (self.text, self.id, self.line, self.column, self.message) = (text, id, line, column, message)
    }
}

@Suite struct DocumentReaderTests {
    @Test func `scalars are read as they are written`() {
        let text = "a: on\nb: 022\nc: 1:30\nd: ~\ne: 'it''s'\nf: \"\\u00e9\"\ng: [yes, 1_0]\nh: null\n"
        let (root, diagnostics) = read(text)
        #expect(diagnostics.isEmpty)
        let texts = ["a", "b", "c", "d", "e", "f", "g.0", "g.1", "h"].map { value(root, $0)?.text }
        #expect(texts == ["on", "022", "1:30", "~", "it's", "é", "yes", "1_0", "null"])
    }

    @Test func `a scalar says whether it was quoted`() {
        let root = read("a: \"x\"\nb: x\n").root
        guard case .scalar(_, quoted: true)? = value(root, "a")?.kind,
            case .scalar(_, quoted: false)? = value(root, "b")?.kind
        else {
            Issue.record("quoting is lost")
            return
        }
    }

    @Test(arguments: ["", "\u{feff}", "# é ü 漢字 😀\n", "\u{feff}# é\r\n"])
    func `ranges are the bytes of the value behind text of any width`(_ head: String) {
        let text = head + "é: 'ü'\nsets:\n  a: [ 192.0.2.1 , \"😀x\" ]\n  b:\n  - x\n  - yé\nend: 1\n"
        let root = read(text).root
        func source(_ path: String) -> String? { value(root, path)?.range.text }
        #expect(source("é") == "'ü'")
        #expect(source("sets.a") == "[ 192.0.2.1 , \"😀x\" ]")
        #expect(source("sets.a.0") == "192.0.2.1")
        #expect(source("sets.a.1") == "\"😀x\"")
        #expect(source("sets.b") == "- x\n  - yé")
        #expect(source("end") == "1")
    }

    @Test func `anchors and aliases give the same value at both places`() {
        let (root, diagnostics) = read("a: &office [192.0.2.1, 192.0.2.2]\nb: *office\n")
        #expect(diagnostics.isEmpty)
        #expect(value(root, "b.1")?.text == "192.0.2.2")
        #expect(value(root, "b")?.range.line == 2)
    }

    @Test(arguments: [
        BadDocument("", "empty-document", 1, 1, "the file holds no policy"),
        BadDocument("# only this\n", "empty-document", 1, 1, "the file holds no policy"),
        BadDocument("---\n", "empty-document", 1, 1, "the file holds no policy"),
        BadDocument(
            "a: 1\n---\nb: 2\n", "second-document", 2, 1,
            "a policy is one YAML document; a second one starts here"),
        BadDocument("a: 1\nb: 2\na: 3\n", "duplicate-key", 3, 1, "key 'a' stands twice in this mapping"),
        BadDocument(
            "a: { b: 1, \"b\": 2 }\n", "duplicate-key", 1, 12, "key 'b' stands twice in this mapping"),
        BadDocument("a: !!str x\n", "yaml-tag", 1, 4, "YAML tags such as '!!str' have no meaning here"),
        BadDocument("a: !set [x]\n", "yaml-tag", 1, 4, "YAML tags such as '!set' have no meaning here"),
        BadDocument("a: !<tag:x> y\n", "yaml-tag", 1, 4, "YAML tags such as '!<tag:x>' have no meaning here"),
        BadDocument("a: &x {k: v}\nb:\n  <<: *x\n", "merge-key", 3, 3, "merge keys ('<<') are not allowed"),
        BadDocument("[a]: b\n", "key-not-text", 1, 1, "a key must be text, not a list or a mapping"),
        BadDocument("a: *no\n", "undefined-alias", 1, 4, "alias '*no' has no anchor '&no' before it"),
        BadDocument(
            "a: &a [x, *a]\n", "alias-cycle", 1, 11, "alias '*a' stands inside the value that it means"),
        BadDocument("a: [x, y\nb: 1\n", "yaml-syntax", 2, 2, "',' or ']' was expected here"),
        BadDocument("a: 1\n  b: 2\n", "yaml-syntax", 2, 4, "a key cannot stand here"),
        BadDocument("a: \"x\n", "yaml-syntax", 2, 1, "a quote is never closed"),
        BadDocument("a:\n\tb: 1\n", "yaml-syntax", 2, 1, "a tab cannot indent"),
        BadDocument("a: \"\\q\"\n", "yaml-syntax", 1, 5, "unknown escape in a quoted value"),
        BadDocument("a: x\u{7}\n", "control-character", 1, 5, "control character U+0007"),
        BadDocument(
            "a: \"\\0\"\n", "control-character", 1, 4, "control character U+0000, written as an escape"),
        BadDocument("a: x\rb: y\n", "control-character", 1, 5, "carriage return without a line feed"),
        BadDocument("# \u{202e}x\n", "control-character", 1, 3, "text direction control U+202E"),
    ])
    func `what a policy cannot hold is an error at its place`(_ bad: BadDocument) {
        let found = read(bad.text).diagnostics
        #expect(found.count == 1)
        #expect(found.first?.id == bad.id)
        #expect(found.first?.message == bad.message)
        #expect(found.first?.range.line == bad.line)
        #expect(found.first?.range.column == bad.column)
        #expect(found.first?.severity == .error)
    }

    @Test func `a duplicate key points at the first one`() {
        let found = read("one: 1\ntwo: 2\none: 3\n").diagnostics
        #expect(found.first?.related.first?.range.line == 1)
    }

    @Test func `duplicates are found in large mappings too`() {
        let text = (0..<100).map { "k\($0): v\n" }.joined() + "k50: v\n"
        let found = read(text).diagnostics
        #expect(found.map(\.id) == ["duplicate-key"])
        #expect(found.first?.related.first?.range.line == 51)
    }

    @Test func `bytes that are no UTF-8 are told where they stand`() {
        let bytes = Array("a: 1\nb: ".utf8) + [0xff, 0xfe] + Array("\nc: ".utf8) + [0xc0, 0x80, 0x0a]
        let (root, found) = readDocument(SourceText(path: "p", bytes: bytes))
        #expect(root == nil)
        #expect(found.map(\.id) == ["invalid-utf8", "invalid-utf8"])
        #expect(found.map(\.range.start) == [8, 14])
    }

    @Test func `one run tells several errors and keeps what was meant`() {
        let text = "a: @x\nb: [2001:db8::, !$c]\na: 1\nd: ok\n"
        let (root, found) = read(text)
        #expect(found.map(\.id) == ["unquoted-value", "unquoted-value", "unquoted-value", "duplicate-key"])
        #expect(value(root, "a")?.text == "@x")
        #expect(value(root, "b.0")?.text == "2001:db8::")
        #expect(value(root, "b.1")?.text == "!$c")
        #expect(value(root, "d")?.text == "ok")
    }

    @Test func `aliases within ten times the file are taken, beyond are an error`() {
        let list = "a: &a [\(String(repeating: "192.0.2.1, ", count: 50))x]\n"
        let within = list + (0..<8).map { "k\($0): *a\n" }.joined()
        #expect(read(within).diagnostics.isEmpty)
        let beyond = list + (0..<30).map { "k\($0): *a\n" }.joined()
        #expect(read(beyond).diagnostics.map(\.id) == ["alias-expansion"])
    }

    @Test func `nested aliases cannot blow a file up`() {
        var text = "a: &a0 [x,x,x,x,x,x,x,x,x]\n"
        for level in 1..<20 {
            let alias = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
            text += "b\(level): &a\(level) [\(alias)]\n"
        }
        let (root, found) = read(text)
        #expect(root == nil)
        #expect(found.map(\.id) == ["alias-expansion"])
    }

    @Test(arguments: ["[", "{", "- ", "a: ["])
    func `nesting without end is an error, not a crash`(_ opening: String) {
        let (root, found) = read(String(repeating: opening, count: 5000))
        #expect(root == nil)
        #expect(found.count == 1)
    }

    @Test func `sixty-four levels are read`() {
        let text = String(repeating: "[", count: 64) + "x" + String(repeating: "]", count: 64)
        #expect(read(text).diagnostics.isEmpty)
        #expect(read("[" + text + "]").diagnostics.map(\.id) == ["too-deep"])
    }

    @Test(arguments: [1, 2, 3, 4, 5])
    func `any bytes give a tree or an error`(_ seed: UInt64) {
        var state = seed
        let pieces = Array("!*&%@[]{}:,-'\"\n # a1é|>?\t$/".unicodeScalars)
        for _ in 0..<400 {
            var text = "k: "
            for _ in 0..<12 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text.unicodeScalars.append(pieces[Int((state >> 33) % UInt64(pieces.count))])
            }
            let (root, found) = read(text)
            #expect(root != nil || !found.isEmpty, "seed \(seed): \(text.debugDescription)")
            for one in found { #expect(one.rendered().contains(one.id)) }
        }
    }

    @Test(arguments: [
        ("a: 1\na: &x [p, q]\nb: *x\n", "duplicate-key"),
        ("a: 1\n&x [p, q]: 2\nb: *x\n", "key-not-text"),
        ("a: { <<: &x [p, q], c: 1 }\nb: *x\n", "merge-key"),
    ])
    func `a value that belongs to no entry can still be meant by an alias`(_ text: String, _ id: String) {
        let (root, found) = read(text)
        #expect(found.map(\.id) == [id])
        #expect(value(root, "b.0")?.text == "p" && value(root, "b.1")?.text == "q")
        #expect(value(root, "b.2") == nil)
    }

    @Test func `entries behind refused ones are read`() {
        let (root, found) = read("a: 1\n[k, l]: { m: n }\na: [o]\nb: { a: 1, a: [2], c: 3 }\nd: 4\n")
        #expect(found.map(\.id) == ["key-not-text", "duplicate-key", "duplicate-key"])
        #expect(value(root, "a")?.text == "1" && value(root, "d")?.text == "4")
        #expect(value(root, "b.c")?.text == "3")
        guard case .mapping(let entries)? = root?.kind else {
            Issue.record("the root is no mapping")
            return
        }
        #expect(entries.map { $0.key.text } == ["a", "b", "d"])
    }

    @Test func `an alias of text keeps text and quotes`() {
        let root = read("a: &x \"p\\u00e9\"\nb: *x\nc: &y q\nd: *y\n").root
        guard case .scalar("pé", quoted: true)? = value(root, "b")?.kind,
            case .scalar("q", quoted: false)? = value(root, "d")?.kind
        else {
            Issue.record("text or quotes are lost")
            return
        }
        #expect(value(root, "d")?.range.text == "*y")
    }

    @Test(arguments: [10, 100, 1000])
    func `a value takes one record, whatever the file's size`(_ count: Int) {
        let rule = "  - { name: n, source: [192.0.2.1, 'x'], action: \"a\\tb\" }\n"
        let root = read("rules:\n" + String(repeating: rule, count: count)).root
        // The root, its key, the list; each rule, its three keys and values, two of a list.
        #expect(root?.tree.records.count == 3 + 9 * count)
    }
}
