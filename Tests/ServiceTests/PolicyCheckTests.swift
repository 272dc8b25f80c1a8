// SPDX-License-Identifier: Apache-2.0
// What `check` says of policy files, and the exit code that goes with it.
import Foundation
import PolicyLanguage
import Testing

@testable import Service

/// A policy's text with the exit codes that it must give, bare and with denied findings.
struct CheckCase: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var text: String
    var status: Service.ExitStatus
    var denied: Set<String> = []
    var deniedStatus: Service.ExitStatus?
    var finding: String?
}

private let head = "policy: p\ndefault: drop\nstateful: false\nfragments: drop\nrules:\n"
private let web = "  - { name: web, service: tcp/80, action: pass }\n"
private let hidden = "  - { name: hidden, service: tcp/80, action: drop }\n"
private let test = "tests:\n  - { packet: \"tcp 192.0.2.1:1 > 198.51.100.1:80\", expect: "

private let cases: [CheckCase] = [
    CheckCase(testDescription: "a good policy", text: head + web, status: .done),
    CheckCase(
        testDescription: "a test that holds", text: head + web + test + "pass }\n", status: .done),
    CheckCase(
        testDescription: "a test that fails", text: head + web + test + "drop }\n", status: .failed),
    CheckCase(
        testDescription: "a hidden rule", text: head + web + hidden, status: .done, denied: ["warnings"],
        deniedStatus: .failed, finding: "hidden"),
    CheckCase(
        testDescription: "another finding is denied", text: head + web + hidden, status: .done,
        denied: ["no-such-finding"], deniedStatus: .done),
    CheckCase(
        testDescription: "an unknown key", text: "policy: p\ndefault: drop\nsorce: x\n", status: .wrongInput,
        denied: ["warnings"], deniedStatus: .wrongInput, finding: "sorce"),
    CheckCase(testDescription: "no default", text: "policy: p\n", status: .wrongInput, finding: "default"),
]

@Test(arguments: cases)
func `a policy's exit code is what its findings make it`(_ given: CheckCase) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appending(path: "p.conf")
    try given.text.write(to: file, atomically: true, encoding: .utf8)
    let check = PolicyCheck(path: file.path(), nowNanoseconds: 0)
    #expect(check.status(denying: []) == given.status, "\(check.rendered())")
    if let denied = given.deniedStatus { #expect(check.status(denying: given.denied) == denied) }
    if let finding = given.finding { #expect(check.rendered().contains(finding), "\(check.rendered())") }
}

@Test func `a file that is not there has its own exit code`() {
    let check = PolicyCheck(path: "/no/such/policy.conf", nowNanoseconds: 0)
    #expect(check.policy == nil && check.status(denying: []) == .noInput)
    #expect(check.rendered().contains("/no/such/policy.conf"))
}

@Test func `every warning of the language's cases can be denied, and nothing twice`() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../PolicyLanguageTests/cases/good")
    var seen: Set<String> = []
    for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    where file.pathExtension == "stderr" {
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            guard line.contains(": warning: "), let id = line.wholeMatch(of: /.*\[([a-z-]+)\]/) else {
                continue
            }
            seen.insert(String(id.1))
        }
    }
    #expect(seen.count > 10)
    #expect(PolicyCheck.undeniable(seen.sorted() + ["warnings", "nonsense"]) == ["nonsense"])
    #expect(Set(PolicyCheck.deniable).count == PolicyCheck.deniable.count)
}
