// SPDX-License-Identifier: Apache-2.0
// `check`: everything that can be said of a policy without privileges.
import Diagnostics
import Inspection
import MapCompiler
import PolicyAnalysis
import PolicyLanguage

/// A policy file's findings: of the language, of lint, of its own tests, of the datapath's limits.
public struct PolicyCheck: Sendable {
    public let path: String
    /// Nil where the policy has an error.
    public let policy: CheckedPolicy?
    public let diagnostics: [Diagnostic]
    public let failedTests: Int
    private let report: PolicyReport

    public init(path: String, nowNanoseconds: Int64) {
        self.path = path
        report = loadPolicy(path: path).checkingInspectors()
        policy = report.policy
        guard let policy else {
            diagnostics = report.diagnostics
            failedTests = 0
            return
        }
        let failed = runPolicyTests(policy, now: nowNanoseconds).compactMap(\.failure)
        failedTests = failed.count
        diagnostics = report.diagnostics + lint(policy) + failed + Self.limits(policy)
    }

    /// Every diagnostic as text, errors of a wrong policy at most 20.
    public func rendered() -> String {
        policy == nil ? report.rendered() : diagnostics.map { $0.rendered() }.joined()
    }

    /// - Parameter denied: ids of findings, or "warnings" for all warnings.
    public func status(denying denied: Set<String>) -> ExitStatus {
        guard policy != nil else { return ExitStatus(rawValue: report.exitCode) ?? .wrongInput }
        let isDenied = diagnostics.contains { finding in
            denied.contains(finding.id) || (denied.contains("warnings") && finding.severity == .warning)
        }
        if failedTests > 0 || isDenied { return .failed }
        return diagnostics.contains { $0.severity == .error } ? .wrongInput : .done
    }

    private static func limits(_ policy: CheckedPolicy) -> [Diagnostic] {
        var target = CompileTarget()
        target.isReplay = true
        do {
            _ = try compile(policy, for: target)
            return []
        } catch {
            return error.diagnostics
        }
    }
}
