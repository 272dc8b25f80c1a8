// SPDX-License-Identifier: Apache-2.0
// Nodes in, the AST of one file out; and no text, however broken, that stops the parser or the check.
import Diagnostics
import TestSupport
import Testing

@testable import PolicyLanguage

private func parse(_ text: String, isIncluded: Bool = false) -> (ast: PolicyAST, diagnostics: [Diagnostic]) {
    let (root, problems) = readDocument(SourceText(path: "policy.conf", text: text))
    guard let root else { return (PolicyAST(), problems) }
    let (ast, found) = PolicyParser.parse(root, isIncluded: isIncluded)
    return (ast, problems + found + parseRules(ast).diagnostics)
}

/// The rules of a file as they are written, and what is wrong with their values.
private func parseRules(_ ast: PolicyAST) -> (rules: [RuleAST], diagnostics: [Diagnostic]) {
    var parser = PolicyParser()
    var rules: [RuleAST] = []
    parser.forEachRule(of: ast.rules) { rules.append($0) }
    return (rules, parser.diagnostics)
}

/// A value of a rule's key and the text that its error points at.
struct BadValue: Sendable, CustomTestStringConvertible {
    let text: String
    let id: String
    let place: String
    var testDescription: String { text }

    init(_ text: String, _ id: String, at place: String) {
        (self.text, self.id, self.place) = (text, id, place)
    }
}

@Suite struct PolicyParserTests {
    @Test func `values keep their places`() {
        let (ast, diagnostics) = parse("default: drop\nrules:\n  - name: one\n    source: [192.0.2.1, $a]\n")
        #expect(diagnostics.isEmpty)
        #expect(ast.defaultVerdict?.range.column == 10)
        let rules = parseRules(ast).rules
        let items = rules.first?.match.source?.items ?? []
        #expect(items.map(\.range.text) == ["192.0.2.1", "$a"])
        #expect(ast.keys.present == ["default", "rules"])
        #expect(rules.first?.keys.present == ["name", "source"])
    }

    @Test func `an exclamation mark is kept apart from the value`() {
        let items = parse("never-ban: [\"!$a\", $b]\n").ast.neverBan?.items ?? []
        #expect(items.map(\.negated) == [true, false])
        let names = items.map { item in
            if case .named(let name) = item.value { name } else { "" }
        }
        #expect(names == ["a", "b"])
    }

    @Test func `a list with one bad item keeps the others and says that it is not whole`() {
        let (ast, diagnostics) = parse("never-ban: [192.0.2.1, 192.0.2.300, $a]\n")
        #expect(diagnostics.map(\.id) == ["address-syntax"])
        #expect(ast.neverBan?.items.count == 2)
        #expect(ast.neverBan?.isPartial == true)
    }

    @Test func `a misspelt key counts as the one that was meant`() {
        let (ast, diagnostics) = parse("rules:\n  - { nmae: one, actoin: drop }\n")
        #expect(diagnostics.map(\.id) == ["unknown-key", "unknown-key"])
        #expect(parseRules(ast).rules.first?.keys.present == ["name", "action"])
    }

    @Test(arguments: ["sets", "services", "limits", "inspectors", "rules", "tests", "failsafe", "include"])
    func `a block that is left empty holds nothing`(_ key: String) {
        #expect(parse("\(key):\ndefault: drop\n").diagnostics.isEmpty)
    }

    @Test(arguments: [
        "default: drop", "tests: []", "mode: enforce", "policy: x", "never-ban: []", "interfaces: []",
    ])
    func `an included file has no key of a policy`(_ text: String) {
        #expect(parse(text, isIncluded: true).diagnostics.map(\.id) == ["not-in-include"])
        #expect(parse(text).diagnostics.isEmpty)
    }

    @Test(arguments: [
        BadValue("source: [192.0.2.1, 192.0.2.0/33]", "out-of-range", at: "192.0.2.0/33"),
        BadValue("destination: 2001:db8::1/64", "host-bits", at: "2001:db8::1/64"),
        BadValue("service: [tcp/22, udp/080]", "leading-zero", at: "udp/080"),
        BadValue("service: tcp/ssh", "number-syntax", at: "tcp/ssh"),
        BadValue("source-port: 022", "leading-zero", at: "022"),
        BadValue("tcp-flags: \"syn, akc\"", "unknown-flag", at: "\"syn, akc\""),
        BadValue("tcp-flags: [syn, [ack]]", "wrong-kind", at: "[ack]"),
        BadValue("interface: \"a b\"", "interface-syntax", at: "\"a b\""),
        BadValue("vlan: \"!x\"", "number-syntax", at: "\"!x\""),
        BadValue("length: 64-0", "range-reversed", at: "64-0"),
        BadValue("ip-options: yes", "boolean-syntax", at: "yes"),
        BadValue("payload: { bytes: \"\" }", "hex-syntax", at: "\"\""),
        BadValue("payload: x", "wrong-kind", at: "x"),
        BadValue("log: 1/0", "out-of-range", at: "1/0"),
        BadValue("syn-cookies: 5k pps", "wrong-kind", at: "5k pps"),
        BadValue("expires: tomorrow", "timestamp-syntax", at: "tomorrow"),
        BadValue("limit: [a]", "wrong-kind", at: "[a]"),
        BadValue("inspect: $http", "name-syntax", at: "$http"),
        BadValue("mode: off", "unknown-word", at: "off"),
        BadValue("fragment: []", "empty-value", at: "[]"),
    ])
    func `a bad value of a rule is told where it stands`(_ bad: BadValue) {
        let text = "rules:\n  - name: one\n    \(bad.text)\n"
        let found = parse(text).diagnostics
        #expect(found.map(\.id) == [bad.id])
        #expect(found.first?.range.text == bad.place)
    }

    @Test func `broken text ends in diagnostics and never in a crash`() {
        let seed: UInt64 = 20260102
        print("seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let whole = Array(Self.sample.utf8)
        let pieces = [
            ": ", "- ", "{", "}", "[", "]", "!", "$", "*a", "&a", "\n", "  ", "\"", "-", "0", "/", "é", "\0",
        ]
        for _ in 0..<400 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let start = Int.random(in: 0..<bytes.count, using: &generator)
                let end = min(bytes.count, start + Int.random(in: 0...6, using: &generator))
                let piece = pieces.randomElement(using: &generator) ?? ""
                bytes.replaceSubrange(start..<end, with: piece.utf8)
            }
            let report = load(String(decoding: bytes, as: UTF8.self))
            #expect((report.policy == nil) == (report.exitCode != 0))
            #expect(report.rendered().isEmpty == report.diagnostics.isEmpty)
        }
    }

    static let sample = """
        default: drop
        failsafe: [{ source: $a, service: tcp/22 }]
        sets: { a: [192.0.2.0/24, "!192.0.2.5"], b: [$a, 192.0.2.5-192.0.2.9] }
        services: { web: [tcp/80-90, icmp/echo-request], more: ["!$web", proto/47] }
        limits: { slow: { rate: 20 Mbit/s, burst: 1 MiB, per: source/24, over: ban 10m } }
        inspectors: { http: { sample: { packets: 16, bytes: 1 KiB }, every: 1/8, on-match: ban 1h } }
        rules:
          - { name: one, source: $b, service: $more, length: 40-, vlan: [none, 5], limit: slow, action: pass }
          - name: two
            payload: { offset: 4, bytes: "00 01", mask: "ff 0f" }
            tcp-flags: "syn, !ack"
            action: drop
          - { name: three, fragment: any, expires: 2026-12-31T00:00Z, inspect: http, action: continue }
        tests:
          - { packet: "tcp 192.0.2.1:1 > 192.0.2.2:80 syn", expect: { verdict: pass, rule: one } }
        """
}
