// SPDX-License-Identifier: Apache-2.0
// How ndpiReader 4.2 finds the IP packet in a frame, its quirks included: it looks at the version nibble
// whatever the ethertype says, and descends into IP in IP. In: an Ethernet frame. Out: where its innermost IP
// packet begins, and what the flow's key is made of.

/// A packet that ndpiReader gives to nDPI.
struct ReaderPacket {
    /// Where the IP header begins in the frame.
    var offset = 0
    var isIPv6 = false
    var transport: UInt8 = 0
    var vlan: UInt16 = 0
    /// Addresses as the flow's key has them: of IPv6 only the sum of the last two words.
    var source: UInt32 = 0
    var destination: UInt32 = 0
    var sourcePort: UInt16 = 0
    var destinationPort: UInt16 = 0
    /// The transport's payload is empty, as in a TCP acknowledgement.
    var isEmpty = false

    /// nil for what ndpiReader does not count as an IP packet. `marksIP`: the link layer tells ndpiReader
    /// that a frame is IPv4; without that it takes later fragments for packets.
    init?(_ frame: UnsafeRawBufferPointer, marksIP: Bool) {
        guard frame.count >= 14, let type = descendLink(frame) else { return nil }
        guard descendIP(frame, isIP: marksIP && type == 0x0800) else { return nil }
        if !isIPv6, frame[offset + 9] == 17, frame.count < offset + Int(frame[offset] & 15) * 4 + 8 {
            return nil
        }
        if let inner = Self.insideGTP(frame, from: offset) {
            offset = inner
            isIPv6 = frame[offset] >> 4 == 6
            guard isIPv6 || frame[offset] >> 4 == 4 else { return nil }
        }
        let packet = UnsafeRawBufferPointer(rebasing: frame[offset...])
        guard isIPv6 ? readV6(packet) : readV4(packet) else { return nil }
    }

    /// The ethertype behind LLC, VLAN tags, MPLS labels and PPPoE.
    private mutating func descendLink(_ frame: UnsafeRawBufferPointer) -> UInt16? {
        var type = frame.big16(12)
        offset = 14
        if type <= 1500 {
            guard frame.count >= 22 else { return nil }
            if frame[14] == 0xaa || frame[15] == 0xaa {
                type = frame.big16(20).byteSwapped
                offset += 8
            } else if frame[14] == 0x42 || frame[15] == 0x42 {
                return nil
            } else {
                type = 0
            }
        }
        if type == 0x8100 {
            guard offset + 4 < frame.count else { return nil }
            repeat {
                vlan = frame.big16(offset) & 0xfff
                type = frame.big16(offset + 2)
                offset += 4
            } while type == 0x8100 && offset + 4 < frame.count
        }
        if type == 0x8847 || type == 0x8848 {
            guard offset + 4 <= frame.count else { return nil }
            var isLast = frame[offset + 2] & 1 == 1
            offset += 4
            while !isLast, offset + 4 < frame.count {
                isLast = frame[offset + 2] & 1 == 1
                offset += 4
            }
            type = 0x0800
        } else if type == 0x8864 {
            offset += 8
            type = 0x0800
        }
        return type
    }

    /// Steps into IP in IP; false where ndpiReader gives up.
    private mutating func descendIP(_ frame: UnsafeRawBufferPointer, isIP: Bool) -> Bool {
        while frame.count >= offset + 20 {
            let fragment = isIP ? frame.big16(offset + 6) & 0x1fff : 0
            switch frame[offset] >> 4 {
            case 4:
                let headerLength = Int(frame[offset] & 15) * 4
                if frame[offset + 9] == 41 || frame[offset + 9] == 4, headerLength > 0 {
                    offset += headerLength
                    continue
                }
                return fragment == 0
            case 6:
                guard frame.count >= offset + 40, frame.count >= offset + 40 + Int(frame.big16(offset + 4))
                else { return false }
                let packet = UnsafeRawBufferPointer(rebasing: frame[offset...])
                guard let (next, start, _) = Self.walk(packet) else { return false }
                if next == 41 || next == 4 {
                    offset += start
                    continue
                }
                isIPv6 = true
                return true
            default: return false
            }
        }
        return false
    }

    /// Where the packet inside a GTP-U one begins, for the answers were made with `ndpiReader -t`.
    private static func insideGTP(_ frame: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard frame[start] >> 4 == 4, frame[start + 9] == 17 else { return nil }
        let udp = start + Int(frame[start] & 15) * 4
        guard frame.count > udp + 16, frame.big16(udp) == 2152 || frame.big16(udp + 2) == 2152,
            frame[udp + 8] >> 5 == 1, frame[udp + 9] == 0xff
        else { return nil }
        let flags = frame[udp + 8]
        var inner = udp + 16 + (flags & 7 == 0 ? 0 : 4)
        if flags & 4 != 0 {
            repeat {
                guard inner < frame.count, frame[inner] != 0 else { return nil }
                inner += Int(frame[inner]) * 4
                guard inner < frame.count else { return nil }
            } while frame[inner - 1] != 0
        }
        return inner + 20 <= frame.count ? inner : nil
    }

    private mutating func readV4(_ packet: UnsafeRawBufferPointer) -> Bool {
        let headerLength = Int(packet[0] & 15) * 4
        let total = Int(packet.big16(2))
        guard headerLength <= packet.count, total <= packet.count else { return false }
        let length = Int(UInt16(truncatingIfNeeded: total - headerLength))
        guard headerLength + length <= packet.count else { return false }
        transport = packet[9]
        source = packet.native32(12)
        destination = packet.native32(16)
        readPorts(packet, from: headerLength, length: length)
        return true
    }

    private mutating func readV6(_ packet: UnsafeRawBufferPointer) -> Bool {
        guard packet.count >= 40, let (next, start, length) = Self.walk(packet),
            start + length <= packet.count
        else { return false }
        transport = next
        source = packet.native32(16) &+ packet.native32(20)
        destination = packet.native32(32) &+ packet.native32(36)
        readPorts(packet, from: start, length: length)
        return true
    }

    /// The protocol behind IPv6's extension headers, where its header begins and how long what is left is.
    private static func walk(_ packet: UnsafeRawBufferPointer) -> (next: UInt8, start: Int, length: Int)? {
        var (next, start, length) = (packet[6], 40, Int(packet.big16(4)))
        while [0, 43, 44, 60, 135, 59].contains(next), packet.count - start > 1 {
            guard next != 59, length >= 2, start + 8 <= packet.count else { return nil }
            let size = next == 44 ? 8 : Int(packet[start + 1]) * 8 + 8
            guard size <= length, size <= packet.count - start else { return nil }
            if next == 44, packet.big16(start + 2) >> 3 != 0 { return nil }
            next = packet[start]
            start += size
            length -= size
        }
        return (next, start, length)
    }

    private mutating func readPorts(_ packet: UnsafeRawBufferPointer, from start: Int, length: Int) {
        guard transport == 6 && length >= 20 || transport == 17 && length >= 8 else { return }
        sourcePort = packet.big16(start)
        destinationPort = packet.big16(start + 2)
        isEmpty = transport == 6 && length <= Int(packet[start + 12] >> 4) * 4
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func big16(_ offset: Int) -> UInt16 {
        UInt16(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    fileprivate func native32(_ offset: Int) -> UInt32 {
        loadUnaligned(fromByteOffset: offset, as: UInt32.self)
    }
}
