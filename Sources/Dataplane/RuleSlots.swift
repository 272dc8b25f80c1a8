// SPDX-License-Identifier: Apache-2.0
// Counter slots: a rule name keeps its slot for good, so that its counts survive every apply.
import CBPF
import Glibc
import GuardABI

extension SharedState {
    /// All rule names that have a slot.
    public func slots() throws(KernelError) -> [String: UInt32] {
        let map = try descriptor(.slots)
        var found: [String: UInt32] = [:]
        for var key in try mapKeys(map, room: Int(GUARD_SLOTS), from: guard_rule_name()) {
            var slot: UInt32 = 0
            if bpf_map_lookup_elem(map, &key, &slot) == 0 { found[key.name] = slot }
        }
        return found
    }

    /// The slots of the rules of a policy, those of new names given now. When all are taken, names that
    /// neither this policy nor the running one has give theirs back, and counting begins anew for whoever
    /// gets them.
    /// - Parameter running: the rule names of the policy that runs.
    public func assignSlots(
        to names: [String], running: Set<String>
    ) throws(KernelError) -> [String: UInt32] {
        var known = try slots()
        var assigned: [String: UInt32] = [:]
        let wanted = running.union(names)
        var free = FreeSlots(taken: known.values)
        for name in names {
            if let slot = known[name] {
                assigned[name] = slot
                continue
            }
            if free.isEmpty { free = try releaseSlots(of: known.filter { !wanted.contains($0.key) }) }
            guard let slot = free.next() else {
                throw KernelError(
                    "give rule '\(name)' a counter", code: ENOSPC,
                    help: "at most \(GUARD_SLOTS) rules have one")
            }
            try store(name, slot)
            known[name] = slot
            assigned[name] = slot
        }
        return assigned
    }

    private func store(_ name: String, _ slot: UInt32) throws(KernelError) {
        var key = guard_rule_name(name)
        var slot = slot
        try check(
            bpf_map_update_elem(descriptor(.slots), &key, &slot, 0),
            "store the counter slot of rule '\(name)'")
    }

    private func releaseSlots(of names: [String: UInt32]) throws(KernelError) -> FreeSlots {
        let zeros = [guard_rule_counters](repeating: guard_rule_counters(), count: try possibleCPUs())
        for (name, slot) in names {
            var key = guard_rule_name(name)
            var index = slot
            try check(
                bpf_map_delete_elem(descriptor(.slots), &key), "release the counter slot of rule '\(name)'")
            try check(bpf_map_update_elem(descriptor(.rules), &index, zeros, 0), "clear a counter")
        }
        return FreeSlots(only: names.values.sorted())
    }
}

/// Slots that no name has, lowest first.
private struct FreeSlots {
    private var slots: [UInt32]

    init(taken: some Collection<UInt32>) {
        let taken = Set(taken)
        slots = (0..<UInt32(GUARD_SLOTS)).filter { !taken.contains($0) }.reversed()
    }

    init(only slots: [UInt32]) { self.slots = slots.reversed() }

    var isEmpty: Bool { slots.isEmpty }
    mutating func next() -> UInt32? { slots.popLast() }
}

extension guard_rule_name {
    /// Names are at most GUARD_NAME_SIZE - 1 bytes: the policy checker sees to it.
    init(_ name: String) {
        self.init()
        withUnsafeMutableBytes(of: &text) { $0.copyBytes(from: name.utf8.prefix(Int(GUARD_NAME_SIZE) - 1)) }
    }

    var name: String {
        withUnsafeBytes(of: text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
