// SPDX-License-Identifier: Apache-2.0
// What is wrong with a rule, and the wording of it: where, what, what was expected, what to do.
import Diagnostics

/// The first thing that keeps a rule from being loaded.
struct RuleProblem: Error {
    /// The keyword or protocol that is not supported, as written; nil: the text is wrong.
    var unsupported: String?
    /// Stable kind of finding, as in "bad-number".
    var id: String
    var message: String
    /// In `RuleText.bytes`.
    var place: Range<Int>
    var label = ""
    var help: String?

    init(
        _ id: String, _ message: String, at place: Range<Int>, expected label: String = "",
        help: String? = nil
    ) {
        self.id = id
        self.message = message
        self.place = place
        self.label = label.isEmpty ? "" : "expected \(label)"
        self.help = help
    }

    /// A value that is not what its keyword takes.
    init(_ keyword: String, value: Slice, expected: String) {
        self.init(
            "bad-value", "'\(value.text)' is no value of '\(keyword)'", at: value.place, expected: expected)
    }

    /// A keyword that is not supported.
    static func unsupported(_ keyword: String, at place: Range<Int>, help: String? = nil) -> RuleProblem {
        var problem = RuleProblem(
            "unsupported-keyword", "keyword '\(keyword)' is not supported", at: place, help: help)
        problem.unsupported = keyword
        problem.label = "the signature is left out"
        return problem
    }

    /// A warning for what is not supported, an error for what is wrong.
    func diagnostic(in rule: RuleText) -> Diagnostic {
        Diagnostic(
            unsupported == nil ? .error : .warning, id: id, message, at: rule.range(place), label: label,
            help: help)
    }
}
