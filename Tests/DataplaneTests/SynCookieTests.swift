// SPDX-License-Identifier: Apache-2.0
// SYNs beyond a rule's rate and the SYN+ACKs that they get, acknowledgements and what they count as: the
// program as on a live interface, frame by frame, with the kernel's own cookies.
import Dataplane
import Diagnostics
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

private let ends4 = "203.0.113.77:40000 > 198.51.100.1:80"
private let ends6 = "[2001:db8:1::77]:40000 > [2001:db8::1]:80"

@Suite(.enabled(if: KernelTests.areWanted))
struct SynCookieTests {
    /// The SYN+ACK of the second SYN.
    private func answer(_ program: LiveProgram, _ bytes: [UInt8]) throws -> AnswerFrame {
        let before = try program.state.answerCounts().cookies["sent"] ?? 0
        if before == 0 { #expect(try program.run(bytes).action == .pass) }
        let answer = try program.run(bytes)
        #expect(answer.action == .send)
        let got = try #require(AnswerFrame(answer.frame))
        #expect(got.faults(answering: try #require(AnswerFrame(bytes))) == [])
        #expect(got.segment[13] == 0x12 && got.segment.count == Int(got.segment[12] >> 4) * 4)
        #expect(try program.state.answerCounts().cookies["sent"] == before + 1)
        return got
    }

    @Test(arguments: [ends4, ends6])
    func `a SYN beyond the rate is dropped by reason syn-cookie and answered`(ends: String) throws {
        let program = try asking()
        let got = try answer(program, syn(ends, options: mss1460 + sack + timestamp + scale))
        let tcp = got.segment
        #expect(number(tcp, 0) == 80 && number(tcp, 2) == 40000)
        #expect(word(tcp, 8) == 0, "it acknowledges the SYN's sequence number, around the end")
        // MSS, SACK permitted and timestamps, scale; the SYN's own timestamp comes back.
        #expect(Array(tcp[20..<22]) == [2, 4])
        #expect(Array(tcp[24..<28]) == [4, 2, 8, 10])
        #expect(word(tcp, 28) & 63 == 9 | 16, "the peer's scale and SACK, in the timestamp's low bits")
        #expect(Array(tcp[32..<36]) == [0xde, 0xad, 0xbe, 0xef])
        #expect(Array(tcp[36..<40]) == [1, 3, 3, 7])
        // Whole segments of what the cookie stands for: 1460 bytes.
        #expect(number(tcp, 14) == 64_000 - 64_000 % (got.isV4 ? 1460 : 1440))
        let counts = try #require(
            try program.state.reasonCounts().map { $0["syn-cookie"] }.compactMap { $0 }.first)
        #expect(counts.drop.packets == 1)
        #expect(try program.state.ruleCounts(slots: [0])[0].decided.packets == 2)
    }

    @Test func `an option is agreed to only where the SYN and this host both have it`() throws {
        var none = CookieOffer()
        none.window = 64_000
        var noSack = fullOffer
        noSack.sack = false
        var noScale = fullOffer
        noScale.windowScaling = false
        let all = mss1460 + sack + timestamp + scale
        let cases: [(CookieOffer, [UInt8], [UInt8], UInt32?)] = [
            (fullOffer, [], [], nil), (fullOffer, mss1460, [], nil), (none, all, [], nil),
            (fullOffer, mss1460 + sack + scale, [], nil),
            (fullOffer, timestamp, [1, 1, 8, 10], 15), (fullOffer, timestamp + sack, [4, 2, 8, 10], 15 | 16),
            (fullOffer, timestamp + scale, [1, 1, 8, 10], 9), (noSack, all, [1, 1, 8, 10], 9),
            (noScale, all, [4, 2, 8, 10], 15 | 16),
            // Odd ones: a scale beyond what there is counts as the largest; lengths that lie end the list.
            (fullOffer, timestamp + [3, 3, 200], [1, 1, 8, 10], 14),
            (fullOffer, timestamp + [4, 0], [1, 1, 8, 10], 15),
            (fullOffer, [4, 3, 0] + timestamp, [1, 1, 8, 10], 15),
            (fullOffer, timestamp + [4], [1, 1, 8, 10], 15), (fullOffer, [0] + timestamp, [], nil),
            (fullOffer, [UInt8](repeating: 1, count: 30) + timestamp, [1, 1, 8, 10], 15),
        ]
        for (offer, options, expected, bits) in cases {
            let tcp = try answer(asking(offer), syn(ends4, options: options)).segment
            #expect(Array(tcp.dropFirst(24).prefix(4)) == expected, "\(options)")
            if let bits { #expect(word(tcp, 28) & 63 == bits, "\(options)") }
            #expect(tcp.count == 24 + (expected.isEmpty ? 0 : 12) + ((bits ?? 15) & 15 == 15 ? 0 : 4))
        }
    }

    @Test(arguments: [ends4, ends6])
    func `what brings a valid cookie is judged as its SYN, anything else as what it is`(ends: String) throws {
        let program = try asking()
        let got = try answer(program, syn(ends, options: mss1460))
        let valid = try acknowledgement(ends, of: got)
        #expect(try program.run(valid).action == .pass)
        #expect(try program.run(valid).action == .pass, "a second one is not asked for a cookie either")
        let forged = try acknowledgement(ends, of: got, add: 1000)
        #expect(try program.run(forged).action == .drop)
        let other = ends.replacingPort(with: "40001")
        #expect(try program.run(acknowledgement(other, of: got)).action == .drop)
        let last = try acknowledgement(ends, of: got, flags: "fin,ack,psh")
        #expect(try program.run(last).action == .pass, "a first segment may be the last")
        let counts = try program.state.answerCounts().cookies
        #expect(counts == ["sent": 1, "valid": 3, "invalid": 2])
        #expect(try program.state.ruleCounts(slots: [0])[0].decided.packets == 5)
    }

    @Test func `segments that no cookie can come with are not looked at`() throws {
        let program = try asking()
        let before = try acknowledgement(ends4, of: #require(AnswerFrame(syn(ends4, options: []))))
        #expect(try program.run(before).action == .drop, "no cookie is out yet")
        _ = try answer(program, syn(ends4, options: []))
        for flags in ["syn,ack", "rst,ack", "rst"] {
            _ = try program.run(Rejected(text: "tcp \(ends4) \(flags)").bytes)
        }
        #expect(try program.state.answerCounts().cookies == ["sent": 1, "valid": 0, "invalid": 0])
    }

    @Test func `monitor mode answers nothing, and the SYN passes`() throws {
        let program = try asking { $0.mode = .monitor }
        let bytes = try syn(ends4, options: mss1460)
        for _ in 0..<3 {
            let answer = try program.run(bytes)
            #expect(answer.action == .pass && answer.frame == bytes)
        }
        #expect(try program.state.answerCounts().cookies["sent"] == 0)
        #expect(try program.state.ruleCounts(slots: [0])[0].wouldDrop.packets == 2)
    }

    @Test func `what cannot be answered is not asked`() throws {
        let program = try asking {
            $0.fragments = .pass
            $0.malformed = .pass
            $0.spoofed = .pass
        }
        var cut = try syn(ends4, options: mss1460)
        cut.removeLast(2)
        let frames = try [
            cut, Rejected(text: "tcp \(ends4) syn frag first").bytes,
            Rejected(text: "tcp 127.0.0.1:1 > 198.51.100.1:80 syn").bytes,
        ]
        for bytes in frames + frames { #expect(try program.run(bytes).action == .pass) }
        #expect(try program.state.answerCounts().withheld.values.allSatisfy { $0 == 0 })
        var group = try syn(ends4, options: [])
        #expect(try program.run(group).action == .pass)
        group[0] |= 1
        #expect(try program.run(group).action == .drop)
        #expect(try program.state.answerCounts().withheld["destination"] == 1)
    }

    @Test func `each rule has a bucket of its own, of one second's worth`() throws {
        let program = try asking { policy in
            var other = policy.rules[0]
            other.name = "other"
            other.synCookiesAbove = .packets(30, perSeconds: 1)
            policy.rules[0].match.service = ServiceSet(
                others: false, exceptions: [.tcp: .init(values: IntervalSet(80...80), unread: false)])
            policy.rules.append(other)
        }
        let ends = "203.0.113.77:40000 > 198.51.100.1:81"
        let start = ContinuousClock.now
        var passed = 0
        for _ in 0..<200 where try program.run(syn(ends, options: [])).action == .pass { passed += 1 }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        #expect(passed >= 30 && Double(passed) <= 31 + 30 * (seconds + 0.01))
        #expect(try program.run(syn(ends4, options: [])).action == .pass)
        #expect(try program.run(syn(ends4, options: [])).action == .send)
    }
}

extension String {
    fileprivate func replacingPort(with port: String) -> String {
        split(separator: ":40000").joined(separator: ":" + port)
    }
}
