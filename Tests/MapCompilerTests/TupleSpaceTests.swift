// SPDX-License-Identifier: Apache-2.0
// Rules to entries and tuples: prefixes, intervals, conditions, the tuples' number and the limits.
import Diagnostics
import GuardABI
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

@testable import MapCompiler

private let text = SourceText(path: "policy.conf", text: "first\nlast\n")

private func rule(_ name: String, _ match: RuleMatch, at range: SourceRange = World.range) -> Rule {
    var rule = Rule(name: name, action: .drop, range: range)
    rule.match = match
    return rule
}

private func compiled(_ policy: CheckedPolicy, _ choice: ClassifierChoice = .tupleSpace) throws -> MapImage {
    var target = CompileTarget()
    target.classifier = choice
    return try compile(policy, for: target)
}

@Test func `a set as prefixes holds what the set holds, in the fewest of them`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<500 {
        let ranges = (0..<3).map { _ -> ClosedRange<UInt8> in
            let (a, b) = (
                UInt8.random(in: 0...255, using: &random), UInt8.random(in: 0...255, using: &random)
            )
            return min(a, b)...max(a, b)
        }
        let set = IntervalSet(ranges)
        guard let prefixes = entryPrefixes(set, limit: 64) else {
            Issue.record("no prefixes for \(ranges), seed \(seed)")
            continue
        }
        for value in UInt8.min...UInt8.max {
            let holding = prefixes.filter { value >> (8 - $0.length) == UInt8($0.bits) >> (8 - $0.length) }
            #expect(holding.count == (set.contains(value) ? 1 : 0), "\(value) in \(ranges), seed \(seed)")
        }
        // Two halves of one prefix would be one.
        for prefix in prefixes where prefix.length > 0 {
            let other = EntryPrefix(
                bits: prefix.bits ^ 1 << UInt128(8 - prefix.length), length: prefix.length)
            #expect(!prefixes.contains(other), "\(ranges), seed \(seed)")
        }
    }
    #expect(entryPrefixes(IntervalSet<UInt32>.all, limit: 1) == [EntryPrefix()])
    #expect(entryPrefixes(IntervalSet<UInt128>.all, limit: 1) == [EntryPrefix()])
    #expect(entryPrefixes(IntervalSet<UInt32>(1...UInt32.max - 1), limit: 61) == nil)
    #expect(entryPrefixes(IntervalSet<UInt32>(1...UInt32.max - 1), limit: 62)?.count == 62)
}

@Test func `what a rule asks beside a few addresses and services is a condition that rules share`() throws {
    var policy = CheckedPolicy(name: "conditions")
    for number in 0..<600 {
        var match = RuleMatch()
        match.source = AddressSet(v4: IntervalSet(UInt32(number)...UInt32(number)))
        match.ttl = IntervalSet(UInt8(number % 3)...UInt8(number % 3))
        policy.rules.append(rule("r\(number)", match))
    }
    let config = try compiled(policy).config.classifiers.0
    #expect(config.conditions == 3 && config.rule_words == 0 && config.words == 1)
    #expect(config.entry_count == 600 && config.engine == GUARD_ENGINE_TUPLE_SPACE.rawValue)
}

@Test func `few rules with conditions are bits instead`() throws {
    var policy = CheckedPolicy(name: "bits")
    for number in 0..<100 {
        var match = RuleMatch()
        match.source = AddressSet(v4: IntervalSet(UInt32(number)...UInt32(number)))
        if number % 10 == 5 { match.dscp = IntervalSet(46...46) }
        policy.rules.append(rule("r\(number)", match))
    }
    let image = try compiled(policy)
    #expect(image.classifiers[0].bitRules == 10 && image.classifiers[0].entries == 90)
    #expect(image.config.classifiers.0.first == 5 && image.config.classifiers.0.conditions == 0)
    #expect(try compiled(policy, .entriesAlone).classifiers[0].entries == 100)
}

@Test func `rules of one family are no concern of the other's classifier`() throws {
    var policy = CheckedPolicy(name: "families")
    var matches = [RuleMatch(), RuleMatch(), RuleMatch(), RuleMatch()]
    matches[0].source = AddressSet(v4: IntervalSet(1...1))
    matches[1].destination = AddressSet(v6: IntervalSet(1...1))
    matches[2].families = [.ipv6]
    policy.rules = matches.enumerated().map { rule("r\($0.offset)", $0.element) }
    for choice in [ClassifierChoice.bitVectors, .tupleSpace, .entriesAlone] {
        #expect(try compiled(policy, choice).classifiers.map(\.rules) == [2, 3])
    }
}

@Test func `automatic takes bit vectors for few rules and a tuple space for many`() throws {
    var policy = CheckedPolicy(name: "choice")
    for number in 0...FamilyClassifier.bitVectorsBest {
        var match = RuleMatch()
        match.source = AddressSet(v4: IntervalSet(UInt32(number)...UInt32(number)))
        if number == 0 { match.source?.v6 = IntervalSet(1...1) }
        policy.rules.append(rule("r\(number)", match))
    }
    #expect(try compiled(policy, .automatic).classifiers.map(\.engine) == [.tupleSpace, .bitVectors])
    policy.rules.removeLast()
    #expect(try compiled(policy, .automatic).classifiers.map(\.engine) == [.bitVectors, .bitVectors])
}

/// Prefixes of every pair of lengths, with exact and wide services and ports: far more shapes than tuples.
@Test func `however many shapes rules have, there are at most 64 tuples`() throws {
    var policy = CheckedPolicy(name: "shapes")
    let tcp: UInt16 = 1000
    for source in stride(from: 1, through: 32, by: 1) {
        for destination in stride(from: 1, through: 32, by: 1) {
            var match = RuleMatch()
            match.source = AddressSet(v4: IntervalSet(0...UInt32.max >> UInt32(source)))
            match.destination = AddressSet(v4: IntervalSet(0...UInt32.max >> UInt32(destination)))
            let width = [UInt16(0), 10, 200, 3000, 50000][(source + destination) % 5]
            match.service = ServiceSet(
                others: false,
                exceptions: [.tcp: .init(values: IntervalSet(tcp...tcp + width), unread: false)])
            match.sourcePort = IntervalSet(tcp...tcp + [UInt16(0), 10, 200, 3000, 50000][source % 5])
            policy.rules.append(rule("\(source)/\(destination)", match))
        }
    }
    for choice in [ClassifierChoice.tupleSpace, .entriesAlone] {
        let summary = try compiled(policy, choice).classifiers[0]
        #expect(summary.tuples <= Int(GUARD_TUPLES_MAX) && summary.tuples > 0, "\(summary)")
    }
}

@Test func `rules with too many different conditions are an error at the first one beyond`() {
    var policy = CheckedPolicy(name: "conditions")
    for number in 0...Int(GUARD_ROW_BITS_MAX) {
        var match = RuleMatch()
        match.length = IntervalSet(UInt16(number)...UInt16(number))
        let isLast = number == Int(GUARD_ROW_BITS_MAX)
        let range = isLast ? SourceRange(text, 6, 10) : SourceRange(text, 0, 5)
        policy.rules.append(rule("r\(number)", match, at: range))
    }
    var found: Diagnostic?
    do { _ = try compiled(policy, .entriesAlone) } catch {
        found = (error as? CompileError)?.diagnostics.first
    }
    #expect(found?.message.contains("4097 different conditions") == true, "\(found?.message ?? "compiled")")
    #expect(found?.message.contains("at most 4096") == true && found?.range.line == 2)
}
