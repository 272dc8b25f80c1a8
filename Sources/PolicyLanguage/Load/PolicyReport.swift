// SPDX-License-Identifier: Apache-2.0
// What loading a policy gave: the checked policy or the reasons why there is none, for people and for
// scripts.
import Diagnostics

/// A policy file's outcome.
public struct PolicyReport: Sendable {
    /// Nil with any error: a policy is never half applied.
    public let policy: CheckedPolicy?
    /// Errors, warnings and notes, sorted by file, line and column.
    public let diagnostics: [Diagnostic]
    /// The policy's file and those that it includes, in the order in which they were read.
    public internal(set) var sources: [SourceText] = []

    /// 0 without errors, 66 when all errors are files that cannot be read, else 65 (sysexits).
    public var exitCode: Int32 {
        let errors = diagnostics.lazy.filter { $0.severity == .error }
        if errors.isEmpty { return 0 }
        return errors.allSatisfy { $0.id == unreadableFile } ? 66 : 65
    }

    /// All diagnostics as text; of each severity at most `limit`, and then how many more there are.
    public func rendered(limit: Int = 20) -> String {
        var left: [Severity: Int] = [.error: limit, .warning: limit, .note: limit]
        var untold: [Severity: Int] = [:]
        var text = ""
        for diagnostic in diagnostics {
            if left[diagnostic.severity, default: 0] > 0 {
                left[diagnostic.severity, default: 0] -= 1
                text += diagnostic.rendered()
            } else {
                untold[diagnostic.severity, default: 0] += 1
            }
        }
        for severity in [Severity.error, .warning, .note] {
            guard let count = untold[severity] else { continue }
            text += "and \(count) more \(severity.rawValue)\(count == 1 ? "" : "s")\n"
        }
        return text
    }
}

/// The id of the error that a file cannot be read.
public let unreadableFile = "cannot-read"

extension PolicyReport {
    /// With what a later step has to say of the policy; an error takes the policy away.
    public func adding(_ more: [Diagnostic]) -> PolicyReport {
        guard !more.isEmpty else { return self }
        let failed = more.contains { $0.severity == .error }
        var report = PolicyReport(policy: failed ? nil : policy, unsorted: diagnostics + more)
        report.sources = sources
        return report
    }

    /// Sorts, and drops what is said twice: an aliased value is read wherever it stands for.
    init(policy: CheckedPolicy?, unsorted: [Diagnostic]) {
        let sorted = unsorted.enumerated().sorted { a, b in
            let (left, right) = (a.element.range, b.element.range)
            if left.source !== right.source, left.source.path != right.source.path {
                return left.source.path < right.source.path
            }
            return (left.start, left.end, a.offset) < (right.start, right.end, b.offset)
        }
        var told: [Diagnostic] = []
        var here: [Diagnostic] = []
        for (_, diagnostic) in sorted {
            if here.first?.range != diagnostic.range { here = [] }
            if here.contains(diagnostic) { continue }
            // Many words can be said of one place only by aliases; a few of them are enough to compare
            // with.
            if here.count < 16 { here.append(diagnostic) }
            told.append(diagnostic)
        }
        diagnostics = told
        self.policy = policy
    }
}
