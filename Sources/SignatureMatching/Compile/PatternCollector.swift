// SPDX-License-Identifier: Apache-2.0
// the literal that each signature must have -> lists of distinct literals, one for each database.

import Signatures

/// A literal without which a signature cannot match.
struct RequiredPattern {
    var literal: Literal
    /// Index into the signature's `matches`.
    var group: Int
    /// The literal must end at or before this place; UInt32.max: anywhere.
    var mostEnd: UInt32

    /// The signature's own choice where it is in one of the buffers asked for, else the longest that is.
    init?(of signature: Signature, in isMeant: (Buffer) -> Bool) {
        if let chosen = signature.fastPattern, signature.matches.indices.contains(chosen.group),
            isMeant(signature.matches[chosen.group].buffer),
            case .content(let content) = signature.matches[chosen.group].inspections[chosen.inspection]
        {
            literal = Literal(bytes: chosen.bytes, caseless: chosen.isCaseInsensitive)
            group = chosen.group
            mostEnd = RequiredPattern.mostEnd(content)
            return
        }
        var best: (content: ContentMatch, group: Int)?
        for (group, matches) in signature.matches.enumerated()
        where isMeant(matches.buffer) && !matches.holdsWithoutBuffer {
            let mayBeAbsent = matches.inspections.contains { if case .absent = $0 { true } else { false } }
            for case .content(let content) in matches.inspections where !content.isNegated && !mayBeAbsent {
                if content.bytes.count > best?.content.bytes.count ?? 0 { best = (content, group) }
            }
        }
        guard let best else { return nil }
        literal = Literal(bytes: best.content.bytes, caseless: best.content.isCaseInsensitive)
        group = best.group
        mostEnd = RequiredPattern.mostEnd(best.content)
    }

    private static func mostEnd(_ content: ContentMatch) -> UInt32 {
        guard !content.isRelative, case .literal(let from) = content.from else { return .max }
        if content.isAtStart, from >= 0 { return UInt32(clamping: Int(from) + content.bytes.count) }
        guard case .literal(let length)? = content.length else { return .max }
        let (end, overflow) = from.addingReportingOverflow(length)
        return overflow ? .max : UInt32(clamping: end)
    }
}

/// Literals by the bytes that they are looked for in.
struct PatternCollector {
    /// What a database scans. Literals that stand near a payload's start have one of their own: the short and
    /// frequent ones are among them, and no more than that start is scanned for them.
    enum Key: Hashable {
        case payload(slot: Int, view: Int, isNear: Bool)
        case buffer(slot: Int, view: Int)

        var view: Int {
            switch self {
            case .payload(_, let view, _), .buffer(_, let view): view
            }
        }
    }

    /// The literals of one database, and their users.
    struct List {
        var key: Key
        var literals: [Literal] = []
        private var numbers: [Literal: Int] = [:]
        private var uses: [[PatternUse]] = []

        init(key: Key) { self.key = key }

        mutating func add(_ pattern: RequiredPattern, _ signature: UInt32) {
            let use = PatternUse(signature: signature, mostEnd: pattern.mostEnd)
            if let number = numbers[pattern.literal] {
                uses[number].append(use)
            } else {
                numbers[pattern.literal] = literals.count
                literals.append(pattern.literal)
                uses.append([use])
            }
        }

        func prefilter(_ database: LiteralDatabase) -> Prefilter {
            var starts: [UInt32] = [0]
            for list in uses { starts.append((starts.last ?? 0) + UInt32(list.count)) }
            let all = uses.flatMap { $0 }
            return Prefilter(
                view: key.view, database: database, starts: starts, uses: all,
                reach: all.map(\.mostEnd).max() ?? 0)
        }
    }

    /// Bytes of a payload's start that are near.
    static let nearBytes: UInt32 = 64

    private(set) var lists: [List] = []
    private var places: [Key: Int] = [:]

    mutating func add(_ pattern: RequiredPattern, _ signature: UInt32, to key: Key) {
        if places[key] == nil {
            places[key] = lists.count
            lists.append(List(key: key))
        }
        guard let place = places[key] else { return }
        lists[place].add(pattern, signature)
    }
}
