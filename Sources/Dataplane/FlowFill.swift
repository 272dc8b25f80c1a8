// SPDX-License-Identifier: Apache-2.0
// How full the tables of connections are, without a value for each. In: the pinned tables. Out: live
// connections and room, for `status`.
import CBPF
import GuardABI

/// Live connections of a table, and how many it is made for.
public struct FlowFill: Sendable, Hashable {
    /// Those whose timeout has not gone by.
    public var used: Int
    /// Connections.
    public var capacity: Int

    public init(used: Int, capacity: Int) { (self.used, self.capacity) = (used, capacity) }
}

extension SharedState {
    /// Answered connections; nil where the running policy follows none.
    /// - Parameter now: `programClock()`.
    public func answeredFill(now: UInt64) throws(KernelError) -> FlowFill? {
        guard maps[.flows] != nil else { return nil }
        let map = try descriptor(.flows)
        let groups = Int(try entries(ofMap: map))
        let memory = try MapMemory(map: map, length: groups * MemoryLayout<guard_flow_group>.stride)
        let tables = UnsafeBufferPointer(
            start: memory.base.assumingMemoryBound(to: guard_flow_group.self), count: groups)
        // A copy of each: the programs go on writing.
        let used = tables.reduce(0) { sum, group in
            guard group.isUsed else { return sum }
            var group = group
            return sum
                + group.withPlaces { places in
                    places.count { $0.key.family != 0 && isLive($0.key, $0.flow, now: now) }
                }
        }
        return withExtendedLifetime(memory) {
            FlowFill(used: used, capacity: groups * Int(GUARD_FLOW_GROUP))
        }
    }

    /// Connections that this host opened and nobody answered yet; nil where the running policy follows none.
    /// - Parameter now: `programClock()`.
    public func unansweredFill(now: UInt64) throws(KernelError) -> FlowFill? {
        try openingFill(.unanswered, now)
    }

    /// Connections that this host accepted and whose handshake is not over; nil where the running policy
    /// follows none.
    /// - Parameter now: `programClock()`.
    public func halfOpenFill(now: UInt64) throws(KernelError) -> FlowFill? {
        try openingFill(.halfOpen, now)
    }

    private func openingFill(_ table: SharedMap, _ now: UInt64) throws(KernelError) -> FlowFill? {
        guard maps[table] != nil else { return nil }
        let map = try descriptor(table)
        let places = Int(try entries(ofMap: map))
        var seen: Set<FlowIdentity> = []
        for var key in try mapKeys(map, room: places, from: guard_flow_key()) {
            var opening = guard_opening()
            guard bpf_map_lookup_elem(map, &key, &opening) == 0, isLive(key, opening.flow, now: now) else {
                continue
            }
            seen.insert(FlowIdentity(key))
        }
        return FlowFill(used: seen.count, capacity: places)
    }
}

/// What is left of a connection's time, in nanoseconds; 0 where it is over.
func timeLeft(_ key: guard_flow_key, _ flow: guard_flow, now: UInt64) -> UInt64 {
    var (key, flow) = (key, flow)
    let since = now > flow.seen_ns ? now - flow.seen_ns : 0
    let state = guard_flow_state_of(&flow) & UInt64(GUARD_FLOW_STATE)
    let timeout = guard_flow_timeout_ns(&key, UInt8(state))
    return since < timeout ? timeout - since : 0
}

private func isLive(_ key: guard_flow_key, _ flow: guard_flow, now: UInt64) -> Bool {
    timeLeft(key, flow, now: now) > 0
}
