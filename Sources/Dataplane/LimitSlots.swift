// SPDX-License-Identifier: Apache-2.0
// Counters of limits, by name.
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
    private var limitTable: NameSlots<guard_limit_counters> {
        NameSlots(
            word: "limit", names: .limitSlots, counters: .limits, room: Int(GUARD_LIMITS),
            zero: guard_limit_counters())
    }

    /// The names of limits that have a slot, by it.
    public func limitNames() throws(KernelError) -> [UInt32: String] {
        Dictionary(
            try slots(of: limitTable).map { ($0.value, $0.key) }, uniquingKeysWith: { first, _ in first })
    }

    func assignLimitSlots(to names: [String]) throws(KernelError) -> [String: UInt32] {
        try assign(names, in: limitTable)
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
