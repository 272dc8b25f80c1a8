// SPDX-License-Identifier: Apache-2.0
// SYN cookies under rules that ask for the state: what a cookie begins, and over what.
import CBPF
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

@testable import Dataplane

private let theirs = "203.0.113.77:40000 > 198.51.100.1:80"
private let ours = "198.51.100.1:80 > 203.0.113.77:40000"

@Suite(.enabled(if: KernelTests.areWanted))
struct SynCookieFlowTests {
    private let program: LiveProgram

    /// Established segments pass, and SYNs over one a minute are asked for cookies; that one came already.
    init() throws {
        program = try asking { policy in
            policy.defaultVerdict = .drop
            var known = Rule(name: "known", action: .pass, range: policy.rules[0].range)
            known.state = [.established]
            policy.rules.insert(known, at: 0)
        }
        #expect(try program.run(syn("203.0.113.77:9 > 198.51.100.1:80", options: [])).action == .pass)
    }

    private func flows() throws -> [Flow] { try program.state.flows(now: programClock())?.flows ?? [] }

    private func passes(_ frame: [UInt8]) throws -> Bool { try program.run(frame).action == .pass }

    /// The SYN+ACK with a cookie that a SYN gets.
    private func cookie() throws -> AnswerFrame {
        let answer = try program.run(syn(theirs, options: mss1460))
        try #require(answer.action == .send)
        return try #require(AnswerFrame(answer.frame))
    }

    /// A connection that this host accepted, by cookie, and that carried data.
    private func establish() throws {
        #expect(try passes(acknowledgement(theirs, of: cookie())))
        _ = try program.send(frame("tcp \(ours) ack,psh len 100"))
        #expect(try flows().map(\.state) == [.established])
    }

    @Test(arguments: ["fin,ack", "rst,ack"])
    func `a cookie begins anew over a connection that is closing`(_ end: String) throws {
        try establish()
        #expect(try passes(frame("tcp \(theirs) \(end)")))
        #expect(try flows().map(\.state) == [.closing])
        let valid = try acknowledgement(theirs, of: cookie())
        #expect(try passes(frame("tcp \(theirs) ack")), "a late one of the old connection")
        #expect(try flows().map(\.state) == [.closing])
        let before = try program.state.ruleCounts(slots: [0, 1]).map(\.decided.packets)
        #expect(try passes(valid))
        let after = try program.state.ruleCounts(slots: [0, 1]).map(\.decided.packets)
        #expect(after == [before[0], before[1] + 1], "it is new, by the rule for SYNs")
        #expect(try flows().count == 1)
        _ = try program.send(frame("tcp \(ours) ack,psh len 100"))
        #expect(try flows().map(\.state) == [.established])
    }

    @Test func `a cookie begins anew over a handshake that waits for another number`() throws {
        let got = try cookie()
        _ = try program.send(frame("tcp \(ours) syn,ack"))
        #expect(try passes(acknowledgement(theirs, of: got)))
        #expect(try passes(frame("tcp \(theirs) ack,psh len 100")), "now all of its segments fit")
    }

    @Test func `a cookie leaves a connection as it is that goes on`() throws {
        let got = try cookie()
        #expect(try passes(acknowledgement(theirs, of: got)))
        _ = try program.send(frame("tcp \(ours) ack,psh len 100"))
        #expect(try passes(acknowledgement(theirs, of: got)))
        #expect(try flows().map(\.state) == [.established])
        #expect(try program.state.answerCounts().cookies["valid"] == 1, "what fits is not looked at")
    }

    @Test func `a cookie with FIN begins a connection that is closing, of which segments fit`() throws {
        #expect(try passes(acknowledgement(theirs, of: cookie(), flags: "fin,ack,psh")))
        #expect(try flows().map(\.state) == [.closing])
        _ = try program.send(frame("tcp \(ours) ack,psh len 100"))
        #expect(try passes(frame("tcp \(theirs) ack")))
        #expect(try flows().map(\.state) == [.closing])
    }
}
