// SPDX-License-Identifier: Apache-2.0
// The matches that share a family's rows: failsafe entries as bits of the head word, then rules, then the
// conditions of entries.
import GuardABI
import NetworkTypes
import PolicyLanguage

/// A match and its bit in every row.
struct NumberedMatch {
    var bit: Int
    var match: RuleMatch
}

/// All matches that are bits of one family's rows, and the rows' size.
struct Matches {
    var all: [NumberedMatch]
    /// Words of a row: the head and one for each 64 rules, then one for each 64 conditions.
    var wordCount: Int

    /// - Parameter conditions: what entries of a tuple space ask of rows.
    init(failsafe: [RuleMatch], rules: [RuleMatch], conditions: [RuleMatch]) {
        let ruleWords = (rules.count + 63) / 64
        all = []
        func add(_ matches: [RuleMatch], from first: Int) -> [NumberedMatch] {
            matches.enumerated().map { NumberedMatch(bit: first + $0.offset, match: $0.element) }
        }
        all = add(failsafe, from: 0) + add(rules, from: 64) + add(conditions, from: 64 * (1 + ruleWords))
        wordCount = 1 + ruleWords + (conditions.count + 63) / 64
    }

    /// The row of all bits for which `holds` says so.
    func row(where holds: (RuleMatch) -> Bool) -> Row {
        var row = Row(words: wordCount)
        for numbered in all where holds(numbered.match) { row[numbered.bit] = true }
        return row
    }

    /// The constraints of the matches that have a key, over those that `holds` admits.
    func constraints<Bound>(
        where holds: (RuleMatch) -> Bool = { _ in true }, _ values: (RuleMatch) -> IntervalSet<Bound>?
    ) -> [Constraint<Bound>] {
        all.compactMap { numbered in
            guard holds(numbered.match), let set = values(numbered.match) else { return nil }
            return Constraint(bit: numbered.bit, values: set)
        }
    }
}

/// How many head bits a failsafe entry takes.
func failsafeMatches(_ entry: FailsafeEntry) -> [RuleMatch] {
    var forward = RuleMatch()
    forward.source = entry.source
    forward.sourceExpression = entry.sourceExpression
    forward.service = entry.service
    return [forward] + replies(entry)
}

/// Matches of the replies to an entry's sources: its source as destination, its ports as source ports, the
/// answering
/// ICMP types, or the bare protocol. One match for each kind of answer.
private func replies(_ entry: FailsafeEntry) -> [RuleMatch] {
    var reply = RuleMatch()
    reply.destination = entry.source
    reply.destinationExpression = entry.sourceExpression
    guard let service = entry.service else { return [reply] }
    var matches: [RuleMatch] = []
    var bare = ServiceSet(others: service.others)
    // A dictionary's order differs from one to the next; the image must not.
    for (proto, keys) in service.exceptions.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
        if keys.unread || (keys.values.isAll && !proto.hasPorts && !proto.hasTypes) {
            bare.exceptions[proto] = .all
        } else {
            bare.exceptions[proto] = ServiceSet.Keys.none
            matches += keyedReplies(reply, proto, keys)
        }
    }
    let holdsAny = bare.others || bare.exceptions.values.contains { $0.unread }
    reply.service = bare
    return (holdsAny ? [reply] : []) + matches
}

private func keyedReplies(_ reply: RuleMatch, _ proto: IPProtocol, _ keys: ServiceSet.Keys) -> [RuleMatch] {
    var match = reply
    if proto.hasPorts {
        match.service = ServiceSet(others: false, exceptions: [proto: .all])
        match.sourcePort = keys.values
        return keys.values.isEmpty ? [] : [match]
    }
    let pairs: [(request: UInt16, reply: UInt16)] = proto == .icmp ? [(8, 0)] : [(128, 129)]
    let answers = pairs.filter { keys.values.contains($0.request) }.map { $0.reply...$0.reply }
    guard !answers.isEmpty else { return [] }
    match.service = ServiceSet(
        others: false, exceptions: [proto: .init(values: IntervalSet(answers), unread: false)])
    return [match]
}
