// SPDX-License-Identifier: Apache-2.0
// Reads the Ethernet header and up to two VLAN tags, and hands what follows to IPv4 or IPv6.

private let ethernetHeaderLength = 14
private let tagLength = 4

private enum EtherType {
    static let ipv4: UInt16 = 0x0800
    static let ipv6: UInt16 = 0x86dd
    /// IEEE 802.1Q and 802.1ad.
    static let tags: Set<UInt16> = [0x8100, 0x88a8]
}

extension PacketReading {
    mutating func readEthernet(_ frame: Window) {
        guard frame.count >= ethernetHeaderLength else { return fail(.truncatedEthernet) }
        var etherType = frame.number(12)
        var rest = frame.behind(ethernetHeaderLength)
        var tagCount = 0
        while EtherType.tags.contains(etherType) {
            tagCount += 1
            if tagCount > 2 { return fail(.tooManyTags) }
            if rest.count < tagLength { return fail(.truncatedTag) }
            let id = rest.number(0) & 0x0fff
            if id != 0 { tags.append(id) }
            etherType = rest.number(2)
            rest = rest.behind(tagLength)
        }
        tagsWereRead = true
        switch etherType {
        case EtherType.ipv4: readIPv4(rest)
        case EtherType.ipv6: readIPv6(rest)
        default: isNonIP = true
        }
    }
}
