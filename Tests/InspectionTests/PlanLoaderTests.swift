// SPDX-License-Identifier: Apache-2.0
// What a policy's inspectors name: files beside the policy, protocols of the detector; and what is said of
// those that are not there.
import Diagnostics
import Foundation
import PolicyLanguage
import SignatureMatching
import Testing

@testable import Inspection

/// A folder with a policy and signature files, gone with the value.
private final class PolicyFolder {
    let path: String

    init(_ files: [String: String]) throws {
        path = NSTemporaryDirectory() + "inspection-" + UUID().uuidString
        for (name, text) in files {
            let full = "\(path)/\(name)"
            try FileManager.default.createDirectory(
                atPath: (full as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try text.write(toFile: full, atomically: true, encoding: .utf8)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The plan of `policy.conf`.
    func load() throws -> PlanReport {
        let report = loadPolicy(path: "\(path)/policy.conf")
        return PlanLoader(try #require(report.policy, "\(report.rendered())")).load()
    }
}

private func policy(_ inspector: String, sets: String = "") -> String {
    """
    default: drop
    \(sets)
    inspectors:
      http-api: { \(inspector) }
    rules:
      - { name: web, inspect: http-api, action: pass }

    """
}

private let rule = #"alert tcp any any -> any any (msg:"x"; content:"needle"; sid:1;)"#

@Test func `globs mean files beside the policy, sorted`() throws {
    let folder = try PolicyFolder([
        "policy.conf": policy("signatures: [signatures/*.rules]"), "signatures/b.rules": rule,
        "signatures/a.rules": rule.replacing("sid:1", with: "sid:2"), "signatures/c.txt": "not a rule",
    ])
    let report = try folder.load()
    let engine = try #require(report.plan?.inspectors.first?.signatures?.engine)
    #expect(engine.signatures.map(\.sid).sorted() == [1, 2] && report.diagnostics.isEmpty)
    #expect(report.counts.map(\.loaded) == [2])
}

@Test func `a file that several globs mean is loaded once`() throws {
    let named = "signatures: [a.rules, ./a.rules, \"a*\", signatures/../*.rules, \"*.config\", t.config]"
    let folder = try PolicyFolder([
        "policy.conf": policy(named), "a.rules": rule, "signatures/b.txt": "",
        "t.config": "suppress gen_id 1, sig_id 1\n",
    ])
    let report = try folder.load()
    #expect(report.diagnostics.isEmpty && report.counts.map(\.rules) == [1])
    #expect(report.plan?.inspectors.first?.signatures?.thresholds.count == 1)
}

@Test(arguments: ["signatures/*.rules", "none.rules", "/nonexistent/none.rules"])
func `a path that means no file is an error on the policy's line`(_ path: String) throws {
    let folder = try PolicyFolder(["policy.conf": policy("signatures: [\(path)]")])
    let report = try folder.load()
    #expect(report.plan == nil)
    let problem = try #require(report.diagnostics.first)
    #expect(problem.severity == .error && problem.range.line == 4 && problem.message.contains(path))
}

@Test func `a signature with a syntax error is an error, and with an unknown keyword a counted warning`()
    throws
{
    let unknown = (0..<9).map { #"alert tcp any any -> any any (msg:"x"; nonsense:1; sid:\#($0 + 10);)"# }
    let folder = try PolicyFolder([
        "policy.conf": policy("signatures: [a.rules]"),
        "a.rules": ([rule] + unknown).joined(separator: "\n"),
    ])
    let report = try folder.load()
    #expect(report.plan != nil)
    let warnings = report.diagnostics.filter { $0.severity == .warning }
    #expect(warnings.count == 6 && warnings.contains { $0.message.contains("9 of 10 signatures") })
}

@Test(arguments: [
    ("alert tcp any any -> any (sid:1;)", 26), (#"alert tcp any any -> any any (pcre:"/(a/"; sid:1;)"#, 40),
]) func `a wrong rule or expression is the policy's error, whether or not it is compiled`(
    _ rule: String, _ column: Int
) throws {
    let folder = try PolicyFolder(["policy.conf": policy("signatures: [a.rules]"), "a.rules": rule])
    let failed = try folder.load()
    #expect(failed.plan == nil)
    let checked = loadPolicy(path: "\(folder.path)/policy.conf").checkingInspectors()
    #expect(checked.exitCode == 65)
    for diagnostics in [failed.diagnostics, checked.diagnostics] {
        let error = try #require(diagnostics.first { $0.severity == .error })
        #expect(error.range.source.path.hasSuffix("a.rules"))
        #expect(error.range.line == 1 && error.range.column == column)
    }
}

@Test(arguments: [nil, "alert tcp any any -> any (sid:1;)\n"])
func `no inspector is said to look for nothing where its only file is wrong`(_ text: String?) throws {
    var files = ["policy.conf": policy("signatures: [a.rules]")]
    files["a.rules"] = text
    let folder = try PolicyFolder(files)
    let checked = loadPolicy(path: "\(folder.path)/policy.conf").checkingInspectors()
    for diagnostics in [try folder.load().diagnostics, checked.diagnostics] {
        #expect(diagnostics.map(\.severity) == [.error])
    }
}

@Test(arguments: [(99, false), (100, true)])
func `a set of a hundred rules for each wrong one is used without it`(_ rules: Int, _ isUsed: Bool) throws {
    let wrong = "alert tcp any any -> any (sid:1;)"
    let right = (1..<rules).map {
        #"alert tcp any any -> any any (msg:"x"; content:"abc"; sid:\#($0 + 10);)"#
    }
    let folder = try PolicyFolder([
        "policy.conf": policy("signatures: [a.rules]"), "a.rules": ([wrong] + right).joined(separator: "\n"),
    ])
    let report = try folder.load()
    #expect((report.plan != nil) == isUsed)
    let found = report.diagnostics.filter { $0.range.source.path.hasSuffix("a.rules") }
    #expect(found.map(\.severity) == [isUsed ? .warning : .error])
    let sums = report.diagnostics.filter { $0.message == "1 of 100 signatures are wrong and left out" }
    #expect(sums.count == (isUsed ? 1 : 0))
}

@Test func `an unknown protocol is an error with the nearest names`() throws {
    let folder = try PolicyFolder(["policy.conf": policy("protocols: { forbid: [bittorent, tor] }")])
    let report = try folder.load()
    let problem = try #require(report.diagnostics.first)
    #expect(report.plan == nil && report.diagnostics.count == 1)
    #expect(problem.range.line == 4 && problem.help?.contains("BitTorrent") == true)
}

@Test func `protocol names are read in any case`() throws {
    let folder = try PolicyFolder([
        "policy.conf": policy("protocols: { forbid: [BitTorrent], allow-only: [tls, HTTP] }")
    ])
    let bounds = try #require(try folder.load().plan?.inspectors.first?.protocols)
    #expect(bounds.forbidden.count == 1 && bounds.allowedOnly?.count == 2 && !bounds.isOpen)
}

@Test func `a set of the policy is the signatures' variable of that name`() throws {
    let text = #"alert tcp $EXTERNAL_NET any -> $HOME_NET any (msg:"x"; content:"a"; sid:1;)"#
    let sets = "sets: { HOME_NET: [198.51.100.0/24] }"
    for (sets, isAny) in [(sets, false), ("", true)] {
        let folder = try PolicyFolder([
            "policy.conf": policy("signatures: [a.rules]", sets: sets), "a.rules": text,
        ])
        let engine = try #require(try folder.load().plan?.inspectors.first?.signatures?.engine)
        let header = try #require(engine.signatures.first?.header)
        #expect(header.isAnyToAny == isAny)
        #expect(header.destination.contains(.init(v4: 0xc633_6405)))
        #expect(header.source.contains(.init(v4: 0xc633_6405)) == isAny)
    }
}

@Test func `checking a policy tells the same of its inspectors without compiling`() throws {
    let folder = try PolicyFolder(["policy.conf": policy("signatures: [none.rules]")])
    let report = loadPolicy(path: "\(folder.path)/policy.conf")
    #expect(report.exitCode == 0 && report.checkingInspectors().exitCode == 66)
    #expect(report.checkingInspectors().policy == nil)
}
