// SPDX-License-Identifier: Apache-2.0
// One TCP connection whose every field can be chosen, with right checksums where no knob says otherwise.
// In: what a segment carries and where it stands in its stream. Out: IP packets, fragments, frames.
import NetworkTypes

/// A segment; numbers count from the byte behind the SYN.
public struct WireSegment: Sendable {
    public var way = FlowDirection.toServer
    /// Where the payload's first byte stands in the sender's stream; -1 is the SYN.
    public var offset = 0
    public var payload: [UInt8] = []
    /// TCP's flags; PSH and ACK.
    public var flags: UInt8 = 0x18
    /// How much of the other stream is acknowledged.
    public var acknowledged = 0
    public var ttl: UInt8 = 60
    public var window: UInt16 = 0xffff
    public var urgent: UInt16 = 0
    public var options: [UInt8] = []
    /// Added to the right checksum.
    public var checksumError: UInt16 = 0
    /// Added to the IP packet's right length.
    public var lengthError = 0

    public init(_ payload: some Sequence<UInt8> = [], at offset: Int = 0) {
        self.payload = Array(payload)
        self.offset = offset
    }
}

/// A connection between a client and a server of documentation addresses.
public struct AttackWire: Sendable {
    public let isV6: Bool
    public var clientPort: UInt16
    public var serverPort: UInt16 = 80
    public var random: SeededGenerator
    private let starts: (client: UInt32, server: UInt32)

    /// Every other seed has its numbers wrap soon.
    public init(isV6: Bool, seed: UInt64) {
        self.isV6 = isV6
        random = SeededGenerator(seed: seed)
        clientPort = UInt16(40_000 + random.below(10_000))
        let any = UInt32(truncatingIfNeeded: random.next())
        starts = (seed % 2 == 0 ? 0xffff_ffe0 : any, seed % 2 == 0 ? 0xffff_fff8 : ~any)
    }

    /// SYN, SYN+ACK, ACK.
    public func handshake() -> [[UInt8]] {
        [segment(syn), segment(synAck), segment(acknowledgement)]
    }

    public var syn: WireSegment { control(.toServer, 0x02, -1) }
    public var synAck: WireSegment { control(.toClient, 0x12, -1) }
    public var acknowledgement: WireSegment { control(.toServer, 0x10, 0) }

    /// A segment without payload.
    public func control(_ way: FlowDirection, _ flags: UInt8, _ offset: Int) -> WireSegment {
        var segment = WireSegment(at: offset)
        (segment.way, segment.flags) = (way, flags)
        return segment
    }

    /// The IP packet of a segment.
    public func segment(_ segment: WireSegment) -> [UInt8] {
        let isRequest = segment.way == .toServer
        let (own, other) = isRequest ? (starts.client, starts.server) : (starts.server, starts.client)
        let ports = isRequest ? (clientPort, serverPort) : (serverPort, clientPort)
        var bytes: [UInt8] = []
        bytes += big(ports.0) + big(ports.1)
        bytes += big(own &+ 1 &+ UInt32(truncatingIfNeeded: segment.offset))
        let acknowledged = other &+ 1 &+ UInt32(truncatingIfNeeded: segment.acknowledged)
        bytes += big(segment.flags & 0x10 == 0 ? 0 : acknowledged)
        bytes += [UInt8(5 + segment.options.count / 4) << 4, segment.flags]
        bytes += big(segment.window) + [0, 0] + big(segment.urgent)
        bytes += segment.options + segment.payload
        let sum = checksum(pseudoHeader(isRequest, bytes.count) + bytes) &+ segment.checksumError
        bytes.replaceSubrange(16..<18, with: big(sum))
        return packet(isRequest, segment, bytes)
    }

    /// An Ethernet frame of an IP packet.
    public func frame(_ packet: [UInt8]) -> [UInt8] {
        [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2] + (isV6 ? [0x86, 0xdd] : [0x08, 0x00]) + packet
    }

    /// A packet's fragments, each with `size` bytes, a multiple of 8.
    public func fragments(of packet: [UInt8], size: Int, id: UInt16) -> [[UInt8]] {
        let content = Array(packet[(isV6 ? 40 : 20)...])
        // Connections of the same hosts do not share the numbers of their datagrams.
        let id = id &+ clientPort &* 64
        return stride(from: 0, to: content.count, by: size).map { start in
            let end = min(content.count, start + size)
            let part = FragmentPart(offset: start, hasMore: end < content.count, id: id)
            return fragment(of: packet, part, content[start..<end])
        }
    }

    /// One fragment of a packet, with any bytes.
    public func fragment(
        of packet: [UInt8], _ part: FragmentPart, _ bytes: some Sequence<UInt8>
    ) -> [UInt8] {
        let bytes = Array(bytes)
        let units = UInt16(truncatingIfNeeded: part.offset / 8)
        if isV6 {
            var header = Array(packet[..<40])
            header.replaceSubrange(4..<6, with: big(UInt16(bytes.count + 8)))
            let next = header[6]
            header[6] = 44
            return header + [next, 0] + big(units << 3 | (part.hasMore ? 1 : 0)) + [0, 0] + big(part.id)
                + bytes
        }
        var header = Array(packet[..<20])
        header.replaceSubrange(2..<4, with: big(UInt16(20 + bytes.count)))
        header.replaceSubrange(4..<6, with: big(part.id))
        header.replaceSubrange(6..<8, with: big(units | (part.hasMore ? 0x2000 : 0)))
        header.replaceSubrange(10..<12, with: [0, 0])
        header.replaceSubrange(10..<12, with: big(checksum(header)))
        return header + bytes
    }

    private static let v4: [[UInt8]] = [[203, 0, 113, 7], [198, 51, 100, 1]]
    private static let v6: [[UInt8]] = [1, 2].map { [0x20, 0x01, 0x0d, 0xb8] + zeros(11) + [$0] }

    private func ends(_ isRequest: Bool) -> [UInt8] {
        let both = isV6 ? Self.v6 : Self.v4
        return isRequest ? both[0] + both[1] : both[1] + both[0]
    }

    private func pseudoHeader(_ isRequest: Bool, _ count: Int) -> [UInt8] {
        ends(isRequest) + [0, 6] + big(UInt16(truncatingIfNeeded: count))
    }

    private func packet(_ isRequest: Bool, _ segment: WireSegment, _ content: [UInt8]) -> [UInt8] {
        let count = UInt16(truncatingIfNeeded: content.count + segment.lengthError)
        if isV6 { return [0x60, 0, 0, 0] + big(count) + [6, segment.ttl] + ends(isRequest) + content }
        var header: [UInt8] = [0x45, 0] + big(20 + count) + [0, 1, 0, 0, segment.ttl, 6, 0, 0]
        header += ends(isRequest)
        header.replaceSubrange(10..<12, with: big(checksum(header)))
        return header + content
    }
}

/// Where a fragment stands.
public struct FragmentPart: Sendable {
    public var offset: Int
    public var hasMore: Bool
    public var id: UInt16

    public init(offset: Int, hasMore: Bool, id: UInt16) {
        (self.offset, self.hasMore, self.id) = (offset, hasMore, id)
    }
}

private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

private func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }

private func big(_ value: UInt32) -> [UInt8] {
    big(UInt16(value >> 16)) + big(UInt16(truncatingIfNeeded: value))
}

/// RFC 1071.
private func checksum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for (index, byte) in bytes.enumerated() { sum += UInt32(byte) << (index % 2 == 0 ? 8 : 0) }
    while sum > 0xffff { sum = (sum >> 16) + (sum & 0xffff) }
    return ~UInt16(truncatingIfNeeded: sum)
}
