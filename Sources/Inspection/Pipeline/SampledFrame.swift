// SPDX-License-Identifier: Apache-2.0
// A sampled frame's way to its IP packet: Ethernet and at most two VLAN tags, as the firewall reads them.
// In: bytes from the Ethernet header on. Out: where the IP packet begins, and the tags.

/// Where the IP packet of a frame is.
struct SampledFrame {
    /// From the IP header on, the frame's padding included.
    let packet: UnsafeRawBufferPointer
    /// What stands before it; empty for a packet without a frame.
    let link: UnsafeRawBufferPointer
    /// The outer and the inner tag's id; 0 for none, and for priority tags.
    private(set) var outerVLAN: UInt16 = 0
    private(set) var innerVLAN: UInt16 = 0

    /// Bytes of the frame.
    private(set) var length: Int

    /// A packet without a frame around it.
    init?(packet: UnsafeRawBufferPointer) {
        guard !packet.isEmpty else { return nil }
        self.packet = packet
        link = UnsafeRawBufferPointer(start: nil, count: 0)
        length = packet.count
    }

    /// What was around the frame: further bytes that count for it, and the VLAN that it was in (0: none).
    mutating func wrap(_ bytes: Int, vlan: UInt16) {
        length += bytes
        guard vlan != 0 else { return }
        (outerVLAN, innerVLAN) = (vlan, outerVLAN)
    }

    /// Nil for what is not IPv4 or IPv6, or ends before its IP header.
    init?(_ frame: UnsafeRawBufferPointer) {
        guard frame.count >= 14 else { return nil }
        var type = Self.number(frame, 12)
        var offset = 14
        var tags = 0
        while type == 0x8100 || type == 0x88a8 {
            guard tags < 2, frame.count >= offset + 4 else { return nil }
            let id = Self.number(frame, offset) & 0x0fff
            if id != 0, outerVLAN == 0 { outerVLAN = id } else if id != 0 { innerVLAN = id }
            type = Self.number(frame, offset + 2)
            offset += 4
            tags += 1
        }
        if type == 0x894f, let service = Self.behindNSH(frame, offset) { (type, offset) = service }
        guard type == 0x0800 || type == 0x86dd, frame.count > offset else { return nil }
        packet = UnsafeRawBufferPointer(rebasing: frame[offset...])
        link = UnsafeRawBufferPointer(rebasing: frame[..<offset])
        length = frame.count
    }

    /// A network service header (RFC 8300): the ethertype of what it carries, and where that begins.
    private static func behindNSH(_ frame: UnsafeRawBufferPointer, _ offset: Int) -> (UInt16, Int)? {
        guard frame.count >= offset + 8, frame[offset] & 0xc0 == 0 else { return nil }
        let length = Int(frame[offset + 1] & 0x3f) * 4
        guard length >= 8 else { return nil }
        switch frame[offset + 3] {
        case 1: return (0x0800, offset + length)
        case 2: return (0x86dd, offset + length)
        default: return nil
        }
    }

    /// The caller has checked the bounds.
    private static func number(_ frame: UnsafeRawBufferPointer, _ offset: Int) -> UInt16 {
        UInt16(frame[offset]) << 8 | UInt16(frame[offset + 1])
    }
}
