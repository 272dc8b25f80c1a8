// SPDX-License-Identifier: Apache-2.0
// Signatures that would take exponential or cubic time on the payload that their author did not think of:
// each stops at its limit, is counted, and hurts no other.
import Testing

@testable import SignatureMatching

/// What ends the search.
enum NastyEnd: Sendable { case regexLimit, stepLimit, insight }

/// A signature's options, and the payload that makes it dear.
struct NastySignature: Sendable, CustomTestStringConvertible {
    let options: String
    let payload: String
    let end: NastyEnd
    var testDescription: String { options }

    init(pcre options: String, _ payload: String) {
        (self.options, self.payload, end) = (options, payload, .regexLimit)
    }

    /// - Parameter end: `insight` where the engine sees that no other place of a literal helps.
    init(chain options: String, _ payload: String, _ end: NastyEnd) {
        (self.options, self.payload, self.end) = (options, payload, end)
    }
}

private func many(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

private let nasty = [
    NastySignature(pcre: #"pcre:"/^(a+)+$/";"#, many("a", 200) + "!"),
    NastySignature(pcre: #"pcre:"/^(a|aa)+c$/";"#, many("a", 200) + "bc"),
    NastySignature(pcre: #"pcre:"/^(a|a)*$/";"#, many("a", 200) + "!"),
    NastySignature(pcre: #"pcre:"/^(([a-z])+.)+[A-Z]([a-z])+$/";"#, many("a", 200) + "A!"),
    NastySignature(pcre: #"pcre:"/^(?:(?:a?){30}){30}a{300}$/";"#, many("a", 299) + "b"),
    NastySignature(pcre: #"pcre:"/(.*)(.*)(.*)(.*)(.*)(.*)[^a-z]{3}x/";"#, many("ab", 100) + "x"),
    NastySignature(pcre: #"pcre:"/^(?:\w+\s?)+[!]$/";"#, many("words and ", 30) + "? !"),
    NastySignature(pcre: #"pcre:"/^(?=(a+)+b)(a+)+c/";"#, many("a", 100) + "!bc"),
    NastySignature(pcre: #"pcre:"/(x+x+)+(x+x+)+y$/";"#, many("x", 200) + "zy"),
    NastySignature(
        chain: many(#"content:"a"; distance:0; "#, 8) + #"content:"b"; within:1;"#, many("a", 400) + "xb",
        .insight),
    NastySignature(
        chain: many(#"content:"a"; within:200; "#, 6) + #"content:"zz"; within:2;"#,
        many("a", 400) + "xzz", .stepLimit),
    NastySignature(
        chain: many(#"content:"a"; distance:0; "#, 3) + "byte_test:1,>,200,0,relative;", many("a", 600),
        .insight),
    NastySignature(
        chain: many(#"content:"a"; distance:0; "#, 3) + "isdataat:700,relative;", many("a", 600), .insight),
    NastySignature(
        chain: #"content:"a"; content:"a"; distance:0; pcre:"/^b+c/R";"#, many("a", 900) + "bc",
        .stepLimit),
]

@Test(arguments: nasty, [true, false])
func `a signature of exponential time stops at its limit, counted, and the next one still matches`(
    _ given: NastySignature, _ code: Bool
) throws {
    var settings = SignatureEngine.Settings()
    settings.usesMachineCode = code
    let matcher = try matcher(
        "alert tcp any any -> any any (msg:\"nasty\"; \(given.options) sid:1;)\n"
            + "alert tcp any any -> any any (msg:\"plain\"; content:\"!|0a|\"; sid:2;)", settings: settings)
    #expect(matcher.sids(given.payload + "!\n") == [2])
    #expect(matcher.counters.regexLimits == (given.end == .regexLimit ? [0: 1] : [:]))
    #expect(matcher.counters.stepLimits == (given.end == .stepLimit ? [0: 1] : [:]))
    // Again and again it costs no more than its limit, each time counted.
    for _ in 0..<3 { #expect(matcher.sids(given.payload + "!\n") == [2]) }
    #expect(matcher.counters.regexLimits == (given.end == .regexLimit ? [0: 4] : [:]))
    #expect(matcher.counters.stepLimits == (given.end == .stepLimit ? [0: 4] : [:]))
}

@Test func `a thousand signatures that all match one packet are bounded, and the rest counted`() throws {
    let rules = (1...1000).map { #"alert tcp any any -> any any (msg:"x"; content:"needle"; sid:\#($0);)"# }
    let matcher = try matcher(rules.joined(separator: "\n"))
    #expect(matcher.sids("needle").count == SignatureMatcher.mostMatches)
    #expect(matcher.counters.matchesRefused == 1000 - UInt64(SignatureMatcher.mostMatches))
}
