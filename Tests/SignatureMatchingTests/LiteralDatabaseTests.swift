// SPDX-License-Identifier: Apache-2.0
// The literal scan: what it finds is what a search at every position finds, also from the cache.

import Testing

@testable import SignatureMatching

private func found(_ literals: [Literal], in text: [UInt8], database: LiteralDatabase? = nil) throws -> [Int]
{
    let database = try database ?? LiteralDatabase(literals)
    let scanner = LiteralScanner()
    try scanner.prepare(for: database)
    return text.withUnsafeBytes { bytes in
        scanner.scan(bytes, with: database).map { Int($0.literal) }.sorted()
    }
}

private func literal(_ text: String, caseless: Bool = false) -> Literal {
    Literal(bytes: Array(text.utf8), caseless: caseless)
}

struct ScanCase: Sendable, CustomTestStringConvertible {
    var literals: [Literal]
    var text: String
    var expected: [Int]
    var testDescription: String { text }
}

@Test(arguments: [
    ScanCase(literals: [literal("GET"), literal("get")], text: "GET /", expected: [0]),
    ScanCase(literals: [literal("GET"), literal("get", caseless: true)], text: "gEt /", expected: [1]),
    ScanCase(literals: [literal("a"), literal("aa"), literal("aaa")], text: "aa", expected: [0, 1]),
    ScanCase(literals: [literal("x.*y"), literal("^x"), literal("\\x41")], text: "x.*y", expected: [0]),
    ScanCase(literals: [literal("abc")], text: "", expected: []),
    ScanCase(literals: [literal("same"), literal("same")], text: "same same", expected: [0, 1]),
])
func `a scan reports each literal that a buffer holds once`(_ given: ScanCase) throws {
    #expect(try found(given.literals, in: Array(given.text.utf8)) == given.expected)
}

@Test func `every byte value is a literal like any other`() throws {
    let literals = (0...255).map { Literal(bytes: [UInt8($0), 0, UInt8(255 - $0)], caseless: false) }
    for value in 0...255 {
        #expect(try found(literals, in: [7, 7] + literals[value].bytes).contains(value))
    }
}

@Test func `a hit's end is behind the literal's first occurrence`() throws {
    let database = try LiteralDatabase([literal("ab")])
    let scanner = LiteralScanner()
    try scanner.prepare(for: database)
    let ends = Array("xxabxxab".utf8).withUnsafeBytes { scanner.scan($0, with: database).map(\.end) }
    #expect(ends == [4])
}

@Test(arguments: [UInt64(1), 2, 3, 4])
func `random literals are found where a search at every position finds them`(_ seed: UInt64) throws {
    var random = Seeded(seed)
    let literals = (0..<200).map { _ in
        Literal(bytes: random.bytes(1...6, from: "abAB\0".utf8), caseless: random.next() % 2 == 0)
    }
    let database = try LiteralDatabase(literals)
    for _ in 0..<50 {
        let text = random.bytes(0...40, from: "abAB\0".utf8)
        let expected = literals.indices.filter { obviousSearch(literals[$0], in: text) }
        #expect(try found(literals, in: text, database: database) == expected, "seed \(seed)")
    }
}

private func obviousSearch(_ literal: Literal, in text: [UInt8]) -> Bool {
    func folded(_ byte: UInt8) -> UInt8 {
        literal.caseless && byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte
    }
    guard text.count >= literal.bytes.count else { return false }
    return (0...text.count - literal.bytes.count).contains { start in
        literal.bytes.indices.allSatisfy { folded(text[start + $0]) == folded(literal.bytes[$0]) }
    }
}

@Test func `an empty literal is refused with its place in the list`() {
    #expect {
        _ = try LiteralDatabase([literal("a"), literal("")])
    } throws: { error in
        guard case .compile(index: 1, reason: _)? = error as? LiteralDatabaseError else { return false }
        return true
    }
}
