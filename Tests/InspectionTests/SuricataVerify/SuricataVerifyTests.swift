// SPDX-License-Identifier: Apache-2.0
// suricata-verify's tests, through the inspector: the rates of levels 1 and 2, and a table of the rest by
// cause.
import Foundation
import TestSupport
import Testing

/// One test or level alone, to look into it: SURICATA_VERIFY=detect-icmp-seq.
private let wanted: String? = {
    let name = ProcessInfo.processInfo.environment["SURICATA_VERIFY"] ?? ""
    return name.isEmpty ? nil : name
}()

private let corpus = SharedData.folder.map { "\($0)/signatures/suricata-verify" }

private func cases(_ level: String) throws -> [VerifyCase] {
    guard let corpus else { return [] }
    let text = try String(contentsOfFile: "\(corpus)/tests.jsonl", encoding: .utf8)
    return text.split(separator: "\n").compactMap { VerifyCase($0) }.filter {
        $0.level == level && !$0.rules.isEmpty && (wanted == nil || $0.name == wanted || level == wanted)
    }
}

@Test(
    .enabled(if: SharedData.folder != nil, Comment(rawValue: SharedData.absence.description)),
    arguments: [("L1", 0.95), ("L2", 0.85)])
func `the alerts of suricata-verify come out`(_ level: String, _ least: Double) throws {
    guard let corpus else { return }
    let outcomes = try cases(level).map { try VerifyRun(test: $0, folder: corpus).run() }
    let judged = outcomes.filter { $0.result != .skipped }
    let good = judged.filter { $0.result != .failed }
    print(table(level, outcomes))
    guard wanted == nil else { return }
    #expect(Double(good.count) >= least * Double(judged.count))
}

private func table(_ level: String, _ outcomes: [VerifyOutcome]) -> String {
    func count(_ result: VerifyOutcome.Result) -> Int { outcomes.count { $0.result == result } }
    var lines = [
        "suricata-verify \(level): \(count(.passed)) whole, \(count(.alertsPassed)) by their alerts, "
            + "\(count(.failed)) failed, \(count(.skipped)) skipped of \(outcomes.count)"
    ]
    for (result, name) in [(VerifyOutcome.Result.failed, "failed"), (.skipped, "skipped")] {
        let causes = Dictionary(grouping: outcomes.filter { $0.result == result }, by: \.cause)
        for (cause, tests) in causes.sorted(by: { ($1.value.count, $0.key) < ($0.value.count, $1.key) }) {
            lines.append("  \(name), \(cause): \(tests.count) (\(tests.map(\.name).joined(separator: ", ")))")
        }
    }
    if wanted != nil {
        for outcome in outcomes { lines += outcome.misses.map { "  \(outcome.name): \($0)" } }
    }
    return lines.joined(separator: "\n")
}
