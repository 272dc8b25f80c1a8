// SPDX-License-Identifier: Apache-2.0
// IP packets with all their numbers under the test's control. In: fields. Out: bytes with right lengths and
// checksums, which a test may then spoil.
import NetworkTypes

extension [UInt8] {
    mutating func add16(_ value: Int) {
        append(UInt8(truncatingIfNeeded: value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }

    mutating func add32(_ value: UInt32) {
        add16(Int(value >> 16))
        add16(Int(value & 0xffff))
    }

    mutating func set16(_ value: Int, at index: Int) {
        self[index] = UInt8(truncatingIfNeeded: value >> 8)
        self[index + 1] = UInt8(truncatingIfNeeded: value)
    }
}

/// One end of a conversation.
struct Host: Equatable {
    var address: String
    var port: UInt16

    static let client = Host(address: "192.0.2.7", port: 40_000)
    static let server = Host(address: "198.51.100.1", port: 80)
    static let client6 = Host(address: "2001:db8::7", port: 40_000)
    static let server6 = Host(address: "2001:db8::1", port: 80)

    var bytes: [UInt8] { IPAddress(address)?.bytes ?? [] }
    var isV4: Bool { bytes.count == 4 }
}

/// A TCP segment.
struct Segment {
    var from = Host.client
    var to = Host.server
    var sequence: UInt32 = 0
    var acknowledgement: UInt32 = 0
    var flags: TCPFlags = [.ack]
    var window: Int = 65_535
    var urgentPointer = 0
    var options: [UInt8] = []
    var payload: [UInt8] = []
    var ttl: UInt8 = 64
    var identification = 0

    /// The IP packet.
    var packet: [UInt8] {
        ipPacket(from, to, proto: 6, ttl: ttl, identification: identification, l4)
    }

    private var l4: [UInt8] {
        var bytes: [UInt8] = []
        bytes.add16(Int(from.port))
        bytes.add16(Int(to.port))
        bytes.add32(sequence)
        bytes.add32(acknowledgement)
        let padded = options + [UInt8](repeating: 0, count: (4 - options.count % 4) % 4)
        bytes.append(UInt8((20 + padded.count) / 4) << 4)
        bytes.append(flags.rawValue)
        bytes.add16(window)
        bytes.add16(0)
        bytes.add16(urgentPointer)
        bytes += padded + payload
        bytes.set16(Int(internetChecksum(pseudoHeader(from, to, 6, bytes.count) + bytes)), at: 16)
        return bytes
    }
}

func pseudoHeader(_ from: Host, _ to: Host, _ proto: UInt8, _ count: Int) -> [UInt8] {
    var bytes = from.bytes + to.bytes
    bytes.add16(count >> 16)
    bytes.add16(count)
    return bytes + [0, 0, 0, proto]
}

/// An IPv4 or IPv6 packet around what is given.
func ipPacket(
    _ from: Host, _ to: Host, proto: UInt8, ttl: UInt8 = 64, identification: Int = 0, options: [UInt8] = [],
    _ content: [UInt8]
) -> [UInt8] {
    guard from.isV4 else {
        var bytes: [UInt8] = [0x60, 0, 0, 0]
        bytes.add16(content.count)
        return bytes + [proto, ttl] + from.bytes + to.bytes + content
    }
    var bytes: [UInt8] = [UInt8(0x45 + options.count / 4), 0]
    bytes.add16(20 + options.count + content.count)
    bytes.add16(identification)
    bytes += [0, 0, ttl, proto, 0, 0] + from.bytes + to.bytes + options
    bytes.set16(Int(internetChecksum(bytes)), at: 10)
    return bytes + content
}

/// A UDP packet.
func udpPacket(_ from: Host, _ to: Host, _ payload: [UInt8], identification: Int = 0) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.add16(Int(from.port))
    bytes.add16(Int(to.port))
    bytes.add16(8 + payload.count)
    bytes.add16(0)
    bytes += payload
    let sum = internetChecksum(pseudoHeader(from, to, 17, bytes.count) + bytes)
    bytes.set16(sum == 0 ? 0xffff : Int(sum), at: 6)
    return ipPacket(from, to, proto: 17, identification: identification, bytes)
}

/// An ICMP or ICMPv6 message of 8 bytes and what follows.
func icmpPacket(_ from: Host, _ to: Host, type: UInt8, code: UInt8 = 0, _ rest: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = [type, code, 0, 0] + rest
    let proto: UInt8 = from.isV4 ? 1 : 58
    let pseudo = from.isV4 ? [] : pseudoHeader(from, to, 58, bytes.count)
    bytes.set16(Int(internetChecksum(pseudo + bytes)), at: 2)
    return ipPacket(from, to, proto: proto, bytes)
}

/// Cuts an IP packet without extension headers into fragments that begin at the given offsets (multiples of
/// 8, the first 0).
func fragments(of packet: [UInt8], at offsets: [Int], identification: UInt32 = 0x1234) -> [[UInt8]] {
    let headerLength = packet[0] >> 4 == 4 ? Int(packet[0] & 15) * 4 : 40
    let content = Array(packet[headerLength...])
    return offsets.indices.map { index in
        let end = index + 1 < offsets.count ? offsets[index + 1] : content.count
        return fragment(
            of: packet, offsets[index], Array(content[offsets[index]..<end]), hasMore: end < content.count,
            identification)
    }
}

/// One fragment with a packet's header.
func fragment(
    of packet: [UInt8], _ offset: Int, _ content: [UInt8], hasMore: Bool, _ identification: UInt32 = 0x1234
) -> [UInt8] {
    guard packet[0] >> 4 == 4 else {
        var bytes = Array(packet[..<40])
        bytes.set16(8 + content.count, at: 4)
        let proto = bytes[6]
        bytes[6] = 44
        bytes += [proto, 0]
        bytes.add16(offset | (hasMore ? 1 : 0))
        bytes.add32(identification)
        return bytes + content
    }
    var bytes = Array(packet[..<(Int(packet[0] & 15) * 4)])
    bytes.set16(bytes.count + content.count, at: 2)
    bytes.set16(Int(identification & 0xffff), at: 4)
    bytes.set16(offset / 8 | (hasMore ? 0x2000 : 0), at: 6)
    bytes.set16(0, at: 10)
    bytes.set16(Int(internetChecksum(bytes)), at: 10)
    return bytes + content
}
