// SPDX-License-Identifier: Apache-2.0
// Limits and inspectors of a checked policy: what rules with `limit:` and `inspect:` refer to by name.
import Diagnostics

/// A token bucket per key; every value is in range.
public struct Limit: Sendable {
    public var name: String
    public var rate: Rate
    /// Nil: one second's worth of the rate, at least one packet.
    public var burst: Burst?
    public var key: LimitKey
    /// Leading bits of an IPv6 source that are one client: 1 to 128.
    public var ipv6Prefix: UInt8 = 64
    public var over: LimitExcess = .drop
    /// What it would drop is counted, and the packet goes on as if under the rate.
    public var monitor = false
    public var range: SourceRange

    public init(name: String, rate: Rate, key: LimitKey, range: SourceRange) {
        self.name = name
        self.rate = rate
        self.key = key
        self.range = range
    }
}

/// What a full bucket holds; above zero. Packets go with a rate in packets, bytes of IP packets with one
/// in bits.
public enum Burst: Hashable, Sendable {
    case packets(UInt64)
    case bytes(UInt64)
}

/// What shares one bucket.
public enum LimitKey: Hashable, Sendable {
    /// IPv4 sources by their leading 1 to 32 bits; IPv6 ones by the limit's `ipv6Prefix`.
    case source(ipv4Prefix: UInt8)
    case destination
    /// Source, protocol and destination port.
    case sourceAndService
    /// The five-tuple.
    case connection
    case rule
}

/// What happens to a packet over the rate; a ban also holds for the bucket's next packets.
public enum LimitExcess: Hashable, Sendable {
    case drop
    case ban(nanoseconds: Int64)
}

/// What is sampled and looked for. Protocol names and signature files are not looked at before they are
/// used.
public struct Inspector: Sendable {
    public var name: String
    /// The budget of each flow, from its first packet on; nil: no bound by this measure.
    public var samplePackets: UInt32?
    public var sampleBytes: UInt64?
    /// One flow in so many.
    public var everyFlow: UInt32 = 1
    public var forbidden: [String] = []
    /// Nil: any protocol that is not forbidden.
    public var allowedOnly: [String]?
    /// Paths or globs as the policy spells them, relative to the file that `range` stands in.
    public var signatures: [String] = []
    public var onMatch: MatchResponse = .alert
    /// What becomes of packets that should be sampled and cannot be.
    public var onOverload = OverloadResponse.pass
    public var range: SourceRange
    /// Where protocol names and signature paths stand, by their text.
    public var ranges: [String: SourceRange] = [:]

    public init(name: String, range: SourceRange) {
        self.name = name
        self.range = range
    }
}

/// The strongest that a match may do.
public enum MatchResponse: Hashable, Sendable {
    case alert, dropFlow
    case ban(nanoseconds: Int64)
}

/// What becomes of a packet that cannot be inspected: no room in the ring, or no inspector.
public enum OverloadResponse: String, Hashable, Sendable, CaseIterable { case pass, drop }

/// Whether this host accepted the packet's connection before.
public enum ConnectionState: String, Sendable, CaseIterable { case new, established }

/// Headers around an inner packet that `decapsulate:` can look behind.
public enum Encapsulation: String, Sendable, CaseIterable {
    /// `ipip`: IP in IP of the same family (RFC 2003, RFC 2473).
    case ipip, gre, vxlan, geneve
    case ipv4InIPv6 = "4in6"
    case ipv6InIPv4 = "6in4"
}
