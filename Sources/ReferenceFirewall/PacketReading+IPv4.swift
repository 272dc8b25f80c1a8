// SPDX-License-Identifier: Apache-2.0
// Reads an IPv4 header (RFC 791); the numbered steps are those of docs/policy.md.
import NetworkTypes

private let fixedHeaderLength = 20

extension PacketReading {
    mutating func readIPv4(_ available: Window) {
        // 1
        if available.count < fixedHeaderLength { return fail(.truncatedIP) }
        if available.byte(0) >> 4 != 4 { return fail(.ipVersion) }
        // 2
        readIPv4Fields(available)
        let headerLength = Int(available.byte(0) & 0x0f) * 4
        let totalLength = Int(available.number(2))
        if headerLength < fixedHeaderLength { return fail(.ipHeaderLength) }
        // 3
        if totalLength == 0 { return fail(.ipLengthZero) }
        if totalLength < headerLength { return fail(.ipLength) }
        // 4
        if totalLength > available.count, !isCut { fail(.truncatedPacket) }
        let packet = available.upTo(totalLength)
        // 5
        if headerLength > packet.count { return fail(.tinyFragment) }
        ipOptions = headerLength > fixedHeaderLength
        // 6
        readIPv4Fragment(packet, totalLength - headerLength)
        if fragment == .later { return }
        // 7
        readL4(packet.behind(headerLength))
    }

    private mutating func readIPv4Fields(_ header: Window) {
        source = header.address(12, .ipv4)
        destination = header.address(16, .ipv4)
        ttl = header.byte(8)
        dscp = header.byte(1) >> 2
        length = header.number(2)
        wholeLength = Int(header.number(2))
        proto = IPProtocol(rawValue: header.byte(9))
    }

    private mutating func readIPv4Fragment(_ header: Window, _ count: Int) {
        let moreFragments = header.number(6) & 0x2000 != 0
        let offset = header.number(6) & 0x1fff
        fragment = FragmentKind.none
        if moreFragments { fragment = .first }
        if offset > 0 { fragment = .later }
        if offset == 1, proto == .tcp { fail(.fragmentOffset1) }
        if fragment != FragmentKind.none {
            fragmentPlace = FragmentPlace(
                identification: UInt32(header.number(4)), proto: header.byte(9), offset: Int(offset) * 8,
                count: count)
        }
    }
}
