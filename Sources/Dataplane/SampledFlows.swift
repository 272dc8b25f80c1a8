// SPDX-License-Identifier: Apache-2.0
// Which flows the kernel has sampled, for whoever has to believe somebody else about it. In: a flow's ends.
// Out: the rule and the inspector that it was sampled for, from the table that the programs alone write.
import CBPF
import Glibc
import GuardABI
import NetworkTypes

/// The budgets of flows of one generation.
public final class SampledFlows {
    /// Which rule had a flow sampled, and for which inspector.
    public struct Owner: Sendable, Hashable {
        public var ruleSlot: UInt32
        /// Position in the policy.
        public var inspector: UInt16
    }

    /// Stands for the policy's inspectors.
    public let inspectorsSeed: UInt64
    private let hostSeed: UInt64
    private let lines: UInt32
    private let map: FileDescriptor

    init(map: FileDescriptor, config: guard_config) throws(KernelError) {
        self.map = map
        inspectorsSeed = config.inspectors_seed
        hostSeed = config.seed
        lines = try entries(ofMap: map.raw)
        guard lines > 0, lines & (lines - 1) == 0 else {
            throw KernelError("use the table of sampled flows", code: EINVAL)
        }
    }

    /// What a flow without packets for longer than this had sampled says nothing of it any more: no stream is
    /// followed for so long.
    public static let mostIdleNanoseconds: UInt64 = 900_000_000_000

    /// Nil: nothing of it was sampled of late, or the table was full and has forgotten it.
    /// - Parameter now: `programClock()`.
    public func owner(of flow: FlowEnds, now: UInt64) -> Owner? {
        var ends = guard_flow_ends(flow)
        let tag = guard_sample_tag(guard_ends_hash(hostSeed, &ends), inspectorsSeed)
        var index = guard_bucket_line_of(tag, lines)
        var line = guard_sample_line()
        guard bpf_map_lookup_elem(map.raw, &index, &line) == 0 else { return nil }
        return withUnsafeBytes(of: line.tags) { tags in
            withUnsafeBytes(of: line.owners) { owners in
                let tags = tags.bindMemory(to: UInt64.self)
                let owners = owners.bindMemory(to: UInt32.self)
                guard let way = tags.firstIndex(of: tag) else { return nil }
                let seen = withUnsafeBytes(of: line.seen_ns) { $0.bindMemory(to: UInt64.self)[way] }
                guard now < seen || now - seen <= Self.mostIdleNanoseconds else { return nil }
                let owner = owners[way]
                return Owner(
                    ruleSlot: owner & (1 << UInt32(GUARD_OWNER_SLOT_BITS) - 1),
                    inspector: UInt16(truncatingIfNeeded: owner >> UInt32(GUARD_OWNER_SLOT_BITS)))
            }
        }
    }
}

extension Datapath {
    /// The table of the generation that runs; nil where that inspects nothing.
    public func sampledFlows() throws(KernelError) -> SampledFlows? {
        guard let program = try runningProgram(), let state = try SharedState.open(pins) else { return nil }
        return try state.sampledFlows(of: configuration(of: program))
    }
}

extension SharedState {
    /// Nil where the policy of this configuration inspects nothing.
    func sampledFlows(of config: guard_config) throws(KernelError) -> SampledFlows? {
        guard let map = maps[.sampleFlows], config.flags & GUARD_CFG_INSPECT.rawValue != 0 else { return nil }
        return try SampledFlows(map: map, config: config)
    }
}
