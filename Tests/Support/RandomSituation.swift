// SPDX-License-Identifier: Apache-2.0
// All that an evaluator's answers depend on: a policy, bans, the host's addresses and frames in their order.
import NetworkTypes
import PolicyLanguage

/// A situation to be judged as a whole, by evaluators that begin with it.
public struct RandomSituation: Sendable {
    public var draft: PolicyDraft
    public var bans: [Prefix]
    public var ownAddresses: [IPAddress]
    public var frames: [RandomFrame]
    /// Lines of token buckets.
    public var bucketLines: UInt32 = 1 << 18
    /// Lines of flows' budgets.
    public var sampleLines: UInt32 = 1 << 16
    /// Which flows the inspectors need.
    public var sampleScopes: [FlowScope?] = []

    public init(draft: PolicyDraft, bans: [Prefix], ownAddresses: [IPAddress], frames: [RandomFrame]) {
        (self.draft, self.bans, self.ownAddresses, self.frames) = (draft, bans, ownAddresses, frames)
    }

    /// The situation that a seed stands for.
    /// - Parameter captured: Ethernet frames, some of which are to come broken.
    public init(seed: UInt64, frames count: Int, captured: [[UInt8]] = []) {
        var random = SeededGenerator(seed: seed)
        draft = random.draft(rules: random.pick([0, 1, 2, 3, 5, 8, 10, 10, 15, 20, 20, 30, 70, 140]))
        bucketLines = random.bucketLines()
        // Of their own, so that all else of a seed is as it would be without them.
        var inspection = SeededGenerator(seed: ~seed)
        inspection.addInspectors(to: &draft)
        sampleLines = inspection.sampleLines()
        var scopes = SeededGenerator(seed: seed ^ 0x5c09e)
        sampleScopes = scopes.chance(90) ? draft.inspectors.map { _ in scopes.flowScope() } : []
        bans = (0..<random.pick([0, 0, 1, 3])).map { _ in random.prefix() }
        let all = World.v4.map(IPAddress.init(v4:)) + World.v6.map(IPAddress.init(v6:))
        ownAddresses = random.chance(50) ? [] : all.filter { _ in random.chance(20) }
        // A name that the policy tells from others is a program to load: few names for each policy.
        let interfaces = random.pick([
            ["lo"], ["lo"], ["veth0", "lo"], ["uplink", "lo"], ["veth1"], ["veth1", "uplink"],
        ])
        var traffic = RandomTraffic(random, on: interfaces, captured: captured)
        frames = []
        frames.reserveCapacity(count)
        for _ in 0..<count {
            frames.append(traffic.next())
            if !draft.inspectors.isEmpty { frames[frames.count - 1].order = inspection.verdictOnFlow() }
        }
    }
}

extension SeededGenerator {
    /// A prefix around one of the world's addresses.
    public mutating func prefix() -> Prefix {
        let address = chance(60) ? IPAddress(v4: pick(World.v4)) : IPAddress(v6: pick(World.v6))
        let lengths = address.family == .ipv4 ? [8, 24, 31, 32, 32] : [32, 64, 65, 127, 128, 128]
        return Prefix(masking: address, length: chance(6) ? pick([0, 1]) : pick(lengths)) ?? Prefix(address)
    }
}
