// SPDX-License-Identifier: Apache-2.0
// Counters of limits: a name keeps its slot for good, so that its counts survive every change.
import CBPF
import Glibc
import GuardABI

/// What a limit's slot has counted.
public struct LimitCount: Sendable, Hashable {
    /// Under the rate.
    public var passed = Count()
    public var dropped = Count()
    /// Over the rate, but it passed because of monitor mode.
    public var wouldDrop = Count()
    public init() {}
}

extension SharedState {
    /// All limit names that have a slot.
    public func limitSlots() throws(KernelError) -> [String: UInt32] {
        let map = try descriptor(.limitSlots)
        var found: [String: UInt32] = [:]
        for var key in try mapKeys(map, room: Int(GUARD_LIMITS), from: guard_rule_name()) {
            var slot: UInt32 = 0
            if bpf_map_lookup_elem(map, &key, &slot) == 0 { found[key.name] = slot }
        }
        return found
    }

    /// The slots of a policy's limits, those of new names given now. When all are taken, names that this
    /// policy does not have give theirs back, and counting begins anew for whoever gets them.
    func assignLimitSlots(to names: [String]) throws(KernelError) -> [String: UInt32] {
        let known = try limitSlots()
        var assigned = known.filter { names.contains($0.key) }
        let taken = Set(known.values)
        var free = (0..<UInt32(GUARD_LIMITS)).filter { !taken.contains($0) }[...]
        var others = known.filter { assigned[$0.key] == nil }.sorted { $0.value < $1.value }[...]
        for name in names where assigned[name] == nil {
            if free.isEmpty, let other = others.popFirst() {
                free = [try releaseLimit(other.key, other.value)]
            }
            guard let slot = free.popFirst() else {
                throw KernelError(
                    "give limit '\(name)' a counter", code: ENOSPC,
                    help: "at most \(GUARD_LIMITS) limits have one: remove some from the policy")
            }
            var (key, value) = (guard_rule_name(name), slot)
            try check(
                bpf_map_update_elem(descriptor(.limitSlots), &key, &value, 0),
                "store the counter slot of limit '\(name)'")
            assigned[name] = slot
        }
        return assigned
    }

    private func releaseLimit(_ name: String, _ slot: UInt32) throws(KernelError) -> UInt32 {
        var (key, index) = (guard_rule_name(name), slot)
        let zeros = [guard_limit_counters](repeating: guard_limit_counters(), count: try possibleCPUs())
        try check(
            bpf_map_delete_elem(descriptor(.limitSlots), &key),
            "release the counter slot of limit '\(name)'")
        try check(bpf_map_update_elem(descriptor(.limits), &index, zeros, 0), "clear a counter")
        return slot
    }

    /// What a limit's slot has counted, on all CPUs.
    public func limitCount(slot: UInt32) throws(KernelError) -> LimitCount {
        let values = try perCPUValues(descriptor(.limits), key: slot, of: guard_limit_counters())
        return values.reduce(into: LimitCount()) {
            $0.passed = $0.passed + Count($1.passed)
            $0.dropped = $0.dropped + Count($1.dropped)
            $0.wouldDrop = $0.wouldDrop + Count($1.would_drop)
        }
    }
}
