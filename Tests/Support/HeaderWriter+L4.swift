// SPDX-License-Identifier: Apache-2.0
// Random L4 headers and payloads of a frame; and ordinary IP headers, for what must reach its end.
import NetworkTypes

extension HeaderWriter {
    /// The header that the protocol number speaks of, with its payload; a tunnel where `tunnels` asks for it.
    mutating func transport(_ proto: UInt8, tunnels: Int) {
        switch proto {
        case 4, 41, 47: tunnel(proto, tunnels: tunnels)
        case 6: tcp()
        case 17: udp(tunnels: tunnels)
        case 132:
            ports()
            zeros(8)
            payload()
        case 1, 58:
            icmp(proto)
            payload()
        default: payload()
        }
    }

    private mutating func ports() {
        let dhcp: [[UInt16]] = [[67, 68], [547, 546], [68, 67]]
        let (source, destination) = (random.pick(World.ports), random.pick(World.ports))
        let pair = random.chance(5) ? random.pick(dhcp) : [source, destination]
        number(pair[0])
        number(pair[1])
    }

    private mutating func tcp() {
        let options = random.pick([0, 0, 0, 4, 40])
        let words: UInt8 = random.chance(94) ? UInt8(5 + options / 4) : random.pick([0, 4, 15])
        let odd: [UInt8] = [0x00, 0x3f, 0x03, 0x06, 0x01, 0xc2]
        ports()
        number(UInt32(1))
        number(UInt32(0))
        byte(words << 4)
        byte(random.chance(90) ? random.pick([0x02, 0x10, 0x12, 0x18, 0x04, 0x11]) : random.pick(odd))
        number(UInt32(0))
        number(UInt16(0))
        for _ in 0..<options { byte(1) }
        payload()
    }

    private mutating func udp(tunnels: Int) {
        let start = count
        if tunnels > 0 {
            number(random.pick(World.ports))
            number(random.pick([4789, 6081, 4789, 6081, 3544] as [UInt16]))
        } else {
            ports()
        }
        number(UInt32(0))
        if tunnels > 0 {
            if bytes[start + 2] == 0x12 { vxlan(tunnels: tunnels) } else { geneve(tunnels: tunnels) }
        } else {
            payload()
        }
        let length = random.chance(93) ? count - start : random.pick([0, 7, 8, 9, 65535])
        set(UInt16(truncatingIfNeeded: length), at: start + 4)
    }

    /// Types of neighbour discovery and of path MTU discovery among them, the latter with a quoted header.
    private mutating func icmp(_ proto: UInt8) {
        let type: UInt8 =
            proto == 1
            ? random.pick([0, 3, 3, 8]) : random.pick([2, 2, 128, 129, 133, 134, 134, 135, 136, 143])
        byte(type)
        byte(random.pick([0, 0, 4, 4, 1]))
        zeros(6)
        guard type == 3 || type == 2, random.chance(80) else { return }
        if random.chance(50) {
            append([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0])
            number(random.pick(World.v4))
            append([192, 0, 2, 9])
        } else {
            append([0x60, 0, 0, 0, 0, 0, 6, 64])
            number(random.pick(World.v6))
            zeros(16)
        }
    }

    mutating func payload() { payload(random.pick([0, 0, 1, 4, 20, 80])) }

    /// Bytes that random patterns ask for.
    mutating func payload(_ length: Int) {
        var bits: UInt64 = 0
        for index in 0..<length {
            if index % 32 == 0 { bits = random.next() }
            byte([0, 0x41, 0xff, 0][Int(bits & 3)])
            bits >>= 2
        }
    }

    /// An ordinary IPv4 header; `closeIP` sets its length.
    mutating func openIPv4(_ addresses: (source: UInt32, destination: UInt32), _ proto: UInt8) -> Int {
        let start = count
        append([0x45, 0, 0, 0, 0, 9, 0, 0, 64, proto, 0, 0])
        number(addresses.source)
        number(addresses.destination)
        return start
    }

    /// An ordinary IPv6 header; `closeIP` sets its length.
    mutating func openIPv6(_ addresses: (source: UInt128, destination: UInt128), _ next: UInt8) -> Int {
        let start = count
        append([0x60, 0, 0, 0, 0, 0, next, 64])
        number(addresses.source)
        number(addresses.destination)
        return start
    }

    /// Sets the length of the IP header at `start`, of a packet that ends here.
    mutating func closeIP(_ start: Int) {
        let isV4 = bytes[start] >> 4 == 4
        let length = UInt16(truncatingIfNeeded: count - start - (isV4 ? 0 : 40))
        set(length, at: start + (isV4 ? 2 : 4))
    }
}
