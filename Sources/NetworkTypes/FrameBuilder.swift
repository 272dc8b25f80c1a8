// SPDX-License-Identifier: Apache-2.0
// A packet description as an Ethernet frame, with right lengths and checksums: how a policy's tests,
// `explain` and diffs become something that the evaluators can judge. In: a PacketDescription. Out: bytes.

extension PacketDescription {
    /// Bytes that IP header, fragment header, L4 header and payload need at least.
    var minimumLength: Int { ipHeadersLength + l4HeaderLength + payload.count }

    /// The TTL or hop limit that the frame carries: as described, else 255 for ICMPv6 neighbour discovery
    /// (RFC 4861 has receivers ignore any other), else 64.
    public var frameTTL: UInt8 {
        if let ttl { return ttl }
        guard proto == .icmpv6, let icmpType else { return 64 }
        return (133...137).contains(icmpType) ? 255 : 64
    }

    /// The Ethernet frame, without padding and checksum trailer. `length` pads the payload with zeros; one
    /// below what the headers need is raised to that. Ports, types and addresses that are unknown or of the
    /// wrong size become 0.
    public func frame() -> [UInt8] {
        let length = max(length ?? ipHeadersLength + l4HeaderLength + bodyLength, minimumLength)
        let segment = l4Segment(count: length - ipHeadersLength)
        return ethernetHeader() + (isV4 ? ipv4Header(length) : ipv6Headers(length)) + segment
    }

    private var isV4: Bool { source.family == .ipv4 }

    private var ipHeadersLength: Int { isV4 ? 20 : fragment == .none ? 40 : 48 }

    private var l4HeaderLength: Int { fragment == .later ? 0 : proto.fixedHeaderLength }

    /// Payload bytes of a packet without `length`: neighbour discovery's fixed bodies (RFC 4861 section 4)
    /// are filled up.
    private var bodyLength: Int {
        let needed: [UInt8: Int] = [134: 8, 135: 16, 136: 16, 137: 32]
        guard proto == .icmpv6, fragment != .later, let icmpType else { return payload.count }
        return max(payload.count, needed[icmpType] ?? 0)
    }

    private func ethernetHeader() -> [UInt8] {
        // Locally administered addresses, which no vendor has.
        var bytes: [UInt8] = [0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x02]
        for (index, id) in vlans.enumerated() {
            bytes.append16(index == vlans.count - 1 ? 0x8100 : 0x88a8)
            bytes.append16(id & 0x0fff)
        }
        bytes.append16(isV4 ? 0x0800 : 0x86dd)
        return bytes
    }

    /// Fragment offset in 8-byte units: behind all that a first fragment in an Ethernet frame can hold.
    private static let laterOffset: UInt16 = 185

    private func ipv4Header(_ length: Int) -> [UInt8] {
        var bytes: [UInt8] = [0x45, (dscp ?? 0) << 2]
        bytes.append16(UInt16(truncatingIfNeeded: length))
        bytes.append16(fragment == .none ? 0 : 1)
        bytes.append16(fragment == .first ? 0x2000 : fragment == .later ? Self.laterOffset : 0)
        bytes += [frameTTL, proto.rawValue, 0, 0]
        bytes += address(source) + address(destination)
        bytes.set16(internetChecksum(bytes), at: 10)
        return bytes
    }

    private func ipv6Headers(_ length: Int) -> [UInt8] {
        let trafficClass = (dscp ?? 0) << 2
        var bytes: [UInt8] = [0x60 | trafficClass >> 4, trafficClass << 4, 0, 0]
        bytes.append16(UInt16(truncatingIfNeeded: length - 40))
        bytes += [fragment == .none ? proto.rawValue : 44, frameTTL]
        bytes += address(source) + address(destination)
        guard fragment != .none else { return bytes }
        bytes += [proto.rawValue, 0]
        bytes.append16(fragment == .first ? 1 : Self.laterOffset << 3)
        return bytes + [0, 0, 0, 1]
    }

    private func address(_ address: IPAddress) -> [UInt8] {
        IPAddress(family: source.family, bits: address.bits).bytes
    }

    private func l4Segment(count: Int) -> [UInt8] {
        var bytes = fragment == .later ? [] : l4Header(count)
        bytes += payload
        bytes += [UInt8](repeating: 0, count: max(0, count - bytes.count))
        if fragment != .later { setL4Checksum(&bytes) }
        return bytes
    }

    private func l4Header(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        if proto.hasPorts {
            bytes.append16(sourcePort ?? 0)
            bytes.append16(destinationPort ?? 0)
        }
        switch proto {
        case .tcp:
            bytes += [0, 0, 0, 1, 0, 0, 0, tcpFlags.contains(.ack) ? 1 : 0]
            bytes += [5 << 4, tcpFlags.rawValue, 0xff, 0xff, 0, 0, 0, 0]
        case .udp:
            bytes.append16(UInt16(truncatingIfNeeded: count))
            bytes.append16(0)
        case .sctp: bytes += [0, 0, 0, 1, 0, 0, 0, 0]
        case .icmp, .icmpv6: bytes += [icmpType ?? 0, 0, 0, 0, 0, 0, 0, 0]
        default: break
        }
        return bytes
    }

    private func setL4Checksum(_ segment: inout [UInt8]) {
        switch proto {
        case .tcp: segment.set16(internetChecksum(pseudoHeader(segment.count) + segment), at: 16)
        case .udp:
            // A computed zero is sent as all ones: zero says "no checksum" (RFC 768).
            let sum = internetChecksum(pseudoHeader(segment.count) + segment)
            segment.set16(sum == 0 ? 0xffff : sum, at: 6)
        case .icmpv6: segment.set16(internetChecksum(pseudoHeader(segment.count) + segment), at: 2)
        case .icmp: segment.set16(internetChecksum(segment), at: 2)
        case .sctp:
            // CRC32c goes out least significant byte first (RFC 9260 appendix A).
            let crc = crc32c(segment).byteSwapped
            segment.set16(UInt16(crc >> 16), at: 8)
            segment.set16(UInt16(truncatingIfNeeded: crc), at: 10)
        default: break
        }
    }

    private func pseudoHeader(_ count: Int) -> [UInt8] {
        // IPv6's form (RFC 8200 8.1) sums to the same as IPv4's: leading zeros add nothing.
        var bytes = address(source) + address(destination)
        bytes.append16(UInt16(truncatingIfNeeded: count >> 16))
        bytes.append16(UInt16(truncatingIfNeeded: count))
        return bytes + [0, 0, 0, proto.rawValue]
    }
}

extension [UInt8] {
    /// Appends a number in network order.
    mutating func append16(_ value: UInt16) {
        append(UInt8(value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }

    mutating func set16(_ value: UInt16, at offset: Int) {
        self[offset] = UInt8(value >> 8)
        self[offset + 1] = UInt8(truncatingIfNeeded: value)
    }
}

/// The Internet checksum (RFC 1071) of bytes whose checksum field is zero; over a whole header it is 0 when
/// right.
public func internetChecksum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for index in stride(from: 0, to: bytes.count, by: 2) {
        sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
    }
    while sum > 0xffff { sum = sum >> 16 + sum & 0xffff }
    return ~UInt16(sum)
}

/// CRC32c (Castagnoli, reflected), SCTP's checksum.
func crc32c(_ bytes: [UInt8]) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0x82f6_3b78 }
    }
    return ~crc
}
