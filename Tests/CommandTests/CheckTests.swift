// SPDX-License-Identifier: Apache-2.0
// `check` as an operator and a script see it: exit codes, words, JSON. No privileges.
import Testing

@Suite struct CheckTests {
    private static let right = """
        policy: web
        default: drop
        stateful: false
        fragments: drop
        rules:
          - { name: web, service: tcp/80, action: pass }
        tests:
          - { packet: "tcp 192.0.2.7:40000 > 198.51.100.1:80 syn", expect: { verdict: pass, rule: web } }

        """

    private static let shadowing = """
        default: drop
        stateful: false
        fragments: drop
        rules:
          - { name: all tcp, service: tcp, action: drop }
          - { name: web, service: tcp/80, action: pass }

        """

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func `a right policy exits 0 with one line on stdout and none on stderr`() throws {
        let path = try folder.file("web.conf", Self.right)
        let outcome = try Product.run("check", path)
        #expect(outcome.exit == 0, "\(outcome)")
        #expect(outcome.output == "\(path): policy 'web' is right: 1 rules, 0 sets, 1 tests passed\n")
        #expect(outcome.errors == "")
    }

    struct Wrong: CustomTestStringConvertible {
        var name: String
        var text: String
        /// Line, column, id.
        var found: [(Int, Int, String)]
        var testDescription: String { name }
    }

    private static let wrong: [Wrong] = [
        Wrong(name: "unknown key", text: "default: drop\ndefalt: pass\n", found: [(2, 1, "unknown-key")]),
        Wrong(
            name: "duplicate key", text: "default: drop\ndefault: pass\n", found: [(2, 1, "duplicate-key")]),
        Wrong(name: "no default", text: "policy: x\n", found: [(1, 1, "missing-key")]),
        Wrong(name: "bad YAML", text: "default: [drop\n", found: [(2, 1, "yaml-syntax")]),
        Wrong(
            name: "unquoted", text: "default: drop\nnever-ban: [::1]\n", found: [(2, 13, "unquoted-value")]),
        Wrong(
            name: "host bits", text: "default: drop\nnever-ban: [192.0.2.7/24]\n",
            found: [(2, 13, "host-bits")]),
        Wrong(
            name: "port and undefined set",
            text: """
                default: drop
                rules:
                  - { name: a, service: tcp/70000, action: pass }
                  - { name: b, source: $nowhere, action: drop }

                """, found: [(3, 25, "out-of-range"), (4, 24, "undefined-set")]),
        Wrong(
            name: "tabs", text: "default: drop\nsets:\n  a: \t[192.0.2.300]\n",
            found: [(3, 8, "address-syntax")]),
    ]

    @Test(arguments: CheckTests.wrong)
    private func `each error is told with file, line, column and a caret, exit 65`(_ wrong: Wrong) throws {
        let path = try folder.file("wrong.conf", wrong.text)
        let outcome = try Product.run("check", path)
        #expect(outcome.exit == 65, "\(outcome)")
        #expect(outcome.output == "")
        let lines = outcome.errors.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let source = wrong.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        for (line, column, id) in wrong.found {
            let head = "\(path):\(line):\(column): error: "
            let place = lines.firstIndex { $0.hasPrefix(head) && $0.hasSuffix("[\(id)]") }
            guard let place else {
                Issue.record("no \(head)…[\(id)] in:\n\(outcome.errors)")
                continue
            }
            // The line of the file, and a caret that stands under the column.
            guard source.indices.contains(line - 1), !source[line - 1].isEmpty else { continue }
            #expect(lines[place + 1] == " \(line) | \(source[line - 1])")
            let caret = lines[place + 2]
            #expect(
                caret.firstIndex(of: "^").map { caret.distance(from: caret.startIndex, to: $0) }
                    == " \(line) | ".count + column - 1)
        }
        let heads = lines.filter { $0.hasPrefix(path) && $0.contains(": error: ") }
        #expect(heads.count == wrong.found.count, "\(outcome.errors)")
    }

    @Test func `of many errors 20 are told and the rest counted`() throws {
        let text = "default: drop\nnever-ban:\n" + String(repeating: "  - 192.0.2.7/24\n", count: 25)
        let outcome = try Product.run("check", try folder.file("many.conf", text))
        #expect(outcome.exit == 65)
        #expect(outcome.errors.split(separator: "\n").count { $0.contains(": error: ") } == 20)
        #expect(outcome.errors.contains("and 5 more errors"))
    }

    @Test func `a missing policy exits 66 and is named`() throws {
        let outcome = try Product.run("check", folder.path + "/nowhere.conf")
        #expect(outcome.exit == 66, "\(outcome)")
        #expect(outcome.errors.contains("nowhere.conf"))
        #expect(outcome.errors.contains("No such file"))
    }

    @Test func `a missing set file exits 66, a wrong line in it 65 with its own place`() throws {
        let text = """
            default: drop
            sets:
              bad: { file: bad.netset }
            rules:
              - { name: a, source: $bad, action: drop }

            """
        let path = try folder.file("sets.conf", text)
        let missing = try Product.run("check", path)
        #expect(missing.exit == 66, "\(missing)")
        #expect(missing.errors.contains("bad.netset"))
        let list = try folder.file("bad.netset", "192.0.2.1\n# a remark\nnonsense here\n")
        let wrong = try Product.run("check", path)
        #expect(wrong.exit == 65, "\(wrong)")
        #expect(wrong.errors.contains("\(list):3:1: error: "), "\(wrong)")
    }

    @Test func `a failing test of the policy exits 1 and shows the packet and the deciding rule`() throws {
        let text = Self.right.replacing("verdict: pass", with: "verdict: drop")
        let outcome = try Product.run("check", try folder.file("web.conf", text))
        #expect(outcome.exit == 1, "\(outcome)")
        #expect(outcome.errors.contains("web.conf:8:5: error: expected 'drop' by rule 'web'"), "\(outcome)")
        #expect(outcome.errors.contains("[test-failed]"))
    }

    @Test func `a warning exits 0, and 1 where its id or all warnings are denied`() throws {
        let path = try folder.file("shadow.conf", Self.shadowing)
        let plain = try Product.run("check", path)
        #expect(plain.exit == 0, "\(plain)")
        #expect(plain.errors.contains("shadow.conf:6:"))
        #expect(plain.errors.contains("warning: rule 'web' can never match [shadowed-rule]"))
        #expect(try Product.run("check", "--deny", "shadowed-rule", path).exit == 1)
        #expect(try Product.run("check", "--deny", "warnings", path).exit == 1)
        #expect(try Product.run("check", "--deny", "unused-set", path).exit == 0)
    }

    @Test func `a word that is no finding's id cannot be denied, and the ids are listed`() throws {
        let path = try folder.file("shadow.conf", Self.shadowing)
        let outcome = try Product.run("check", "--deny", "warnings", "--deny", "shadowed-rules", path)
        #expect(outcome.exit == 64, "\(outcome)")
        #expect(outcome.output == "")
        #expect(outcome.errors.contains("'shadowed-rules' names no finding"))
        #expect(outcome.errors.contains("shadowed-rule,"))
    }

    @Test func `several policies are all checked and the worst decides`() throws {
        let good = try folder.file("good.conf", Self.right)
        let bad = try folder.file("bad.conf", "defalt: drop\n")
        let outcome = try Product.run("check", bad, good)
        #expect(outcome.exit == 65)
        #expect(outcome.output.contains("good.conf: policy 'web' is right"))
        #expect(outcome.errors.contains("bad.conf:1:1: error: "))
    }

    @Test func `JSON is one object a policy with every finding's place`() throws {
        let good = try folder.file("good.conf", Self.right)
        let bad = try folder.file(
            "bad.conf", "default: drop\ndefalt: pass\nstateful: false\nfragments: drop\n")
        let outcome = try Product.run("check", "--output", "json", good, bad)
        #expect(outcome.exit == 65)
        #expect(outcome.errors == "")
        let answers = try outcome.outputLines.map(JSON.init)
        try #require(answers.count == 2)
        #expect(answers[0]["file"].string == good)
        #expect(answers[0]["policy"].string == "web")
        #expect(answers[0]["ok"].bool == true)
        #expect(answers[0]["exit"].int == 0)
        #expect(answers[0]["rules"].int == 1)
        #expect(answers[0]["tests"].int == 1)
        #expect(answers[0]["failed_tests"].int == 0)
        #expect(answers[0]["diagnostics"] == .array([]))
        #expect(answers[1]["ok"].bool == false)
        #expect(answers[1]["exit"].int == 65)
        let finding = answers[1]["diagnostics"][0]
        #expect(finding["file"].string == bad)
        #expect(finding["id"].string == "unknown-key")
        #expect(finding["severity"].string == "error")
        #expect(finding["line"].int == 2)
        #expect(finding["column"].int == 1)
        #expect(finding["message"].string?.contains("'defalt'") == true)
        #expect(finding["help"].string?.contains("default") == true)
    }

    @Test func `check needs no privileges`() throws {
        let path = try folder.file("web.conf", Self.right)
        let outcome = try Product.runUnprivileged("check", path)
        #expect(outcome.exit == 0, "\(outcome)")
    }
}
