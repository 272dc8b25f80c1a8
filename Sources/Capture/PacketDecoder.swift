// SPDX-License-Identifier: Apache-2.0
// Frame bytes to the fields that packet text tells, as docs/policy.md "How a packet is read" has it: every
// field that could be read and none behind the place where reading ends. In: an Ethernet frame. Out: a
// PacketDescription.

import NetworkTypes

/// Reads the headers of Ethernet frames. It judges nothing: that a packet is malformed shows only in unread
/// fields.
public struct PacketDecoder: Sendable {
    public init() {}

    /// The packet's description, or nil where no IP header could be read. Where a broken IPv6 chain hides the
    /// protocol, `proto` is the last next-header number seen. Payload, interface and connection state are
    /// left empty.
    public func describe(_ frame: UnsafeRawBufferPointer) -> PacketDescription? {
        guard frame.count >= 14 else { return nil }
        var ethertype = frame.network16(at: 12)
        var offset = 14
        var tags = 0
        var vlans: [UInt16] = []
        while ethertype == 0x8100 || ethertype == 0x88a8 {
            guard tags < 2, frame.count >= offset + 4 else { return nil }
            let id = frame.network16(at: offset) & 0x0fff
            if id != 0 { vlans.append(id) }
            ethertype = frame.network16(at: offset + 2)
            offset += 4
            tags += 1
        }
        let bytes = UnsafeRawBufferPointer(rebasing: frame[offset...])
        // One description, filled in place: it is large, and a copy costs as much as reading a header.
        let isV4 = ethertype == 0x0800
        guard isV4 || ethertype == 0x86dd, bytes.count >= (isV4 ? 20 : 40), bytes[0] >> 4 == (isV4 ? 4 : 6)
        else {
            return nil
        }
        var packet = PacketDescription(
            proto: IPProtocol(rawValue: bytes[isV4 ? 9 : 6]),
            source: isV4 ? IPAddress(v4: bytes.network32(at: 12)) : IPAddress(v6: bytes.network128(at: 8)),
            destination: isV4
                ? IPAddress(v4: bytes.network32(at: 16)) : IPAddress(v6: bytes.network128(at: 24)))
        if !vlans.isEmpty { packet.vlans = vlans }
        if isV4 { readV4(bytes, into: &packet) } else { readV6(bytes, into: &packet) }
        return packet
    }

    private func readV4(_ bytes: UnsafeRawBufferPointer, into packet: inout PacketDescription) {
        let headerLength = Int(bytes[0] & 15) * 4
        let totalLength = Int(bytes.network16(at: 2))
        packet.length = totalLength
        packet.ttl = bytes[8]
        packet.dscp = bytes[1] >> 2
        let end = min(totalLength, bytes.count)
        guard headerLength >= 20, totalLength >= headerLength, headerLength <= end else { return }
        let fragment = bytes.network16(at: 6)
        let offset = fragment & 0x1fff
        packet.fragment = offset > 0 ? .later : fragment & 0x2000 != 0 ? .first : .none
        if packet.fragment != .later { readL4(bytes, from: headerLength, to: end, into: &packet) }
    }

    private func readV6(_ bytes: UnsafeRawBufferPointer, into packet: inout PacketDescription) {
        let payloadLength = Int(bytes.network16(at: 4))
        packet.length = 40 + payloadLength
        packet.ttl = bytes[7]
        packet.dscp = UInt8(truncatingIfNeeded: bytes.network16(at: 0) >> 6) & 0x3f
        guard payloadLength != 0 || bytes[6] != 0 else { return }  // a jumbogram
        let end = min(40 + payloadLength, bytes.count)
        guard let offset = walkChain(bytes, to: end, into: &packet), packet.fragment != .later else { return }
        readL4(bytes, from: offset, to: end, into: &packet)
    }

    /// Walks the IPv6 extension headers; the offset behind the last one, or nil where reading ends in the
    /// chain.
    private func walkChain(
        _ bytes: UnsafeRawBufferPointer, to end: Int, into packet: inout PacketDescription
    ) -> Int? {
        var offset = 40
        var headers = 0
        while IPProtocol.isIPv6ExtensionHeader(packet.proto.rawValue) {
            headers += 1
            guard headers <= 8, end - offset >= 8 else { return nil }
            let length =
                switch packet.proto.rawValue {
                case 44: 8
                case 51: (Int(bytes[offset + 1]) + 2) * 4
                default: (Int(bytes[offset + 1]) + 1) * 8
                }
            guard length <= end - offset else { return nil }
            let isFragment = packet.proto.rawValue == 44
            packet.proto = IPProtocol(rawValue: bytes[offset])
            if isFragment, packet.fragment == .none {
                let field = bytes.network16(at: offset + 2)
                packet.fragment = field >> 3 > 0 ? .later : field & 1 != 0 ? .first : .none
                if packet.fragment == .later { return offset + length }
            }
            offset += length
        }
        return offset
    }

    private func readL4(
        _ bytes: UnsafeRawBufferPointer, from offset: Int, to end: Int, into packet: inout PacketDescription
    ) {
        let left = end - offset
        // Plain numbers: NetworkTypes' computed properties are calls into another module, several a packet.
        switch packet.proto.rawValue {
        case 6 where left >= 20:
            readPorts(bytes, at: offset, into: &packet)
            packet.tcpFlags = TCPFlags(rawValue: bytes[offset + 13])
        case 17 where left >= 8, 132 where left >= 12: readPorts(bytes, at: offset, into: &packet)
        case 1 where left >= 8, 58 where left >= 8: packet.icmpType = bytes[offset]
        default: break
        }
    }

    private func readPorts(
        _ bytes: UnsafeRawBufferPointer, at offset: Int, into packet: inout PacketDescription
    ) {
        packet.sourcePort = bytes.network16(at: offset)
        packet.destinationPort = bytes.network16(at: offset + 2)
    }
}

/// Numbers in network order. Callers have checked the bounds: these run several times a packet.
extension UnsafeRawBufferPointer {
    @inline(__always) func network16(at offset: Int) -> UInt16 {
        UInt16(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    @inline(__always) func network32(at offset: Int) -> UInt32 {
        UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    @inline(__always) func network128(at offset: Int) -> UInt128 {
        let high = UInt64(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        let low = UInt64(bigEndian: loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
        return UInt128(high) << 64 | UInt128(low)
    }
}
