// SPDX-License-Identifier: Apache-2.0
// Traffic without which a network does not work; docs/policy.md, "Essential". Names that the policy leaves
// out are not asked for.
import NetworkTypes
import PolicyLanguage

extension PacketReading {
    func isEssential(_ name: EssentialTraffic) -> Bool {
        switch name {
        case .nd: isNeighbourDiscovery
        case .ra: isRouterAdvertisement
        case .pmtu: isPacketTooBig && quotesItsReceiver
        case .dhcp: isDHCPAnswer
        }
    }

    /// Hop limit 255: it comes from this link (RFC 4861 6.1, 7.1). ICMPv6 within IPv4 has no hop limit.
    private var isFromThisLink: Bool { source?.family == .ipv6 && ttl == 255 }

    private var isNeighbourDiscovery: Bool {
        guard proto == .icmpv6, let icmpType, isFromThisLink else { return false }
        return [133, 135, 136].contains(icmpType) && icmpCode == 0
    }

    private var isRouterAdvertisement: Bool {
        guard proto == .icmpv6, icmpType == 134, isFromThisLink, let source else { return false }
        return source.bits >> 118 == 0xfe80 >> 6
    }

    var isPacketTooBig: Bool {
        if proto == .icmp { return icmpType == 3 && icmpCode == 4 }
        return proto == .icmpv6 && icmpType == 2
    }

    /// It quotes a packet that its own receiver sent.
    private var quotesItsReceiver: Bool {
        guard let destination, let payload else { return false }
        let quoted = Window(payload[...])
        if proto == .icmp {
            return quoted.count >= 20 && quoted.byte(0) >> 4 == 4 && quoted.address(12, .ipv4) == destination
        }
        return quoted.count >= 40 && quoted.byte(0) >> 4 == 6 && quoted.address(8, .ipv6) == destination
    }

    private var isDHCPAnswer: Bool {
        guard proto == .udp else { return false }
        return (sourcePort == 67 && destinationPort == 68) || (sourcePort == 547 && destinationPort == 546)
    }
}
