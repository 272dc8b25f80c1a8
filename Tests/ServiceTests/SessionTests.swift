// SPDX-License-Identifier: Apache-2.0
// The lock-out guard's verdict on sessions, and which interfaces a policy goes to.
import Dataplane
import Diagnostics
import NetworkTypes
import PolicyLanguage
import Testing

@testable import Service

private let range = SourceRange(SourceText(path: "guard.conf", text: "rules\n"), 0, 5)

private func policy(_ change: (inout CheckedPolicy) -> Void = { _ in }) -> CheckedPolicy {
    var policy = CheckedPolicy(name: "guard")
    change(&policy)
    return policy
}

private func rule(_ name: String, _ action: RuleAction, port: UInt16) -> Rule {
    var rule = Rule(name: name, action: action, range: range)
    rule.match.service = ServiceSet(
        others: false, exceptions: [.tcp: .init(values: IntervalSet(port...port), unread: false)])
    return rule
}

/// To an address that no interface has, so that it counts as coming in wherever the policy goes.
private func session() throws -> SSHSession {
    try #require(SSHSession("203.0.113.7 50000 198.51.100.1 22"))
}

private func reason(_ policy: CheckedPolicy) throws -> String? {
    let loopback = try NetworkInterface.all().filter { $0.name == "lo" }
    #expect(!loopback.isEmpty)
    return try lockoutReason(policy, try session(), on: loopback, nowNanoseconds: 0)
}

@Test func `a session that a rule passes is no reason to refuse`() throws {
    #expect(try reason(policy { $0.rules = [rule("ssh", .pass, port: 22)] }) == nil)
    #expect(try reason(policy { $0.defaultVerdict = .pass }) == nil)
}

@Test func `a session that the default drops is named with the default`() throws {
    let text = try #require(try reason(policy { $0.rules = [rule("web", .pass, port: 80)] }))
    #expect(text.contains("'tcp 203.0.113.7:50000 > 198.51.100.1:22 ack'"))
    #expect(text.contains("on lo") && text.contains("drop by reason 'default'"))
}

@Test func `a session that a rule drops is named with the rule`() throws {
    let text = try reason(
        policy {
            $0.defaultVerdict = .pass
            $0.rules = [rule("no ssh", .drop, port: 22)]
        })
    #expect(text?.contains("drop by rule 'no ssh'") == true)
}

@Test func `monitor mode, failsafe and an ended rule are taken into account`() throws {
    #expect(try reason(policy { $0.mode = .monitor }) == nil)
    let safe = policy {
        $0.failsafe = [
            FailsafeEntry(
                source: AddressSet(v4: .init(0xcb00_7107...0xcb00_7107)), service: nil, range: range)
        ]
    }
    #expect(try reason(safe) == nil)
    let ended = policy {
        $0.rules = [rule("ssh", .pass, port: 22)]
        $0.rules[0].expires = 0
    }
    #expect(try reason(ended) != nil)
}

@Test func `a policy that goes to no interface cuts nothing`() throws {
    #expect(try lockoutReason(policy(), try session(), on: [], nowNanoseconds: 0) == nil)
}

@Test func `--dev names replace the policy's, and each interface is taken once`() throws {
    let all = try NetworkInterface.all()
    let globbed = policy { $0.interfaces = ["l*", "lo", "?o"] }
    #expect(try selectInterfaces(globbed, devices: [], available: all).filter { $0.name == "lo" }.count == 1)
    #expect(
        try selectInterfaces(globbed, devices: ["lo", "lo"], available: all).map(\.name) == ["lo"])
}

@Test func `globs of --dev mean interfaces as those of the policy do`() throws {
    let all = try NetworkInterface.all()
    #expect(try selectInterfaces(policy(), devices: ["l[o]", "?o"], available: all).map(\.name) == ["lo"])
}

@Test func `detach takes names and globs, and names what means no interface that has a program`() throws {
    let attached = ["eth0", "veth1", "veth2", "w*"]
    #expect(try selectAttached(["veth*", "eth0"], of: attached) == ["veth1", "veth2", "eth0"])
    #expect(try selectAttached(["w*"], of: attached) == ["w*"])
    let error = #expect(throws: ServiceError.self) { try selectAttached(["veth*", "lan*"], of: attached) }
    #expect(error?.message == "no policy runs on interface 'lan*'; attached: eth0, veth1, veth2, w*")
    let nothing = #expect(throws: ServiceError.self) { try selectAttached(["eth0"], of: []) }
    #expect(nothing?.message == "no policy runs on interface 'eth0'; nothing is attached here")
}

@Test func `a name that is not there is an error that lists what is`() throws {
    let all = try NetworkInterface.all()
    for devices in [["none0"], ["none*"]] {
        #expect {
            try selectInterfaces(policy(), devices: devices, available: all)
        } throws: { error in
            let error = error as? ServiceError
            return error?.status == .unavailable && error?.message.contains("'\(devices[0])'") == true
                && error?.message.contains("lo") == true
        }
    }
}

@Test func `a policy without interfaces needs --dev`() throws {
    #expect {
        try selectInterfaces(policy(), devices: [], available: [])
    } throws: { error in
        (error as? ServiceError)?.status == .usage
            && (error as? ServiceError)?.message.contains("--dev NAME") == true
    }
}
