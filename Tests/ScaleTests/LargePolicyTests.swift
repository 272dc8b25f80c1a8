// SPDX-License-Identifier: Apache-2.0
// Random policies of hundreds to thousands of rules with every match key: the engines that run the XDP
// program's code answer as the model does, which tries one rule behind the other.
import Capture
import NetworkTypes
import PolicyLanguage
import Replay
import TestSupport
import Testing

@testable import scale

/// A policy's size and the seed of everything in it.
private struct Size: CustomTestStringConvertible, Sendable {
    var rules: Int
    var seed: UInt64
    var testDescription: String { "\(rules) rules, seed \(seed)" }
}

private let sizes = [
    Size(rules: 60, seed: 1), Size(rules: 500, seed: 2), Size(rules: 500, seed: 3),
    Size(rules: 2500, seed: 4), Size(rules: 6000, seed: 5),
]

extension SeededGenerator {
    /// A policy in which rules far down decide too: nothing is decided before the rules, and each rule holds
    /// for one TTL alone, which 20 rules share.
    fileprivate mutating func spreadPolicy(_ rules: Int) throws -> CheckedPolicy {
        var draft = draft(rules: rules)
        let settings = [("malformed", "pass"), ("spoofed", "pass"), ("fragments", "pass")]
        draft.header.removeAll { entry in settings.contains { $0.0 == entry.key } }
        draft.header += settings.map { .init($0.0, $0.1) }
        draft.failsafe = []
        for index in draft.rules.indices {
            draft.rules[index].removeAll { $0.key == "ttl" }
            let action = draft.rules[index].removeLast()
            draft.rules[index] += [.init("ttl", "\(index / 20 % 256)"), action]
        }
        return try draft.load()
    }

    /// Random traffic whose IP headers, where they follow Ethernet's, have any TTL that rules ask for.
    fileprivate mutating func spreadFrames(_ count: Int, rules: Int) -> [RandomFrame] {
        var traffic = RandomTraffic(SeededGenerator(seed: next()), on: ["lo"])
        return (0..<count).map { _ in
            var frame = traffic.next()
            guard frame.bytes.count > 40 else { return frame }
            let place = frame.bytes[12] == 0x08 ? 22 : 21
            frame.bytes[place] = UInt8(truncatingIfNeeded: below(min(256, rules / 20)))
            return frame
        }
    }
}

@Suite(.serialized)
struct LargePolicyTests {
    @Test(arguments: sizes)
    fileprivate func `engines with indexes answer as one rule behind the other does`(size: Size) throws {
        var random = SeededGenerator(seed: size.seed)
        let policy = try random.spreadPolicy(size.rules)
        let frames = random.spreadFrames(max(60, 600_000 / size.rules), rules: size.rules)
        let expected = try answers(of: .model, policy, frames)
        let deciding = Set(expected.compactMap(\.rule))
        #expect(deciding.count > min(20, size.rules / 10), "the frames reach too few rules")
        for examinee in [Examinee.native, .kernel] where examinee != .kernel || KernelTests.areWanted {
            let got = try answers(of: examinee, policy, frames)
            let wrong = got.indices.filter { got[$0] != expected[$0] }
            #expect(wrong.isEmpty, "\(examinee), \(size.testDescription): frames \(wrong.prefix(5))")
            for index in wrong.prefix(3) {
                Issue.record("\(examinee), frame \(index): expected \(expected[index]), got \(got[index])")
            }
        }
    }

    private func answers(of examinee: Examinee, _ policy: CheckedPolicy, _ frames: [RandomFrame]) throws
        -> [Judgement]
    {
        var engine = try examinee.engine(policy)
        return try frames.map { frame in
            try frame.bytes.withUnsafeBytes { bytes in
                try engine.judge(
                    CapturedFrame(
                        bytes: bytes, originalLength: bytes.count, timeNanoseconds: frame.timeNanoseconds,
                        interface: frame.interface, number: 1))
            }
        }
    }
}
