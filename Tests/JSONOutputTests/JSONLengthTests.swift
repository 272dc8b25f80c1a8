// SPDX-License-Identifier: Apache-2.0
// How long a value is told to be, against how long it is, and what is cut of it.
import Foundation
import JSONOutput
import TestSupport
import Testing

/// Characters that JSON writes in each of its ways, and neighbours of those.
private let characters: [Unicode.Scalar] = [
    "a", " ", "/", "\"", "\\", "\n", "\r", "\t", "\0", "\u{1f}", "\u{7e}", "\u{7f}", "\u{80}", "\u{9f}",
    "\u{a0}", "\u{61b}", "\u{61c}", "\u{61d}", "é", "\u{7ff}", "\u{800}", "\u{200d}", "\u{200e}", "\u{2028}",
    "\u{202e}", "\u{2029}", "\u{2066}", "\u{2069}", "\u{2070}", "\u{ffff}", "😀", "\u{10ffff}",
]

private func text(_ random: inout SeededGenerator, _ most: Int) -> String {
    var text = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0...most, using: &random) {
        text.append(characters[Int.random(in: characters.indices, using: &random)])
    }
    return String(text)
}

private func value(_ random: inout SeededGenerator, depth: Int = 0) -> JSONValue {
    switch Int.random(in: 0...(depth < 3 ? 8 : 6), using: &random) {
    case 0: .null
    case 1: .bool(.random(using: &random))
    case 2: .integer(.random(in: .min ... .max, using: &random))
    case 3: .unsigned(.random(in: 0 ... .max, using: &random))
    case 4: .number(Double(bitPattern: .random(in: 0 ... .max, using: &random)))
    case 5, 6: .string(text(&random, 40))
    case 7: .array((0..<Int.random(in: 0...6, using: &random)).map { _ in value(&random, depth: depth + 1) })
    default:
        .object(
            (0..<Int.random(in: 0...6, using: &random)).map { _ in
                (text(&random, 8), value(&random, depth: depth + 1))
            })
    }
}

@Test func `no value is longer than it is told to be`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<500 {
        let value = value(&random)
        let written = value.text.utf8.count
        #expect(written <= value.length && value.length <= value.roughLength, "seed \(seed): \(value.text)")
    }
}

@Test func `plain text and what must be escaped are told to the byte`() {
    #expect(JSONValue.string("plain é \" \u{1} \n").length == 23)
    #expect(JSONValue.string("plain é \" \u{1} \n").text.utf8.count == 23)
}

@Test func `a string that is cut begins as it did, and keeps to its length`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<500 {
        let whole = text(&random, 60)
        let limit = Int.random(in: 3...100, using: &random)
        let cut = JSONValue.string(whole).cuttingStrings(to: limit)
        guard case .string(let shown) = cut else {
            Issue.record("no string")
            continue
        }
        #expect(cut.text.utf8.count <= limit + 2, "seed \(seed)")
        guard !shown.unicodeScalars.elementsEqual(whole.unicodeScalars) else { continue }
        #expect(JSONValue.string(whole).length > limit + 2, "seed \(seed)")
        #expect(shown.hasSuffix("..."))
        #expect(whole.utf8.starts(with: shown.utf8.dropLast(3)), "seed \(seed)")
    }
}

@Test func `arrays are cut at every depth, keys and numbers stay`() {
    let list = JSONValue.array((0..<9).map { .integer($0) })
    let value = JSONValue.object([("a", list), ("b", .array([list, list, list]))])
    #expect(value.cuttingArrays(to: 2).text == #"{"a":[0,1],"b":[[0,1],[0,1]]}"#)
    #expect(value.cuttingStrings(to: 3).text == value.text)
    var lengths: [Int] = []
    JSONValue.object([("key", "ab"), ("list", .array(["\n", 7]))]).addStringLengths(to: &lengths)
    #expect(lengths == [2, 2])
}
