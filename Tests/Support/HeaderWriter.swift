// SPDX-License-Identifier: Apache-2.0
// Writes the headers of a random frame in order, most of them right and some of them lies. In: randomness.
// Out: bytes. L4 and tunnels are in files of their own.
import NetworkTypes

/// A frame that is being written. Headers are written with the length 0, which is set once it is known.
struct HeaderWriter {
    var random: SeededGenerator
    private(set) var bytes: [UInt8] = []

    init(_ random: SeededGenerator) {
        self.random = random
        bytes.reserveCapacity(2048)
    }

    var count: Int { bytes.count }

    mutating func clear() { bytes.removeAll(keepingCapacity: true) }

    mutating func startFrame() {
        clear()
        ethernetAddresses()
    }

    mutating func byte(_ value: UInt8) { bytes.append(value) }
    mutating func number(_ value: UInt16) {
        bytes.append(UInt8(value >> 8))
        bytes.append(UInt8(truncatingIfNeeded: value))
    }
    mutating func number(_ value: UInt32) {
        number(UInt16(value >> 16))
        number(UInt16(truncatingIfNeeded: value))
    }
    mutating func number(_ value: UInt128) {
        for shift in stride(from: UInt128(96), through: 0, by: -32) {
            number(UInt32(truncatingIfNeeded: value >> shift))
        }
    }
    mutating func append(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }
    mutating func zeros(_ count: Int) { for _ in 0..<count { bytes.append(0) } }
    mutating func set(_ value: UInt16, at offset: Int) {
        guard offset >= 0, offset + 1 < bytes.count else { return }
        bytes[offset] = UInt8(value >> 8)
        bytes[offset + 1] = UInt8(truncatingIfNeeded: value)
    }

    mutating func ethernetAddresses() { append([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]) }

    /// Behind the Ethernet addresses: tags, ethertype and packet, `tunnels` deep.
    mutating func ethernetPayload(tunnels: Int) {
        tags()
        if random.chance(3) {
            number(random.pick([0x0806, 0x0800, 0x86dd, 0x0042] as [UInt16]))
            return append([1, 2, 3])
        }
        let isV4 = random.chance(55)
        number(isV4 ? 0x0800 : 0x86dd as UInt16)
        if isV4 { ipv4(tunnels: tunnels) } else { ipv6(tunnels: tunnels) }
    }

    mutating func tags() {
        for _ in 0..<random.pick([0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3]) {
            number(random.pick([0x8100, 0x88a8] as [UInt16]))
            number(random.pick([0, 1, 7, 100, 4094] as [UInt16]) | random.pick([0, 0x2000] as [UInt16]))
        }
    }

    mutating func ipv4(tunnels: Int) {
        let start = count
        let options = random.pick([0, 0, 0, 0, 0, 4, 40])
        let proto =
            tunnels > 0 ? tunnelProtocol() : random.pick([6, 6, 6, 17, 17, 1, 58, 132, 47, 50, 4, 41])
        let version: UInt8 = random.chance(98) ? 4 : 6
        let words: UInt8 = random.chance(97) ? UInt8(5 + options / 4) : random.pick([0, 4, 6, 15])
        byte(version << 4 | words)
        byte(random.pick([0, 0x28, 0xb8, 0xff]))
        number(UInt16(0))
        number(random.pick([7, 7, 0x4242] as [UInt16]))
        number(
            random.chance(85) ? 0x4000 : random.pick([0x2000, 0x2001, 0x0001, 0x0010, 0x2010] as [UInt16]))
        byte(random.pick([1, 64, 255]))
        byte(proto)
        number(UInt16(0))
        number(random.chance(88) ? random.pick(World.v4) : oddSource4())
        number(random.pick(World.v4))
        for _ in 0..<options { byte(1) }
        transport(proto, tunnels: tunnels)
        let total = random.chance(94) ? count - start : random.pick([0, 19, 20, 30, 65535])
        set(UInt16(truncatingIfNeeded: total), at: start + 2)
    }

    private mutating func oddSource4() -> UInt32 {
        random.pick([0x7f00_0001, 0, 0x0000_0001, 0xe000_0001, 0xffff_ffff])
    }

    mutating func ipv6(tunnels: Int) {
        let start = count
        let proto =
            tunnels > 0
            ? tunnelProtocol() : random.pick([6, 6, 17, 17, 58, 58, 58, 1, 132, 47, 50, 59, 4, 41])
        byte((random.chance(98) ? 0x60 : 0x40) | random.pick([0, 0x0a, 0x0b, 0x0f]))
        byte(random.pick([0, 0x80, 0xc0]))
        number(UInt32(0))
        byte(proto)
        byte(random.pick([1, 64, 255, 255]))
        number(random.chance(85) ? random.pick(World.v6) : oddSource6())
        number(random.pick(World.v6))
        extensions(nextHeaderAt: start + 6, before: proto)
        transport(proto, tunnels: tunnels)
        let length = random.chance(94) ? count - start - 40 : random.pick([0, 0, 7, 8, 20, 65535])
        set(UInt16(truncatingIfNeeded: length), at: start + 4)
    }

    private mutating func oddSource6() -> UInt128 {
        random.pick([0, 1, 0xffff_c000_0201, 0xff02 << 112, 0xfe80 << 112 | 1])
    }

    /// A chain of extension headers, each named by the one before it; the first at `nextHeaderAt`.
    private mutating func extensions(nextHeaderAt: Int, before proto: UInt8) {
        var pointer = nextHeaderAt
        let many = random.pick([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 8, 9])
        for position in 0..<many {
            let kind: UInt8 =
                position == 0 && random.chance(40)
                ? 0 : random.pick([43, 44, 51, 60, 60, 60, 135, 139, 140, random.chance(30) ? 0 : 60])
            bytes[pointer] = kind
            pointer = count
            byte(proto)
            switch kind {
            case 44:
                byte(0)
                number(random.pick([0, 0, 0, 1, 8, 9, 0xfff8] as [UInt16]))
                number(random.pick([1, 7] as [UInt32]))
            case 51:
                byte(4)
                zeros(22)
            case 43: append([0, random.pick([0, 2, 4, 4]), 0, 0, 0, 0, 0])
            default: append([random.chance(95) ? 0 : random.pick([1, 255]), 1, 4, 0, 0, 0, 0])
            }
        }
    }
}
