// SPDX-License-Identifier: Apache-2.0
// Transforms: a table of what each makes of bytes, and a signature that sees the result.

import Signatures
import Testing

@testable import SignatureMatching

struct TransformCase: Sendable, CustomTestStringConvertible {
    var transforms: [Transform]
    var text: String
    var expected: String
    var testDescription: String { "\(transforms) of '\(text)'" }
}

@Test(arguments: [
    TransformCase(transforms: [.dotPrefix], text: "example.com", expected: ".example.com"),
    TransformCase(transforms: [.toLowercase], text: "AbC[]1", expected: "abc[]1"),
    TransformCase(transforms: [.toUppercase], text: "AbC{}1", expected: "ABC{}1"),
    TransformCase(transforms: [.stripWhitespace], text: " a\t b\r\n", expected: "ab"),
    TransformCase(transforms: [.compressWhitespace], text: "a  b\t\tc d", expected: "a b c d"),
    TransformCase(transforms: [.compressWhitespace], text: "a\tb", expected: "a\tb"),
    TransformCase(transforms: [.urlDecode], text: "a%20b+c%2", expected: "a b c%2"),
    TransformCase(transforms: [.urlDecode], text: "%41%zz%4", expected: "A%zz%4"),
    TransformCase(transforms: [.xor([0x20])], text: "abc", expected: "ABC"),
    TransformCase(transforms: [.xor([0x20, 0])], text: "abc", expected: "AbC"),
    TransformCase(transforms: [.xor([])], text: "abc", expected: "abc"),
    TransformCase(
        transforms: [.xorExtracted(offset: 1, keyLength: 1, keyOffset: 0)], text: " abc", expected: " ABC"),
    TransformCase(
        transforms: [.xorExtracted(offset: 1, keyLength: 9, keyOffset: 0)], text: " abc", expected: " abc"),
    TransformCase(transforms: [.toLowercase, .dotPrefix], text: "A", expected: ".a"),
    TransformCase(
        transforms: [.fromBase64(offset: 0, bytes: nil, mode: .rfc4648)], text: "aGVsbG8=",
        expected: "hello"),
    TransformCase(
        transforms: [.fromBase64(offset: 2, bytes: 4, mode: .rfc4648)], text: "__aGVsbG8=", expected: "hel"),
    TransformCase(
        transforms: [.fromBase64(offset: 0, bytes: nil, mode: .rfc4648)], text: "aGVs!bG8=", expected: "hel"),
    TransformCase(
        transforms: [.fromBase64(offset: 0, bytes: nil, mode: .rfc2045)], text: "aG Vs\r\nbG8=",
        expected: "hello"),
    TransformCase(
        transforms: [.fromBase64(offset: 0, bytes: nil, mode: .strict)], text: "aGVs!bG8=", expected: ""),
    TransformCase(
        transforms: [.fromBase64(offset: 0, bytes: nil, mode: .strict)], text: "aGVsbG8", expected: ""),
    TransformCase(
        transforms: [.fromBase64(offset: 9, bytes: nil, mode: .strict)], text: "aGVs", expected: ""),
    TransformCase(
        transforms: [.headerLowercase], text: "Host: A\r\nUser-Agent: B\r\n",
        expected: "host: A\r\nuser-agent: B\r\n"),
    TransformCase(
        transforms: [.stripPseudoHeaders], text: ":method: GET\r\nhost: a\r\n", expected: "host: a\r\n"),
    TransformCase(transforms: [.domain], text: "www.example.com", expected: "example.com"),
    TransformCase(transforms: [.domain], text: "a.example.co.uk", expected: "example.co.uk"),
    TransformCase(transforms: [.topLevelDomain], text: "www.example.com", expected: "com"),
])
func `a transform makes of bytes what its keyword says`(_ given: TransformCase) {
    let made = Array(given.text.utf8).withUnsafeBytes { apply(given.transforms, to: $0) }
    #expect(String(decoding: made, as: UTF8.self) == given.expected)
}

@Test(arguments: [
    (Transform.md5, "900150983cd24fb0d6963f7d28e17f72"),
    (.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
    (.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
])
func `hashes are raw bytes`(_ transform: Transform, _ expected: String) {
    let made = Array("abc".utf8).withUnsafeBytes { apply([transform], to: $0) }
    #expect(hexadecimal(made) == expected)
}

@Test(arguments: [UInt64(41), 42])
func `no transform traps on random bytes`(_ seed: UInt64) {
    var random = Seeded(seed)
    let all: [Transform] = [
        .dotPrefix, .toLowercase, .toUppercase, .stripWhitespace, .compressWhitespace, .md5, .sha1, .sha256,
        .urlDecode, .xor([1, 2, 3]), .xorExtracted(offset: 2, keyLength: 3, keyOffset: 1),
        .fromBase64(offset: 1, bytes: 7, mode: .rfc2045), .stripPseudoHeaders, .headerLowercase, .domain,
        .topLevelDomain,
    ]
    for _ in 0..<2_000 {
        let bytes = random.bytes(0...20, from: " \t\r\n:.%+=aZ09\0".utf8)
        let chosen = (0..<3).compactMap { _ in all.randomElement(using: &random) }
        let made = bytes.withUnsafeBytes { apply(chosen, to: $0) }
        #expect(made.count <= bytes.count + 3 * 33, "seed \(seed)")
    }
}

@Test func `a signature on a transformed buffer sees the result, and its prefilter too`() throws {
    let matcher = try matcher(
        """
        alert dns any any -> any any (msg:"m"; dns.query; dotprefix; content:".example.com"; endswith; sid:1;)
        alert dns any any -> any any (msg:"m"; dns.query; to_md5; content:"|90 01 50 98|"; startswith; sid:2;)
        alert dns any any -> any any (msg:"m"; dns.query; content:"example"; sid:3;)
        """)
    func found(_ name: String) -> [UInt32] {
        matcher.sids(transaction([(.dnsQuery, name)], .toServer, .dns), header: header(.udp))
    }
    #expect(found("www.example.com") == [1, 3])
    #expect(found("example.com") == [1, 3])
    #expect(found("notexample.com") == [3])
    #expect(found("abc") == [2])
}
