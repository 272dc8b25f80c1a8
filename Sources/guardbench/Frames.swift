// SPDX-License-Identifier: Apache-2.0
// Varied packets in a fixed order that no branch predictor or cache foresees.
import NetworkTypes

/// TCP and UDP of that many flows; every eighth packet is IPv6.
func mixedFrames(_ count: Int) -> [[UInt8]] {
    (0..<count).map { number in
        let mixed = UInt32(truncatingIfNeeded: number) &* 0x9e37_79b1
        var packet = PacketDescription(
            proto: mixed >> 7 % 3 == 0 ? .udp : .tcp, source: source(mixed, isV6: mixed >> 3 % 8 == 0),
            destination: destination(isV6: mixed >> 3 % 8 == 0))
        packet.sourcePort = UInt16(truncatingIfNeeded: mixed | 1024)
        packet.destinationPort = [22, 53, 80, 443, 8080, 9999][Int(mixed >> 11 % 6)]
        if packet.proto == .tcp { packet.tcpFlags = mixed >> 9 % 2 == 0 ? .syn : .ack }
        return packet.frame()
    }
}

/// UDP from that many IPv4 sources.
func sourceFrames(_ count: Int) -> [[UInt8]] {
    (0..<count).map { number in
        var packet = PacketDescription(
            proto: .udp, source: source(UInt32(truncatingIfNeeded: number) &* 0x9e37_79b1, isV6: false),
            destination: destination(isV6: false))
        (packet.sourcePort, packet.destinationPort) = (5000, 53)
        return packet.frame()
    }
}

/// Segments of that many IPv4 connections, as the other side sends them.
func segments(_ count: Int) -> [PacketDescription] {
    (0..<count).map { number in
        let mixed = UInt32(truncatingIfNeeded: number) &* 0x9e37_79b1
        var packet = PacketDescription(
            proto: .tcp, source: source(mixed, isV6: false), destination: destination(isV6: false))
        packet.sourcePort = 443
        packet.destinationPort = UInt16(truncatingIfNeeded: 32_768 + number % 28_000)
        packet.tcpFlags = .ack
        return packet
    }
}

extension PacketDescription {
    /// The same connection's segment the other way.
    var reversed: PacketDescription {
        var packet = self
        (packet.source, packet.destination) = (destination, source)
        (packet.sourcePort, packet.destinationPort) = (destinationPort, sourcePort)
        return packet
    }
}

/// Trains of two: the first fragment of a UDP datagram, then its last, each train with addresses and an
/// identification of its own; every eighth is IPv6.
func fragmentFrames(_ count: Int) -> [[UInt8]] {
    (0..<count).map { number in
        let mixed = UInt32(truncatingIfNeeded: number / 2) &* 0x9e37_79b1
        let isV6 = mixed >> 3 % 8 == 0
        return fragment(mixed, isV6: isV6, isFirst: number % 2 == 0)
    }
}

private func source(_ mixed: UInt32, isV6: Bool) -> IPAddress {
    isV6 ? IPAddress(v6: 0x2001_0db8 << 96 | UInt128(mixed)) : IPAddress(v4: 0x0100_0000 | mixed >> 2)
}

private func destination(isV6: Bool) -> IPAddress {
    isV6 ? IPAddress(v6: 0x2001_0db8 << 96 | 1) : IPAddress(v4: 0xc633_6401)
}

/// 24 bytes of a datagram, by RFC 791 and RFC 8200 4.5.
private func fragment(_ mixed: UInt32, isV6: Bool, isFirst: Bool) -> [UInt8] {
    var packet = PacketDescription(
        proto: .udp, source: source(mixed, isV6: isV6), destination: destination(isV6: isV6))
    packet.sourcePort = 5000
    packet.destinationPort = 53
    var frame = packet.frame()
    let body = [UInt8](repeating: 0x61, count: 24)
    if isV6 {
        let at = isFirst ? 1 : 24
        frame = Array(frame.prefix(54))
        frame[20] = 44
        frame[18] = 0
        frame[19] = 32
        frame += [17, 0, UInt8(at >> 8), UInt8(at & 255)] + bigEndian(mixed)
    } else {
        frame = Array(frame.prefix(34))
        frame[16] = 0
        frame[17] = 44
        frame[18] = UInt8(truncatingIfNeeded: mixed >> 8)
        frame[19] = UInt8(truncatingIfNeeded: mixed)
        frame[20] = isFirst ? 0x20 : 0
        frame[21] = isFirst ? 0 : 3
    }
    return frame + [0x13, 0x88, 0, 53, 0, 48, 0, 0] + body.dropFirst(8)
}

private func bigEndian(_ value: UInt32) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
}
