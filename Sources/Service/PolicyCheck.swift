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

    /// What `--deny` takes: the ids of findings that a policy without errors can have, and "warnings". Errors
    /// need no denying.
    public static let deniable =
        [
            // Of the language.
            "empty-service", "empty-set", "empty-value", "expired-rule", "forbidden-protocol", "host-bits",
            "masked-bytes", "never-matches", "no-effect", "small-burst", "unused-inspector", "unused-limit",
            "unused-service", "unused-set",
            // Of lint, the policy's tests and the datapath.
            "datapath-limit", "idle-limit", "lint-bounded", "redundant-rule", "shadowed-rule", "test-failed",
            "unreachable-rule",
            // Of signatures: the wrong ones of a large set among them, which are only warned of.
            "no-signatures", "signature-left-out", "signature-warnings", "unsupported-signatures",
            "wrong-signatures",
        ] + signatureFindings

    /// - Returns: words of `--deny` that are no finding's id.
    public static func undeniable(_ denied: [String]) -> [String] {
        let known = Set(deniable + ["warnings"])
        return denied.filter { !known.contains($0) }
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

    /// Those of single signatures.
    private static let signatureFindings = [
        "bad-action", "bad-content", "bad-direction", "bad-expression", "bad-name", "bad-number", "bad-value",
        "base64-depth", "buffer-conflict", "content-conflict", "direction-conflict", "duplicate-keyword",
        "duplicate-sid", "empty-header", "flow-conflict", "header-depth", "header-list", "ignored-keyword",
        "name-order", "no-buffer", "no-content", "no-sid", "no-value", "payload-conflict",
        "protocol-conflict", "rule-syntax", "rule-too-long", "too-many-names", "too-many-options",
        "too-many-transforms", "undefined-variable", "unknown-classtype", "unsupported-keyword",
        "unsupported-protocol",
    ]

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
