// SPDX-License-Identifier: Apache-2.0
// Fragments that overlap, are empty, or end where none can: which datagrams come of them, as Linux 6.18 took
// or discarded them when they were sent to one, and what is told.
import NetworkTypes
import Testing

@testable import Streams

/// One fragment of a datagram of 56 bytes: where it begins and ends, and what is other than there.
private struct Piece: Sendable {
    var start: Int
    var end: Int
    var isLast = false
    /// The bytes are others.
    var isDecoy = false
}

private func piece(_ start: Int, _ end: Int, decoy: Bool = false) -> Piece {
    Piece(start: start, end: end, isDecoy: decoy)
}

private func last(_ start: Int, _ end: Int = 56, decoy: Bool = false) -> Piece {
    Piece(start: start, end: end, isLast: true, isDecoy: decoy)
}

private struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var pieces: [Piece]
    /// The datagram comes out, under IPv4 and under IPv6.
    var isWhole: (Bool, Bool)
    /// What is told under IPv4, and under IPv6.
    var anomalies: ([Anomaly], [Anomaly])
    var testDescription: String { name }

    init(
        _ name: String, _ pieces: [Piece], _ isWhole: (Bool, Bool), _ v4: [Anomaly] = [],
        _ v6: [Anomaly] = []
    ) {
        (self.name, self.pieces, self.isWhole, anomalies) = (name, pieces, isWhole, (v4, v6))
    }
}

private let both = (true, true)
private let none = (false, false)

private let cases: [Case] = [
    Case("the same again", [piece(0, 16), piece(0, 16), piece(16, 32), last(32)], both),
    Case(
        "the same again with other bytes",
        [piece(0, 16), piece(0, 16, decoy: true), piece(16, 32), last(32)],
        both, [.ipv4FragmentOverlap, .ipv4FragmentDiffers, .ipv4FragmentInside], [.ipv6FragmentOverlap]),
    Case(
        "inside one", [piece(0, 24), piece(8, 16, decoy: true), piece(24, 32), last(32)], both,
        [.ipv4FragmentOverlap, .ipv4FragmentDiffers, .ipv4FragmentInside], [.ipv6FragmentOverlap]),
    Case(
        "inside two that came in order", [piece(0, 16), piece(16, 32), piece(8, 24, decoy: true), last(32)],
        both, [.ipv4FragmentOverlap, .ipv4FragmentDiffers, .ipv4FragmentInside], [.ipv6FragmentOverlap]),
    Case(
        "inside two that did not", [piece(16, 32), piece(0, 16), piece(8, 24), last(32)], none,
        [.ipv4FragmentOverlap, .ipv4FragmentInside], [.ipv6FragmentOverlap]),
    Case(
        "inside three, the middle last", [piece(0, 8), piece(16, 24), piece(8, 16), piece(8, 24), last(24)],
        none, [.ipv4FragmentOverlap, .ipv4FragmentInside], [.ipv6FragmentOverlap]),
    Case(
        "into the next, same bytes", [piece(0, 16), piece(8, 24), last(24)], none, [.ipv4FragmentOverlap],
        [.ipv6FragmentOverlap]),
    Case(
        "into the next, other bytes", [piece(0, 16), piece(8, 24, decoy: true), last(24)], none,
        [.ipv4FragmentOverlap, .ipv4FragmentDiffers], [.ipv6FragmentOverlap]),
    Case(
        "into the next, then all again", [piece(0, 16), piece(8, 24), piece(0, 16), last(16)], both,
        [.ipv4FragmentOverlap], [.ipv6FragmentOverlap]),
    Case(
        "around another", [piece(8, 16), piece(0, 24), last(24)], none, [.ipv4FragmentOverlap],
        [.ipv6FragmentOverlap]),
    Case(
        "longer than the same", [piece(0, 16), piece(0, 24), last(24)], none, [.ipv4FragmentOverlap],
        [.ipv6FragmentOverlap]),
    Case("the end again, as the last", [piece(0, 16), piece(16, 56), last(16)], none),
    Case("the last again", [last(32), last(32), piece(0, 32)], both),
    Case(
        "an empty one", [piece(0, 16), piece(16, 16), piece(16, 32), last(32)], none,
        [.ipv4FragmentIgnored], [.ipv6FragmentIgnored]),
    Case(
        "one below 8 bytes", [piece(0, 16), piece(16, 20), piece(16, 32), last(32)], (false, true),
        [.ipv4FragmentIgnored], [.ipv6FragmentInvalidLength]),
    Case(
        "a ping of death first", [last(65_520, 65_584), piece(0, 16), last(16)], (false, true),
        [.ipv4FragmentTooLarge, .ipv4FragmentEndDiffers], [.ipv6FragmentTooLarge]),
    Case(
        "a ping of death that goes on", [piece(65_520, 65_584), piece(0, 16), last(16)], (false, true),
        [.ipv4FragmentTooLarge, .ipv4FragmentEndDiffers], [.ipv6FragmentTooLarge]),
    Case(
        "a ping of death, the end, then all", [last(65_520, 65_584), last(32), piece(0, 16), last(16)],
        (true, false), [.ipv4FragmentTooLarge, .ipv4FragmentEndDiffers],
        [.ipv6FragmentTooLarge, .ipv6FragmentOverlap]),
]

struct FragmentOverlapTests {
    private static let text = Array("GET /index.html HTTP/1.1\r\nHost: www.example.org\r\n".utf8.prefix(48))

    @Test(arguments: cases, [true, false])
    fileprivate func `a datagram is one where the host has one`(_ example: Case, isV4: Bool) {
        let wire = Wire()
        let packet =
            isV4 ? udpPacket(.client, .server, Self.text) : udpPacket(.client6, .server6, Self.text)
        let content = Array(packet[(isV4 ? 20 : 40)...]) + [UInt8](repeating: 0x79, count: 65_600)
        for piece in example.pieces {
            var part = Array(content[piece.start..<piece.end])
            if piece.isDecoy { part = part.map { _ in 0x58 } }
            wire.send(fragment(of: packet, piece.start, part, hasMore: !piece.isLast))
        }
        let isWhole = isV4 ? example.isWhole.0 : example.isWhole.1
        #expect(wire.recorder.payloads == (isWhole ? [Self.text] : []))
        #expect(wire.recorder.strayAnomalies == (isV4 ? example.anomalies.0 : example.anomalies.1))
        if isWhole { #expect(wire.tracker.fragmentBytesHeld == 0) }
    }

    @Test func `fragments inside of others cost nothing, however many they are`() {
        let wire = Wire()
        let content = [UInt8](repeating: 7, count: 4000)
        let packet = udpPacket(.client, .server, content)
        wire.send(fragment(of: packet, 0, Array(packet[20..<4020]), hasMore: true))
        let held = wire.tracker.fragmentBytesHeld
        for start in 0..<100 {
            for length in 1...100 {
                let part = Array(packet[(20 + 8 * start)..<(20 + 8 * (start + length))])
                wire.tracker.follow(fragment(of: packet, 8 * start, part, hasMore: true), at: 1)
            }
        }
        #expect(wire.tracker.fragmentBytesHeld == held)
        wire.send(fragment(of: packet, 4000, Array(packet[4020...]), hasMore: false))
        #expect(wire.recorder.payloads == [content])
    }

    @Test(arguments: [true, false])
    func `a ping of death is no datagram`(isV4: Bool) {
        let wire = Wire()
        let packet = isV4 ? udpPacket(.client, .server, [1]) : udpPacket(.client6, .server6, [1])
        let content = [UInt8](repeating: 1, count: 65_584)
        for start in stride(from: 0, to: 65_520, by: 13_104) {
            let part = Array(content[start..<(start + 13_104)])
            wire.send(fragment(of: packet, start, part, hasMore: true))
        }
        wire.send(fragment(of: packet, 65_520, Array(content[65_520...]), hasMore: false))
        #expect(wire.recorder.payloads.isEmpty)
        #expect(wire.recorder.strayAnomalies.last == (isV4 ? .ipv4FragmentTooLarge : .ipv6FragmentTooLarge))
        #expect(wire.counters.datagramsDiscarded + wire.counters.fragmentsRefused == 1)
    }

    @Test(arguments: [true, false])
    func `fragments without content, and cut ones, are in none`(isV4: Bool) {
        let wire = Wire()
        let packet = isV4 ? udpPacket(.client, .server, Self.text) : udpPacket(.client6, .server6, Self.text)
        let ignored: Anomaly = isV4 ? .ipv4FragmentIgnored : .ipv6FragmentIgnored
        wire.send(fragment(of: packet, 16, [], hasMore: true))
        wire.send(Array(fragments(of: packet, at: [0, 16])[1].dropLast(3))) { $0.isCutShort = true }
        #expect(wire.recorder.strayAnomalies == [ignored, ignored])
        #expect(wire.counters.datagramsDiscarded == 1 && wire.counters.fragmentsRefused == 1)
    }

    /// RFC 8200 4.5: under IPv6 the first fragment without all headers is discarded, and it alone.
    @Test(arguments: [true, false])
    func `a first fragment without the L4 header is named, and under IPv6 in no datagram`(isV4: Bool) {
        let (wire, talk) = (Wire(), isV4 ? Talk() : Talk(client: .client6, server: .server6))
        wire.shakeHands(talk)
        let tiny: Anomaly = isV4 ? .ipv4FragmentTiny : .ipv6FragmentTiny
        let pieces = fragments(of: talk.request(Self.text, at: 0).packet, at: [0, 8, 16])
        for piece in pieces { wire.send(piece) }
        #expect(wire.recorder.strayAnomalies == [tiny, tiny])
        #expect(wire.notes.bytes.toServer == (isV4 ? Self.text : []))
        guard !isV4 else { return }
        let whole = Array(talk.request(Self.text, at: 0).packet[40..<48])
        wire.send(fragment(of: talk.request(Self.text, at: 0).packet, 0, whole, hasMore: true))
        #expect(wire.notes.bytes.toServer == [])
    }

    @Test func `destination options alone are no first fragment`() {
        let wire = Wire()
        let content = [17, 0, 1, 4, 0, 0, 0, 0] + Array(udpPacket(.client6, .server6, Self.text)[40...])
        let packet = ipPacket(.client6, .server6, proto: 60, content)
        for piece in fragments(of: packet, at: [0, 8]) { wire.send(piece) }
        #expect(wire.recorder.payloads.isEmpty)
        #expect(wire.recorder.strayAnomalies == [.ipv6FragmentTiny])
        for piece in fragments(of: packet, at: [0, 16], identification: 2) { wire.send(piece) }
        #expect(wire.recorder.payloads == [Self.text])
    }
}
