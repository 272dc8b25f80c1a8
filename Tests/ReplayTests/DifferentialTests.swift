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
    func `kernel, native engine and model agree on random packets under random policies`() throws {
        try compare(rounds: 60, frames: 300) {
            [
                try KernelReplayEngine(policy: $0.policy, bans: $0.bans, ownAddresses: $0.own),
                try NativeReplayEngine(policy: $0.policy, bans: $0.bans, ownAddresses: $0.own),
            ]
        }
    }

    @Test func `native engine and model agree on random packets under random policies`() throws {
        try compare(rounds: 150, frames: 300) {
            [try NativeReplayEngine(policy: $0.policy, bans: $0.bans, ownAddresses: $0.own)]
        }
    }

    @Test func `a frame in several buffers meets the same fate as in one`() throws {
        let linear: [UInt32] = [0, 1, 13, 14, 18, 33, 34, 41, 54, 62, 64, 100]
        try compare(rounds: 40, frames: 300) { setup in
            try linear.map {
                try NativeReplayEngine(
                    policy: setup.policy, bans: setup.bans, ownAddresses: setup.own,
                    linearBytes: $0)
            }
        }
    }

    /// Every frame of every round through the model and the engines.
    private func compare(
        rounds: Int, frames: Int, with engines: (EngineSetup) throws -> [any ReplayEngine]
    ) throws {
        for round in 0..<rounds {
            var random = SeededGenerator(seed: seed &+ UInt64(round))
            let setup = random.engineSetup()
            // A name that the policy tells from others is a program to load: few names for each policy.
            let interfaces = random.pick([["lo"], ["veth0", "lo"], ["veth1", "uplink"]])
            var engines = try engines(setup)
            var model = ModelReplayEngine(
                policy: setup.policy, bans: setup.bans, ownAddresses: setup.own)
            for number in 1...frames {
                let frame = random.randomFrame(on: interfaces)
                let expected = try frame.judged(by: &model)
                for index in engines.indices {
                    let got = try frame.judged(by: &engines[index])
                    try #require(
                        got == expected,
                        """
                        XDPGUARD_TEST_SEED=\(seed &+ UInt64(round)) frame \(number) engine \(index): \
                        \(frame.bytes) on \(frame.interface ?? "none"), \(setup.policy)
                        """
                    )
                }
            }
        }
    }
}

/// What an engine is made of.
struct EngineSetup {
    var policy: CheckedPolicy
    var bans: [Prefix]
    var own: [IPAddress]
}

extension SeededGenerator {
    mutating func engineSetup() -> EngineSetup {
        let policy = policy(rules: pick([0, 1, 3, 10, 70, 140]))
        let bans = (0..<pick([0, 0, 1, 3])).map { _ in prefix() }
        let all = World.v4.map(IPAddress.init(v4:)) + World.v6.map(IPAddress.init(v6:))
        return EngineSetup(policy: policy, bans: bans, own: all.filter { _ in chance(15) })
    }

    mutating func prefix() -> Prefix {
        let address = chance(60) ? IPAddress(v4: pick(World.v4)) : IPAddress(v6: pick(World.v6))
        return Prefix(masking: address, length: pick([0, 1, 24, 31, 32, 64, 65, 127, 128])) ?? Prefix(address)
    }
}
