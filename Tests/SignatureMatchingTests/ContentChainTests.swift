// SPDX-License-Identifier: Apache-2.0
// Chains of contents: the examples of Suricata's documentation, and random ones against a search that tries
// every place of every content.

import Testing

@testable import SignatureMatching
@testable import Signatures

struct ContentCase: Sendable, CustomTestStringConvertible {
    var options: String
    var payload: String
    var matches: Bool
    var testDescription: String { "\(options) on '\(payload)'" }
}

// https://docs.suricata.io/en/suricata-7.0.0/rules/payload-keywords.html, each of its pictures.
@Test(arguments: [
    ContentCase(options: #"content:"abc";"#, payload: "xxabcxx", matches: true),
    ContentCase(options: #"content:"abc";"#, payload: "xxABCxx", matches: false),
    ContentCase(options: #"content:"abc"; nocase;"#, payload: "xxAbCxx", matches: true),
    ContentCase(options: #"content:"a|62|c";"#, payload: "abc", matches: true),
    ContentCase(options: #"content:!"abc";"#, payload: "abd", matches: true),
    ContentCase(options: #"content:!"abc";"#, payload: "xabcx", matches: false),
    ContentCase(options: #"content:"abc"; depth:3;"#, payload: "abcdef", matches: true),
    ContentCase(options: #"content:"def"; depth:3;"#, payload: "abcdef", matches: false),
    ContentCase(options: #"content:"abc"; startswith;"#, payload: "abcdef", matches: true),
    ContentCase(options: #"content:"abc"; startswith;"#, payload: "xabc", matches: false),
    ContentCase(options: #"content:"def"; endswith;"#, payload: "abcdef", matches: true),
    ContentCase(options: #"content:"def"; endswith;"#, payload: "defx", matches: false),
    ContentCase(options: #"content:"def"; endswith;"#, payload: "defdef", matches: true),
    ContentCase(options: #"content:!"def"; endswith;"#, payload: "defx", matches: true),
    ContentCase(options: #"content:"def"; offset:3;"#, payload: "abcdef", matches: true),
    ContentCase(options: #"content:"def"; offset:4;"#, payload: "abcdef", matches: false),
    ContentCase(options: #"content:"def"; offset:3; depth:3;"#, payload: "abcdef", matches: true),
    ContentCase(options: #"content:"ef"; offset:3; depth:2;"#, payload: "abcdef", matches: false),
    ContentCase(options: #"content:"abc"; content:"def"; distance:0;"#, payload: "abcdef", matches: true),
    ContentCase(options: #"content:"abc"; content:"def"; distance:0;"#, payload: "abc def", matches: true),
    ContentCase(options: #"content:"abc"; content:"def"; distance:1;"#, payload: "abcdef", matches: false),
    ContentCase(options: #"content:"abc"; content:"bcd"; distance:-2;"#, payload: "abcdef", matches: true),
    ContentCase(options: #"content:"abc"; content:"def"; within:3;"#, payload: "abcdef", matches: true),
    ContentCase(options: #"content:"abc"; content:"def"; within:3;"#, payload: "abcxdef", matches: false),
    ContentCase(
        options: #"content:"abc"; content:"d"; distance:1; within:1;"#, payload: "abcxd", matches: true),
    ContentCase(
        options: #"content:"abc"; content:"d"; distance:1; within:1;"#, payload: "abcd", matches: false),
    ContentCase(
        options: #"content:"abc"; content:!"def"; distance:0;"#, payload: "abcxxx", matches: true),
    ContentCase(
        options: #"content:"abc"; content:!"def"; within:6;"#, payload: "abcxdefx", matches: false),
    // The first "a" has no "b" right behind it, the second one has.
    ContentCase(options: #"content:"a"; content:"b"; within:1;"#, payload: "a-ab", matches: true),
    ContentCase(
        options: #"content:"a"; content:"b"; within:1; content:"c"; within:1;"#, payload: "ababc",
        matches: true),
    ContentCase(options: #"content:"abc"; isdataat:1,relative;"#, payload: "abcd", matches: true),
    ContentCase(options: #"content:"abc"; isdataat:1,relative;"#, payload: "abc", matches: false),
    ContentCase(options: #"content:"abc"; isdataat:!1,relative;"#, payload: "abc", matches: true),
    ContentCase(options: #"content:!"abc"; isdataat:!1,relative;"#, payload: "abc", matches: false),
    ContentCase(options: #"content:!"abc"; isdataat:!1,relative;"#, payload: "xabcd", matches: true),
    ContentCase(options: #"content:!"abc"; isdataat:!1,relative;"#, payload: "xyz", matches: true),
    ContentCase(
        options: #"content:!"abc"; isdataat:!1,relative; content:"x";"#, payload: "x.yz", matches: true),
    ContentCase(options: #"content:"abc"; isdataat:5;"#, payload: "abcdef", matches: true),
    ContentCase(options: #"content:"abc"; isdataat:6;"#, payload: "abcdef", matches: false),
    ContentCase(options: #"content:"abc"; dsize:3;"#, payload: "abc", matches: true),
    ContentCase(options: #"content:"abc"; dsize:>3;"#, payload: "abc", matches: false),
    ContentCase(options: #"content:"abc"; dsize:2<>4;"#, payload: "abc", matches: true),
    ContentCase(options: #"content:"abc"; pcre:"/^d+/R";"#, payload: "abcdd", matches: true),
    ContentCase(options: #"content:"abc"; pcre:"/^e/R";"#, payload: "abcdde", matches: false),
    ContentCase(options: #"content:"ab"; pcre:"/^c/R";"#, payload: "abdabc", matches: true),
    ContentCase(options: #"pcre:"/a.c/i";"#, payload: "xxAbC", matches: true),
    ContentCase(options: #"pcre:!"/a.c/i";"#, payload: "xxAbC", matches: false),
    ContentCase(options: #"pcre:"/a/"; content:"c"; within:1;"#, payload: "abac", matches: true),
])
func `contents match as the documentation says`(_ given: ContentCase) throws {
    let rule = "alert udp any any -> any any (msg:\"m\"; \(given.options) sid:1;)"
    let found = try matcher(rule).sids(given.payload, header(.udp))
    #expect(found == (given.matches ? [1] : []))
}

/// One content of a random chain.
private func randomContent(_ random: inout Seeded, isFirst: Bool) -> ContentMatch {
    var content = ContentMatch(bytes: random.bytes(1...2, from: "ab".utf8))
    content.isRelative = !isFirst && random.next() % 3 > 0
    content.isNegated = random.next() % 5 == 0
    content.isCaseInsensitive = random.next() % 4 == 0
    let least = content.isRelative ? -3 : 0
    if random.next() % 2 == 0 { content.from = .literal(Int64.random(in: Int64(least)...4, using: &random)) }
    if random.next() % 2 == 0 { content.length = .literal(Int64.random(in: 1...6, using: &random)) }
    content.isAtStart = random.next() % 9 == 0
    content.isAtEnd = random.next() % 9 == 0
    return content
}

/// A chain with `isRetried` set as the checker settles it: all that a relative content's place comes from.
private func randomChain(_ random: inout Seeded) -> [ContentMatch] {
    var chain: [ContentMatch] = []
    var sources: [Int] = []
    for _ in 0..<Int.random(in: 1...4, using: &random) {
        let content = randomContent(&random, isFirst: sources.isEmpty)
        if content.isRelative { for source in sources { chain[source].isRetried = true } }
        chain.append(content)
        if content.isNegated { continue }
        if !content.isRelative { sources = [] }
        sources.append(chain.count - 1)
    }
    return chain
}

/// The chain's meaning, spelt out: every place of every content is tried.
private func obviouslyHolds(_ chain: ArraySlice<ContentMatch>, _ text: [UInt8], from position: Int) -> Bool {
    guard let content = chain.first else { return true }
    guard case .literal(let from) = content.from else { return false }
    let start = (content.isRelative ? position : 0) + Int(from)
    var end = text.count
    if case .literal(let length)? = content.length { end = min(end, start + Int(length)) }
    let first = max(0, start)
    let places = (0...text.count).filter { place in
        let behind = place + content.bytes.count
        guard place >= first, behind <= end else { return false }
        if content.isAtStart, place != first { return false }
        if content.isAtEnd, behind != text.count { return false }
        return content.bytes.indices.allSatisfy { index in
            let byte = text[place + index]
            return byte == content.bytes[index]
                || content.isCaseInsensitive && byte ^ 0x20 == content.bytes[index]
        }
    }
    let rest = chain.dropFirst()
    if content.isNegated { return places.isEmpty && obviouslyHolds(rest, text, from: position) }
    return places.contains { obviouslyHolds(rest, text, from: $0 + content.bytes.count) }
}

@Test(arguments: [UInt64(11), 12, 13, 14, 15, 16])
func `a random chain of contents holds where a search of all places says so`(_ seed: UInt64) throws {
    var random = Seeded(seed)
    let runner = ChainRunner(limits: RegexLimits(), mostSteps: 1_000_000, usesMachineCode: false)
    var holding = 0
    for round in 0..<4_000 {
        let chain = randomChain(&random)
        let text = random.bytes(0...12, from: "abAB".utf8)
        let steps = try Step.compile(chain.map { .content($0) })
        runner.begin(variableCount: 0)
        let found = text.withUnsafeBytes { runner.run(steps, on: $0) }
        let expected = obviouslyHolds(chain[...], text, from: 0)
        #expect(found == expected, "seed \(seed) round \(round): \(chain) on \(text)")
        if expected { holding += 1 }
    }
    #expect(holding > 400, "the chains are no test if hardly any holds")
}

@Test func `a chain with too many places to try is given up and counted`() throws {
    let rules = """
        alert udp any any -> any any (msg:"m"; content:"a"; content:"a"; distance:0; \
        content:"a"; distance:0; content:"a"; distance:0; content:"b"; distance:0; content:"x"; sid:1;)
        """
    let matcher = try matcher(rules)
    let text = "x" + String(repeating: "a", count: 400)
    #expect(matcher.sids(text, header(.udp)) == [])
    #expect(matcher.counters.stepLimits == [:], "'b' is nowhere: no place of 'a' helps")
    #expect(matcher.sids(text + "b", header(.udp)) == [1])
    let late =
        "alert udp any any -> any any (msg:\"m\"; content:\"a\"; content:\"a\"; distance:0; "
        + "content:\"a\"; distance:0; content:\"b\"; within:1; content:\"c\"; within:1; sid:1;)"
    let other = try freshMatcher(late)
    #expect(other.sids(String(repeating: "a", count: 2_000) + "bd-c", header(.udp)) == [])
    #expect(other.counters.stepLimits == [0: 1])
}

/// The function of the same name, where a local variable hides it.
private func freshMatcher(_ rules: String) throws -> SignatureMatcher { try matcher(rules) }
