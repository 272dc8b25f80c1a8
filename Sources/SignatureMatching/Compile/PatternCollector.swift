// SPDX-License-Identifier: Apache-2.0
// the literal that each signature must have -> lists of distinct literals, one for each prefilter.

import Signatures

/// A literal without which a signature cannot match.
struct RequiredPattern {
    var literal: Literal
    /// Index into the signature's `matches`.
    var group: Int
    /// The literal must end at or before this place; UInt32.max: anywhere.
    var mostEnd: UInt32
    /// It stands nowhere but with its end there.
    var isFixed = false

    /// The signature's own choice where it is in one of the buffers asked for, else the longest that is.
    init?(of signature: Signature, in isMeant: (Buffer) -> Bool) {
        if let chosen = signature.fastPattern, signature.matches.indices.contains(chosen.group),
            isMeant(signature.matches[chosen.group].buffer),
            case .content(let content) = signature.matches[chosen.group].inspections[chosen.inspection]
        {
            literal = Literal(bytes: chosen.bytes, caseless: chosen.isCaseInsensitive)
            group = chosen.group
            mostEnd = RequiredPattern.mostEnd(content)
            isFixed = chosen.bytes.count == content.bytes.count && hasOnePlace(content)
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
        isFixed = hasOnePlace(best.content)
    }

    private static func mostEnd(_ content: ContentMatch) -> UInt32 {
        guard !content.isRelative, case .literal(let from) = content.from else { return .max }
        if content.isAtStart, from >= 0 { return UInt32(clamping: Int(from) + content.bytes.count) }
        guard case .literal(let length)? = content.length else { return .max }
        let (end, overflow) = from.addingReportingOverflow(length)
        return overflow ? .max : UInt32(clamping: end)
    }

    private func hasOnePlace(_ content: ContentMatch) -> Bool {
        guard mostEnd != .max, case .literal(let from) = content.from, from >= 0 else { return false }
        return Int64(mostEnd) - Int64(content.bytes.count) == Int64(from)
    }
}

/// Literals by the bytes that they are looked for in.
struct PatternCollector {
    /// What is looked through at once.
    enum Key: Hashable {
        case payload(slot: Int, view: Int)
        case buffer(slot: Int, view: Int)

        var view: Int {
            switch self {
            case .payload(_, let view), .buffer(_, let view): view
            }
        }
    }

    /// The literals of one prefilter, and their users.
    struct List {
        var key: Key
        /// Those that are scanned for; the fixed ones have the numbers behind theirs.
        private(set) var literals: [Literal] = []
        private var fixed: [FixedLiteral] = []
        private var numbers: [Literal: Int] = [:]
        private var fixedNumbers: [FixedLiteral: Int] = [:]
        private var uses: [[PatternUse]] = []
        private var fixedUses: [[PatternUse]] = []

        init(key: Key) { self.key = key }

        mutating func add(_ pattern: RequiredPattern, _ use: PatternUse) {
            if pattern.isFixed, pattern.mostEnd <= PatternCollector.nearBytes {
                let start = pattern.mostEnd - UInt32(pattern.literal.bytes.count)
                let literal = FixedLiteral(literal: pattern.literal, start: start)
                let number = fixedNumbers[literal, default: fixed.count]
                if number == fixed.count {
                    fixedNumbers[literal] = number
                    fixed.append(literal)
                    fixedUses.append([])
                }
                fixedUses[number].append(use)
            } else {
                let number = numbers[pattern.literal, default: literals.count]
                if number == literals.count {
                    numbers[pattern.literal] = number
                    literals.append(pattern.literal)
                    uses.append([])
                }
                uses[number].append(use)
            }
        }

        /// - Parameter database: of `literals`; nil where there are none.
        func prefilter(_ database: LiteralDatabase?) -> Prefilter {
            let users = uses + fixedUses
            var starts: [UInt32] = [0]
            for list in users { starts.append((starts.last ?? 0) + UInt32(list.count)) }
            return Prefilter(
                view: key.view, database: database,
                literals: (
                    FixedLiterals(fixed, firstNumber: literals.count),
                    literals.map(\.bytes.count).max() ?? 0
                ),
                uses: (
                    PatternUses(starts: starts, uses: users.flatMap { $0 }),
                    uses.joined().map(\.mostEnd).max() ?? 0
                ))
        }
    }

    /// A literal that has one place, and ends at or before this one, is looked up there.
    static let nearBytes: UInt32 = 64

    private(set) var lists: [List] = []
    private var places: [Key: Int] = [:]

    mutating func add(_ pattern: RequiredPattern, _ use: PatternUse, to key: Key) {
        if places[key] == nil {
            places[key] = lists.count
            lists.append(List(key: key))
        }
        guard let place = places[key] else { return }
        lists[place].add(pattern, use)
    }
}
