// SPDX-License-Identifier: Apache-2.0
// A literal's search against one that compares at every place; expression flags; base64 within a chain.

import Signatures
import Testing

@testable import SignatureMatching

private func obviousFirst(_ literal: [UInt8], _ isCaseless: Bool, _ text: [UInt8], _ range: Range<Int>)
    -> Int?
{
    func folded(_ byte: UInt8) -> UInt8 { isCaseless && byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte }
    return range.first { start in
        start + literal.count <= range.upperBound
            && literal.indices.allSatisfy { folded(text[start + $0]) == folded(literal[$0]) }
    }
}

@Test(arguments: [UInt64(81), 82, 83, 84])
func `a literal is found where a comparison at every place finds it`(_ seed: UInt64) {
    var random = Seeded(seed)
    let alphabets: [[UInt8]] = [Array("abAB".utf8), Array("/=&.\0".utf8), [0, 0xff, 0x41, 0x61, 0x5b, 0x40]]
    for round in 0..<5_000 {
        let alphabet = alphabets[Int(random.next() % 3)]
        let literal = random.bytes(1...5, from: alphabet)
        let isCaseless = random.next() % 2 == 0
        let text = random.bytes(0...20, from: alphabet)
        let start = Int.random(in: 0...text.count, using: &random)
        let end = Int.random(in: start...text.count, using: &random)
        let searched = SearchedBytes(literal, isCaseless: isCaseless)
        let found = text.withUnsafeBytes { searched.first(in: $0, from: start, to: end) }
        let expected = obviousFirst(literal, isCaseless, text, start..<end)
        #expect(found == expected, "seed \(seed) round \(round): \(literal) in \(text) \(start)..<\(end)")
        if let found { #expect(text.withUnsafeBytes { searched.stands(at: found, in: $0) }) }
    }
}

@Test(arguments: [(-1, 3), (0, 4), (3, 1), (4, 4), (Int.max, Int.max), (Int.min, 3)])
func `a range outside of the buffer finds nothing`(_ start: Int, _ end: Int) {
    let searched = SearchedBytes(Array("a".utf8), isCaseless: false)
    Array("aaa".utf8).withUnsafeBytes { bytes in
        #expect(searched.first(in: bytes, from: start, to: end) == nil)
        #expect(!searched.stands(at: end, in: bytes) || end < 3)
    }
}

struct ExpressionCase: Sendable, CustomTestStringConvertible {
    var expression: String
    var payload: String
    var matches: Bool
    var testDescription: String { "\(expression) on '\(payload)'" }
}

@Test(arguments: [
    ExpressionCase(expression: "/abc/i", payload: "xABCx", matches: true),
    ExpressionCase(expression: "/a.c/", payload: "a\nc", matches: false),
    ExpressionCase(expression: "/a.c/s", payload: "a\nc", matches: true),
    ExpressionCase(expression: "/^b/", payload: "a\nb", matches: false),
    ExpressionCase(expression: "/^b/m", payload: "a\nb", matches: true),
    ExpressionCase(expression: "/a b c/x", payload: "abc", matches: true),
    ExpressionCase(expression: "/b/A", payload: "ab", matches: false),
    ExpressionCase(expression: "/a$/", payload: "a\n", matches: true),
    ExpressionCase(expression: "/a$/E", payload: "a\n", matches: false),
    ExpressionCase(expression: "/\\x61\\/b/", payload: "a/b", matches: true),
])
func `an expression's flags mean what the documentation says`(_ given: ExpressionCase) throws {
    let matcher = try matcher(
        "alert udp any any -> any any (msg:\"m\"; pcre:\"\(given.expression)\"; sid:1;)")
    #expect(matcher.sids(given.payload, header(.udp)) == (given.matches ? [1] : []))
}

@Test func `base64 within a payload is decoded and searched`() throws {
    let matcher = try matcher(
        """
        alert udp any any -> any any (msg:"m"; content:"key="; base64_decode:bytes 8,offset 0,relative; \
        base64_data; content:"hello"; sid:1;)
        """)
    #expect(matcher.sids("key=aGVsbG8=", header(.udp)) == [1])
    #expect(matcher.sids("key=aGVsbGg=", header(.udp)) == [])
    #expect(matcher.sids("key=", header(.udp)) == [])
}

@Test(arguments: [UInt64(91), 92])
func `base64 decodes what was encoded`(_ seed: UInt64) {
    var random = Seeded(seed)
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    for _ in 0..<500 {
        let bytes = random.bytes(0...20, from: UInt8.min...UInt8.max)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let padded = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for index in 0..<4 {
                let digit = digits[Int(padded >> UInt32(18 - 6 * index) & 63)]
                text.append(index <= group.count ? digit : UInt8(ascii: "="))
            }
        }
        for mode in [Transform.Base64Mode.rfc4648, .rfc2045, .strict] {
            let decoded = text.withUnsafeBytes { decodeBase64($0, mode: mode) }
            #expect(decoded == bytes, "seed \(seed) mode \(mode)")
        }
    }
}
