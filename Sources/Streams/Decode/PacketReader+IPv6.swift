// SPDX-License-Identifier: Apache-2.0
// Packets -> flows: IPv6 and its extension headers, at most eight, as RFC 8200 and docs/policy.md read them.
import NetworkTypes

extension PacketReader {
    /// Eight headers are read; the kernel program calls a ninth malformed too.
    private static let maximumExtensionHeaders = 8

    mutating func readIPv6() {
        let bytes = packet.bytes
        guard bytes.count >= 40 else { return note(.ipv6PacketTooSmall) }
        packet.source = IPAddress(v6: bytes.big128(8))
        packet.destination = IPAddress(v6: bytes.big128(24))
        packet.trafficClass = bytes[0] << 4 | bytes[1] >> 4
        packet.ttl = bytes[7]
        packet.proto = IPProtocol(rawValue: bytes[6])
        packet.ipLength = 40 + Int(bytes.big16(4))
        if packet.ipLength == 40, packet.isSentByHost { packet.ipLength = bytes.count }
        guard endPacket(.ipv6Truncated) else { return }
        place(options: 40..<40)
        guard readChain() else { return }
        readL4()
    }

    /// Where the chain is.
    private struct Place {
        var next: UInt8
        var nextAt = 6
        var offset = 40
        var seen = AnomalySet()
    }

    /// - Returns: whether the L4 header may be read behind the chain.
    private mutating func readChain() -> Bool {
        var place = Place(next: packet.proto.rawValue)
        var count = 0
        while isExtension(place.next) {
            count += 1
            guard count <= Self.maximumExtensionHeaders else {
                note(.tooManyLayers)
                return false
            }
            guard let length = readExtension(&place) else {
                note(.ipv6ExtensionTruncated)
                return false
            }
            place.nextAt = place.offset
            place.next = packet.bytes[place.offset]
            place.offset += length
            self.place(options: 40..<place.offset)
            packet.proto = IPProtocol(rawValue: place.next)
            // Behind another than the first fragment stands no header.
            if packet.fragment.isFragment { return true }
        }
        // As Suricata names it where there is less than the start of a header behind the chain.
        let left = packet.bytes.count - place.offset
        if count > 0, left < 2, packet.proto.fixedHeaderLength > 0 {
            note(.ipv6ExtensionTruncated)
            return false
        }
        if place.next == 59, place.offset < packet.bytes.count { note(.ipv6DataAfterNone) }
        return true
    }

    private func isExtension(_ next: UInt8) -> Bool {
        switch next {
        case 0, 43, 44, 51, 60, 135, 139, 140: true
        default: false
        }
    }

    /// - Returns: the header's length in bytes; nil where it is not whole.
    private mutating func readExtension(_ place: inout Place) -> Int? {
        let bytes = packet.bytes
        guard place.offset + 8 <= bytes.count else { return nil }
        let second = Int(bytes[place.offset + 1])
        let length: Int
        switch place.next {
        case 44: length = 8
        case 51: length = (second + 2) * 4
        default: length = (second + 1) * 8
        }
        guard length >= 8, place.offset + length <= bytes.count else { return nil }
        let isFragmentHeaderSeen = place.seen.contains(.ipv6FragmentHeaderTwice)
        if hostDiscardsExtension(
            place.next, at: place.offset..<place.offset + length, isFragmentHeaderSeen: isFragmentHeaderSeen)
        {
            discardForOptions(.ipv6ExtensionDiscarded)
        }
        switch place.next {
        case 0: noteTwice(.ipv6HopByHopTwice, &place.seen)
        case 43:
            noteTwice(.ipv6RoutingTwice, &place.seen)
            if bytes[place.offset + 2] == 0 { note(.ipv6RoutingTypeZero) }
            if bytes[place.offset + 3] != 0 { hasSegmentsLeft = true }
        case 44: readFragmentHeader(&place)
        case 51: noteTwice(.ipv6AuthenticationTwice, &place.seen)
        case 60:
            // One may stand before a routing header and one behind it (RFC 8200 4.1).
            if place.seen.contains(.ipv6RoutingTwice) || !place.seen.contains(.ipv6DestinationTwice) {
                place.seen.insert(.ipv6DestinationTwice)
            } else {
                note(.ipv6DestinationTwice)
            }
        default: break
        }
        return length
    }

    private mutating func noteTwice(_ anomaly: Anomaly, _ seen: inout AnomalySet) {
        if seen.contains(anomaly) { note(anomaly) }
        seen.insert(anomaly)
    }

    private mutating func readFragmentHeader(_ place: inout Place) {
        let bytes = packet.bytes
        let word = bytes.big16(place.offset + 2)
        noteTwice(.ipv6FragmentHeaderTwice, &place.seen)
        if bytes[place.offset + 1] != 0 || word & 6 != 0 { note(.ipv6FragmentReserved) }
        packet.identification = bytes.big32(place.offset + 4)
        packet.fragment.offset = Int(word & 0xfff8)
        packet.fragment.hasMore = word & 1 != 0
        packet.fragment.headerStart = place.offset
        packet.fragment.nextHeaderAt = place.nextAt
        if !packet.fragment.isFragment { note(.ipv6FragmentHeaderUseless) }
    }
}
