// SPDX-License-Identifier: Apache-2.0
// Policies that use few of the keys: the verifier meets the program with all other look-ups cut out by the
// policy's constants, and must take it in every such shape.
import NetworkTypes
import TestSupport
import Testing

@testable import scale

/// Which keys the rules of a policy have.
private struct Keys: CustomTestStringConvertible, Sendable {
    /// A rule's key and value by the rule's number.
    private static let all: [(name: String, value: @Sendable (Int) -> String)] = [
        ("source", { "10.\($0).0.0/16" }), ("destination", { "11.\($0).0.0/16" }),
        ("service", { "tcp/\(1000 + $0)" }), ("ttl", { "\($0)" }),
    ]

    /// One bit for each of the keys.
    var bits: Int

    static let subsets = (1..<1 << all.count).map { Keys(bits: $0) }

    private var chosen: [(name: String, value: @Sendable (Int) -> String)] {
        Self.all.indices.filter { bits >> $0 & 1 == 1 }.map { Self.all[$0] }
    }

    var testDescription: String { chosen.map(\.name).joined(separator: ", ") }

    /// Rules that differ in each of the keys, and for each rule a packet of its own.
    func exam(rules: Int) -> Exam {
        var policy = "default: pass\nstateful: false\nrules:\n"
        for number in 0..<rules {
            let keys = chosen.map { ", \($0.name): \($0.value(number))" }.joined()
            policy += "  - { name: r\(number)\(keys), action: drop }\n"
        }
        let questions = (0..<rules).map { number in
            let low = UInt32(number) << 16 | 1
            var packet = PacketDescription(
                proto: .tcp, source: IPAddress(v4: 10 << 24 | low),
                destination: IPAddress(v4: 11 << 24 | low))
            packet.destinationPort = UInt16(1000 + number)
            packet.sourcePort = 40000
            packet.tcpFlags = .syn
            packet.ttl = UInt8(number)
            return Question(frame: packet.frame(), rule: "r\(number)", text: "packet \(number)")
        }
        return Exam(policy: policy, questions: questions)
    }
}

@Suite(.serialized)
struct KeySubsetTests {
    /// Above 64 rules a policy's tables have more than one word of rules for each value.
    private static let rules = 100

    @Test(arguments: Keys.subsets)
    fileprivate func `the native engine decides by the keys that a policy uses`(keys: Keys) throws {
        let exam = keys.exam(rules: Self.rules)
        #expect(try Examinee.native.wrongAnswers(exam.load(), exam.questions) == [])
    }

    @Test(.enabled(if: KernelTests.areWanted), arguments: Keys.subsets)
    fileprivate func `the kernel takes the program for any keys that a policy uses`(keys: Keys) throws {
        let exam = keys.exam(rules: Self.rules)
        #expect(try Examinee.kernel.wrongAnswers(exam.load(), exam.questions) == [])
    }
}
