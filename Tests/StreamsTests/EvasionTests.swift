// SPDX-License-Identifier: Apache-2.0
// The ways past a sensor that Ptacek and Newsham (1998), and the tools after them, have: each one brings the
// request to the host, and must bring the same bytes here, or an anomaly that says that there are two
// readings.
import NetworkTypes
import TestSupport
import Testing

@testable import Streams

/// A way to send a request: packets behind a handshake.
private struct Evasion: Sendable, CustomTestStringConvertible {
    var name: String
    /// What must be in the stream; else the anomaly is.
    var anomaly: Anomaly?
    var packets: @Sendable (Talk, [UInt8]) -> [[UInt8]]
    var testDescription: String { name }

    init(
        _ name: String, else anomaly: Anomaly? = nil,
        _ packets: @escaping @Sendable (Talk, [UInt8]) -> [[UInt8]]
    ) {
        (self.name, self.anomaly, self.packets) = (name, anomaly, packets)
    }
}

private let attack = Array("GET /cgi-bin/phf?Qalias=x%0a/bin/cat HTTP/1.0\r\n\r\n".utf8)

/// The attack in segments of a size.
private func cut(_ talk: Talk, _ bytes: [UInt8], _ size: Int) -> [Segment] {
    stride(from: 0, to: bytes.count, by: size).map {
        talk.request(Array(bytes[$0..<min(bytes.count, $0 + size)]), at: $0)
    }
}

/// Between any two segments a decoy for the second one's place.
private func mixed(_ talk: Talk, _ bytes: [UInt8], _ decoy: (inout Segment) -> Void) -> [[UInt8]] {
    cut(talk, bytes, 4).flatMap { segment -> [[UInt8]] in
        var wrong = segment
        wrong.payload = segment.payload.map { _ in 0x58 }
        decoy(&wrong)
        return [wrong.packet, segment.packet]
    }
}

private let evasions: [Evasion] = [
    Evasion("one byte a segment") { talk, bytes in cut(talk, bytes, 1).map(\.packet) },
    Evasion("one byte a segment, reversed") { talk, bytes in cut(talk, bytes, 1).reversed().map(\.packet) },
    Evasion("every other segment first") { talk, bytes in
        let segments = cut(talk, bytes, 3)
        let odd = segments.indices.filter { $0 % 2 == 1 }.map { segments[$0] }
        return (odd + segments.indices.filter { $0 % 2 == 0 }.map { segments[$0] }).map(\.packet)
    },
    Evasion("each segment twice") { talk, bytes in cut(talk, bytes, 5).flatMap { [$0.packet, $0.packet] } },
    Evasion("segments that overlap by half") { talk, bytes in
        stride(from: 0, to: bytes.count, by: 3).map {
            talk.request(Array(bytes[$0..<min(bytes.count, $0 + 6)]), at: $0).packet
        }
    },
    Evasion("fragments of 8 bytes") { talk, bytes in
        let packet = talk.request(bytes, at: 0).packet
        return fragments(of: packet, at: Array(stride(from: 0, to: bytes.count + 20, by: 8)))
    },
    Evasion("fragments of 24 bytes, reversed") { talk, bytes in
        let packet = talk.request(bytes, at: 0).packet
        return fragments(of: packet, at: Array(stride(from: 0, to: bytes.count + 20, by: 24))).reversed()
    },
    Evasion("segments in fragments, all mixed") { talk, bytes in
        var random = SeededGenerator(seed: 11)
        return cut(talk, bytes, 20).enumerated().flatMap { number, segment in
            fragments(
                of: segment.packet, at: [0, 24, 32].filter { $0 < 20 + segment.payload.count },
                identification: UInt32(number))
        }.shuffled(using: &random)
    },
    Evasion("decoys with a wrong checksum") { talk, bytes in
        cut(talk, bytes, 4).flatMap { segment -> [[UInt8]] in
            var wrong = segment.packet
            wrong[wrong.count - 1] ^= 0xff
            return [wrong, segment.packet]
        }
    },
    Evasion("decoys without ACK") { talk, bytes in mixed(talk, bytes) { $0.flags = [.psh] } },
    Evasion("decoys with a wrong acknowledgement") { talk, bytes in
        mixed(talk, bytes) { $0.acknowledgement &+= 0x2000_0000 }
    },
    Evasion("decoys behind the window") { talk, bytes in mixed(talk, bytes) { $0.sequence &+= 0x10_0000 } },
    Evasion("decoys with SYN") { talk, bytes in mixed(talk, bytes) { $0.flags = [.syn] } },
    Evasion("decoys longer than their packet") { talk, bytes in
        cut(talk, bytes, 4).flatMap { segment -> [[UInt8]] in
            var wrong = segment.packet
            wrong[3] &+= 1
            return [wrong, segment.packet]
        }
    },
    Evasion("resets at a wrong number") { talk, bytes in
        mixed(talk, bytes) { ($0.flags, $0.payload, $0.sequence) = ([.rst], [], $0.sequence &+ 1) }
    },
    Evasion("resets that die on the way") { talk, bytes in
        mixed(talk, bytes) { ($0.flags, $0.payload, $0.ttl) = ([.rst], [], 1) }
    },
    Evasion("FINs that die on the way") { talk, bytes in
        mixed(talk, bytes) { ($0.flags, $0.payload, $0.ttl) = ([.fin, .ack], [], 1) }
    },
    Evasion("decoys that die on the way", else: .overlapDiffers) { talk, bytes in
        mixed(talk, bytes) { $0.ttl = 1 }
    },
    Evasion("overlaps with other bytes, later", else: .overlapDiffers) { talk, bytes in
        var wrong = talk.request(bytes, at: 0)
        wrong.payload[5] = 0x58
        return [wrong.packet, talk.request(bytes, at: 0).packet]
    },
    // Whichever came first: the host discards what overlaps, and takes what is sent anew.
    Evasion("fragments that overlap with other bytes, then the datagram") { talk, bytes in
        var decoy = talk.request(bytes, at: 0)
        decoy.payload = bytes.map { _ in 0x58 }
        let wrong = fragments(of: decoy.packet, at: [0, 24, 48])
        let overlap = fragment(of: decoy.packet, 16, [UInt8](repeating: 0x58, count: 16), hasMore: true)
        return [wrong[0], overlap, wrong[1], wrong[2]]
            + fragments(of: talk.request(bytes, at: 0).packet, at: [0, 24, 48], identification: 2)
    },
    Evasion("decoys by a source route") { talk, bytes in
        cut(talk, bytes, 4).flatMap { segment -> [[UInt8]] in
            var wrong = segment
            wrong.payload = segment.payload.map { _ in 0x58 }
            let l4 = Array(wrong.packet[20...])
            let route: [UInt8] = [131, 7, 4, 192, 0, 2, 9, 0]
            return [ipPacket(wrong.from, wrong.to, proto: 6, options: route, l4), segment.packet]
        }
    },
]

struct EvasionTests {
    @Test(arguments: evasions)
    fileprivate func `the request is in the stream, or an anomaly says that there are two`(
        evasion: Evasion
    ) {
        let wire = Wire()
        wire.shakeHands()
        for packet in evasion.packets(Talk(), attack) { wire.send(packet) }
        guard let anomaly = evasion.anomaly else {
            #expect(wire.notes.bytes.toServer == attack)
            return
        }
        #expect((wire.anomalies + wire.recorder.strayAnomalies).contains(anomaly))
    }

    @Test(arguments: evasions)
    fileprivate func `one-sided too`(evasion: Evasion) {
        // Numbers that only the other direction could tell to be wrong cannot be told.
        let needsBoth = ["decoys with a wrong acknowledgement", "decoys behind the window"]
        guard !needsBoth.contains(evasion.name) else { return }
        let wire = Wire { $0.isOneSided = true }
        wire.send(Talk().syn, Talk().request(""))
        for packet in evasion.packets(Talk(), attack) { wire.send(packet) }
        guard let anomaly = evasion.anomaly else {
            #expect(wire.notes.bytes.toServer == attack)
            return
        }
        #expect((wire.anomalies + wire.recorder.strayAnomalies).contains(anomaly))
    }

    @Test func `a request in the middle of a connection is told however it is cut`() {
        for size in 1...attack.count {
            let wire = Wire()
            wire.send(Talk().request("", at: 0))
            for segment in cut(Talk(), attack, size).reversed() { wire.send(segment) }
            #expect(wire.notes.bytes.toServer == attack, "\(size)")
        }
    }
}
