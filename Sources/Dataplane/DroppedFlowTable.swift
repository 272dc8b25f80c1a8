// SPDX-License-Identifier: Apache-2.0
// Dropped flows in the kernel: added, removed, listed. Whoever changes anything here holds the lock, so that
// the programs' counts alone come in between.
import CBPF
import Glibc
import GuardABI
import NetworkTypes

extension SharedState {
    /// Whether the running policy inspects: only then flows can be dropped.
    public var inspects: Bool { maps[.droppedFlows] != nil }

    /// All dropped flows, also those that have ended and were not yet cleared away. Empty where the running
    /// policy inspects nothing.
    public func droppedFlows() throws(KernelError) -> [DroppedFlow] {
        guard inspects else { return [] }
        let map = try descriptor(.droppedFlows)
        var found: [FlowEnds: DroppedFlow] = [:]
        for var key in try mapKeys(map, room: Int(GUARD_DROPPED_FLOWS), from: guard_flow_ends()) {
            var value = guard_dropped_flow()
            guard bpf_map_lookup_elem(map, &key, &value) == 0, let flow = DroppedFlow(key, value) else {
                continue
            }
            found[flow.ends] = flow
        }
        return found.values.sorted { ($0.ends.lower, $0.ends.upper) < ($1.ends.lower, $1.ends.upper) }
    }

    /// What is known of one flow, also where its time is over.
    public func droppedFlow(_ flow: FlowEnds) throws(KernelError) -> DroppedFlow? {
        guard inspects else { return nil }
        var (key, value) = (guard_flow_ends(flow), guard_dropped_flow())
        let result = bpf_map_lookup_elem(try descriptor(.droppedFlows), &key, &value)
        if result == -ENOENT { return nil }
        try check(result, "look for a dropped flow")
        return DroppedFlow(key, value)
    }

    /// Drops a flow's packets from now on. One that is dropped already is until the later of the two ends,
    /// and keeps its counters. Ended ones are cleared away first when the table is full.
    /// - Parameters:
    ///   - now: `programClock()`.
    ///   - pace: how often that clearing may be; nil: each time.
    public func drop(_ flow: DroppedFlow, now: UInt64, pace: ClearingPace? = nil) throws(KernelError) {
        guard inspects else {
            throw KernelError(
                "drop a flow", code: 0, help: "the running policy has no rule with 'inspect', which it takes")
        }
        var wanted = flow
        if let running = try droppedFlow(flow.ends), running.holds(at: now) {
            wanted = running.renewed(by: flow)
        }
        // The mark first: a flow that the programs do not look for would not be dropped.
        try setAny(true)
        if try put(wanted) { return }
        if pace?.take(at: now) ?? true {
            try clearEndedFlows(now: now)
            if try put(wanted) { return }
        }
        throw KernelError(
            "drop a flow", code: 0,
            help: "the table is full with \(GUARD_DROPPED_FLOWS) flows: ban their sources instead, or let "
                + "flows be dropped for a shorter time")
    }

    /// - Returns: false where the table is full.
    private func put(_ flow: DroppedFlow) throws(KernelError) -> Bool {
        var (key, value) = (guard_flow_ends(flow.ends), guard_dropped_flow(flow))
        let result = bpf_map_update_elem(try descriptor(.droppedFlows), &key, &value, UInt64(BPF_ANY))
        if result == -E2BIG || result == -ENOMEM { return false }
        try check(result, "drop a flow")
        return true
    }

    /// Lets flows pass again.
    /// - Returns: those of `flows` that were dropped.
    public func remove(_ flows: [FlowEnds]) throws(KernelError) -> [FlowEnds] {
        guard inspects else { return [] }
        var removed: [FlowEnds] = []
        for flow in flows {
            var key = guard_flow_ends(flow)
            let result = bpf_map_delete_elem(try descriptor(.droppedFlows), &key)
            if result == -ENOENT { continue }
            try check(result, "let a flow pass again")
            removed.append(flow)
        }
        if try droppedFlows().isEmpty { try setAny(false) }
        return removed
    }

    /// Forgets flows whose time is over.
    /// - Parameter now: `programClock()`.
    public func clearEndedFlows(now: UInt64) throws(KernelError) {
        _ = try remove(try droppedFlows().filter { !$0.holds(at: now) }.map(\.ends))
    }

    private func setAny(_ isSet: Bool) throws(KernelError) {
        var (zero, value) = (UInt32(0), UInt64(isSet ? 1 : 0))
        try check(bpf_map_update_elem(descriptor(.droppedAny), &zero, &value, 0), "mark the dropped flows")
    }
}
