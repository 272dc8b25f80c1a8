// SPDX-License-Identifier: Apache-2.0
// How one family's rules are searched: the engine, and which rules and conditions are bits of its rows.
import GuardABI
import NetworkTypes
import PolicyLanguage

/// The plan for one family.
struct FamilyClassifier {
    /// Above it hashed entries are faster than rows (docs/performance.md).
    static let bitVectorsBest = 1024

    let family: AddressFamily
    /// Numbers of the rules that can match the family, ascending. IPv4's are also for frames whose IP header
    /// was not read.
    let rules: [Int]
    var matches: Matches
    /// Numbers of the rules that are bits, by bit.
    let bitRules: [Int]
    /// Nil: bit vectors.
    let space: TupleSpace?

    init(_ family: AddressFamily, of policy: CheckedPolicy, _ choice: ClassifierChoice) {
        self.family = family
        rules = policy.rules.indices.filter { policy.rules[$0].match.canMatch(family) }
        let failsafe = policy.failsafe.flatMap(failsafeMatches)
        let isTupleSpace =
            switch choice {
            case .automatic: rules.count > Self.bitVectorsBest
            case .bitVectors: false
            case .tupleSpace, .entriesAlone: true
            }
        guard isTupleSpace else {
            space = nil
            bitRules = rules
            matches = Matches(failsafe: failsafe, rules: rules.map { policy.rules[$0].match }, conditions: [])
            return
        }
        var maker = EntryMaker(isIPv6: family == .ipv6, services: ServiceIndex())
        for rule in rules { maker.add(policy.rules[rule].match, rule: rule) }
        let space = TupleSpace(maker, withBits: choice != .entriesAlone)
        self.space = space
        bitRules = space.bitRules
        matches = Matches(
            failsafe: failsafe, rules: bitRules.map { policy.rules[$0].match },
            conditions: space.conditions.map(\.match))
    }

    /// The classifier's constants that do not lie in tables.
    var constants: guard_classifier {
        var constants = guard_classifier()
        constants.engine = (space == nil ? GUARD_ENGINE_BIT_VECTORS : GUARD_ENGINE_TUPLE_SPACE).rawValue
        constants.rule_count = UInt32(rules.count)
        constants.words = UInt32(matches.wordCount - 1)
        constants.rule_words = UInt32((bitRules.count + 63) / 64)
        constants.first = bitRules.first.map(UInt32.init) ?? .max
        constants.conditions = UInt32(space?.conditions.count ?? 0)
        return constants
    }
}

extension RuleMatch {
    fileprivate func canMatch(_ family: AddressFamily) -> Bool {
        guard families?.contains(family) ?? true else { return false }
        func canHold(_ set: AddressSet?, _ names: AddressExpression?) -> Bool {
            // A named set may come to hold addresses of either family.
            guard let set, names == nil else { return true }
            return family == .ipv4 ? !set.v4.isEmpty : !set.v6.isEmpty
        }
        return canHold(source, sourceExpression) && canHold(destination, destinationExpression)
    }
}
