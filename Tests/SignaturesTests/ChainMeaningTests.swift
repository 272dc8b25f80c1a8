// SPDX-License-Identifier: Apache-2.0
// What settling may not change: random chains of contents mean the same as they were written and as they
// were settled. The first is searched with all places of all contents, the second as a matcher does it:
// only contents that say so are tried again.
import Signatures
import TestSupport
import Testing

/// One content as it was written.
private struct WrittenContent {
    var bytes: [UInt8]
    var isNegated = false
    var offset: Int?
    var depth: Int?
    var distance: Int?
    var within: Int?
    var isForPrefilter = false

    var isRelative: Bool { distance != nil || within != nil }

    var text: String {
        var text = "content:\(isNegated ? "!" : "")\"\(String(decoding: bytes, as: UTF8.self))\";"
        if let offset { text += " offset:\(offset);" }
        if let depth { text += " depth:\(depth);" }
        if let distance { text += " distance:\(distance);" }
        if let within { text += " within:\(within);" }
        if isForPrefilter { text += " fast_pattern:only;" }
        return text
    }

    init(using generator: inout SeededGenerator, isFirst: Bool) {
        let length = Int.random(in: 1...3, using: &generator)
        bytes = (0..<length).map { _ in UInt8(ascii: "a") + UInt8.random(in: 0...1, using: &generator) }
        isNegated = Int.random(in: 0..<5, using: &generator) == 0
        switch Int.random(in: 0..<4, using: &generator) {
        case 0:
            if Bool.random(using: &generator) { offset = Int.random(in: 0...5, using: &generator) }
            if Bool.random(using: &generator) { depth = Int.random(in: length...6, using: &generator) }
        case 1, 2:
            distance = Int.random(in: -4...4, using: &generator)
            if Bool.random(using: &generator) { within = Int.random(in: length...7, using: &generator) }
        default: break
        }
        if isFirst, !isNegated, !isRelative, offset == nil, depth == nil {
            isForPrefilter = Int.random(in: 0..<4, using: &generator) == 0
        }
    }
}

/// All places where `bytes` start in `text` between `low` and an end of at most `high`.
private func places(_ bytes: [UInt8], in text: [UInt8], from low: Int, to high: Int) -> [Int] {
    let last = min(high, text.count) - bytes.count
    guard max(0, low) <= last else { return [] }
    return (max(0, low)...last).filter { text[$0..<($0 + bytes.count)].elementsEqual(bytes) }
}

/// As written: some choice of places passes all.
private func holds(_ chain: ArraySlice<WrittenContent>, in text: [UInt8], position: Int) -> Bool {
    guard let content = chain.first else { return true }
    let rest = chain.dropFirst()
    if content.isForPrefilter {
        let found = !places(content.bytes, in: text, from: 0, to: text.count).isEmpty
        return found && holds(rest, in: text, position: position)
    }
    let base = content.isRelative ? position : 0
    let from = base + (content.offset ?? content.distance ?? 0)
    let reach = content.depth ?? content.within
    let found = places(content.bytes, in: text, from: from, to: reach.map { from + $0 } ?? text.count)
    if content.isNegated { return found.isEmpty && holds(rest, in: text, position: position) }
    return found.contains { holds(rest, in: text, position: $0 + content.bytes.count) }
}

/// As settled: contents that nothing depends on are looked for once.
private func passes(_ chain: ArraySlice<ContentMatch>, in text: [UInt8], position: Int) -> Bool {
    guard let content = chain.first, case .literal(let from) = content.from else { return true }
    let rest = chain.dropFirst()
    let low = (content.isRelative ? position : 0) + Int(from)
    var high = text.count
    if case .literal(let length)? = content.length { high = low + Int(length) }
    let found = places(content.bytes, in: text, from: low, to: high)
    if content.isNegated { return found.isEmpty && passes(rest, in: text, position: position) }
    return found.prefix(content.isRetried ? .max : 1).contains {
        passes(rest, in: text, position: $0 + content.bytes.count)
    }
}

@Suite struct ChainMeaningTests {
    @Test(arguments: 1...20)
    func `a settled chain means what was written`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var matched = 0
        for _ in 0..<60 {
            var written: [WrittenContent] = []
            for index in 0..<Int.random(in: 1...4, using: &generator) {
                // What is for the prefilter alone is not what others are relative to: it stands first here.
                written.append(WrittenContent(using: &generator, isFirst: index == 0))
            }
            let rule = written.map(\.text).joined(separator: " ")
            let settled = try contents(rule, proto: "udp")
            #expect(settled.count == written.count)
            for _ in 0..<20 {
                let count = Int.random(in: 0...10, using: &generator)
                let text = (0..<count).map { _ in
                    UInt8(ascii: "a") + UInt8.random(in: 0...1, using: &generator)
                }
                let expected = holds(written[...], in: text, position: 0)
                let isFound = passes(settled[...], in: text, position: 0)
                #expect(
                    isFound == expected,
                    "seed \(seed): \(rule) in '\(String(decoding: text, as: UTF8.self))' settled: \(settled)")
                if expected { matched += 1 }
            }
        }
        #expect(matched > 50, "the chains match now and then")
    }
}
