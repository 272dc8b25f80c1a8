// SPDX-License-Identifier: Apache-2.0
// Packets -> datagrams: the fragments of one datagram. In: fragments in any order. Out: what is wrong with
// them, and the datagram once it is whole.
import NetworkTypes

/// Which fragments belong together (RFC 791 3.2; RFC 8200 4.5 has no protocol in it). VLAN ids and tunnels
/// as in flows.
struct FragmentKey: Hashable {
    let source: UInt128
    let destination: UInt128
    let identification: UInt32
    let proto: UInt8
    let isV4: Bool
    let vlan: UInt16
    let innerVLAN: UInt16
    let tunnel: UInt64

    init(_ packet: DecodedPacket) {
        source = packet.source.bits
        destination = packet.destination.bits
        identification = packet.identification
        isV4 = packet.family == .ipv4
        proto = isV4 ? packet.proto.rawValue : 0
        vlan = packet.vlan
        innerVLAN = packet.innerVLAN
        tunnel = packet.tunnel
    }
}

/// What became of a fragment.
enum FragmentUse: Equatable {
    case kept, refused, completes
    /// The datagram goes with all its fragments, as Linux lets it go; a later fragment begins anew.
    case discards
}

/// A datagram that waits for fragments.
final class FragmentTrain {
    let key: FragmentKey
    let firstTime: Int64
    /// Tells it from an earlier train of the same key.
    let serial: UInt64
    private var queue = SegmentQueue()
    /// Offset and length of each fragment, to tell one that is repeated from one that overlaps.
    private var ranges: Set<UInt32> = []
    /// Bytes of what was fragmented, once the last fragment said so.
    private var end: Int?
    private var highest = 0
    /// The first fragment's headers before the fragmented part, as an unfragmented packet has them.
    private var header: [UInt8] = []

    /// The largest datagram, and the most fragments that it can be cut into: more overlap, without end.
    static let maximumLength = 65_535
    static let maximumFragments = 8192

    init(_ key: FragmentKey, time: Int64, serial: UInt64) {
        self.key = key
        firstTime = time
        self.serial = serial
    }

    /// Takes a fragment whose lengths can be; tells what is wrong with it.
    func take(
        _ fragment: DecodedPacket, _ memory: StreamMemory, _ anomalies: inout AnomalySet
    ) -> FragmentUse {
        let payload = wholePayload(fragment)
        let start = fragment.fragment.offset
        let stop = start + payload.count
        let isRepeated = !ranges.insert(UInt32(start) << 16 | UInt32(payload.count)).inserted
        guard ranges.count <= Self.maximumFragments else { return .refused }
        if !key.isV4, !isRepeated, queue.overlaps(Int64(start)..<Int64(stop)) {
            return discard(.ipv6FragmentOverlap, &anomalies)
        }
        if let end, stop > end || !fragment.fragment.hasMore && stop != end {
            return discard(endsDiffer, &anomalies)
        }
        if !fragment.fragment.hasMore {
            guard stop >= highest else { return discard(endsDiffer, &anomalies) }
            end = stop
        }
        let insertion = queue.insert(payload, at: Int64(start), memory)
        guard !insertion.isRefused else { return .refused }
        if start == 0, header.isEmpty { header = Self.header(of: fragment) }
        let isOverlapping = insertion.stored < payload.count && (!isRepeated || insertion.differs)
        if isOverlapping {
            // Under IPv6 it is one that was repeated with other bytes.
            guard key.isV4 else { return discard(.ipv6FragmentOverlap, &anomalies) }
            noteOverlap(insertion, stop, &anomalies)
        }
        highest = max(highest, stop)
        return queue.byteCount == end && !header.isEmpty ? .completes : .kept
    }

    /// Writes the datagram: the first fragment's headers with lengths, fragment fields and checksum set
    /// right, and all bytes.
    /// - Returns: false where it is longer than a packet can be.
    func write(to buffer: inout [UInt8]) -> Bool {
        buffer.removeAll(keepingCapacity: true)
        buffer += header
        for piece in queue.pieces { buffer += piece.bytes }
        guard buffer.count >= (key.isV4 ? 20 : 40) else { return false }
        let length = key.isV4 ? buffer.count : buffer.count - 40
        guard length <= Self.maximumLength else { return false }
        let at = key.isV4 ? 2 : 4
        buffer[at] = UInt8(truncatingIfNeeded: length >> 8)
        buffer[at + 1] = UInt8(truncatingIfNeeded: length)
        if key.isV4 { Self.setChecksum(of: header.count, in: &buffer) }
        return true
    }

    /// RFC 791 3.1: the complement of the sum of the header's 16-bit words; the field holds 0 before.
    private static func setChecksum(of headerLength: Int, in buffer: inout [UInt8]) {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: min(headerLength, buffer.count - 1), by: 2) {
            sum += UInt32(buffer[index]) << 8 | UInt32(buffer[index + 1])
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        buffer[10] = UInt8(truncatingIfNeeded: ~sum >> 8)
        buffer[11] = UInt8(truncatingIfNeeded: ~sum)
    }

    func release(_ memory: StreamMemory) { queue.removeAll(memory) }

    private var endsDiffer: Anomaly { key.isV4 ? .ipv4FragmentEndDiffers : .ipv6FragmentEndDiffers }

    private func discard(_ anomaly: Anomaly, _ anomalies: inout AnomalySet) -> FragmentUse {
        anomalies.insert(anomaly)
        return .discards
    }

    /// IPv4: bytes that came first stay.
    private func noteOverlap(
        _ insertion: SegmentQueue.Insertion, _ stop: Int, _ anomalies: inout AnomalySet
    ) {
        anomalies.insert(.ipv4FragmentOverlap)
        if insertion.differs { anomalies.insert(.ipv4FragmentDiffers) }
        if insertion.stored == 0 || stop <= highest { anomalies.insert(.ipv4FragmentInside) }
    }

    /// Linux cuts what is not the last fragment to whole units of 8 bytes.
    private func wholePayload(_ fragment: DecodedPacket) -> UnsafeRawBufferPointer {
        let payload = fragment.payload
        guard fragment.fragment.hasMore else { return payload }
        return UnsafeRawBufferPointer(rebasing: payload[..<(payload.count & ~7)])
    }

    private static func header(of fragment: DecodedPacket) -> [UInt8] {
        guard fragment.family == .ipv6 else {
            var header = Array(fragment.ipHeader)
            guard header.count >= 20 else { return [] }
            for index in [6, 7, 10, 11] { header[index] = 0 }
            return header
        }
        let fields = fragment.fragment
        guard fields.headerStart < fragment.bytes.count, fields.nextHeaderAt < fields.headerStart else {
            return []
        }
        var header = Array(fragment.bytes[..<fields.headerStart])
        header[fields.nextHeaderAt] = fragment.bytes[fields.headerStart]
        return header
    }
}
