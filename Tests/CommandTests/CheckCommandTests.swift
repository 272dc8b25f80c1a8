// SPDX-License-Identifier: Apache-2.0
// `check`, `replay`, `version` and wrong command lines: words, places and exit codes, without privileges.
import Foundation
import Testing

@Suite struct CheckCommandTests {
    @Test func `a right policy exits 0 and is summed up`() throws {
        let policy = try PolicyFile("rules:\n  - { name: web, service: tcp/80, action: pass }")
        let outcome = try run([binary, "check", policy.path])
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("policy 'test' is right: 1 rules"))
    }

    @Test func `a wrong policy exits 65 with every error's line and column and a caret`() throws {
        let policy = try PolicyFile("rules:\n  - { name: web, servis: tcp/80, action: pas }")
        let outcome = try run([binary, "check", policy.path])
        #expect(outcome.status == 65)
        #expect(outcome.errors.contains("\(policy.path):6:18: error: unknown key 'servis'"))
        #expect(outcome.errors.contains("did you mean 'service'?"))
        #expect(outcome.errors.contains("\(policy.path):6:42: error: "))
        #expect(outcome.errors.contains("^^^^^^"))
    }

    @Test func `a policy that is not there exits 66`() throws {
        let outcome = try run([binary, "check", "/nowhere/policy.conf"])
        #expect(outcome.status == 66)
        #expect(outcome.errors.contains("/nowhere/policy.conf"))
    }

    @Test func `a policy whose own test fails exits 1 and says what came instead`() throws {
        let policy = try PolicyFile(
            "tests:\n  - packet: tcp 192.0.2.1:1 > 192.0.2.2:80 syn\n    expect: pass")
        let outcome = try run([binary, "check", policy.path])
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("[test-failed]"))
        #expect(outcome.errors.contains("drop"))
    }

    @Test func `warnings do not change the exit code, unless they are denied`() throws {
        let policy = try PolicyFile(
            "sets:\n  spare: [192.0.2.1]\nrules:\n  - { name: web, service: tcp/80, action: pass }")
        #expect(try run([binary, "check", policy.path]).status == 0)
        #expect(try run([binary, "check", policy.path, "--deny", "warnings"]).status == 1)
    }

    @Test func `json tells every diagnostic with its place`() throws {
        let policy = try PolicyFile("rules:\n  - { name: web, servis: tcp/80, action: pass }")
        let report = try run([binary, "check", policy.path, "--output", "json"]).json()
        #expect(report["ok"] as? Bool == false)
        let found = try #require(report["diagnostics"] as? [[String: Any]])
        #expect(found.contains { $0["id"] as? String == "unknown-key" && $0["line"] as? Int == 6 })
    }

    @Test func `a key that is not yet there is checked, and refused by replay with 69`() throws {
        let policy = try PolicyFile(
            "limits:\n  l: { rate: 1 pps, per: source }\n"
                + "rules:\n  - { name: web, service: tcp/80, limit: l, action: pass }")
        #expect(try run([binary, "check", policy.path]).status == 0)
        let outcome = try run([binary, "replay", policy.path, "/dev/null", "--engine", "model"])
        #expect(outcome.status == 69)
        #expect(outcome.errors.contains("'limit'"))
    }

    @Test(arguments: [["fly"], ["check"], ["ban", "192.0.2.1/24"], ["top", "--interval", "0"]])
    func `a wrong command line exits 64`(words: [String]) throws {
        #expect(try run([binary] + words).status == 64)
    }

    @Test func `output that cannot be written is an error`() throws {
        let policy = try PolicyFile("")
        let outcome = try run(["sh", "-c", "exec '\(binary)' check '\(policy.path)' > /dev/full"])
        #expect(outcome.status == 69)
        #expect(outcome.errors.contains("No space left on device"))
    }

    @Test func `without privileges apply exits 77 and names what is missing`() throws {
        let policy = try PolicyFile("")
        let drop = geteuid() == 0 ? ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] : []
        let outcome = try run(drop + [binary, "apply", policy.path, "--dev", "lo"])
        #expect(outcome.status == 77)
        #expect(outcome.errors.contains("CAP_BPF"))
    }
}
