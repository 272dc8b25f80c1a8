// SPDX-License-Identifier: Apache-2.0
// Random tunnels: IP in IP of every pair of families, GRE, VXLAN and GENEVE, each with another layer inside.

extension HeaderWriter {
    /// IP in IP (4 and 41 in either family), GRE, and UDP for VXLAN and GENEVE.
    mutating func tunnelProtocol() -> UInt8 { random.pick([4, 41, 47, 47, 17, 17]) }

    /// What follows the IP header of a tunnel; without a layer to write, anything.
    mutating func tunnel(_ proto: UInt8, tunnels: Int) {
        guard tunnels > 0 else { return payload() }
        switch proto {
        case 4: ipv4(tunnels: tunnels - 1)
        case 41: ipv6(tunnels: tunnels - 1)
        default: gre(tunnels: tunnels)
        }
    }

    /// RFC 2784 and 2890; some of another version, with routing, or of a protocol that is no packet.
    private mutating func gre(tunnels: Int) {
        var flags: UInt16 = 0
        for flag in [0x8000, 0x2000, 0x1000] as [UInt16] where random.chance(30) { flags |= flag }
        let optional = 4 * (flags & 0xb000).nonzeroBitCount
        if random.chance(6) { flags |= random.pick([0x0001, 0x4000, 0x0007, 0x0800]) }
        number(flags)
        let place = count
        number(UInt16(0x0800))
        for _ in 0..<optional { byte(0x41) }
        inner(ethertypeAt: place, tunnels: tunnels)
    }

    /// RFC 7348; some without a network's number.
    mutating func vxlan(tunnels: Int) {
        byte(random.chance(94) ? 0x08 : random.pick([0, 0xf7]))
        zeros(7)
        ethernetAddresses()
        ethernetPayload(tunnels: tunnels - 1)
    }

    /// RFC 8926; some with options, some whose options are said to be longer than the packet.
    mutating func geneve(tunnels: Int) {
        let options = random.pick([0, 0, 0, 1, 2, 16])
        let words: UInt8 = random.chance(95) ? UInt8(options) : 63
        byte((random.chance(96) ? 0 : 0x40) | words)
        byte(random.pick([0, 0x80, 0x40]))
        let place = count
        number(UInt16(0x0800))
        number(UInt32(0x100))
        zeros(4 * options)
        inner(ethertypeAt: place, tunnels: tunnels)
    }

    /// The next layer, named in the tunnel header's ethertype.
    private mutating func inner(ethertypeAt place: Int, tunnels: Int) {
        switch random.below(20) {
        case 0..<8: ipv4(tunnels: tunnels - 1)
        case 8..<14:
            set(0x86dd, at: place)
            ipv6(tunnels: tunnels - 1)
        case 14..<19:
            set(0x6558, at: place)
            ethernetAddresses()
            ethernetPayload(tunnels: tunnels - 1)
        default:
            set(random.pick([0x880b, 0x0806, 0]), at: place)
            payload()
        }
    }
}
