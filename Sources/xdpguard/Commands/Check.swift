// SPDX-License-Identifier: Apache-2.0
// `check POLICY...`: parse, resolve, lint, the policies' own tests. No privileges.
import ArgumentParser
import Diagnostics
import JSONOutput
import MapCompiler
import PolicyAnalysis
import PolicyLanguage
import Service

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check policies: syntax, meaning, lint, and their own tests.")

    @Argument(help: "Policy files.") var policies: [String]
    @Option(
        name: .long,
        help:
            "Exit 1 on a finding of this kind, as in shadowed-rule (repeatable; 'warnings': all)."
    )
    var deny: [String] = []
    @OptionGroup var format: OutputOption

    func validate() throws {
        guard let unknown = PolicyCheck.undeniable(deny).first else { return }
        throw ValidationError(
            "--deny '\(printable(unknown))' names no finding; write warnings, for all of them, or one of "
                + PolicyCheck.deniable.joined(separator: ", "))
    }

    func run() throws {
        try reporting { output in
            var worst = ExitStatus.done
            for path in policies {
                let status = try checkOne(path, &output)
                if status.rawValue > worst.rawValue { worst = status }
            }
            if worst != .done {
                try output.flush()
                throw ExitCode(worst.rawValue)
            }
        }
    }

    private func checkOne(_ path: String, _ output: inout StandardOutput) throws -> ExitStatus {
        let checked = PolicyCheck(path: path, nowNanoseconds: wallClock())
        StandardError.write(format.output == .text ? checked.rendered() : "")
        let status = checked.status(denying: Set(deny))
        if format.output == .json {
            try output.json(checked.json(status))
        } else if status == .done, let policy = checked.policy {
            try output.line(
                "\(printable(path)): policy '\(printable(policy.name))' is right: "
                    + "\(policy.rules.count) rules, \(policy.sets.count) sets, "
                    + "\(policy.tests.count) tests passed"
            )
        }
        return status
    }
}

extension PolicyCheck {
    func json(_ status: ExitStatus) -> JSONValue {
        let found: [JSONValue] = diagnostics.map { diagnostic in
            .object([
                ("id", .string(diagnostic.id)), ("severity", .string(diagnostic.severity.rawValue)),
                ("message", .string(diagnostic.message)), ("file", .string(diagnostic.range.source.path)),
                ("line", .integer(Int64(diagnostic.range.line))),
                ("column", .integer(Int64(diagnostic.range.column))),
                ("help", diagnostic.help.map(JSONValue.string) ?? .null),
            ])
        }
        return .object([
            ("file", .string(path)), ("policy", policy.map { .string($0.name) } ?? .null),
            ("ok", .bool(status == .done)), ("exit", .integer(Int64(status.rawValue))),
            ("rules", .integer(Int64(policy?.rules.count ?? 0))),
            ("sets", .integer(Int64(policy?.sets.count ?? 0))),
            ("tests", .integer(Int64(policy?.tests.count ?? 0))),
            ("failed_tests", .integer(Int64(failedTests))),
            ("diagnostics", .array(found)),
        ])
    }
}
