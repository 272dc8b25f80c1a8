// SPDX-License-Identifier: Apache-2.0
// What signatures test of a packet and its flow beside bytes. In: decoded by whoever calls. Out: plain
// numbers.

import NetworkTypes
import Signatures

/// The packet that is inspected, and its flow as it stands with this packet.
public struct PacketHeader: Sendable {
    public var transport: IPProtocol
    public var source: IPAddress
    public var destination: IPAddress
    /// In host order; 0 for protocols without ports.
    public var sourcePort: UInt16 = 0
    public var destinationPort: UInt16 = 0
    /// The way of this packet within its flow.
    public var direction = FlowDirection.toServer
    /// The flow counts as established (`flow:established`): TCP after its handshake, others after a reply.
    public var isEstablished = false
    /// The packet is one put together from fragments.
    public var isReassembled = false
    /// Nanoseconds since 1970-01-01T00:00Z: the packet's own time; thresholds and bits of hosts end by it.
    public var timeNanoseconds: Int64 = 0
    /// What the flow was recognised as, by the bytes of each way.
    public var applicationToServer: ApplicationProtocol?
    public var applicationToClient: ApplicationProtocol?
    /// What it was before a change of protocol (STARTTLS, CONNECT); nil: it did not change.
    public var originalApplication: ApplicationProtocol?
    /// TCP payload bytes seen so far in each way, without retransmissions, and one for the SYN
    /// (`stream_size`).
    public var streamBytesToServer: UInt64 = 0
    public var streamBytesToClient: UInt64 = 0

    public init(transport: IPProtocol, source: IPAddress, destination: IPAddress) {
        self.transport = transport
        self.source = source
        self.destination = destination
    }

    /// What the flow counts as: this direction's answer, else the other's.
    var application: ApplicationProtocol? {
        direction == .toServer
            ? applicationToServer ?? applicationToClient : applicationToClient ?? applicationToServer
    }
}

/// Header fields that packet tests look at; a field that the packet does not have is nil and fails its
/// tests.
public struct PacketFields: Sendable {
    /// Bytes behind the L4 header.
    public var payloadSize: UInt32?
    /// IPv4 time to live or IPv6 hop limit.
    public var ttl: UInt8?
    /// IPv4 type of service or IPv6 traffic class, all 8 bits.
    public var typeOfService: UInt8?
    public var ipID: UInt16?
    /// Bits: 1 more fragments, 2 don't fragment, 4 reserved.
    public var fragmentBits: UInt8?
    /// In 8-byte units, as in the header.
    public var fragmentOffset: UInt16?
    /// Numbers of the IPv4 options in the header, in their order.
    public var ipOptions: [UInt8] = []
    public var tcpFlags: TCPFlags?
    public var tcpSequence: UInt32?
    public var tcpAcknowledgement: UInt32?
    public var tcpWindow: UInt16?
    public var tcpMaxSegmentSize: UInt16?
    public var icmpType: UInt8?
    public var icmpCode: UInt8?
    public var icmpID: UInt16?
    public var icmpSequence: UInt16?
    public var icmpv6MTU: UInt32?

    public init() {}

    /// The field as a number; nil where the packet does not have it.
    func value(of field: PacketField) -> UInt64? {
        switch field {
        case .payloadSize: payloadSize.map(UInt64.init)
        case .ttl: ttl.map(UInt64.init)
        case .typeOfService: typeOfService.map(UInt64.init)
        case .ipID: ipID.map(UInt64.init)
        case .tcpSequence: tcpSequence.map(UInt64.init)
        case .tcpAcknowledgement: tcpAcknowledgement.map(UInt64.init)
        case .tcpWindow: tcpWindow.map(UInt64.init)
        case .tcpMaxSegmentSize: tcpMaxSegmentSize.map(UInt64.init)
        case .icmpType: icmpType.map(UInt64.init)
        case .icmpCode: icmpCode.map(UInt64.init)
        case .icmpID: icmpID.map(UInt64.init)
        case .icmpSequence: icmpSequence.map(UInt64.init)
        case .icmpv6MTU: icmpv6MTU.map(UInt64.init)
        case .fragmentOffset: fragmentOffset.map(UInt64.init)
        }
    }
}
