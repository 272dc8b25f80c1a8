// SPDX-License-Identifier: Apache-2.0
// Rules: their names, what they do, and whether the one goes with the other.
import Diagnostics
import NetworkTypes

/// Rule numbers have 20 bits in the datapath's tables.
private let mostRules = 1_000_000

extension PolicyChecker {
    mutating func checkRules() {
        let count = files.reduce(0) { $0 + ($1.rules?.elementCount ?? 0) }
        if count > mostRules, let range = main.range {
            return error(
                "too-many-rules", "the policy has \(count) rules, at most \(mostRules) are taken",
                SourceRange(range.source, range.start, range.start + 1),
                help: "join rules that differ in a list's values only")
        }
        policy.rules.reserveCapacity(count)
        var names: [String: Int32] = [:]
        names.reserveCapacity(count)
        for file in files {
            var parser = PolicyParser()
            parser.forEachRule(of: file.rules) { ast in
                checkName(ast, &names)
                checkRule(ast)
            }
            ruleDiagnostics += file.unspoken(parser.diagnostics)
        }
        if ruleDiagnostics.contains(where: { $0.severity == .error }) { dropProvisional() }
    }

    /// - Parameter names: the rule that has each name first.
    private mutating func checkName(_ ast: RuleAST, _ names: inout [String: Int32]) {
        guard let name = ast.name else { return }
        guard let first = names.updateValue(Int32(clamping: policy.rules.count), forKey: name.value) else {
            return
        }
        note(duplicateName("rule", name, first: policy.rules[Int(first)].range))
    }

    private mutating func checkRule(_ ast: RuleAST) {
        tellMissingKeys(ast)
        let action = ast.action?.value ?? .pass
        var rule = Rule(name: ast.name?.value ?? "", action: action, range: ast.name?.range ?? ast.range)
        rule.match = match(ast)
        rule.monitor = ast.mode?.value == .monitor
        setFurther(ast, &rule)
        checkReferences(ast, rule.match)
        if let given = ast.action { checkCompany(of: given, ast) }
        checkExpiry(ast)
        policy.rules.append(rule)
    }

    private mutating func tellMissingKeys(_ ast: RuleAST) {
        if ast.name == nil, !ast.keys.contains("name") {
            error("missing-key", "the rule has no 'name'", ast.range, help: "write a unique name")
        }
        if ast.action == nil, !ast.keys.contains("action") {
            error(
                "missing-key", "the rule has no 'action'", ast.range,
                help: "write action: pass, drop, reject or continue")
        }
    }

    /// What most rules have none of is not touched for them.
    private mutating func setFurther(_ ast: RuleAST, _ rule: inout Rule) {
        if let state = state(ast) { rule.state = state }
        if let limit = ast.limit { rule.limit = limit.value }
        if let inspect = ast.inspect { rule.inspect = inspect.value }
        if let log = ast.log { rule.logEvery = log.value }
        if let cookies = ast.synCookies { rule.synCookiesAbove = cookies.value }
        if let expires = ast.expires { rule.expires = expires.value }
    }

    private mutating func checkReferences(_ ast: RuleAST, _ match: RuleMatch) {
        if let limit = ast.limit {
            if let index = limits.index(of: limit.value) {
                limits.isUsed[index] = true
                checkPorts(of: limits.definitions[index], limit, ast, match)
            } else {
                undefined("limit", limit, among: limits.names)
            }
        }
        if let inspector = ast.inspect {
            if let index = inspectors.index(of: inspector.value) {
                inspectors.isUsed[index] = true
            } else {
                undefined("inspector", inspector, among: inspectors.names)
            }
        }
    }

    /// Which keys go with which action; `log` goes with all of them.
    private mutating func checkCompany(of action: Positioned<RuleAction>, _ ast: RuleAST) {
        let letsOn = action.value == .pass || action.value == .continue
        if !letsOn {
            let word = action.value.rawValue
            refuse(
                "limit", ast.limit?.range, beside: action, help: "a rule that \(word)s has nothing to limit")
            refuse(
                "inspect", ast.inspect?.range, beside: action, help: "what a rule \(word)s is not inspected")
        }
        if action.value != .pass {
            refuse("syn-cookies", ast.synCookies?.range, beside: action, help: "write action: pass")
        }
        if letsOn, let mode = ast.mode, mode.value == .monitor {
            refuse("mode", mode.range, beside: action, help: "mode: monitor is for rules that drop or reject")
        }
        if action.value == .continue, !["limit", "inspect", "log"].contains(where: ast.keys.contains) {
            warn(
                "no-effect", "a rule that continues without limit, inspect or log does nothing", action.range,
                help: "add one of these, or remove the rule")
        }
    }

    private mutating func refuse(
        _ key: String, _ range: SourceRange?, beside action: Positioned<RuleAction>, help: String
    ) {
        guard let range else { return }
        note(
            Diagnostic(
                id: "wrong-action", "'\(key)' cannot stand beside 'action: \(action.value.rawValue)'",
                at: range,
                related: [.init(action.range, "the action")], help: help))
    }

    private mutating func checkExpiry(_ ast: RuleAST) {
        guard let expires = ast.expires, expires.value <= now else { return }
        warn(
            "expired-rule", "rule '\(ast.name?.value ?? "")' has ended: it matches nothing any more",
            expires.range,
            help: "remove it, or give it a later end")
    }
}
