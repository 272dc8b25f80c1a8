// SPDX-License-Identifier: Apache-2.0
// A packet in one line of text: the notation of policy tests, replay's `flow`, events and diffs.

/// Whether an IP packet is a fragment, and which one. An atomic IPv6 fragment is `none`.
public enum FragmentKind: String, Hashable, Sendable, CaseIterable {
    case none, first, later
}

/// The headers of one packet, as far as the one-line notation tells them.
public struct PacketDescription: Hashable, Sendable {
    public var proto: IPProtocol
    public var source: IPAddress
    public var destination: IPAddress
    /// Ports where the protocol has them and they could be read, else nil.
    public var sourcePort: UInt16?
    public var destinationPort: UInt16?
    /// The ICMP or ICMPv6 type, else nil.
    public var icmpType: UInt8?
    public var tcpFlags: TCPFlags = []
    public var fragment: FragmentKind = .none
    /// Non-zero VLAN ids, the outer one first.
    public var vlans: [UInt16] = []
    /// IP packet length in bytes as `length:` means it; nil: as long as the headers and payload need.
    public var length: Int?
    public var ttl: UInt8?
    public var dscp: UInt8?
    /// The interface it comes in on; nil: none of those that a policy names.
    public var interface: String?
    /// It belongs to a connection that this host knows.
    public var established = false
    public var payload: [UInt8] = []

    public init(proto: IPProtocol, source: IPAddress, destination: IPAddress) {
        self.proto = proto
        self.source = source
        self.destination = destination
    }
}
