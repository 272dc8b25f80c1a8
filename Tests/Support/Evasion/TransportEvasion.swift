// SPDX-License-Identifier: Apache-2.0
// The ways to bring one request past a sensor beneath HTTP: each brings it to the host whole. In: a
// connection whose handshake is done, and the request. Out: the packets, in the order in which they come.
import NetworkTypes

/// A way to send a request.
public struct TransportEvasion: Sendable, CustomStringConvertible {
    public let name: String
    /// Two readings of the stream are possible, and which one the host has only the host knows: the
    /// anomaly event that says so.
    public let anomaly: String?
    /// It brings its own handshake, or none.
    public let hasOwnStart: Bool
    /// Its packets hold the request many times: for short ones.
    public let isLong: Bool
    public let packets: @Sendable (inout AttackWire, [UInt8]) -> [[UInt8]]

    public var description: String { name }

    init(
        _ name: String, twofold anomaly: String? = nil, hasOwnStart: Bool = false, isLong: Bool = false,
        _ packets: @escaping @Sendable (inout AttackWire, [UInt8]) -> [[UInt8]]
    ) {
        (self.name, self.anomaly, self.packets) = (name, anomaly, packets)
        (self.hasOwnStart, self.isLong) = (hasOwnStart, isLong)
    }

    /// In order, in segments of a size.
    public static func segments(of size: Int) -> TransportEvasion {
        TransportEvasion("segments of \(size)") { wire, bytes in cut(bytes, size).map { wire.segment($0) } }
    }

    /// All of them.
    public static let all = segmentations + fragmentations + decoys + connections + twofold
}

/// Bytes in segments of a size, each `overlap` bytes into the next.
func cut(_ bytes: [UInt8], _ size: Int, overlap: Int = 0) -> [WireSegment] {
    stride(from: 0, to: bytes.count, by: size).map {
        WireSegment(bytes[$0..<min(bytes.count, $0 + size + overlap)], at: $0)
    }
}

/// Bytes in segments of random sizes from 1 to `most`.
func cutAnyhow(_ wire: inout AttackWire, _ bytes: [UInt8], most: Int) -> [WireSegment] {
    var segments: [WireSegment] = []
    var start = 0
    while start < bytes.count {
        let end = min(bytes.count, start + 1 + wire.random.below(most))
        segments.append(WireSegment(bytes[start..<end], at: start))
        start = end
    }
    return segments
}

extension TransportEvasion {
    private static let segmentations: [TransportEvasion] = [
        TransportEvasion("one byte a segment") { wire, bytes in cut(bytes, 1).map { wire.segment($0) } },
        TransportEvasion("one byte a segment, last first") { wire, bytes in
            cut(bytes, 1).reversed().map { wire.segment($0) }
        },
        TransportEvasion("one byte a segment, in any order") { wire, bytes in
            cut(bytes, 1).shuffled(using: &wire.random).map { wire.segment($0) }
        },
        TransportEvasion("any sizes in any order") { wire, bytes in
            cutAnyhow(&wire, bytes, most: 40).shuffled(using: &wire.random).map { wire.segment($0) }
        },
        TransportEvasion("each segment three times, in any order") { wire, bytes in
            let segments = cutAnyhow(&wire, bytes, most: 20)
            return (segments + segments + segments).shuffled(using: &wire.random).map { wire.segment($0) }
        },
        TransportEvasion("overlaps of the same bytes, in any order") { wire, bytes in
            cut(bytes, 5, overlap: 9).shuffled(using: &wire.random).map { wire.segment($0) }
        },
        TransportEvasion("the whole again behind every segment", isLong: true) { wire, bytes in
            cut(bytes, 7).flatMap { [wire.segment($0), wire.segment(WireSegment(bytes))] }
        },
        TransportEvasion("a byte that the host has, as keep-alives send it") { wire, bytes in
            cut(bytes, 6).flatMap { segment -> [[UInt8]] in
                guard segment.offset > 0 else { return [wire.segment(segment)] }
                var probe = WireSegment([bytes[segment.offset - 1]], at: segment.offset - 1)
                probe.flags = 0x10
                return [wire.segment(probe), wire.segment(segment)]
            }
        },
        TransportEvasion("a window so small that each segment has its own acknowledgement") { wire, bytes in
            cut(bytes, 8).flatMap { segment -> [[UInt8]] in
                var answer = wire.control(.toClient, 0x10, 0)
                answer.acknowledged = segment.offset + segment.payload.count
                answer.window = 8
                return [wire.segment(segment), wire.segment(answer)]
            }
        },
        TransportEvasion("options and odd flags in each segment") { wire, bytes in
            cut(bytes, 3).map { segment in
                var odd = segment
                odd.options = [1, 1, 8, 10] + [UInt8](repeating: 7, count: 8)
                odd.flags = 0x10 | UInt8(wire.random.below(2)) << 3 | 0xc0
                return wire.segment(odd)
            }
        },
    ]

    private static let fragmentations: [TransportEvasion] = [
        TransportEvasion("the smallest fragments") { wire, bytes in
            // A first fragment without the whole TCP header is told, and under IPv4 read all the same; under
            // IPv6 no host takes it.
            wire.fragments(of: wire.segment(WireSegment(bytes)), size: wire.isV6 ? 24 : 8, id: 7)
        },
        TransportEvasion("fragments of 24 bytes, in any order") { wire, bytes in
            wire.fragments(of: wire.segment(WireSegment(bytes)), size: 24, id: 7)
                .shuffled(using: &wire.random)
        },
        TransportEvasion("fragments, each twice") { wire, bytes in
            wire.fragments(of: wire.segment(WireSegment(bytes)), size: 32, id: 7).flatMap { [$0, $0] }
        },
        TransportEvasion("segments in fragments, all mixed") { wire, bytes in
            let packets = cut(bytes, 40).enumerated().flatMap { number, segment in
                wire.fragments(of: wire.segment(segment), size: 24, id: UInt16(number))
            }
            return packets.shuffled(using: &wire.random)
        },
    ]
}
