// SPDX-License-Identifier: Apache-2.0
// Every spelling that must stand in quotes, at every place where a value can stand.
import Diagnostics
import Testing

@testable import PolicyLanguage

/// A place for a value: what stands before and behind it.
struct ValuePlace: Sendable, CustomTestStringConvertible {
    let before: String
    let behind: String
    let isFlow: Bool
    var testDescription: String { before.debugDescription }

    static let all = [
        ValuePlace(before: "é: ü\nsource: ", behind: "\nend: 1\n", isFlow: false),
        ValuePlace(before: "source: ", behind: "  # why\nend: 1\n", isFlow: false),
        ValuePlace(before: "source: ", behind: "", isFlow: false),
        ValuePlace(before: "list:\n  - ok\n  - ", behind: "\n  - more\n", isFlow: false),
        ValuePlace(before: "a: [", behind: "]\nb: 1\n", isFlow: true),
        ValuePlace(before: "a: [é, ", behind: "]\nb: 1\n", isFlow: true),
        ValuePlace(before: "a: [", behind: ", x]\nb: 1\n", isFlow: true),
        ValuePlace(before: "a: { k: 1, s: ", behind: " }\nb: 1\n", isFlow: true),
        ValuePlace(before: "a: {s: ", behind: "}\nb: 1\n", isFlow: true),
        ValuePlace(before: "a: { s: ", behind: ", t: 1 }\nb: 1\n", isFlow: true),
        // Where the brackets end what stands in them, the scanner is behind them when the parser stops.
        ValuePlace(before: "list:\n  - { s: ", behind: ", service: tcp/22 }\n", isFlow: true),
        ValuePlace(before: "list:\n  - { s: ", behind: " }\n", isFlow: true),
        ValuePlace(before: "list:\n  - { name: a, s: [", behind: "] }\n", isFlow: true),
        ValuePlace(before: "list: [{ s: ", behind: " }]\n", isFlow: true),
        ValuePlace(before: "list:\n  - [", behind: "]\n", isFlow: true),
    ]
}

@Suite struct UnquotedValueTests {
    static let everywhere = [
        "!$office", "!192.0.2.0/24", "!tcp/22", "!a b", "*", "*.conf", "*-*", "&", "&x", "!a!b", "%a", "@b",
        "`c",
        "[e]th0", "{a}b", "2001:db8::", "fe80::1:", "::",
    ]

    @Test(arguments: everywhere, ValuePlace.all)
    func `a value that YAML would misread is shown in quotes`(_ text: String, _ place: ValuePlace) {
        expectQuoted(text, place)
    }

    @Test(arguments: ["::1", "::/0", "::1/128", "::ffff:192.0.2.1"], ValuePlace.all.filter(\.isFlow))
    func `a value that starts with a colon between brackets is shown in quotes`(
        _ text: String, _ place: ValuePlace
    ) {
        expectQuoted(text, place)
    }

    @Test(
        arguments: ["syn, !ack", "80,443"], ValuePlace.all.filter { $0.before.hasSuffix("s: ") && $0.isFlow })
    func `a value with a comma between braces is shown in quotes`(_ text: String, _ place: ValuePlace) {
        expectQuoted(text, place)
    }

    @Test(arguments: ValuePlace.all)
    func `an alias without an anchor shows the quoted form`(_ place: ValuePlace) {
        let found = readDocument(SourceText(path: "p", text: place.before + "*eth0" + place.behind))
            .diagnostics
        #expect(found.map(\.id) == ["undefined-alias"])
        #expect(found.first?.help?.contains("\"*eth0\"") == true)
    }

    @Test(arguments: ["::1", "syn, ack", "2001:db8::1", "eth*", "-1023", "80-", "a!b", "1:30"])
    func `what YAML reads as it stands needs no quotes in a block`(_ text: String) {
        for place in ValuePlace.all where !place.isFlow {
            #expect(
                readDocument(SourceText(path: "p", text: place.before + text + place.behind)).diagnostics
                    .isEmpty)
        }
    }

    @Test(arguments: everywhere + ["::1", "syn, !ack"], ValuePlace.all)
    func `quoted it is taken`(_ text: String, _ place: ValuePlace) {
        for quoted in ["\"\(text)\"", "'\(text)'"] {
            let source = SourceText(path: "p", text: place.before + quoted + place.behind)
            #expect(readDocument(source).diagnostics.isEmpty)
        }
    }

    @Test func `the quoted form of text with quotes is in single ones`() {
        #expect(quotedForm("!a") == "\"!a\"")
        #expect(quotedForm("!\"a\"") == "'!\"a\"'")
        #expect(quotedForm("\\it's") == "'\\it''s'")
    }

    private func expectQuoted(_ text: String, _ place: ValuePlace) {
        let source = SourceText(path: "p", text: place.before + text + place.behind)
        let (root, found) = readDocument(source)
        let where_ = Comment(rawValue: "\(place.before)\(text)\(place.behind)")
        #expect(root != nil, where_)
        #expect(found.map(\.id) == ["unquoted-value"], where_)
        #expect(found.first?.message == "'\(text)' must be quoted", where_)
        #expect(found.first?.range.start == place.before.utf8.count, where_)
        #expect(found.first?.help?.hasPrefix("write \"\(text)\"") == true, where_)
    }
}
