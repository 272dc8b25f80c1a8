// SPDX-License-Identifier: Apache-2.0
// The kernel's program and the reference model must agree on every packet under every policy.
import Capture
import Dataplane
import Glibc
import NetworkTypes
import PolicyLanguage
import Replay
import TestSupport
import Testing

/// One policy each; the environment can ask for a single one.
private let seeds: [UInt64] = {
    let given = getenv("XDPGUARD_TEST_SEED").flatMap { UInt64(String(cString: $0)) }
    let first = given ?? UInt64.random(in: 0...UInt64.max)
    return given == nil ? (0..<60).map { first &+ $0 } : [first]
}()

@Suite(.enabled(if: KernelTests.areWanted))
struct DifferentialTests {
    @Test(arguments: seeds)
    func `kernel and model agree on random packets under a random policy`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let policy = random.policy(rules: random.pick([0, 1, 3, 10, 70, 140]))
        let bans = (0..<random.pick([0, 0, 1, 3])).map { _ in random.prefix() }
        let own = random.ownAddresses()
        // A name that the policy tells from others is a program to load: few names for each policy.
        let interfaces = random.pick([["lo"], ["veth0", "lo"], ["veth1", "uplink"]])
        var kernel = try KernelReplayEngine(policy: policy, bans: bans, ownAddresses: own)
        var model = ModelReplayEngine(policy: policy, bans: bans, ownAddresses: own)
        for number in 1...300 {
            let frame = random.randomFrame(on: interfaces)
            let expected = try frame.judged(by: &model)
            let got = try frame.judged(by: &kernel)
            try #require(
                got == expected,
                """
                XDPGUARD_TEST_SEED=\(seed) frame \(number): \(frame.bytes) \
                on \(frame.interface ?? "none"), \(policy)
                """
            )
        }
    }
}

extension SeededGenerator {
    mutating func ownAddresses() -> [IPAddress] {
        let all = World.v4.map(IPAddress.init(v4:)) + World.v6.map(IPAddress.init(v6:))
        return all.filter { _ in chance(15) }
    }

    mutating func prefix() -> Prefix {
        let address = chance(60) ? IPAddress(v4: pick(World.v4)) : IPAddress(v6: pick(World.v6))
        return Prefix(masking: address, length: pick([0, 1, 24, 31, 32, 64, 65, 127, 128])) ?? Prefix(address)
    }
}
