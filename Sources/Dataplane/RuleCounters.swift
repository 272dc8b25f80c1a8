// SPDX-License-Identifier: Apache-2.0
// Counters of rules by slot, in pages: the first is a shared map of its own, the others are made when a
// policy needs them.
import CBPF
import Glibc
import GuardABI

/// What a rule's slot has counted.
public struct RuleCount: Sendable, Hashable {
    public var decided = Count()
    /// What monitor mode kept it from dropping.
    public var wouldDrop = Count()
    public init() {}
}

extension SharedState {
    /// What the slots have counted, in the order asked; a page is read as a whole where many of its slots
    /// are asked for.
    public func ruleCounts(slots: [UInt32]) throws(KernelError) -> [RuleCount] {
        let asked = Dictionary(grouping: slots.indices) { slots[$0] / UInt32(GUARD_PAGE_SLOTS) }
        var counts = [RuleCount](repeating: RuleCount(), count: slots.count)
        for (page, positions) in asked {
            guard let map = try counterPage(page) else { continue }
            let reading = try PageReading(map, whole: positions.count > 64)
            for position in positions {
                counts[position] = try reading.count(slots[position] % UInt32(GUARD_PAGE_SLOTS))
            }
        }
        return counts
    }

    /// Makes the pages that slots up to `count` need.
    func makeCounterPages(forSlots count: UInt32) throws(KernelError) {
        guard count > UInt32(GUARD_PAGE_SLOTS) else { return }
        for page in 1...(count - 1) / UInt32(GUARD_PAGE_SLOTS) where try counterPage(page) == nil {
            let made = bpf_map_create(
                BPF_MAP_TYPE_PERCPU_ARRAY, "guard_rule_page", 4,
                UInt32(MemoryLayout<guard_rule_counters>.size), UInt32(GUARD_PAGE_SLOTS), nil)
            guard made >= 0 else {
                throw KernelError("make room for the counters of \(count) rules", code: -made)
            }
            let owned = FileDescriptor(owning: made)
            var key = page
            var descriptor = made
            try check(
                bpf_map_update_elem(self.descriptor(.rulePages), &key, &descriptor, 0),
                "make room for the counters of \(count) rules")
            counterPages[page] = owned
        }
    }

    /// Sets a slot's counters to zero on all CPUs.
    func clearCounter(_ slot: UInt32) throws(KernelError) {
        guard let map = try counterPage(slot / UInt32(GUARD_PAGE_SLOTS)) else { return }
        let zeros = [guard_rule_counters](repeating: guard_rule_counters(), count: try possibleCPUs())
        var index = slot % UInt32(GUARD_PAGE_SLOTS)
        try check(bpf_map_update_elem(map, &index, zeros, 0), "clear a counter")
    }

    /// The map of a page; nil where no policy needed it yet.
    private func counterPage(_ page: UInt32) throws(KernelError) -> Int32? {
        if page == 0 { return try descriptor(.rules) }
        if let known = counterPages[page] { return known.raw }
        var key = page
        var id: UInt32 = 0
        let result = bpf_map_lookup_elem(try descriptor(.rulePages), &key, &id)
        if result == -ENOENT { return nil }
        try check(result, "find the rules' counters")
        let map = try check(bpf_map_get_fd_by_id(id), "open the rules' counters")
        counterPages[page] = FileDescriptor(owning: map)
        return map
    }
}

/// A page of counters: read slot by slot, or all at once.
private struct PageReading {
    private let map: Int32
    private var all: [guard_rule_counters] = []
    private let cpus: Int

    init(_ map: Int32, whole: Bool) throws(KernelError) {
        self.map = map
        cpus = try possibleCPUs()
        guard whole else { return }
        let size = Int(GUARD_PAGE_SLOTS)
        var keys = [UInt32](repeating: 0, count: size)
        all = [guard_rule_counters](repeating: guard_rule_counters(), count: size * cpus)
        var next: UInt32 = 0
        var count = UInt32(size)
        let result = bpf_map_lookup_batch(map, nil, &next, &keys, &all, &count, nil)
        // "No more" is the answer where the batch is the whole map.
        if result != -ENOENT { try check(result, "read the rules' counters") }
        guard Int(count) == size else { throw KernelError("read the rules' counters", code: EIO) }
    }

    func count(_ index: UInt32) throws(KernelError) -> RuleCount {
        let values =
            all.isEmpty
            ? try perCPUValues(map, key: index, of: guard_rule_counters())[...]
            : all[Int(index) * cpus..<(Int(index) + 1) * cpus]
        return values.reduce(into: RuleCount()) { sum, value in
            sum.decided = sum.decided + Count(value.decided)
            sum.wouldDrop = sum.wouldDrop + Count(value.would_drop)
        }
    }
}
