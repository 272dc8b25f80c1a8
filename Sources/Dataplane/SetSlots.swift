// SPDX-License-Identifier: Apache-2.0
// Hit counters of named sets: a name keeps its slot for good, so that its counts survive every change.
import CBPF
import Glibc
import GuardABI

/// Packets that rules looked at whose source, or destination, was in a set.
public struct SetHits: Sendable, Hashable {
    public var source: UInt64 = 0
    public var destination: UInt64 = 0
}

extension SharedState {
    /// All set names that have a slot.
    func setSlots() throws(KernelError) -> [String: UInt32] {
        let map = try descriptor(.setSlots)
        var found: [String: UInt32] = [:]
        for var key in try mapKeys(map, room: Int(GUARD_SETS), from: guard_rule_name()) {
            var slot: UInt32 = 0
            if bpf_map_lookup_elem(map, &key, &slot) == 0 { found[key.name] = slot }
        }
        return found
    }

    /// The slots of a policy's sets, those of new names given now. When all are taken, names that this policy
    /// does not have give theirs back, and counting begins anew for whoever gets them.
    func assignSetSlots(to names: [String]) throws(KernelError) -> [String: UInt32] {
        let known = try setSlots()
        var assigned = known.filter { names.contains($0.key) }
        let taken = Set(known.values)
        var free = (0..<UInt32(GUARD_SETS)).filter { !taken.contains($0) }[...]
        var others = known.filter { assigned[$0.key] == nil }.sorted { $0.value < $1.value }[...]
        for name in names where assigned[name] == nil {
            if free.isEmpty, let other = others.popFirst() { free = [try release(other.key, other.value)] }
            guard let slot = free.popFirst() else {
                throw KernelError(
                    "give set '\(name)' a counter", code: ENOSPC,
                    help: "at most \(GUARD_SETS) sets have one: remove some from the policy")
            }
            var (key, value) = (guard_rule_name(name), slot)
            try check(
                bpf_map_update_elem(descriptor(.setSlots), &key, &value, 0),
                "store the counter slot of set '\(name)'")
            assigned[name] = slot
        }
        return assigned
    }

    private func release(_ name: String, _ slot: UInt32) throws(KernelError) -> UInt32 {
        var (key, index) = (guard_rule_name(name), slot)
        let zeros = [guard_set_counters](repeating: guard_set_counters(), count: try possibleCPUs())
        try check(
            bpf_map_delete_elem(descriptor(.setSlots), &key), "release the counter slot of set '\(name)'")
        try check(bpf_map_update_elem(descriptor(.sets), &index, zeros, 0), "clear a counter")
        return slot
    }

    /// What a set's slot has counted.
    public func setHits(slot: UInt32) throws(KernelError) -> SetHits {
        try perCPUValues(descriptor(.sets), key: slot, of: guard_set_counters()).reduce(into: SetHits()) {
            $0.source &+= $1.source
            $0.destination &+= $1.destination
        }
    }
}
