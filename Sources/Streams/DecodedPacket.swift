// SPDX-License-Identifier: Apache-2.0
// Packets -> flows -> streams, what a packet says of itself: the header fields that flows, streams and
// signatures look at, and where header and payload bytes lie. Numbers are in host byte order.
import NetworkTypes

/// One IP packet, read; or a datagram that was put together from fragments. Valid only during the call to
/// the consumer that brings it.
public struct DecodedPacket {
    /// The IP packet without what follows its own length.
    public internal(set) var bytes: UnsafeRawBufferPointer
    /// Nanoseconds since 1970-01-01T00:00Z, never before the packet before.
    public internal(set) var time: Int64
    /// As the input said.
    public internal(set) var number: UInt64
    public internal(set) var ruleTag: UInt32
    public internal(set) var frameLength: Int
    public internal(set) var vlan: UInt16
    public internal(set) var innerVLAN: UInt16
    public internal(set) var tunnel: UInt64
    public internal(set) var isSentByHost: Bool
    public internal(set) var isCutShort: Bool
    /// Put together from fragments: `bytes` are no packet that was on the wire.
    public internal(set) var isReassembled = false

    public internal(set) var source = IPAddress(v4: 0)
    public internal(set) var destination = IPAddress(v4: 0)
    /// TTL or hop limit.
    public internal(set) var ttl: UInt8 = 0
    /// IPv4's type of service or IPv6's traffic class, all 8 bits.
    public internal(set) var trafficClass: UInt8 = 0
    /// IPv4's total length, or 40 + IPv6's payload length: bytes as the header says them.
    public internal(set) var ipLength = 0
    /// IPv4's identification, or that of IPv6's fragment header; 0 without one.
    public internal(set) var identification: UInt32 = 0
    public internal(set) var fragment = FragmentFields()
    /// The protocol behind IP header and extension headers.
    public internal(set) var proto = IPProtocol(rawValue: 0)
    /// The options or extension headers could be read and the L4 header, where this protocol has one that
    /// is read, is whole: ports, flags and types below are valid. Not so on later fragments.
    public internal(set) var isComplete = false
    /// Why the host that it is for discards it unread, where it does: a checksum that is verified and wrong,
    /// IP options or extension headers. Such a packet counts for its flow, but moves nothing, and its
    /// segment is in no stream.
    public internal(set) var discardReason: DiscardReason?

    /// Ports of TCP, UDP and SCTP; 0 for other protocols.
    public internal(set) var sourcePort: UInt16 = 0
    public internal(set) var destinationPort: UInt16 = 0
    /// TCP's fields; 0 for other protocols. `tcpWindow` as it stands in the header, without scaling.
    public internal(set) var tcpSequence: UInt32 = 0
    public internal(set) var tcpAcknowledgement: UInt32 = 0
    public internal(set) var tcpFlags = TCPFlags()
    public internal(set) var tcpWindow: UInt16 = 0
    public internal(set) var tcpUrgentPointer: UInt16 = 0
    /// Type and code of ICMP and ICMPv6; identifier and sequence number of their echo messages, else 0.
    public internal(set) var icmpType: UInt8 = 0
    public internal(set) var icmpCode: UInt8 = 0
    public internal(set) var icmpIdentifier: UInt16 = 0
    public internal(set) var icmpSequence: UInt16 = 0
    /// What is wrong with it, by its own bytes.
    public internal(set) var anomalies = AnomalySet()

    /// A part of a datagram whose IP header could be read.
    var isFragment = false
    // Offsets into `bytes`, each at most its count, in this order.
    var optionsStart = 0
    var optionsEnd = 0
    var l4Start = 0
    var payloadStart = 0
    var payloadEnd = 0
    /// Bytes of the payload that the capture did not keep.
    var missingPayload = 0
}

/// What the header says of fragmentation.
public struct FragmentFields: Equatable, Sendable {
    /// From the start of what is fragmented, in bytes: 0 to 65,528.
    public internal(set) var offset = 0
    public internal(set) var hasMore = false
    public internal(set) var dontFragment = false
    /// IPv4's reserved bit.
    public internal(set) var reserved = false
    /// IPv6: where the fragment header begins, and where the byte stands that names it as next header.
    var headerStart = 0
    var nextHeaderAt = 0

    /// Part of a datagram, not the whole of it.
    public var isFragment: Bool { hasMore || offset > 0 }
}

extension DecodedPacket {
    /// IPv4 or IPv6.
    public var family: AddressFamily { source.family }
    /// IPv4's header with options, or IPv6's with its extension headers.
    public var ipHeader: UnsafeRawBufferPointer { slice(0, optionsEnd) }
    /// IPv4's options, or all of IPv6's extension headers; empty without any.
    public var ipOptions: UnsafeRawBufferPointer { slice(optionsStart, optionsEnd) }
    /// The header of TCP with options, UDP, SCTP, ICMP (8 bytes); empty for others, and where it is not
    /// whole.
    public var l4Header: UnsafeRawBufferPointer { slice(l4Start, isComplete ? payloadStart : l4Start) }
    /// TCP's options; empty for others.
    public var tcpOptions: UnsafeRawBufferPointer {
        proto == .tcp && isComplete ? slice(min(l4Start + 20, payloadStart), payloadStart) : slice(0, 0)
    }
    /// What stands behind the last header that was read, as far as it was captured.
    public var payload: UnsafeRawBufferPointer { slice(payloadStart, payloadEnd) }

    /// TCP's maximum segment size option, bytes; nil without.
    public var tcpMaximumSegmentSize: UInt16? {
        guard let option = tcpOption(2), option.count == 2 else { return nil }
        return UInt16(option[0]) << 8 | UInt16(option[1])
    }
    /// TCP's window scale option, the shift, 0 to 14; nil without.
    public var tcpWindowScale: UInt8? {
        guard let option = tcpOption(3), option.count == 1 else { return nil }
        return min(option[0], 14)
    }

    /// The bytes of TCP's option of that kind, without kind and length; nil where there is none.
    public func tcpOption(_ kind: UInt8) -> UnsafeRawBufferPointer? {
        var list = TCPOptionList(tcpOptions)
        while let option = list.next() {
            if option.kind == kind { return option.content }
        }
        return nil
    }

    /// Offsets that lie outside give nothing.
    private func slice(_ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
        guard start >= 0, start <= end, end <= bytes.count else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
    }
}

/// The options of a TCP header, as far as they can be read (RFC 9293 3.1).
struct TCPOptionList: IteratorProtocol {
    private let bytes: UnsafeRawBufferPointer
    private var index = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The next one with its bytes behind kind and length; those for alignment are left out.
    mutating func next() -> (kind: UInt8, content: UnsafeRawBufferPointer)? {
        while index < bytes.count, bytes[index] == 1 { index += 1 }
        guard index + 1 < bytes.count, bytes[index] != 0 else { return nil }
        let length = Int(bytes[index + 1])
        guard length >= 2, index + length <= bytes.count else { return nil }
        defer { index += length }
        return (bytes[index], UnsafeRawBufferPointer(rebasing: bytes[index + 2..<index + length]))
    }
}
