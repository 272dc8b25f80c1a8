// SPDX-License-Identifier: Apache-2.0
// Evasions by packets that the host does not take, and by connections that are not what they seem.
import NetworkTypes

/// Between any two segments of the request a decoy for the second one's place.
private func mixed(
    _ wire: AttackWire, _ bytes: [UInt8], _ spoil: (inout WireSegment) -> Void
) -> [[UInt8]] {
    cut(bytes, 5).flatMap { segment -> [[UInt8]] in
        var decoy = segment
        decoy.payload = segment.payload.map { _ in UInt8(ascii: "X") }
        spoil(&decoy)
        return [wire.segment(decoy), wire.segment(segment)]
    }
}

/// A reset or FIN before each segment of the request.
private func interrupted(
    _ wire: AttackWire, _ bytes: [UInt8], _ spoil: (inout WireSegment) -> Void
) -> [[UInt8]] {
    mixed(wire, bytes) { decoy in
        decoy.payload = []
        spoil(&decoy)
    }
}

extension TransportEvasion {
    static let decoys: [TransportEvasion] = [
        TransportEvasion("decoys with a wrong checksum") { wire, bytes in
            mixed(wire, bytes) { $0.checksumError = 0x0101 }
        },
        TransportEvasion("decoys without ACK") { wire, bytes in mixed(wire, bytes) { $0.flags = 0x08 } },
        TransportEvasion("decoys without any flag") { wire, bytes in mixed(wire, bytes) { $0.flags = 0 } },
        TransportEvasion("decoys with SYN") { wire, bytes in mixed(wire, bytes) { $0.flags = 0x02 } },
        TransportEvasion("decoys with SYN and FIN") { wire, bytes in mixed(wire, bytes) { $0.flags = 0x13 } },
        TransportEvasion("decoys that acknowledge what was never sent") { wire, bytes in
            mixed(wire, bytes) { $0.acknowledged = 0x2000_0000 }
        },
        TransportEvasion("decoys behind the window") { wire, bytes in
            mixed(wire, bytes) { $0.offset += 0x10_0000 }
        },
        TransportEvasion("decoys that say to be longer than they are") { wire, bytes in
            mixed(wire, bytes) { $0.lengthError = 5 }
        },
        TransportEvasion("decoys with a signature that nobody asked for") { wire, bytes in
            mixed(wire, bytes) { $0.options = [1, 1, 19, 18] + [UInt8](repeating: 7, count: 16) }
        },
        TransportEvasion("resets at a wrong number") { wire, bytes in
            interrupted(wire, bytes) { ($0.flags, $0.offset) = (0x04, $0.offset + 1) }
        },
        TransportEvasion("resets with a wrong checksum") { wire, bytes in
            interrupted(wire, bytes) { ($0.flags, $0.checksumError) = (0x14, 0x0101) }
        },
        TransportEvasion("resets that die on the way") { wire, bytes in
            interrupted(wire, bytes) { ($0.flags, $0.ttl) = (0x14, 1) }
        },
        TransportEvasion("a FIN that dies on the way") { wire, bytes in
            interrupted(wire, bytes) { ($0.flags, $0.ttl) = (0x11, 1) }
        },
        TransportEvasion("other bytes behind those that the host has") { wire, bytes in
            cut(bytes, 6).flatMap { segment -> [[UInt8]] in
                var late = segment
                late.payload = segment.payload.map { $0 ^ 0x20 }
                var answer = wire.control(.toClient, 0x10, 0)
                answer.acknowledged = segment.offset + segment.payload.count
                return [wire.segment(segment), wire.segment(answer), wire.segment(late)]
            }
        },
    ]

    /// NOP, NOP, a timestamp and the echo of another.
    private static func timestamp(_ value: UInt8, echo: UInt8) -> [UInt8] {
        [1, 1, 8, 10, 0, 0, 0, value, 0, 0, 0, echo]
    }

    static let connections: [TransportEvasion] = [
        TransportEvasion("decoys with a timestamp that is too old", hasOwnStart: true) { wire, bytes in
            var (syn, answer, last) = (wire.syn, wire.synAck, wire.acknowledgement)
            (syn.options, answer.options) = (timestamp(100, echo: 0), timestamp(50, echo: 100))
            last.options = timestamp(110, echo: 50)
            let segments = cut(bytes, 5).flatMap { segment -> [WireSegment] in
                var (decoy, real) = (segment, segment)
                decoy.payload = segment.payload.map { _ in UInt8(ascii: "X") }
                (decoy.options, real.options) = (timestamp(90, echo: 50), timestamp(120, echo: 50))
                return [decoy, real]
            }
            return ([syn, answer, last] + segments).map { wire.segment($0) }
        },
        TransportEvasion("behind a keep-alive's byte, in the middle of a connection", hasOwnStart: true) {
            wire, bytes in
            var probe = WireSegment([0], at: -1)
            probe.flags = 0x10
            return [wire.segment(probe), wire.segment(wire.control(.toClient, 0x10, 0))]
                + cut(bytes, 11).map { wire.segment($0) }
        },
        TransportEvasion("in the middle of a connection", hasOwnStart: true) { wire, bytes in
            cut(bytes, 11).map { wire.segment($0) }
        },
        TransportEvasion("data in the SYN, which the host takes", hasOwnStart: true) { wire, bytes in
            var syn = wire.syn
            syn.payload = Array(bytes.prefix(20))
            var answer = wire.synAck
            answer.acknowledged = 20
            let rest = cut(Array(bytes.dropFirst(20)), 9).map { segment in
                var moved = segment
                moved.offset += 20
                return wire.segment(moved)
            }
            return [wire.segment(syn), wire.segment(answer)] + rest
        },
        TransportEvasion("a SYN with another number first", hasOwnStart: true) { wire, bytes in
            var other = wire.syn
            other.offset += 0x1000_0000
            return [wire.segment(other)] + wire.handshake() + cut(bytes, 13).map { wire.segment($0) }
        },
        TransportEvasion("a connection that was reset, and the same ports again", hasOwnStart: true) {
            wire, bytes in
            var old = WireSegment("GET / HTTP/1.1\r\n".utf8, at: 0x0100_0000)
            old.acknowledged = 0x0100_0000
            var start = (wire.syn, wire.synAck, wire.acknowledgement)
            start.0.offset += 0x0100_0000
            (start.1.offset, start.1.acknowledged) = (start.1.offset + 0x0100_0000, 0x0100_0000)
            (start.2.offset, start.2.acknowledged) = (start.2.offset + 0x0100_0000, 0x0100_0000)
            var reset = wire.control(.toServer, 0x14, 0x0100_0000 + 16)
            reset.acknowledged = 0x0100_0000
            let first = [start.0, start.1, start.2, old, reset].map { wire.segment($0) }
            return first + wire.handshake() + cut(bytes, 13).map { wire.segment($0) }
        },
        TransportEvasion("the client's data before its ACK", hasOwnStart: true) { wire, bytes in
            [wire.segment(wire.syn), wire.segment(wire.synAck)] + cut(bytes, 13).map { wire.segment($0) }
        },
        TransportEvasion("a SYN+ACK from the client", hasOwnStart: true) { wire, bytes in
            let wrong = wire.control(.toServer, 0x12, -1)
            return [wire.segment(wire.syn), wire.segment(wrong), wire.segment(wire.synAck)]
                + [wire.segment(wire.acknowledgement)] + cut(bytes, 13).map { wire.segment($0) }
        },
    ]

    /// What expires before the host looks like what it takes: both readings are possible.
    static let twofold: [TransportEvasion] = [
        TransportEvasion(
            "decoys that expire before the host", twofold: "stream.reassembly_overlap_different_data"
        ) { wire, bytes in
            [decoy(wire, bytes, ttl: 1), wire.segment(WireSegment(bytes))]
        },
        TransportEvasion(
            "other bytes first, in an overlap", twofold: "stream.reassembly_overlap_different_data"
        ) { wire, bytes in
            let late = WireSegment(bytes.dropFirst(4), at: 4)
            return [wire.segment(WireSegment(bytes.prefix(4))), decoy(wire, bytes, ttl: 60)]
                + [wire.segment(WireSegment(bytes)), wire.segment(late)]
        },
    ]

    private static func decoy(_ wire: AttackWire, _ bytes: [UInt8], ttl: UInt8) -> [UInt8] {
        var decoy = WireSegment("GET /harmless HTTP/1.1\r\nHost: www.example.com\r\n\r\n".utf8)
        decoy.payload += [UInt8](repeating: 0x20, count: max(0, bytes.count - decoy.payload.count))
        decoy.ttl = ttl
        return wire.segment(decoy)
    }
}
