// SPDX-License-Identifier: Apache-2.0
// What goes back for a rejected packet, and what never does: the program as on a live interface, frame by
// frame.
import Dataplane
import Diagnostics
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

/// A program that rejects everything, but for what `change` makes of its policy.
func rejecting(
    broadcasts: [IPAddress] = [], _ change: (inout CheckedPolicy) -> Void = { _ in }
) throws -> LiveProgram {
    var policy = CheckedPolicy(name: "reject")
    policy.essential = []
    policy.fragments = .pass
    let nowhere = SourceRange(SourceText(path: "", text: ""), 0, 0)
    policy.rules = [Rule(name: "no", action: .reject, range: nowhere)]
    change(&policy)
    var target = CompileTarget()
    target.ownBroadcasts = broadcasts
    for (slot, rule) in policy.rules.enumerated() { target.slots[rule.name] = UInt32(slot) }
    let image = try compile(policy, for: target)
    return try LiveProgram(
        GenerationImage(config: image.config, tables: image.tables, addresses: image.addresses, info: []))
}

/// A packet and how it comes.
struct Rejected: Sendable, CustomTestStringConvertible {
    var text: String
    var change: @Sendable (inout PacketBuilder) -> Void = { _ in }
    var note = ""
    var testDescription: String { text + note }

    var bytes: [UInt8] {
        get throws {
            var builder = try PacketBuilder(text)
            change(&builder)
            return builder.bytes
        }
    }
}

private let ends4 = "203.0.113.77:40000 > 198.51.100.1:22"
private let ends6 = "[2001:db8:1::77]:40000 > [2001:db8::1]:22"

@Suite(.enabled(if: KernelTests.areWanted))
struct RejectTests {
    let program: LiveProgram
    init() throws { program = try rejecting() }

    /// The answer's parts; it must be one.
    private func answer(to bytes: [UInt8]) throws -> (asked: AnswerFrame, got: AnswerFrame) {
        let answer = try program.run(bytes)
        #expect(answer.action == .send)
        let asked = try #require(AnswerFrame(bytes))
        let got = try #require(AnswerFrame(answer.frame))
        #expect(got.faults(answering: asked) == [])
        #expect(answer.frame.count >= min(60, bytes.count))
        return (asked, got)
    }

    // MARK: TCP

    /// All combinations of FIN SYN RST PSH ACK URG ECE CWR that a stack sends, without RST.
    static let flags: [UInt8] = (1...255).map { UInt8($0) }.filter {
        $0 & 0x3f != 0 && $0 & 0x3f != 0x3f && $0 & 3 != 3 && $0 & 4 == 0 && $0 & 0x11 != 1
    }

    @Test(arguments: [ends4, ends6])
    func `every segment but an RST gets the RST that its sender takes`(ends: String) throws {
        for flags in Self.flags {
            for payload in [0, 1, 3, 1001] {
                var builder = try PacketBuilder("tcp \(ends) syn len \(payload + 60)")
                builder.segment = Array(builder.segment.prefix(20)) + [UInt8](repeating: 0xab, count: payload)
                builder.segment.replaceSubrange(
                    4..<12, with: [0xff, 0xff, 0xff, 0xf0, 0x12, 0x34, 0x56, 0x78])
                builder.segment[13] = flags
                let (_, got) = try answer(to: builder.bytes)
                let tcp = got.segment
                #expect(tcp.count == 20 && got.proto == 6)
                #expect(number(tcp, 0) == 22 && number(tcp, 2) == 40000)
                #expect(tcp[12] == 0x50 && number(tcp, 14) == 0)
                let acknowledges = flags & 0x10 != 0
                let length = UInt32(payload) &+ UInt32(flags & 1) &+ UInt32(flags >> 1 & 1)
                #expect(tcp[13] == (acknowledges ? 0x04 : 0x14), "flags \(flags)")
                #expect(word(tcp, 4) == (acknowledges ? 0x1234_5678 : 0))
                #expect(word(tcp, 8) == (acknowledges ? 0 : 0xffff_fff0 &+ length))
            }
        }
    }

    static let shapes: [Rejected] = [
        Rejected(text: "tcp \(ends4) syn vlan 100"),
        Rejected(text: "tcp \(ends4) syn vlan 100 vlan 7"),
        Rejected(text: "tcp \(ends4) ack,psh len 1500"),
        Rejected(text: "tcp \(ends4) syn", change: { $0.ipOptions = [1, 1, 1, 0] }, note: " with options"),
        Rejected(
            text: "tcp \(ends4) syn",
            change: {
                $0.segment = Array($0.segment.prefix(20)) + [2, 4, 5, 0xb4]; $0.segment[12] = 0x60
            },
            note: " with TCP options"),
        Rejected(text: "tcp \(ends4) syn", change: { $0.trailer = 6 }, note: " padded"),
        Rejected(text: "tcp \(ends4) syn", change: { $0.trailer = 200 }, note: " with a long trailer"),
        Rejected(text: "tcp \(ends6) syn vlan 4094"),
        Rejected(
            text: "tcp \(ends6) syn", change: { $0.extensions = [.plain(0), .plain(60, units: 3)] },
            note: " with extension headers"),
        Rejected(
            text: "tcp \(ends6) syn", change: { $0.extensions = [.fragment(offset: 0, more: false)] },
            note: " in an atomic fragment"),
    ]

    @Test(arguments: shapes)
    func `a SYN however it comes gets an RST that acknowledges it`(_ shape: Rejected) throws {
        let (_, got) = try answer(to: shape.bytes)
        #expect(got.proto == 6 && got.segment.count == 20)
        #expect(got.segment[13] & 0x04 != 0)
    }

    // MARK: ICMP

    static let others: [String] = [
        "udp \(ends4)", "udp \(ends6)", "sctp \(ends4)", "sctp \(ends6)",
        "icmp 203.0.113.77 > 198.51.100.1 echo-request", "icmp 203.0.113.77 > 198.51.100.1 13",
        "icmpv6 2001:db8:1::77 > 2001:db8::1 echo-request",
        "ip 203.0.113.77 > 198.51.100.1 proto 47", "ip 2001:db8:1::77 > 2001:db8::1 proto 50",
    ]

    /// Around the longest quotes, the steps that checksums are taken in, and odd ones.
    static let lengths = [
        52, 61, 62, 63, 64, 511, 512, 513, 547, 548, 549, 1023, 1231, 1232, 1233, 1500, 3001,
    ]

    @Test(arguments: others)
    func `what is no TCP is quoted by an ICMP error`(_ text: String) throws {
        for length in Self.lengths {
            let (asked, got) = try answer(to: Rejected(text: text + " len \(length)").bytes)
            let icmp = got.segment
            #expect(got.proto == (got.isV4 ? 1 : 58))
            #expect(Array(icmp[..<2]) == (got.isV4 ? [3, 13] : [1, 1]))
            #expect(word(icmp, 4) == 0)
            let quoted = min(asked.packet.count, got.isV4 ? 548 : 1232)
            #expect(Array(icmp[8...]) == Array(asked.packet[..<quoted]))
            #expect(got.packet.count <= (got.isV4 ? 576 : 1280))
        }
    }

    @Test func `a quote ends with the IP packet, not with the frame`() throws {
        for trailer in [1, 2, 3, 18, 400] {
            let shape = Rejected(text: "udp \(ends4)", change: { $0.trailer = trailer })
            let (asked, got) = try answer(to: shape.bytes)
            #expect(Array(got.segment[8...]) == asked.packet)
        }
    }

    // MARK: No answer

    static let silent: [(String, Rejected)] = [
        ("rst", Rejected(text: "tcp \(ends4) rst")), ("rst", Rejected(text: "tcp \(ends6) rst,ack")),
        ("fragment", Rejected(text: "udp \(ends4) frag first")),
        ("fragment", Rejected(text: "udp 203.0.113.77 > 198.51.100.1 frag later")),
        ("fragment", Rejected(text: "tcp \(ends6) syn frag first")),
        ("icmp", Rejected(text: "icmp 203.0.113.77 > 198.51.100.1 3")),
        ("icmp", Rejected(text: "icmp 203.0.113.77 > 198.51.100.1 0")),
        ("icmp", Rejected(text: "icmp 203.0.113.77 > 198.51.100.1 200")),
        ("icmp", Rejected(text: "icmpv6 2001:db8:1::77 > 2001:db8::1 1")),
        ("icmp", Rejected(text: "icmpv6 2001:db8:1::77 > 2001:db8::1 135")),
        ("icmp", Rejected(text: "icmpv6 2001:db8:1::77 > 2001:db8::1 129")),
        ("icmp", Rejected(text: "ip 203.0.113.77 > 198.51.100.1 proto 58 payload 8000000000000000")),
        ("destination", Rejected(text: "udp 203.0.113.77:1 > 224.0.0.251:5353")),
        ("destination", Rejected(text: "udp 203.0.113.77:1 > 255.255.255.255:67")),
        ("destination", Rejected(text: "udp 203.0.113.77:1 > 0.0.0.0:67")),
        ("destination", Rejected(text: "udp [2001:db8:1::77]:1 > [ff02::fb]:5353")),
        ("destination", Rejected(text: "tcp [2001:db8:1::77]:1 > [::]:80 syn")),
    ]

    @Test func `a host without an address gets no answer: nothing is sent to 0.0.0.0`() throws {
        let bytes = try Rejected(text: "udp 0.0.0.0:68 > 198.51.100.1:67").bytes
        let answer = try program.run(bytes)
        #expect(answer.action == .drop && answer.frame == bytes)
        #expect(try withheld(program) == ["source": 1])
    }

    /// Counters of what was withheld, without those that are zero.
    private func withheld(_ program: LiveProgram) throws -> [String: UInt64] {
        try program.state.answerCounts().withheld.filter { $0.value > 0 }
    }

    @Test func `no answer goes to all hosts of a network that this host is in`() throws {
        let program = try rejecting(broadcasts: [IPAddress(v4: 0xcb00_71ff)])
        for (source, isAnswered) in [
            ("203.0.113.255", false), ("203.0.113.254", true), ("203.0.114.255", true),
        ] {
            let packets = [
                "tcp \(source):40000 > 198.51.100.1:22 syn", "udp \(source):40000 > 198.51.100.1:53",
                "icmp \(source) > 198.51.100.1 echo-request",
            ]
            for text in packets {
                let answer = try program.run(try PacketBuilder(text).bytes)
                #expect((answer.action == .send) == isAnswered, "\(text)")
            }
        }
        // Of the other family the same bits are another address.
        #expect(
            try program.run(try PacketBuilder("tcp [::cb00:71ff]:40000 > [2001:db8::1]:22 syn").bytes).action
                == .send)
    }

    @Test func `no answer goes to an answer, a fragment or a group, and the cause is counted`() throws {
        var causes: [String: UInt64] = [:]
        for (cause, packet) in Self.silent {
            let before = try packet.bytes
            let answer = try program.run(before)
            #expect(answer.action == .drop, "\(packet)")
            #expect(answer.frame == before, "\(packet)")
            causes[cause, default: 0] += 1
            #expect(try withheld(program) == causes, "\(packet)")
        }
        #expect(try program.state.answerCounts().sent.values.allSatisfy { $0 == 0 })
    }

    @Test func `frames to or from a group of the link get no answer`() throws {
        for (position, byte) in [(0, 0x01), (0, 0xff), (6, 0x33)] as [(Int, UInt8)] {
            var bytes = try Rejected(text: "tcp \(ends4) syn").bytes
            bytes[position] = byte
            #expect(try program.run(bytes).action == .drop)
        }
        #expect(try withheld(program) == ["destination": 3])
    }

    @Test func `spoofed and malformed packets that the policy lets on get no answer`() throws {
        let lenient = try rejecting {
            $0.spoofed = .pass
            $0.malformed = .pass
        }
        for source in ["127.0.0.1", "0.1.2.3", "240.0.0.1", "198.51.100.1"] {
            let bytes = try Rejected(text: "udp \(source):1 > 198.51.100.1:9").bytes
            #expect(try lenient.run(bytes).action == .drop, "\(source)")
        }
        for source in ["::1", "ff02::1", "::ffff:192.0.2.1", "::", "2001:db8::1"] {
            let bytes = try Rejected(text: "udp [\(source)]:1 > [2001:db8::1]:9").bytes
            #expect(try lenient.run(bytes).action == .drop, "\(source)")
        }
        var cut = try Rejected(text: "udp \(ends4) len 100").bytes
        cut.removeLast(10)
        #expect(try lenient.run(cut).action == .drop)
        #expect(try lenient.run(try Rejected(text: "tcp \(ends4) syn,fin").bytes).action == .drop)
        #expect(try withheld(lenient) == ["unfit": 11])
    }

    @Test func `a packet in a tunnel gets no answer`() throws {
        let decapsulating = try rejecting { $0.decapsulate = [.ipip] }
        let inner = Array(try Rejected(text: "tcp \(ends4) syn").bytes.dropFirst(14))
        let tunnel = Rejected(
            text: "ip 203.0.113.9 > 198.51.100.1 proto 4", change: { $0.segment = inner })
        #expect(try decapsulating.run(tunnel.bytes).action == .drop)
        #expect(try withheld(decapsulating) == ["unfit": 1])
    }

    @Test func `a policy in monitor mode and a rule in monitor mode answer nothing`() throws {
        let bytes = try Rejected(text: "tcp \(ends4) syn").bytes
        let watching = try rejecting { $0.mode = .monitor }
        #expect(try watching.run(bytes).action == .pass)
        let rule = try rejecting { $0.rules[0].monitor = true }
        #expect(try rule.run(bytes).action == .drop)
        for program in [watching, rule] {
            #expect(try program.state.answerCounts().sent.values.allSatisfy { $0 == 0 })
            #expect(try withheld(program) == [:])
        }
    }

    // MARK: The budget

    @Test func `a flood gets a second's worth of answers at once, and what is withheld is counted`() throws {
        let bytes = try Rejected(text: "udp \(ends4)").bytes
        let start = ContinuousClock.now
        // A changed frame would come again in a repeated run: the answer, which is an ICMP error.
        for _ in 0..<5000 { _ = try program.run(bytes) }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let counts = try program.state.answerCounts()
        let sent = try #require(counts.sent["icmp"])
        #expect(sent >= 1000)
        // A tick of the coarse clock is at most 10 ms.
        #expect(Double(sent) <= 1000 + 1000 * (seconds + 0.01) + 1)
        #expect(counts.withheld["budget"] == 5000 - sent)
    }
}
