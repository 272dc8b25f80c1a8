// SPDX-License-Identifier: Apache-2.0
// Random frames over the same world: built from headers in order, then often broken.
import Capture
import NetworkTypes
import PolicyLanguage
import Replay
import TestSupport

/// A frame as a capture would have it.
struct RandomFrame {
    var bytes: [UInt8]
    var timeNanoseconds: Int64
    var interface: String?

    func judged<Engine: ReplayEngine>(by engine: inout Engine) throws -> Judgement {
        try bytes.withUnsafeBytes {
            try engine.judge(
                CapturedFrame(
                    bytes: $0, originalLength: bytes.count, timeNanoseconds: timeNanoseconds,
                    interface: interface,
                    number: 1))
        }
    }
}

extension SeededGenerator {
    /// Some 1000 seconds after the epoch, where random rules expire.
    mutating func randomFrame(on interfaces: [String]) -> RandomFrame {
        var bytes = frame()
        if chance(15) { bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &self))) }
        if chance(15), !bytes.isEmpty {
            for _ in 0..<Int.random(in: 1...3, using: &self) {
                bytes[Int.random(in: bytes.indices, using: &self)] = UInt8.random(in: 0...255, using: &self)
            }
        }
        if chance(10) { bytes += [UInt8](repeating: 0, count: Int.random(in: 1...40, using: &self)) }
        return RandomFrame(
            bytes: bytes, timeNanoseconds: pick([999_999_999_999, 1_000_000_000_000, 1_000_500_000_000]),
            interface: chance(50) ? pick(interfaces) : nil)
    }

    private mutating func frame() -> [UInt8] {
        var bytes: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]
        for _ in 0..<pick([0, 0, 0, 0, 1, 1, 2, 3]) {
            bytes += big(pick([0x8100, 0x88a8])) + big(pick([0, 1, 7, 100, 4094]) | pick([0, 0x2000]))
        }
        if chance(4) { return bytes + big(pick([0x0806, 0x0800, 0x86dd, 0x0042])) + [1, 2, 3] }
        return chance(55) ? bytes + big(0x0800) + ipv4() : bytes + big(0x86dd) + ipv6()
    }

    private mutating func ipv4() -> [UInt8] {
        let options = [UInt8](repeating: 1, count: pick([0, 0, 0, 0, 4, 40]))
        let proto: UInt8 = pick([6, 6, 6, 17, 17, 1, 58, 132, 47, 50])
        let fragment: UInt16 = chance(80) ? 0x4000 : pick([0x2000, 0x2001, 0x0001, 0x0010, 0x2010])
        let payload = transport(proto)
        let total = chance(92) ? 20 + options.count + payload.count : pick([0, 19, 20, 30, 65535])
        let version: UInt8 = chance(98) ? 4 : 6
        let words: UInt8 = chance(96) ? UInt8(5 + options.count / 4) : pick([0, 4, 6, 15])
        var bytes: [UInt8] = [version << 4 | words, pick([0, 0x28, 0xb8, 0xff])]
        bytes += big(UInt16(total)) + big(7) + big(fragment)
        bytes += [pick([1, 64, 255]), proto, 0, 0]
        let source =
            chance(85) ? pick(World.v4) : pick([0x7f00_0001, 0, 0x0000_0001, 0xe000_0001, 0xffff_ffff])
        return bytes + IPAddress(v4: source).bytes + IPAddress(v4: pick(World.v4)).bytes + options + payload
    }

    private mutating func ipv6() -> [UInt8] {
        let proto: UInt8 = pick([6, 6, 17, 17, 58, 58, 58, 1, 132, 47, 50, 59])
        let chain = extensions(before: proto)
        let payload = chain.bytes + transport(proto)
        let length = chance(92) ? payload.count : pick([0, 7, 8, 20, 65535])
        var bytes: [UInt8] = [
            (chance(98) ? 0x60 : 0x40) | pick([0, 0x0a, 0x0b, 0x0f]), pick([0, 0x80, 0xc0]),
        ]
        bytes += [0, 0] + big(UInt16(length)) + [chain.first, pick([1, 64, 255, 255])]
        let odd: [UInt128] = [0, 1, 0xffff_c000_0201, 0xff02 << 112, 0xfe80 << 112 | 1]
        let source = chance(80) ? pick(World.v6) : pick(odd)
        return bytes + IPAddress(v6: source).bytes + IPAddress(v6: pick(World.v6)).bytes + payload
    }

    private mutating func extensions(before proto: UInt8) -> (first: UInt8, bytes: [UInt8]) {
        let count = pick([0, 0, 0, 0, 1, 1, 2, 3, 8, 9])
        var headers: [(kind: UInt8, body: [UInt8])] = []
        for position in 0..<count {
            let kind: UInt8 = position == 0 && chance(40) ? 0 : pick([43, 44, 51, 60, 60, 135, 139, 140, 0])
            switch kind {
            case 44: headers.append((kind, [0] + big(pick([0, 0, 1, 8, 9, 0xfff8])) + [0, 0, 0, 1]))
            case 51: headers.append((kind, [4] + [UInt8](repeating: 0, count: 22)))
            case 43: headers.append((kind, [0, pick([0, 2, 4]), 0, 0, 0, 0, 0]))
            default:
                headers.append(
                    (kind, chance(90) ? [0, 1, 4, 0, 0, 0, 0] : [pick([1, 255]), 1, 4, 0, 0, 0, 0]))
            }
        }
        var bytes: [UInt8] = []
        for (position, header) in headers.enumerated() {
            bytes += [position + 1 < headers.count ? headers[position + 1].kind : proto] + header.body
        }
        return (headers.first?.kind ?? proto, bytes)
    }

    private mutating func transport(_ proto: UInt8) -> [UInt8] {
        let payload = (0..<pick([0, 0, 1, 4, 20, 80])).map { _ in pick([UInt8(0), 0x41, 0xff]) }
        let ports = big(pick(World.ports)) + big(pick(World.ports))
        switch proto {
        case 6:
            let options = [UInt8](repeating: 1, count: pick([0, 0, 0, 4, 40]))
            let words: UInt8 = chance(92) ? UInt8(5 + options.count / 4) : pick([0, 4, 15])
            let flags: UInt8 = pick([0x02, 0x10, 0x12, 0x18, 0x04, 0x11, 0x00, 0x3f, 0x03, 0x06, 0x01, 0xc2])
            return ports + [0, 0, 0, 1, 0, 0, 0, 0, words << 4, flags, 0, 0, 0, 0, 0, 0] + options + payload
        case 17:
            let length = chance(90) ? 8 + payload.count : pick([0, 7, 8, 9, 65535])
            return ports + big(UInt16(length)) + [0, 0] + payload
        case 132: return ports + [UInt8](repeating: 0, count: 8) + payload
        case 1, 58: return icmp(proto) + payload
        default: return payload
        }
    }

    /// Types of neighbour discovery and of path MTU discovery among them, the latter with a quoted header.
    private mutating func icmp(_ proto: UInt8) -> [UInt8] {
        let type: UInt8 = proto == 1 ? pick([0, 3, 3, 8]) : pick([2, 2, 128, 129, 133, 134, 135, 136, 143])
        let head: [UInt8] = [type, pick([0, 0, 4, 4, 1]), 0, 0, 0, 0, 0, 0]
        guard type == 3 || type == 2, chance(80) else { return head }
        if chance(50) {
            return head + [0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0] + IPAddress(v4: pick(World.v4)).bytes + [
                192, 0, 2, 9,
            ]
        }
        return head + [0x60, 0, 0, 0, 0, 0, 6, 64] + IPAddress(v6: pick(World.v6)).bytes
            + [UInt8](repeating: 0, count: 16)
    }

    private func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)] }
}
