// SPDX-License-Identifier: Apache-2.0
// What the reference firewall takes beside the policy: a frame with its circumstances, and the bans in force.
import NetworkTypes

/// One received frame.
public struct ReferenceFrame: Hashable, Sendable {
    /// The Ethernet frame, as much of it as there is.
    public var bytes: [UInt8]
    /// When it came: nanoseconds of wall clock since 1970-01-01T00:00Z, for `expires` and the ends of bans.
    public var timeNanoseconds: Int64
    /// The interface it came in on; nil: one without a name, which only `*` and negations hold for.
    public var interface: String?
    /// It belongs to a connection that this host accepted, whatever was seen before.
    public var isEstablished = false

    /// - Parameter timeNanoseconds: since 1970-01-01T00:00Z.
    public init(bytes: [UInt8], timeNanoseconds: Int64 = 0, interface: String? = nil) {
        self.bytes = bytes
        self.timeNanoseconds = timeNanoseconds
        self.interface = interface
    }
}

/// A ban of a prefix.
public struct ReferenceBan: Hashable, Sendable {
    /// The sources that it holds for.
    public var prefix: Prefix
    /// Nanoseconds since 1970-01-01T00:00Z from which on the ban holds no more, on the clock on which time
    /// that goes back counts as none; nil: it has no end.
    public var endsNanoseconds: Int64?

    /// - Parameter endsNanoseconds: since 1970-01-01T00:00Z; nil: it has no end.
    public init(prefix: Prefix, endsNanoseconds: Int64? = nil) {
        self.prefix = prefix
        self.endsNanoseconds = endsNanoseconds
    }
}
