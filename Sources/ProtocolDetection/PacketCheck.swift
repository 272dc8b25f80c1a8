// SPDX-License-Identifier: Apache-2.0
// The gate before nDPI, whose dissectors trust lengths: only a complete IP packet whose headers lie within it
// goes on. In: bytes from an IP header on. Out: the packet's own length, its version and transport
// protocol, or why it is refused.

/// Why a packet is not shown to nDPI.
public enum PacketRefusal: UInt8, CaseIterable, Sendable {
    /// No IP version 4 or 6 header, or one whose lengths lie or go beyond the bytes given.
    case malformed
    /// A fragment other than the first: it has no transport header.
    case laterFragment
    /// Longer than 65,535 bytes, which nDPI cannot say.
    case tooLong
    /// Another IP version or transport protocol than the flow's first packet.
    case foreign
}

/// What nDPI may be told of a packet.
struct CheckedPacket: Equatable {
    /// Bytes from the IP header on, without what the link layer padded.
    let length: Int
    /// The transport protocol's number, behind IPv6's extension headers.
    let transport: UInt8
    let isIPv6: Bool
}

enum PacketCheck {
    /// IPv6 extension headers that are walked; a packet with more is malformed.
    static let mostExtensionHeaders = 16

    static func check(_ packet: UnsafeRawBufferPointer) -> Result {
        guard let first = packet.first else { return .refused(.malformed) }
        switch first >> 4 {
        case 4: return checkV4(packet)
        case 6: return checkV6(packet)
        default: return .refused(.malformed)
        }
    }

    enum Result: Equatable {
        case complete(CheckedPacket)
        case refused(PacketRefusal)
    }

    private static func checkV4(_ packet: UnsafeRawBufferPointer) -> Result {
        guard packet.count >= 20 else { return .refused(.malformed) }
        let headerLength = Int(packet[0] & 15) * 4
        let length = packet.number(at: 2)
        guard headerLength >= 20, headerLength <= length, length <= packet.count else {
            return .refused(.malformed)
        }
        guard packet.number(at: 6) & 0x1fff == 0 else { return .refused(.laterFragment) }
        return .complete(CheckedPacket(length: length, transport: packet[9], isIPv6: false))
    }

    private static func checkV6(_ packet: UnsafeRawBufferPointer) -> Result {
        guard packet.count >= 40 else { return .refused(.malformed) }
        let length = 40 + packet.number(at: 4)
        guard length <= packet.count else { return .refused(.malformed) }
        guard length <= 0xffff else { return .refused(.tooLong) }
        var next = packet[6]
        var offset = 40
        var headers = 0
        // The headers that nDPI walks, so that both find the same transport header.
        while next == 0 || next == 43 || next == 44 || next == 60 || next == 135 {
            headers += 1
            guard headers <= mostExtensionHeaders, length - offset >= 8 else { return .refused(.malformed) }
            if next == 44, packet.number(at: offset + 2) >> 3 != 0 { return .refused(.laterFragment) }
            let size = next == 44 ? 8 : (Int(packet[offset + 1]) + 1) * 8
            guard size <= length - offset else { return .refused(.malformed) }
            next = packet[offset]
            offset += size
        }
        // No next header: there is nothing to recognise.
        guard next != 59 else { return .refused(.malformed) }
        return .complete(CheckedPacket(length: length, transport: next, isIPv6: true))
    }
}

extension UnsafeRawBufferPointer {
    /// Two bytes in network order. Callers have checked the bounds.
    @inline(__always) fileprivate func number(at offset: Int) -> Int {
        Int(self[offset]) << 8 | Int(self[offset + 1])
    }
}
