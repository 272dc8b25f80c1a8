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
    /// Fragments in order, none of which overlap: those that came one behind the other at the end are one.
    private var runs: [Range<Int>] = []
    /// Offset and length of each fragment, so that nothing is told of one that is repeated.
    private var ranges: Set<UInt32> = []
    /// Bytes of what was fragmented, once the last fragment said so.
    private var end: Int?
    private var highest = 0
    /// The first fragment's headers before the fragmented part, as an unfragmented packet has them.
    private var header: [UInt8] = []

    /// Of the datagram: what stood before the fragmented part.
    var headerLength: Int { header.count }

    /// The largest datagram, and the most fragments that it can be cut into.
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
        let isRepeated = isRepeated(start, payload.count)
        let relation = relation(of: start..<stop)
        let isLast = !fragment.fragment.hasMore
        if let end, stop > end || isLast && stop != end {
            return discardForEnd(relation, isRepeated, &anomalies)
        }
        if isLast {
            guard stop >= highest else { return discardForEnd(relation, isRepeated, &anomalies) }
            end = stop
        }
        let reach = highest
        highest = max(highest, stop)
        guard stop > start else {
            return discard(key.isV4 ? .ipv4FragmentIgnored : .ipv6FragmentIgnored, &anomalies)
        }
        let insertion = queue.insert(payload, at: Int64(start), memory)
        if relation != .apart, !isRepeated || insertion.differs {
            noteOverlap(insertion, stop <= reach, &anomalies)
        }
        switch relation {
        case .overlapping: return .discards
        // It completes nothing either, if it says to be the last.
        case .inside: return .kept
        case .apart: break
        }
        guard !insertion.isRefused else { return .refused }
        keep(start..<stop)
        if start == 0, header.isEmpty { header = Self.header(of: fragment) }
        return queue.byteCount == end && !header.isEmpty ? .completes : .kept
    }

    /// How a fragment lies to those that are here.
    private enum Relation {
        case apart, inside, overlapping
    }

    /// As Linux sees it (inet_frag_queue_insert): inside of a run it is taken for one that was repeated,
    /// whatever its bytes; whatever else overlaps discards the datagram.
    private func relation(of range: Range<Int>) -> Relation {
        let index = firstRun(endingBehind: range.lowerBound)
        guard index < runs.count, runs[index].lowerBound < range.upperBound else { return .apart }
        let isInside =
            runs[index].lowerBound <= range.lowerBound && range.upperBound <= runs[index].upperBound
        return isInside ? .inside : .overlapping
    }

    /// Only what follows the last run becomes part of it.
    private func keep(_ range: Range<Int>) {
        if let last = runs.last, last.upperBound == range.lowerBound {
            runs[runs.count - 1] = last.lowerBound..<range.upperBound
        } else {
            runs.insert(range, at: firstRun(endingBehind: range.lowerBound))
        }
    }

    private func firstRun(endingBehind position: Int) -> Int {
        var (low, high) = (0, runs.count)
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].upperBound <= position { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Whether one of the same place and length was here. Beyond the most that there can be without overlaps
    /// none is remembered.
    private func isRepeated(_ start: Int, _ count: Int) -> Bool {
        let range = UInt32(start) << 16 | UInt32(count)
        guard ranges.count < Self.maximumFragments else { return ranges.contains(range) }
        return !ranges.insert(range).inserted
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

    /// Under IPv6 an overlap is what is named where it is both, as Suricata names it.
    private func discardForEnd(
        _ relation: Relation, _ isRepeated: Bool, _ anomalies: inout AnomalySet
    ) -> FragmentUse {
        if key.isV4 { return discard(.ipv4FragmentEndDiffers, &anomalies) }
        let isOverlap = relation != .apart && !isRepeated
        return discard(isOverlap ? .ipv6FragmentOverlap : .ipv6FragmentEndDiffers, &anomalies)
    }

    private func discard(_ anomaly: Anomaly, _ anomalies: inout AnomalySet) -> FragmentUse {
        anomalies.insert(anomaly)
        return .discards
    }

    private func noteOverlap(
        _ insertion: SegmentQueue.Insertion, _ isInside: Bool, _ anomalies: inout AnomalySet
    ) {
        guard key.isV4 else { return anomalies.insert(.ipv6FragmentOverlap) }
        anomalies.insert(.ipv4FragmentOverlap)
        if insertion.differs { anomalies.insert(.ipv4FragmentDiffers) }
        if isInside { anomalies.insert(.ipv4FragmentInside) }
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
