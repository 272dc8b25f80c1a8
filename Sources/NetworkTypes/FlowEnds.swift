// SPDX-License-Identifier: Apache-2.0
// A flow as both of its directions name it: the key of what is dropped.

/// The two ends of a flow in one order, whichever of them sent the packet: the end with the lower address is
/// `lower`, of one address with itself the one with the lower port.
public struct FlowEnds: Hashable, Sendable {
    /// An address and a port.
    public struct End: Hashable, Comparable, Sendable {
        public var address: IPAddress
        /// In host order; 0 for protocols without ports, and where it is not known.
        public var port: UInt16

        public init(_ address: IPAddress, _ port: UInt16 = 0) {
            self.address = address
            self.port = port
        }

        public static func < (one: End, other: End) -> Bool {
            one.address == other.address ? one.port < other.port : one.address < other.address
        }
    }

    public let proto: IPProtocol
    public let lower: End
    public let upper: End

    /// The ends in any order. Their addresses are of one family.
    public init(_ proto: IPProtocol, _ one: End, _ other: End) {
        self.proto = proto
        lower = min(one, other)
        upper = max(one, other)
    }

    /// The flow that a packet belongs to.
    public init(_ packet: PacketDescription) {
        self.init(
            packet.proto, End(packet.source, packet.sourcePort ?? 0),
            End(packet.destination, packet.destinationPort ?? 0))
    }
}
