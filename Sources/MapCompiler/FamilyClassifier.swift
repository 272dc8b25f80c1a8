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
    let matches: Matches
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
        constants.addresses = usesAddresses ? 1 : 0
        return constants
    }

    /// Whether any bit asks for addresses or their family, or rows of addresses are needed as no other key
    /// gives any.
    var usesAddresses: Bool {
        var hasOtherKeys = false
        for numbered in matches.all {
            let match = numbered.match
            if match.source != nil || match.destination != nil || match.families != nil { return true }
            hasOtherKeys = hasOtherKeys || match.hasIndexKey
        }
        return !hasOtherKeys && !matches.all.isEmpty
    }

    /// The rule that a bit of the rows is, or that asks for it; nil for failsafe entries and never-ban.
    func rule(ofBit bit: Int) -> Int? {
        let firstCondition = 64 * (1 + (bitRules.count + 63) / 64)
        guard bit >= 64 else { return nil }
        if bit < firstCondition { return bitRules.indices.contains(bit - 64) ? bitRules[bit - 64] : nil }
        let conditions = space?.conditions ?? []
        return conditions.indices.contains(bit - firstCondition) ? conditions[bit - firstCondition].rule : nil
    }
}

extension RuleMatch {
    /// Whether some packet of a family matches, or may once a named set has changed.
    fileprivate func canMatch(_ family: AddressFamily) -> Bool {
        guard families?.contains(family) ?? true else { return false }
        func admits(_ set: AddressSet?, _ expression: AddressExpression?) -> Bool {
            guard let set, expression == nil else { return true }
            return family == .ipv4 ? !set.v4.isEmpty : !set.v6.isEmpty
        }
        return admits(source, sourceExpression) && admits(destination, destinationExpression)
    }

    /// Whether it has a key of IndexTables.swift.
    fileprivate var hasIndexKey: Bool {
        service != nil || sourcePort != nil || tcpFlags != nil || interface != nil || vlan != nil
            || innerVLAN != nil || length != nil || ttl != nil || dscp != nil || ipOptions != nil
            || fragment != nil
    }
}
