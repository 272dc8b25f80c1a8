// SPDX-License-Identifier: Apache-2.0
// Slots of counters by name, for what there are at most some thousand of: a name keeps its slot for good, so
// that its counts survive every change.
import CBPF
import Glibc
import GuardABI

/// Names to slots, and the counters in them.
struct NameSlots<Counters: BitwiseCopyable> {
    /// What has them, as in "limit".
    let word: String
    let names: SharedMap
    let counters: SharedMap
    let room: Int
    let zero: Counters
}

extension SharedState {
    /// All names that have a slot.
    func slots<Counters>(of table: NameSlots<Counters>) throws(KernelError) -> [String: UInt32] {
        let map = try descriptor(table.names)
        var found: [String: UInt32] = [:]
        for var key in try mapKeys(map, room: table.room, from: guard_rule_name()) {
            var slot: UInt32 = 0
            if bpf_map_lookup_elem(map, &key, &slot) == 0 { found[key.name] = slot }
        }
        return found
    }

    /// The slots of a policy's names, those of new ones given now. When all are taken, names that this policy
    /// does not have give theirs back, and counting begins anew for whoever gets them.
    func assign<Counters>(
        _ names: [String], in table: NameSlots<Counters>
    ) throws(KernelError) -> [String: UInt32] {
        let known = try slots(of: table)
        var assigned = known.filter { names.contains($0.key) }
        let taken = Set(known.values)
        var free = (0..<UInt32(table.room)).filter { !taken.contains($0) }[...]
        var others = known.filter { assigned[$0.key] == nil }.sorted { $0.value < $1.value }[...]
        for name in names where assigned[name] == nil {
            if free.isEmpty, let other = others.popFirst() {
                free = [try release(other.key, other.value, of: table)]
            }
            guard let slot = free.popFirst() else {
                throw KernelError(
                    "give \(table.word) '\(name)' a counter", code: ENOSPC,
                    help: "at most \(table.room) \(table.word)s have one: remove some from the policy")
            }
            var (key, value) = (guard_rule_name(name), slot)
            try check(
                bpf_map_update_elem(descriptor(table.names), &key, &value, 0),
                "store the counter slot of \(table.word) '\(name)'")
            assigned[name] = slot
        }
        return assigned
    }

    private func release<Counters>(
        _ name: String, _ slot: UInt32, of table: NameSlots<Counters>
    ) throws(KernelError) -> UInt32 {
        var (key, index) = (guard_rule_name(name), slot)
        let zeros = [Counters](repeating: table.zero, count: try possibleCPUs())
        try check(
            bpf_map_delete_elem(descriptor(table.names), &key),
            "release the counter slot of \(table.word) '\(name)'")
        try check(bpf_map_update_elem(descriptor(table.counters), &index, zeros, 0), "clear a counter")
        return slot
    }
}
