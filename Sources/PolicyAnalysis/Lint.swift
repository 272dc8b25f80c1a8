// SPDX-License-Identifier: Apache-2.0
// What a policy says to no effect: a checked policy in, warnings out. Rules that earlier ones hide, rules
// that hold for no packet, rules that say what the default says, limits that drop nothing, empty sets.
import Diagnostics
import NetworkTypes
import PolicyLanguage

/// Warnings about a policy: those about sets first, then rule by rule, then limits. They are never wrong;
/// where the bound on lint's work was hit, a last note says how many rules were not looked at to the end.
public func lint(_ policy: CheckedPolicy) -> [Diagnostic] {
    var found = policy.sets.filter { $0.addresses.isEmpty }.map(LintWording.emptySet)
    var search = HiddenRuleSearch(policy)
    let restating = rulesThatRestateTheDefault(policy, search.spaces)
    let universe = PacketUniverse(policy)
    var idle: Set<Int> = []
    for (index, rule) in policy.rules.enumerated() {
        if search.spaces[index].isEmpty {
            found.append(LintWording.unreachable(rule, contradiction(in: rule.match, universe)))
            idle.insert(index)
        } else if let hiders = search.hiders(of: index) {
            found.append(LintWording.hidden(rule, by: hiders.map { policy.rules[$0] }))
            idle.insert(index)
        } else if restating.contains(index) {
            found.append(LintWording.restatesDefault(rule))
        }
    }
    found += idleLimits(policy, search.spaces, idleRules: idle)
    if let first = search.undecided.first {
        found.append(LintWording.bounded(search.undecided.count, from: policy.rules[first]))
    }
    return found
}

/// Rules whose packets meet the same verdict without them: behind each stands no rule for any of its packets
/// that does something else. Looked for from the end, until too many rules that do something else were met.
private func rulesThatRestateTheDefault(_ policy: CheckedPolicy, _ spaces: [RuleSpace]) -> Set<Int> {
    let mostOthers = 32
    let verdict: RuleAction = policy.defaultVerdict == .pass ? .pass : .drop
    var restating: Set<Int> = []
    var others: [Int] = []
    for (index, rule) in policy.rules.enumerated().reversed() where !spaces[index].isEmpty {
        if rule.action != verdict || rule.doesMoreThanDecide {
            others.append(index)
        } else if !others.contains(where: { spaces[$0].overlaps(spaces[index]) }) {
            restating.insert(index)
        }
        if others.count > mostOthers { break }
    }
    return restating
}

extension Rule {
    fileprivate var doesMoreThanDecide: Bool {
        monitor || logEvery != nil || limit != nil || inspect != nil || synCookiesAbove != nil
    }
}

/// The names of one or two keys that no packet has together; empty where it takes more of them.
private func contradiction(in match: RuleMatch, _ universe: PacketUniverse) -> [String] {
    let keys = RuleMatchKey.all.filter { $0.isSet(match) }
    func isImpossible(_ kept: [RuleMatchKey]) -> Bool {
        var alone = RuleMatch()
        for key in kept { key.copy(match, &alone) }
        return RuleSpace(alone, in: universe).isEmpty
    }
    if let one = keys.first(where: { isImpossible([$0]) }) { return [one.name] }
    for (index, first) in keys.enumerated() {
        if let second = keys[(index + 1)...].first(where: { isImpossible([first, $0]) }) {
            return [first.name, second.name]
        }
    }
    return []
}

/// A key of a rule, to take a match apart.
private struct RuleMatchKey {
    let name: String
    let isSet: (RuleMatch) -> Bool
    let copy: (RuleMatch, inout RuleMatch) -> Void

    private init<Value>(_ name: String, _ path: WritableKeyPath<RuleMatch, Value?>) {
        self.name = name
        isSet = { $0[keyPath: path] != nil }
        copy = { $1[keyPath: path] = $0[keyPath: path] }
    }

    static var all: [RuleMatchKey] {
        [
            .init("source", \.source), .init("destination", \.destination), .init("service", \.service),
            .init("source-port", \.sourcePort), .init("tcp-flags", \.tcpFlags), .init("family", \.families),
            .init("interface", \.interface), .init("vlan", \.vlan), .init("inner-vlan", \.innerVLAN),
            .init("length", \.length), .init("ttl", \.ttl), .init("dscp", \.dscp),
            .init("fragment", \.fragment),
            .init("ip-options", \.ipOptions), .init("payload", \.payload),
        ]
    }
}
