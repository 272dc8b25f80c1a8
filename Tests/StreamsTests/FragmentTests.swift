// SPDX-License-Identifier: Apache-2.0
// Fragments to datagrams, IPv4 and IPv6: order, repetition, overlap, lengths that cannot be, bounds and time.
import NetworkTypes
import Testing

@testable import Streams

private let text = Array("GET /index.html HTTP/1.1\r\nHost: www.example.org\r\n\r\n".utf8)

struct FragmentTests {
    private func datagram(_ isV4: Bool) -> [UInt8] {
        isV4 ? udpPacket(.client, .server, text) : udpPacket(.client6, .server6, text)
    }

    @Test(arguments: [true, false], [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [0, 0, 2, 1, 2, 3]])
    func `a datagram is whole whatever the order of its fragments`(isV4: Bool, order: [Int]) {
        let wire = Wire()
        let pieces = fragments(of: datagram(isV4), at: [0, 16, 24, 40])
        for index in order { wire.send(pieces[index]) }
        #expect(wire.recorder.payloads == [text])
        #expect(wire.recorder.lastPacket?.isReassembled == true)
        #expect(wire.flow?.start.serverPort == 80)
        #expect(wire.recorder.strayAnomalies.isEmpty)
        #expect(wire.recorder.strays.count == order.count)
        #expect(wire.counters.datagrams == 1)
        #expect(wire.counters.fragments == UInt64(order.count))
        #expect(wire.tracker.fragmentBytesHeld == 0)
    }

    @Test(arguments: [true, false])
    func `a wrong checksum shows once the datagram is whole`(isV4: Bool) {
        let wire = Wire()
        var packet = datagram(isV4)
        packet[packet.count - 1] ^= 1
        for piece in fragments(of: packet, at: [0, 16]) { wire.send(piece) }
        #expect(wire.anomalies == [.udpWrongChecksum])
    }

    @Test func `the header of a datagram that was put together has its checksum`() {
        let wire = Wire()
        let packet = datagram(true)
        for piece in fragments(of: packet, at: [0, 16]) { wire.send(piece) }
        let header = wire.recorder.lastBytes.prefix(20)
        let sum = header.enumerated().reduce(0) { $0 + Int($1.element) << ($1.offset % 2 == 0 ? 8 : 0) }
        #expect(header.count == 20 && sum & 0xffff + sum >> 16 == 0xffff)
    }

    @Test(arguments: [true, false])
    func `a fragmented segment is in its stream`(isV4: Bool) {
        let wire = Wire()
        let talk = Talk(client: isV4 ? .client : .client6, server: isV4 ? .server : .server6)
        wire.shakeHands(talk)
        for piece in fragments(of: talk.request(text, at: 0).packet, at: [0, 24, 32]).reversed() {
            wire.send(piece)
        }
        #expect(wire.notes.bytes.toServer == text)
    }

    @Test func `identification, protocol, addresses, tags and tunnels tell datagrams apart`() {
        let wire = Wire()
        let packet = datagram(true)
        let other = udpPacket(Host(address: "192.0.2.8", port: 40_000), .server, text)
        wire.send(fragments(of: packet, at: [0, 16])[0])
        wire.send(fragments(of: packet, at: [0, 16], identification: 9)[1])
        wire.send(fragments(of: other, at: [0, 16])[1])
        wire.send(fragments(of: packet, at: [0, 16])[1]) { $0.vlan = 5 }
        wire.send(fragments(of: packet, at: [0, 16])[1]) { $0.tunnel = 5 }
        #expect(wire.recorder.payloads.isEmpty)
        wire.send(fragments(of: packet, at: [0, 16])[1])
        #expect(wire.recorder.payloads == [text])
    }

    @Test(arguments: [true, false])
    func `ends that differ discard the datagram`(isV4: Bool) {
        let anomaly: Anomaly = isV4 ? .ipv4FragmentEndDiffers : .ipv6FragmentEndDiffers
        let packet = datagram(isV4)
        let faults: [[[UInt8]]] = [
            [
                fragment(of: packet, 16, [1, 2], hasMore: false),
                fragment(of: packet, 24, [1], hasMore: false),
            ],
            [
                fragment(of: packet, 16, [1, 2], hasMore: false),
                fragment(of: packet, 16, [UInt8](repeating: 1, count: 8), hasMore: true),
            ],
            [
                fragment(of: packet, 24, [UInt8](repeating: 1, count: 8), hasMore: true),
                fragment(of: packet, 16, [1, 2], hasMore: false),
            ],
        ]
        for (index, fault) in faults.enumerated() {
            let wire = Wire()
            for piece in fault { wire.send(piece) }
            // The second overlaps besides, which under IPv6 is what is named.
            let isOverlap = index == 1 && !isV4
            #expect(wire.recorder.strayAnomalies == [isOverlap ? .ipv6FragmentOverlap : anomaly])
            #expect(wire.counters.datagramsDiscarded == 1)
            #expect(wire.tracker.fragmentBytesHeld == 0)
        }
    }

    @Test func `under IPv6 a length that is no multiple of 8 is refused, under IPv4 it is cut to one`() {
        for isV4 in [true, false] {
            let wire = Wire()
            let packet = datagram(isV4)
            let content = Array(packet[(isV4 ? 20 : 40)...])
            wire.send(fragment(of: packet, 0, Array(content[..<19]), hasMore: true))
            wire.send(fragment(of: packet, 16, Array(content[16...]), hasMore: false))
            #expect(wire.recorder.payloads == (isV4 ? [text] : []))
            #expect(wire.recorder.strayAnomalies == (isV4 ? [] : [.ipv6FragmentInvalidLength]))
        }
    }

    @Test func `a datagram waits 30 seconds from its first fragment on`() {
        for (seconds, isWhole) in [(29, true), (30, false)] as [(Int64, Bool)] {
            let wire = Wire()
            let pieces = fragments(of: datagram(true), at: [0, 16, 32])
            wire.send(pieces[0])
            wire.time += 20_000_000_000
            wire.send(pieces[1])
            wire.time += (seconds - 20) * 1_000_000_000 - 2_000_000
            wire.send(pieces[2])
            #expect(wire.recorder.payloads.isEmpty == !isWhole)
            #expect(wire.counters.datagramsTimedOut == (isWhole ? 0 : 1))
        }
    }

    @Test func `no more datagrams wait than may: the oldest goes`() {
        let wire = Wire { $0.maximumDatagrams = 10 }
        let packet = datagram(true)
        for id in 0..<5000 { wire.send(fragments(of: packet, at: [0, 16], identification: UInt32(id))[0]) }
        #expect(wire.counters.datagramsEvicted == 4990)
        wire.send(fragments(of: packet, at: [0, 16], identification: 4989)[1])
        #expect(wire.recorder.payloads.isEmpty)
        wire.send(fragments(of: packet, at: [0, 16], identification: 4999)[1])
        #expect(wire.recorder.payloads == [text])
    }

    @Test func `datagrams that are whole leave nothing behind while an older one waits`() {
        let wire = Wire { $0.maximumDatagrams = 16 }
        let pieces = fragments(of: datagram(true), at: [0, 16])
        wire.send(fragments(of: datagram(false), at: [0, 16])[0])
        for _ in 0..<3000 { for piece in pieces { wire.tracker.follow(piece, at: 1) } }
        #expect(wire.counters.datagrams == 3000)
        #expect(wire.tracker.defragmenter.count == 1)
        #expect(wire.tracker.defragmenter.orderCount <= 4 * 256 + 1)
    }

    @Test func `no more bytes of fragments wait than may`() {
        let wire = Wire { $0.maximumFragmentBytes = 10_000 }
        let packet = udpPacket(.client, .server, [UInt8](repeating: 7, count: 2000))
        for id in 0..<100 {
            wire.send(fragments(of: packet, at: [0, 1000], identification: UInt32(id))[0])
            #expect(wire.tracker.fragmentBytesHeld <= 10_000)
        }
        wire.send(fragments(of: packet, at: [0, 1000], identification: 99)[1])
        #expect(wire.recorder.payloads.map(\.count) == [2000])
        #expect(wire.counters.datagramsEvicted > 80)
    }

    @Test func `one datagram in all the pieces it can be cut into, last first`() {
        let wire = Wire()
        let packet = udpPacket(.client, .server, [UInt8](repeating: 7, count: 60_000))
        for piece in fragments(of: packet, at: Array(stride(from: 0, to: 60_000, by: 8))).reversed() {
            wire.send(piece)
        }
        #expect(wire.recorder.payloads.map(\.count) == [60_000])
    }

    @Test func `an atomic fragment is a packet`() {
        let wire = Wire()
        wire.send(fragment(of: datagram(false), 0, Array(datagram(false)[40...]), hasMore: false))
        #expect(wire.recorder.payloads == [text])
        #expect(wire.anomalies == [.ipv6FragmentHeaderUseless])
    }

    @Test func `headers before the fragment header stay, and the one before names what follows`() {
        let wire = Wire()
        let packet = datagram(false)
        // Destination options of padding before the fragment header.
        for piece in fragments(of: packet, at: [0, 16]) {
            var changed = piece
            changed[6] = 60
            changed.insert(contentsOf: [44, 0, 1, 4, 0, 0, 0, 0], at: 40)
            changed.set16(changed.count - 40, at: 4)
            wire.send(changed)
        }
        #expect(wire.recorder.payloads == [text])
        #expect(wire.anomalies.isEmpty)
    }

    @Test func `an IPv4 fragment whose header checksum is wrong is in no datagram`() {
        let wire = Wire()
        var pieces = fragments(of: datagram(true), at: [0, 16])
        pieces[1][10] ^= 1
        for piece in pieces { wire.send(piece) }
        #expect(wire.recorder.payloads.isEmpty)
        #expect(wire.recorder.strayAnomalies == [.ipv4WrongChecksum])
    }
}
