// SPDX-License-Identifier: Apache-2.0
// The words of lint's warnings.
import Diagnostics
import PolicyLanguage

enum LintWording {
    /// Further hiding rules are not shown; the first ones tell the story.
    private static let mostLabels = 4

    static func emptySet(_ set: NamedSet) -> Diagnostic {
        Diagnostic(
            .warning, id: "empty-set", "set '\(set.name)' holds no address", at: set.range,
            label: "nothing is left of it", help: "add an address, or delete the set and what uses it")
    }

    static func hidden(_ rule: Rule, by hiders: [Rule]) -> Diagnostic {
        let isSame = hiders.allSatisfy { $0.action == rule.action } && !rule.monitor
        return isSame ? redundant(rule, hiders) : shadowed(rule, hiders)
    }

    private static func shadowed(_ rule: Rule, _ hiders: [Rule]) -> Diagnostic {
        let first = hiders.first?.name ?? ""
        return Diagnostic(
            .warning, id: "shadowed-rule", "rule '\(rule.name)' can never match", at: rule.range,
            label: "every packet it could match is decided earlier", related: labels(hiders),
            help: "move '\(rule.name)' above '\(first)' or delete it")
    }

    private static func redundant(_ rule: Rule, _ hiders: [Rule]) -> Diagnostic {
        Diagnostic(
            .warning, id: "redundant-rule", "rule '\(rule.name)' changes nothing", at: rule.range,
            label: "every packet it could match meets the same verdict earlier", related: labels(hiders),
            help: "delete '\(rule.name)'")
    }

    static func restatesDefault(_ rule: Rule) -> Diagnostic {
        Diagnostic(
            .warning, id: "redundant-rule", "rule '\(rule.name)' changes nothing", at: rule.range,
            label: "the default \(verb(rule.action)) these packets too",
            help: "delete '\(rule.name)', or give it 'log' to be told of its packets")
    }

    static func unreachable(_ rule: Rule, _ contradiction: [String]) -> Diagnostic {
        let keys = contradiction.map { "'\($0)'" }
        let label =
            switch keys.count {
            case 1: "no packet that comes to the rules has this \(keys[0])"
            case 2: "\(keys[0]) and \(keys[1]) hold for no packet together"
            default: "its keys hold for no packet together"
            }
        return Diagnostic(
            .warning, id: "unreachable-rule", "rule '\(rule.name)' can hold for no packet", at: rule.range,
            label: label, help: "change one of its keys or delete '\(rule.name)'")
    }

    static func limitWithoutPackets(_ limit: Limit, of rules: [Rule]) -> Diagnostic {
        Diagnostic(
            .warning, id: "idle-limit", "limit '\(limit.name)' never bites", at: limit.range,
            label: "no packet comes to a rule that names it",
            related: rules.prefix(mostLabels).map { Diagnostic.Label($0.range, "this rule never matches") },
            help: "move or delete the rules that name it")
    }

    static func limitBehindAnother(_ limit: Limit, of rule: Rule, behind earlier: Rule) -> Diagnostic {
        let first = earlier.limit ?? ""
        return Diagnostic(
            .warning, id: "idle-limit", "limit '\(limit.name)' never bites", at: limit.range,
            label: "what comes to it is never more than it lets through",
            related: [
                Diagnostic.Label(rule.range, "its only rule, whose packets"),
                Diagnostic.Label(earlier.range, "this rule has limited to no more, by '\(first)'"),
            ], help: "lower '\(limit.name)' below '\(first)', or delete it")
    }

    static func bounded(_ count: Int, from rule: Rule) -> Diagnostic {
        let what = count == 1 ? "1 rule was" : "\(count) rules were"
        return Diagnostic(
            .note, id: "lint-bounded", "\(what) not compared with every earlier rule", at: rule.range,
            label: "from here on a hidden rule may go unnoticed",
            help: "the policy is larger than lint looks at; what it does report is certain")
    }

    private static func labels(_ hiders: [Rule]) -> [Diagnostic.Label] {
        let what = hiders.count == 1 ? "them" : "some of them"
        return hiders.prefix(mostLabels).map {
            Diagnostic.Label($0.range, "this rule already \(verb($0.action)) \(what)")
        }
    }

    private static func verb(_ action: RuleAction) -> String {
        switch action {
        case .pass: "passes"
        case .drop: "drops"
        case .reject: "rejects"
        case .continue: "goes on with"
        }
    }
}
