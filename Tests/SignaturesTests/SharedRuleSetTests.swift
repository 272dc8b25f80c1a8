// SPDX-License-Identifier: Apache-2.0
// Rule sets that others wrote: how much of them loads, and that what does not is said.
import Diagnostics
import Signatures
import TestSupport
import Testing

@Suite(.enabled(if: SharedData.folder != nil, Comment(rawValue: "\(SharedData.absence)")))
struct SharedRuleSetTests {
    private func sources(in place: String) throws -> [SourceText] {
        let folder = try #require(SharedData.folder)
        return try SharedData.files(in: place).filter { $0.contains(".rules") }.map { name in
            SourceText(path: name, bytes: try SharedData.bytes("\(folder)/\(place)/\(name)"))
        }
    }

    /// Everything that was read, told in one line.
    private func summary(_ set: SignatureSet, _ time: Duration) -> String {
        "\(set.counts) in \(time)\n"
            + set.diagnostics.filter { $0.severity == .error }.map { $0.rendered() }.joined()
    }

    /// Diagnostics by severity and id.
    private func table(_ set: SignatureSet) -> [String: Int] {
        Dictionary(set.diagnostics.map { ("\($0.severity) \($0.id)", 1) }, uniquingKeysWith: +)
    }

    @Test func `ET Open loads but for one keyword and four typing errors`() throws {
        let sources = try sources(in: "rulesets-ids/et-open-2019")
        var set = SignatureSet()
        let time = ThreadTime.measure { set = loadSignatures(sources) }
        let counts = set.counts
        #expect(counts.rules == 17_642, "\(summary(set, time))")
        #expect(counts.loaded * 1000 >= counts.rules * 999, "\(summary(set, time))")
        #expect(counts.unsupportedKeywords == ["ftpbounce": 1])
        #expect(counts.loaded == 17_637 && counts.errors == 4, "\(summary(set, time))")
        // A flag of an expression that is a quotation mark, two lists of ports that lack a bracket, two
        // thresholds in one rule.
        let errors = table(set).filter { $0.key.hasPrefix("error") }
        #expect(errors == ["error bad-value": 1, "error bad-port": 2, "error duplicate-keyword": 1])
        // A debug build; a release build takes half a second.
        #expect(time < .seconds(60), "\(time)")
        let withPattern = set.signatures.count { $0.fastPattern != nil }
        #expect(withPattern * 1000 >= counts.loaded * 995, "\(withPattern) of \(counts.loaded)")
    }

    @Test func `Snort's community rules load but for keywords that Suricata has not`() throws {
        let set = loadSignatures(try sources(in: "rulesets-ids/snort-community-2023"))
        let counts = set.counts
        #expect(counts.rules == 4031 && counts.errors == 0, "\(summary(set, .zero))")
        #expect(counts.loaded * 100 >= counts.rules * 95)
        #expect(
            counts.unsupportedKeywords == [
                "dce_iface": 15, "asn1": 10, "sip_stat_code": 4, "sip_method": 3, "sip_header": 2,
                "ber_skip": 2,
            ])
        #expect(table(set)["warning unsupported-keyword"] == 36, "\(table(set))")
    }

    /// A rule file of Suricata's own tests.
    struct VerifyFile: CustomTestStringConvertible, Sendable {
        let path: String
        var testDescription: String { path }
    }

    /// Files with rules that Suricata refuses as well: the number of those.
    private static let refused = [
        "L1/test-unreachable-distance-1/test.rules": 3, "L2/detect-bytetest-05/test.rules": 1,
        "L2/bug-7549-01/test.rules": 1, "L2/pcre-invalid-rule-01/test.rules": 13,
        "L2/detect-bidir-impossible/test.rules": 5,
    ]

    private static let verifyFiles: [VerifyFile] = ["L1", "L2"].flatMap { level in
        SharedData.files(in: "signatures/suricata-verify/tests/\(level)").flatMap { test in
            SharedData.files(in: "signatures/suricata-verify/tests/\(level)/\(test)").filter {
                $0.hasSuffix(".rules")
            }.map { VerifyFile(path: "\(level)/\(test)/\($0)") }
        }
    }

    @Test(arguments: verifyFiles)
    private func `Suricata's own tests load, but for what it refuses as well`(_ file: VerifyFile) throws {
        let folder = try #require(SharedData.folder)
        let bytes = try SharedData.bytes("\(folder)/signatures/suricata-verify/tests/\(file.path)")
        let set = loadSignatures([SourceText(path: file.path, bytes: bytes)])
        let text = "\(set.counts) \(set.diagnostics.map { $0.rendered() })"
        #expect(set.counts.errors == Self.refused[file.path] ?? 0, "\(text)")
        #expect(set.counts.unsupported == 0, "\(text)")
    }
}
