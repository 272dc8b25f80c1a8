// SPDX-License-Identifier: Apache-2.0
// One test of suricata-verify. In: a line of tests.jsonl. Out: its capture, rules, arguments and what it
// expects. The expectations stand as their authors wrote them.
import Foundation
import Testing

struct VerifyCase: Sendable, CustomTestStringConvertible {
    var name: String
    /// "L1" to "L3", "FW", "N".
    var level: String
    /// Relative to the corpus.
    var folder: String
    var capture: String
    var rules: [String]
    /// Suricata's command line, in one text.
    var arguments: String
    var requirements: VersionRequirements
    /// A script of the test's, or faults that Suricata makes in itself.
    var needsScript: Bool
    /// The version of Suricata that it is judged by.
    var version: [Int] { requirements.judgingVersion }
    var expectations: [Expectation]

    var testDescription: String { name }

    init?(_ line: some StringProtocol) {
        guard let parsed = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
            let name = parsed["test"] as? String, let level = parsed["level"] as? String,
            let folder = parsed["dir"] as? String
        else { return nil }
        self.name = name
        self.level = level
        self.folder = folder
        capture = parsed["pcap"] as? String ?? ""
        rules = parsed["rules"] as? [String] ?? []
        arguments = (parsed["args"] as? [String] ?? []).joined(separator: " ")
        let requires = parsed["requires"] as? [String: Any]
        requirements = VersionRequirements(requires)
        let features = requires?["features"] as? [String] ?? []
        // What looks into Suricata's source asks for a version of it alone.
        let scripts = requires?["script"] as? [String] ?? []
        needsScript = scripts.contains { !$0.contains(" src/") } || features.contains("QA_SIMULATION")
        expectations = (parsed["expect"] as? [[String: Any]] ?? []).map(Expectation.init)
    }

    /// The flags of Suricata's command line that change what is alerted.
    var ignoresChecksums: Bool { arguments.contains("-k none") }
    var isInline: Bool { arguments.contains("--simulate-ips") }
    var usesThresholdFile: Bool { arguments.contains("threshold-file=") }

    /// The value of `--set NAME=`; nil where it is not set.
    func setting(_ name: String) -> String? {
        guard let range = arguments.range(of: "--set \(name)=") else { return nil }
        return arguments[range.upperBound...].split(separator: " ").first.map(String.init)
    }
}

/// Which versions of Suricata a test, or one of its expectations, is for.
struct VersionRequirements: Sendable {
    private var least: [Int]?
    private var above: [Int]?
    private var below: [Int]?

    /// The version whose events and keywords ours are, as far as a test asks for no later one: what a later
    /// one adds is judged by that.
    static let ours = [8, 0, 4]

    init(_ requires: [String: Any]?) {
        func version(_ key: String) -> [Int]? {
            guard let value = requires?[key] else { return nil }
            return "\(value)".split(separator: ".").map { Int($0) ?? 0 }
        }
        least = version("min-version")
        above = version("gt-version")
        below = version("lt-version")
    }

    /// Our version, or the later one that is required.
    var judgingVersion: [Int] {
        guard let least, Self.isLess(Self.ours, least) else { return Self.ours }
        return least
    }

    func include(_ version: [Int]) -> Bool {
        (least.map { !Self.isLess(version, $0) } ?? true)
            && (above.map { Self.isLess($0, version) } ?? true)
            && (below.map { Self.isLess(version, $0) } ?? true)
    }

    /// Parts that are not written are 0: 8 is 8.0.0.
    private static func isLess(_ a: [Int], _ b: [Int]) -> Bool {
        for index in 0..<max(a.count, b.count) {
            let (left, right) = (index < a.count ? a[index] : 0, index < b.count ? b[index] : 0)
            if left != right { return left < right }
        }
        return false
    }
}
