// SPDX-License-Identifier: Apache-2.0
// Which limit made a ban: names of limit slots, and back.
import CBPF
import GuardABI

extension SharedState {
    /// The names of limits that have a slot.
    public func limitNames() throws(KernelError) -> [UInt32: String] {
        let map = try descriptor(.limitSlots)
        var found: [UInt32: String] = [:]
        for var key in try mapKeys(map, room: Int(GUARD_LIMITS), from: guard_rule_name()) {
            var slot: UInt32 = 0
            if bpf_map_lookup_elem(map, &key, &slot) == 0 { found[slot] = key.name }
        }
        return found
    }
}
