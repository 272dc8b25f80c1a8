// SPDX-License-Identifier: Apache-2.0
// What the compiler makes of a policy: all that a generation's maps hold, as values.
import Diagnostics
import GuardABI
import NetworkTypes

/// A generation's constant configuration and tables, ready to be loaded.
public struct MapImage: Sendable {
    public var config: guard_config
    /// The bytes of guard_tables; config's offsets point into them. Never empty.
    public var tables: [UInt8]
    /// The front of the value of guard_addresses' inner map, which has `config.addresses_size` bytes: a
    /// guard_addresses_header and what it tells of.
    public var addresses: [UInt8]
    /// What searches the rules: IPv4's classifier, then IPv6's.
    public var classifiers: [ClassifierSummary]
    /// The policy's limits in its order, as they stand in the tables.
    public var limits: [guard_limit]
}

/// What finds a packet's rule.
public enum ClassifierEngine: String, Sendable, CaseIterable {
    case bitVectors = "bit-vectors"
    case tupleSpace = "tuple-space"
}

/// Which engine the compiler takes.
public enum ClassifierChoice: String, Sendable, CaseIterable {
    /// For each family what its number of rules suggests.
    case automatic
    case bitVectors = "bit-vectors"
    case tupleSpace = "tuple-space"
    /// The tuple space with every rule as entries, however long lists become.
    case entriesAlone = "entries-alone"
}

/// How the rules of one family are searched.
public struct ClassifierSummary: Sendable, Hashable {
    public var family: AddressFamily
    public var engine: ClassifierEngine
    /// Rules that can match the family.
    public var rules: Int
    /// Tuple space: elements of lists, hash keys' shapes, and the most elements that one look may find.
    public var entries = 0
    public var tuples = 0
    public var longestList = 0
    /// Rules that are bits of rows: with bit vectors all.
    public var bitRules: Int
    /// The family's part of guard_tables.
    public var bytes: Int
}

/// What the compiler must know of where the policy will run.
public struct CompileTarget: Sendable {
    /// An interface that packets come in on.
    public struct Interface: Sendable, Hashable {
        public var name: String
        public var index: UInt32
        public init(name: String, index: UInt32) {
            self.name = name
            self.index = index
        }
    }

    public var interfaces: [Interface] = []
    /// This host's addresses: spoofed as sources. Empty in a replay.
    public var ownAddresses: [IPAddress] = []
    /// The broadcast addresses of its IPv4 networks, which are answered by nobody. Empty in a replay.
    public var ownBroadcasts: [IPAddress] = []
    /// Counter slots of the rules, by name.
    public var slots: [String: UInt32] = [:]
    /// Hit counters of the sets, by name; without one the set's position.
    public var setSlots: [String: UInt32] = [:]
    /// Counters of the limits, by name; without one the limit's position.
    public var limitSlots: [String: UInt32] = [:]
    /// Lines of buckets where a policy has limits; a power of two.
    public var bucketLines = UInt32(GUARD_BUCKET_LINES)
    /// Time and interface come from guard_trace, and the answer goes there.
    public var isReplay = false
    /// What to subtract from nanoseconds since 1970 to get the program's clock; 0 in a replay.
    public var clockOffsetNanoseconds: Int64 = 0

    /// Places for answered connections, where the policy follows them; as many as the next power of two.
    public var flowCount = UInt32(GUARD_FLOWS)
    /// Lines of flows' budgets where a policy has inspectors; a power of two.
    public var sampleLines = UInt32(GUARD_SAMPLE_LINES)
    /// Bytes of the ring that samples go to, where it is made now; a power of two, at least a page.
    public var sampleBytes = UInt32(GUARD_SAMPLE_RING)
    /// What SYN cookies may agree to.
    public var cookies = CookieOffer()

    /// For tests and benchmarks: the engine for both families.
    public var classifier = ClassifierChoice.automatic

    public init() {}
}

/// A policy beyond what the datapath can hold. Each diagnostic names the limit and the policy's line.
public struct CompileError: Error, Sendable {
    public var diagnostics: [Diagnostic]
}
