// SPDX-License-Identifier: Apache-2.0
// A limit of the running policy, as it is stored with the program: in the policy's words for people, and as
// the program charges packets, for whoever looks into its buckets.
import GuardABI
import PolicyLanguage

extension GenerationInfo {
    /// One of a policy's limits.
    public struct LimitInfo: Codable, Sendable, Hashable {
        public var name: String
        /// Of its counters: the name's for good.
        public var slot: UInt32
        /// As policies write them: "1000 pps", "2000" or "262144 B", "source/24", "drop" or "ban 10m".
        public var rate: String
        public var burst: String
        public var per: String
        public var over: String
        /// It only tells what it would drop.
        public var monitor: Bool
        /// What the hashes of its buckets begin with, behind the host's own seed.
        public var seed: UInt64
        /// Of a packet, in 1/256 ns; where `countsBytes`, of a byte in 2^-`costShift` of that.
        public var cost: UInt64
        public var costShift: UInt8
        public var countsBytes: Bool
        /// What the burst costs, in 1/256 ns.
        public var tolerance: UInt64
        /// The number of `enum guard_limit_key`.
        public var key: UInt8
        /// Leading bits of a source that are one client.
        public var ipv4Prefix: UInt8
        public var ipv6Prefix: UInt8
        /// The one rule that names it; nil: several do, or a description of an earlier version.
        public var onlyRule: String?

        /// - Parameter record: what the compiler made of the limit.
        init(_ limit: Limit, _ record: guard_limit) {
            name = limit.name
            slot = record.slot
            rate = limit.rate.text
            burst = Self.burst(limit, record)
            per = limit.key.text
            over = limit.over.text
            monitor = limit.monitor
            seed = record.seed
            cost = record.cost
            costShift = record.cost_shift
            countsBytes = record.flags & UInt8(GUARD_LIMIT_BYTES) != 0
            tolerance = record.tolerance
            key = record.key
            (ipv4Prefix, ipv6Prefix) = (record.prefix4, record.prefix6)
        }

        /// The program's record of it.
        public var record: guard_limit {
            var record = guard_limit()
            record.seed = seed
            record.cost = cost
            record.cost_shift = costShift
            record.tolerance = tolerance
            record.slot = slot
            record.key = key
            (record.prefix4, record.prefix6) = (ipv4Prefix, ipv6Prefix)
            if countsBytes { record.flags |= UInt8(GUARD_LIMIT_BYTES) }
            if monitor { record.flags |= UInt8(GUARD_LIMIT_MONITOR) }
            return record
        }

        /// As written, or what the rate makes of it.
        private static func burst(_ limit: Limit, _ record: guard_limit) -> String {
            switch limit.burst {
            case .packets(let packets)?: return "\(packets)"
            case .bytes(let bytes)?: return "\(bytes) B"
            case nil: break
            }
            switch limit.rate {
            case .packets: return "\(max(1, record.tolerance / max(1, record.cost)))"
            case .bits(let bits): return "\(max(1500, bits / 8)) B"
            }
        }
    }
}
