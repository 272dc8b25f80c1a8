// SPDX-License-Identifier: Apache-2.0
// The policy's own tests: the rules that they name must be there.
import Diagnostics

extension PolicyChecker {
    mutating func checkTests() {
        guard !main.tests.isEmpty else { return }
        let names = Set(policy.rules.map(\.name))
        for ast in main.tests {
            if let rule = ast.rule, !names.contains(rule.value) {
                undefinedRule(rule)
            }
            guard let packet = ast.packet else { continue }
            var test = PolicyTest(packet: packet.value, range: ast.range)
            test.verdict = ast.verdict.flatMap { RuleAction(rawValue: $0.value.rawValue) }
            test.rule = ast.rule?.value
            test.reason = ast.reason?.value.rawValue
            policy.tests.append(test)
        }
    }

    private mutating func undefinedRule(_ rule: Positioned<String>) {
        let names = policy.rules.lazy.map(\.name)
        let near = nearest(to: rule.value, among: names)
        error(
            "undefined-rule", "no rule is named '\(rule.value)'", rule.range,
            help: near.map { "did you mean '\($0)'?" } ?? "use the name of one of the rules")
    }
}
