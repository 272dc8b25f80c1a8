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
        var keys = [guard_rule_name](repeating: guard_rule_name(), count: batchSize)
        var values = [UInt32](repeating: 0, count: batchSize)
        var position: UInt32 = 0
        var isFirst = true
        while true {
            var count = UInt32(batchSize)
            var next: UInt32 = 0
            let result =
                isFirst
                ? bpf_map_lookup_batch(map, nil, &next, &keys, &values, &count, nil)
                : bpf_map_lookup_batch(map, &position, &next, &keys, &values, &count, nil)
            // Only "no more keys" is the end; anything else would make a short list look whole.
            if result != 0, result != -ENOENT { try check(result, "read the rules' counter slots") }
            for index in 0..<Int(count) { found[keys[index].name] = values[index] }
            if result != 0 { return found }
            position = next
            isFirst = false
        }
    }

    /// The slots of the rules of a policy, those of new names given now. When all are taken, names that
    /// neither this policy nor the running one has give theirs back, and counting begins anew for whoever
    /// gets them.
    /// - Parameter running: the rule names of the policy that runs.
    public func assignSlots(
        to names: [String], running: Set<String>
    ) throws(KernelError) -> [String: UInt32] {
        let known = try slots()
        var assigned: [String: UInt32] = [:]
        assigned.reserveCapacity(names.count)
        var new: [(name: String, slot: UInt32)] = []
        var free = FreeSlots(taken: known.values)
        for name in names {
            if let slot = known[name] {
                assigned[name] = slot
                continue
            }
            if free.isEmpty {
                let wanted = running.union(names)
                free = try releaseSlots(of: known.filter { !wanted.contains($0.key) })
            }
            guard let slot = free.next() else {
                throw KernelError(
                    "give rule '\(name)' a counter", code: ENOSPC,
                    help: "at most \(GUARD_SLOTS) rules have one")
            }
            new.append((name, slot))
            assigned[name] = slot
        }
        try makeCounterPages(forSlots: (assigned.values.max() ?? 0) + 1)
        try store(new)
        return assigned
    }

    private func store(_ new: [(name: String, slot: UInt32)]) throws(KernelError) {
        for start in stride(from: 0, to: new.count, by: batchSize) {
            let batch = new[start..<min(start + batchSize, new.count)]
            let keys = batch.map { guard_rule_name($0.name) }
            let values = batch.map(\.slot)
            var count = UInt32(batch.count)
            try check(
                bpf_map_update_batch(descriptor(.slots), keys, values, &count, nil),
                "store the rules' counter slots")
        }
    }

    private func releaseSlots(of names: [String: UInt32]) throws(KernelError) -> FreeSlots {
        for (name, slot) in names {
            var key = guard_rule_name(name)
            try check(
                bpf_map_delete_elem(descriptor(.slots), &key), "release the counter slot of rule '\(name)'")
            try clearCounter(slot)
        }
        return FreeSlots(only: names.values.sorted())
    }
}

/// Names in one system call.
private let batchSize = 8192

/// Slots that no name has, lowest first.
private struct FreeSlots {
    /// Those taken; all below `first` are, or are given out.
    private var taken: Set<UInt32>
    private var first: UInt32 = 0
    /// Slots given back, last first; nil: all that are not taken.
    private var returned: [UInt32]?

    init(taken: some Collection<UInt32>) {
        self.taken = Set(taken)
        skip()
    }

    init(only slots: [UInt32]) {
        taken = []
        returned = slots.reversed()
    }

    var isEmpty: Bool { returned?.isEmpty ?? (first >= UInt32(GUARD_SLOTS)) }

    mutating func next() -> UInt32? {
        if returned != nil { return returned?.popLast() }
        guard !isEmpty else { return nil }
        defer {
            first += 1
            skip()
        }
        return first
    }

    private mutating func skip() {
        while taken.contains(first) { first += 1 }
    }
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
