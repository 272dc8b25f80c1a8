// SPDX-License-Identifier: Apache-2.0
// content: its bytes, where it may stand, how it chains with others, and which one the prefilter looks for.
import Signatures
import Testing

@Suite struct ContentBytesTests {
    struct Text: CustomTestStringConvertible, Sendable {
        let text: String
        let bytes: [UInt8]
        var testDescription: String { text }
        init(_ text: String, _ bytes: [UInt8]) {
            self.text = text
            self.bytes = bytes
        }
        init(_ text: String, _ bytes: String) { self.init(text, Array(bytes.utf8)) }
    }

    @Test(arguments: [
        Text("abc", "abc"), Text("|41 42|", "AB"), Text("|4142|", "AB"), Text("|41,42|", "AB"),
        Text("a|0d 0a|b", "a\r\nb"), Text("|00|", [0]), Text("|fF|", [255]), Text("a||b", "ab"),
        Text(#"\""#, "\""), Text(#"\;"#, ";"), Text(#"\:"#, ":"), Text(#"\\"#, "\\"), Text("a:b", "a:b"),
        Text(" a ", " a "), Text("|20|a|20|", " a "), Text("\u{e9}", "\u{e9}"), Text("#(){}", "#(){}"),
        Text("|3b|", ";"), Text("|4 1|", "A"),
    ])
    private func `a content is text, hexadecimal bytes and escapes`(_ text: Text) throws {
        #expect(try contents("content:\"\(text.text)\";")[0].bytes == text.bytes)
        #expect(try contents("content:!\"\(text.text)\";")[0].bytes == text.bytes)
    }

    @Test func `each byte can be written in hexadecimal`() throws {
        for byte in UInt8.min...UInt8.max {
            let digits = (byte < 16 ? "0" : "") + String(byte, radix: 16)
            #expect(try contents("content:\"|\(digits)|\";")[0].bytes == [byte])
        }
    }

    @Test func `nocase makes ASCII letters small and nothing else`() throws {
        let content = try contents("content:\"aZ|c4|[\"; nocase;")[0]
        #expect(content.isCaseInsensitive && content.bytes == [0x61, 0x7a, 0xc4, 0x5b])
    }

    @Test func `a content of 8192 bytes is read, one more is an error`() throws {
        let most = String(repeating: "a", count: SignatureLimits.contentBytes)
        #expect(try contents("content:\"\(most)\";")[0].bytes.count == SignatureLimits.contentBytes)
        #expect(load("alert tcp any any -> any any (content:\"a\(most)\"; sid:1;)").counts.errors == 1)
    }
}

@Suite struct ChainTests {
    struct Place: CustomTestStringConvertible, Sendable {
        let options: String
        let isRelative: Bool
        let from: Int64
        let length: Int64?
        var testDescription: String { options }
    }

    /// What stands behind `content:"ab";`, as the first content and as the second.
    @Test(arguments: [
        Place(options: "", isRelative: false, from: 0, length: nil),
        Place(options: "offset:3;", isRelative: false, from: 3, length: nil),
        Place(options: "depth:5;", isRelative: false, from: 0, length: 5),
        Place(options: "depth:1;", isRelative: false, from: 0, length: 2),
        Place(options: "offset:3; depth:5;", isRelative: false, from: 3, length: 5),
        Place(options: "depth:5; offset:3;", isRelative: false, from: 3, length: 5),
        Place(options: "startswith;", isRelative: false, from: 0, length: 2),
        Place(options: "distance:3;", isRelative: true, from: 3, length: nil),
        Place(options: "within:5;", isRelative: true, from: 0, length: 5),
        Place(options: "distance:-3; within:9;", isRelative: true, from: -3, length: 9),
    ])
    private func `a content's place is from where and how far`(_ place: Place) throws {
        let chain = try contents("content:\"x\"; content:\"ab\"; \(place.options)")
        #expect(chain[1].isRelative == place.isRelative)
        #expect(chain[1].from == .literal(place.from))
        #expect(chain[1].length == place.length.map { .literal($0) })
        #expect(chain[0].isRetried == place.isRelative)
        let first = try contents("content:\"ab\"; \(place.options)")[0]
        #expect(!first.isRelative, "relative to nothing is from the start")
        #expect(first.from == .literal(max(0, place.from)))
        // What is before the start is not there.
        #expect(first.length == place.length.map { .literal($0 + min(0, place.from)) })
    }

    @Test func `a relative content behind negated ones alone is from the start`() throws {
        let chain = try contents("content:!\"x\"; content:\"ab\"; distance:4; within:6;")
        #expect(!chain[1].isRelative && chain[1].from == .literal(4) && chain[1].length == .literal(6))
        #expect(!chain[0].isRetried)
    }

    @Test func `all that a relative content depends on is retried, what stands before the chain is not`()
        throws
    {
        let chain = try contents(
            "content:\"a\"; content:\"b\"; content:\"c\"; distance:0; content:\"d\"; distance:0; "
                + "content:\"e\";"
        )
        #expect(chain.map(\.isRetried) == [false, true, true, false, false])
        #expect(chain.map(\.isRelative) == [false, false, true, true, false])
    }

    @Test func `a relative test retries the content before it`() throws {
        for test in [
            "isdataat:!2,relative;", "byte_test:1,>,2,0,relative;", "byte_jump:1,0,relative;",
            "pcre:\"/a/R\";",
            "byte_extract:1,0,n,relative;",
        ] {
            guard case .content(let content) = try inspections("content:\"a\"; \(test)")[0] else {
                Issue.record("\(test): no content")
                continue
            }
            #expect(content.isRetried, "\(test)")
        }
        guard case .content(let content) = try inspections("content:\"a\"; isdataat:5;")[0] else { return }
        #expect(!content.isRetried)
    }

    @Test func `a content for the prefilter alone comes first and moves nothing`() throws {
        let signature = try signature(
            "content:\"abcd\"; content:\"x\"; distance:1; content:\"longest of all\"; fast_pattern:only;")
        let chain = signature.matches[0].inspections.compactMap { inspection -> ContentMatch? in
            if case .content(let content) = inspection { content } else { nil }
        }
        #expect(chain.map(\.bytes.count) == [14, 4, 1])
        #expect(chain.map(\.isRelative) == [false, false, true])
        #expect(chain.map(\.isRetried) == [false, true, false])
        #expect(signature.fastPattern?.inspection == 0 && signature.fastPattern?.settlesContent == true)
    }

    @Test func `startswith and endswith hold to the ends`() throws {
        let content = try contents("content:\"abc\"; startswith; endswith;")[0]
        #expect(content.isAtStart && content.isAtEnd && content.length == .literal(3))
    }

    @Test func `places can be numbers that were read before`() throws {
        let chain = try inspections(
            "byte_extract:1,0,n; byte_extract:1,1,m; content:\"a\"; offset:n; depth:m; "
                + "content:\"b\"; distance:m; within:n;")
        guard case .content(let first) = chain[2], case .content(let second) = chain[3] else {
            Issue.record("no contents")
            return
        }
        #expect(first.from == .variable(0) && first.length == .variable(1) && !first.isRelative)
        #expect(second.from == .variable(1) && second.length == .variable(0) && second.isRelative)
        #expect(try signature("byte_extract:1,0,n; content:\"a\"; offset:n;").variableCount == 1)
    }

    @Test(arguments: [
        ("dsize:10; content:\"boom\"; content:\"loom\"; distance:10;", false),
        ("dsize:6; content:\"boom\"; content:\"loom\"; distance:3;", false),
        ("dsize:6; content:\"boom\"; content:\"loom\"; distance:2;", false),
        ("dsize:10; content:\"boom\"; content:\"loom\"; distance:-10;", true),
        ("dsize:8; content:\"boom\"; content:\"loom\"; distance:0;", true),
        ("dsize:<8; content:\"boom\"; content:\"loom\"; distance:0;", false),
        ("dsize:1<>9; content:\"boom\"; content:\"loom\"; distance:0;", true),
        ("dsize:>1; content:\"boom\"; offset:100;", true), ("dsize:100; content:\"boom\"; offset:97;", false),
        ("dsize:2; content:!\"boom\";", true), ("dsize:2; http.uri; content:\"boom\";", true),
    ])
    func `a payload of a size holds its contents or the signature is refused`(options: String, loads: Bool) {
        let set = load("alert tcp any any -> any any (\(options) sid:1;)")
        #expect(set.counts.loaded == (loads ? 1 : 0), "\(set.diagnostics.map { $0.rendered() })")
    }
}

@Suite struct FastPatternTests {
    struct Choice: CustomTestStringConvertible, Sendable {
        let options: String
        /// Buffer and bytes; nil: none.
        let pattern: (Buffer, String)?
        var testDescription: String { options }
    }

    @Test(arguments: [
        Choice(options: "dsize:4;", pattern: nil),
        Choice(options: "content:!\"abcd\";", pattern: nil),
        Choice(options: "pcre:\"/abcd/\";", pattern: nil),
        Choice(options: "content:\"ab\";", pattern: (.payload, "ab")),
        Choice(options: "content:\"abcd\"; content:\"abcdefgh\";", pattern: (.payload, "abcdefgh")),
        Choice(options: "content:\"aaaaaaaa\"; content:\"a1|3b|b2\";", pattern: (.payload, "a1;b2")),
        Choice(options: "content:\"abcd\"; content:!\"abcdefgh\";", pattern: (.payload, "abcd")),
        Choice(
            options: "content:\"abcdefgh\"; http.uri; content:\"/abc\";", pattern: (.httpURI, "/abc")),
        Choice(options: "content:\"abcdefgh\"; http.uri; content:\"/a\";", pattern: (.payload, "abcdefgh")),
        Choice(
            options: "http.method; content:\"POST\"; http.uri; content:\"/abc\";", pattern: (.httpURI, "/abc")
        ),
        Choice(
            options: "content:\"abcdefgh\"; content:\"ij\"; fast_pattern;", pattern: (.payload, "ij")),
        Choice(options: "content:\"abcdefgh\"; fast_pattern:2,4;", pattern: (.payload, "cdef")),
        Choice(options: "content:\"ABCD\"; nocase;", pattern: (.payload, "abcd")),
    ])
    private func `the prefilter's content is the asked one or the rarest`(_ choice: Choice) throws {
        let signature = try signature(choice.options)
        #expect((signature.fastPattern == nil) == (choice.pattern == nil))
        guard let pattern = signature.fastPattern, let wanted = choice.pattern else { return }
        #expect(signature.matches[pattern.group].buffer == wanted.0)
        #expect(pattern.bytes == Array(wanted.1.utf8))
        guard case .content(let content) = signature.matches[pattern.group].inspections[pattern.inspection]
        else {
            Issue.record("it points at no content")
            return
        }
        #expect(!content.isNegated && content.isCaseInsensitive == pattern.isCaseInsensitive)
    }

    @Test(arguments: [
        ("content:\"abcd\";", true), ("content:\"abcd\"; nocase;", true),
        ("content:\"abcd\"; offset:1;", false),
        ("content:\"abcd\"; depth:9;", false), ("content:\"abcd\"; endswith;", false),
        ("content:\"abcd\"; startswith;", false), ("content:\"abcd\"; rawbytes;", false),
        ("content:\"abcd\"; isdataat:1,relative;", false), ("content:\"abcd\"; fast_pattern:0,2;", false),
        ("content:\"x\"; content:\"abcd\"; distance:0;", false),
    ])
    func `only a content that may stand anywhere is settled by being found`(options: String, settles: Bool)
        throws
    {
        #expect(try signature(options).fastPattern?.settlesContent == settles)
    }

    @Test func `what holds where the buffer is not there is not waited for`() throws {
        let signature = try signature(
            "http.uri; content:\"abcd\"; http.cookie; content:!\"x\";", proto: "http")
        #expect(signature.matches.map(\.holdsWithoutBuffer) == [false, true])
        #expect(signature.fastPattern?.group == 0)
    }
}
