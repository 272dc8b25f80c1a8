// SPDX-License-Identifier: Apache-2.0
// A sampled frame's way to its IP packet: Ethernet and at most two VLAN tags, as the firewall reads them.
// In: bytes from the Ethernet header on. Out: where the IP packet begins, and the tags.

/// Where the IP packet of a frame is.
struct SampledFrame {
    /// From the IP header on, the frame's padding included.
    let packet: UnsafeRawBufferPointer
    /// The outer and the inner tag's id; 0 for none, and for priority tags.
    private(set) var outerVLAN: UInt16 = 0
    private(set) var innerVLAN: UInt16 = 0

    /// Bytes of the frame.
    let length: Int

    /// A packet without a frame around it.
    init?(packet: UnsafeRawBufferPointer) {
        guard !packet.isEmpty else { return nil }
        self.packet = packet
        length = packet.count
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
        guard type == 0x0800 || type == 0x86dd, frame.count > offset else { return nil }
        packet = UnsafeRawBufferPointer(rebasing: frame[offset...])
        length = frame.count
    }

    /// The caller has checked the bounds.
    private static func number(_ frame: UnsafeRawBufferPointer, _ offset: Int) -> UInt16 {
        UInt16(frame[offset]) << 8 | UInt16(frame[offset + 1])
    }
}
