// SPDX-License-Identifier: Apache-2.0
// The XDP program in the kernel, its code compiled for the host and the reference model must agree on every
// packet under every policy.
import Capture
import Dataplane
import Glibc
import NetworkTypes
import PolicyLanguage
import Replay
import TestSupport
import Testing

@Suite(.serialized)
struct DifferentialTests {
    /// XDPGUARD_TEST_SEED repeats a run from its failing round on.
    private let seed =
        getenv("XDPGUARD_TEST_SEED").flatMap { UInt64(String(cString: $0)) }
        ?? UInt64.random(in: 0...UInt64.max)

    @Test(.enabled(if: KernelTests.areWanted))
    func `kernel and model agree on random packets under random policies`() throws {
        try compare(rounds: 60, frames: 300) { try KernelReplayEngine(policy: $0, bans: $1) }
    }

    @Test(.enabled(if: KernelTests.areWanted))
    func `kernel and native engine agree on random packets under random policies`() throws {
        for round in 0..<20 {
            var random = SeededGenerator(seed: seed &+ UInt64(round))
            let (policy, bans) = random.situation()
            var kernel = try KernelReplayEngine(policy: policy, bans: bans)
            var native = try NativeReplayEngine(policy: policy, bans: bans)
            for number in 1...300 {
                let frame = random.randomFrame()
                let expected = try frame.judged(by: &kernel)
                let got = try frame.judged(by: &native)
                try #require(got == expected, "\(situation(round, number, frame, policy))")
            }
        }
    }

    @Test func `native engine and model agree on random packets under random policies`() throws {
        try compare(rounds: 200, frames: 500) { try NativeReplayEngine(policy: $0, bans: $1) }
    }

    @Test(arguments: [0, 1, 13, 14, 18, 33, 34, 41, 54, 62, 64] as [UInt32])
    func `a frame in several buffers meets the same fate as in one`(linear: UInt32) throws {
        try compare(rounds: 15, frames: 500) {
            try NativeReplayEngine(policy: $0, bans: $1, linearBytes: linear)
        }
    }

    /// Every frame of every round through an engine and the model.
    private func compare<Engine: ReplayEngine>(
        rounds: Int, frames: Int, _ engine: (CheckedPolicy, [Prefix]) throws -> Engine
    ) throws {
        for round in 0..<rounds {
            var random = SeededGenerator(seed: seed &+ UInt64(round))
            let (policy, bans) = random.situation()
            var engine = try engine(policy, bans)
            var model = ModelReplayEngine(policy: policy, bans: bans)
            for number in 1...frames {
                let frame = random.randomFrame()
                let expected = try frame.judged(by: &model)
                let got = try frame.judged(by: &engine)
                try #require(got == expected, "\(situation(round, number, frame, policy))")
            }
        }
    }

    private func situation(_ round: Int, _ number: Int, _ frame: RandomFrame, _ policy: CheckedPolicy)
        -> String
    {
        """
        XDPGUARD_TEST_SEED=\(seed &+ UInt64(round)) frame \(number): \(frame.bytes) \
        on \(frame.interface ?? "none"), \(policy)
        """
    }
}

extension SeededGenerator {
    /// A policy and what is banned under it.
    mutating func situation() -> (CheckedPolicy, [Prefix]) {
        let policy = policy(rules: pick([0, 1, 3, 10, 70, 140]))
        return (policy, (0..<pick([0, 0, 1, 3])).map { _ in prefix() })
    }

    mutating func prefix() -> Prefix {
        let address = chance(60) ? IPAddress(v4: pick(World.v4)) : IPAddress(v6: pick(World.v6))
        return Prefix(masking: address, length: pick([0, 1, 24, 31, 32, 64, 65, 127, 128])) ?? Prefix(address)
    }
}
