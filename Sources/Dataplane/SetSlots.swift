// SPDX-License-Identifier: Apache-2.0
// Hit counters of named sets, by name.
import CBPF
import Glibc
import GuardABI

/// Packets that rules looked at whose source, or destination, was in a set.
public struct SetHits: Sendable, Hashable {
    public var source: UInt64 = 0
    public var destination: UInt64 = 0
}

extension SharedState {
    private var setTable: NameSlots<guard_set_counters> {
        NameSlots(
            word: "set", names: .setSlots, counters: .sets, room: Int(GUARD_SETS), zero: guard_set_counters())
    }

    /// All set names that have a slot.
    func setSlots() throws(KernelError) -> [String: UInt32] { try slots(of: setTable) }

    func assignSetSlots(to names: [String]) throws(KernelError) -> [String: UInt32] {
        try assign(names, in: setTable)
    }

    /// What a set's slot has counted.
    public func setHits(slot: UInt32) throws(KernelError) -> SetHits {
        try perCPUValues(descriptor(.sets), key: slot, of: guard_set_counters()).reduce(into: SetHits()) {
            $0.source &+= $1.source
            $0.destination &+= $1.destination
        }
    }
}
