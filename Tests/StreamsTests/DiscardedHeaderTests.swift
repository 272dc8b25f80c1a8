// SPDX-License-Identifier: Apache-2.0
// IP options and extension headers for which a host discards a packet before TCP sees it. In: a segment
// behind each of them, as Linux 6.18 took or discarded it when it was sent to one. Out: in no stream what it
// discarded.
import NetworkTypes
import Testing

@testable import Streams

/// Options or extension headers, and whether the host takes what stands behind them.
private struct Header: Sendable, CustomTestStringConvertible {
    var name: String
    var bytes: [UInt8]
    /// The number of the first extension header; of IPv4's options, 0.
    var number: UInt8 = 0
    var isTaken: Bool
    var testDescription: String { name }
}

private func options(_ name: String, _ bytes: [UInt8], isTaken: Bool) -> Header {
    Header(name: name, bytes: bytes, isTaken: isTaken)
}

/// Options of IPv6, 8n + 6 bytes, in a hop-by-hop header, in destination options, or in each.
private func options6(_ name: String, _ bytes: [UInt8], hopByHop: Bool, destination: Bool) -> [Header] {
    let header = [6, UInt8((bytes.count + 2) / 8 - 1)] + bytes
    return [
        Header(name: "hop-by-hop: \(name)", bytes: header, number: 0, isTaken: hopByHop),
        Header(name: "destination: \(name)", bytes: header, number: 60, isTaken: destination),
    ]
}

private func options6(_ name: String, _ bytes: [UInt8], isTaken: Bool) -> [Header] {
    options6(name, bytes, hopByHop: isTaken, destination: isTaken)
}

private func routing(_ type: UInt8, _ left: UInt8, isTaken: Bool) -> Header {
    let bytes = [6, 2, type, left] + [UInt8](repeating: 0, count: 4) + Host.server6.bytes
    return Header(name: "routing type \(type), \(left) left", bytes: bytes, number: 43, isTaken: isTaken)
}

private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

private let headers4: [Header] = [
    options("no operation", [1, 1, 1, 0], isTaken: true),
    options("record route", [7, 7, 4, 0, 0, 0, 0, 0], isTaken: true),
    options("record route, full", [7, 7, 8, 1, 2, 3, 4, 0], isTaken: true),
    options("record route, length 2", [7, 2, 4, 0], isTaken: false),
    options("record route, pointer 3", [7, 7, 3, 1, 2, 3, 4, 0], isTaken: false),
    options("record route, pointer 6", [7, 7, 6, 1, 2, 3, 4, 0], isTaken: false),
    options("record route twice", [7, 7, 4, 0, 0, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0, 0], isTaken: false),
    options("loose source route", [131, 7, 4, 1, 2, 3, 4, 0], isTaken: false),
    options("loose source route at its end", [131, 7, 8, 1, 2, 3, 4, 0], isTaken: false),
    options("strict source route", [137, 7, 4, 1, 2, 3, 4, 0], isTaken: false),
    options("unknown", [158, 4, 0, 0], isTaken: true),
    options("unknown, length 1", [158, 1, 0, 0], isTaken: false),
    options("unknown, behind the end", [158, 5, 0, 0], isTaken: false),
    options("unknown, without length", [1, 1, 1, 158], isTaken: false),
    options("anything behind the end of the list", [0, 158, 0x55, 1], isTaken: true),
    options("timestamp", [68, 8, 5, 0, 0, 0, 0, 0], isTaken: true),
    options("timestamp, full", [68, 4, 5, 0], isTaken: true),
    options("timestamp, overflow", [68, 4, 5, 0xf0], isTaken: false),
    options("timestamp, prespecified, overflow", [68, 4, 5, 0xf3], isTaken: true),
    options("timestamp, pointer 4", [68, 8, 4, 0, 0, 0, 0, 0], isTaken: false),
    options("timestamp, pointer 7", [68, 8, 7, 0, 0, 0, 0, 0], isTaken: false),
    options("timestamp with address", [68, 12, 5, 1] + zeros(8), isTaken: true),
    options("timestamp without room for an address", [68, 8, 5, 1, 0, 0, 0, 0], isTaken: false),
    options("timestamp of unknown kind", [68, 8, 5, 5, 0, 0, 0, 0], isTaken: true),
    options("timestamp twice", [68, 8, 5, 0, 0, 0, 0, 0, 68, 8, 5, 0, 0, 0, 0, 0], isTaken: false),
    options("router alert", [148, 4, 0, 0], isTaken: true),
    options("router alert, length 3", [148, 3, 0, 0], isTaken: false),
    options("CIPSO", [134, 14, 0, 0, 0, 1, 1, 8, 0, 1, 0, 0, 0, 0, 0, 0], isTaken: false),
    options("security", [130, 11] + zeros(10), isTaken: true),
    options("stream id, length 2", [136, 2, 0, 0], isTaken: true),
]

private let headers6: [Header] =
    options6("PadN", [1, 4, 0, 0, 0, 0], isTaken: true)
    + options6("six Pad1", zeros(6), isTaken: true)
    + options6("seven Pad1", [0x1e, 5, 0, 0, 0, 0, 0] + zeros(7), isTaken: true)
    + options6("eight Pad1", [0x1e, 4, 0, 0, 0, 0] + zeros(8), isTaken: false)
    + options6("PadN that is not zero", [1, 4, 0, 0, 1, 0], isTaken: false)
    + options6("unknown, to be skipped", [0x1e, 4, 0, 0, 0, 0], isTaken: true)
    + options6("unknown, to be discarded", [0x40, 4, 0, 0, 0, 0], isTaken: false)
    + options6("unknown, to be told", [0x80, 4, 0, 0, 0, 0], isTaken: false)
    + options6("unknown, to be told to one", [0xc0, 4, 0, 0, 0, 0], isTaken: false)
    + options6("too long", [0x1e, 5, 0, 0, 0, 0], isTaken: false)
    + options6("without length", [1, 3, 0, 0, 0, 0x1e], isTaken: false)
    + options6(
        "eight options", Array([[UInt8]](repeating: [0x1e, 0], count: 8).joined()) + [1, 4, 0, 0, 0, 0],
        isTaken: true)
    + options6(
        "nine options", Array([[UInt8]](repeating: [0x1e, 0], count: 9).joined()) + [1, 2, 0, 0],
        isTaken: false)
    + options6("router alert", [5, 2, 0, 0, 1, 0], isTaken: true)
    + options6("router alert of length 3", [5, 3, 0, 0, 0, 0], hopByHop: false, destination: true)
    + options6("jumbo payload", [0xc2, 4, 0, 0, 0, 64], isTaken: false)
    + options6("IOAM", [1, 0, 0x31, 2, 0, 0], isTaken: true)
    + options6("IOAM, not aligned", [0x31, 4, 0, 0, 0, 0], hopByHop: false, destination: true)
    + options6("CALIPSO", [7, 12, 0, 0, 0, 1] + zeros(8), hopByHop: false, destination: true)
    + options6("home address", [1, 0, 1, 0, 0xc9, 16] + Host.client6.bytes, isTaken: false)
    + [
        routing(0, 0, isTaken: true), routing(0, 1, isTaken: false), routing(1, 0, isTaken: true),
        // A kernel with mobile IPv6, as those of distributions are, discards this one.
        routing(2, 0, isTaken: false), routing(2, 1, isTaken: false),
        routing(3, 0, isTaken: false), routing(3, 1, isTaken: false),
        routing(4, 0, isTaken: false), routing(4, 1, isTaken: false),
        routing(5, 0, isTaken: true), routing(5, 1, isTaken: false), routing(253, 1, isTaken: false),
        Header(name: "mobility", bytes: [6] + zeros(7), number: 135, isTaken: false),
        Header(name: "HIP", bytes: [6] + zeros(7), number: 139, isTaken: false),
        Header(name: "Shim6", bytes: [6] + zeros(7), number: 140, isTaken: false),
        Header(name: "authentication", bytes: [6, 4] + zeros(22), number: 51, isTaken: false),
        Header(name: "hop-by-hop twice", bytes: [0] + zeros(7) + [6] + zeros(7), number: 0, isTaken: false),
        Header(
            name: "hop-by-hop behind others", bytes: [0] + zeros(7) + [6] + zeros(7), number: 60,
            isTaken: false),
        Header(
            name: "destination options three times",
            bytes: [60] + zeros(7) + [60] + zeros(7) + [6] + zeros(7), number: 60, isTaken: true),
        Header(name: "atomic fragment", bytes: [6] + zeros(7), number: 44, isTaken: true),
        Header(
            name: "atomic fragment twice", bytes: [44] + zeros(7) + [6] + zeros(7), number: 44,
            isTaken: false),
    ]

extension Segment {
    /// The packet with IPv4's options, or extension headers of which `number` is the first.
    fileprivate func packet(behind header: Header) -> [UInt8] {
        let plain = packet
        guard from.isV4 else {
            return ipPacket(from, to, proto: header.number, ttl: ttl, header.bytes + plain[40...])
        }
        return ipPacket(from, to, proto: 6, ttl: ttl, options: header.bytes, Array(plain[20...]))
    }
}

struct DiscardedHeaderTests {
    private func talk(_ isV4: Bool) -> Talk {
        isV4 ? Talk() : Talk(client: .client6, server: .server6)
    }

    @Test(arguments: headers4.map { (true, $0) } + headers6.map { (false, $0) })
    fileprivate func `a segment that its host discards is in no stream`(isV4: Bool, header: Header) {
        let (wire, talk) = (Wire(), talk(isV4))
        wire.shakeHands(talk)
        wire.send(talk.request("decoy").packet(behind: header))
        wire.send(talk.request("GET /"))
        let discarded: Anomaly = isV4 ? .ipv4OptionDiscarded : .ipv6ExtensionDiscarded
        #expect(wire.request == (header.isTaken ? "decoy" : "GET /"))
        #expect(wire.anomalies.contains(discarded) == !header.isTaken)
        #expect(wire.counters.discardedHeaders == (header.isTaken ? 0 : 1))
        #expect(wire.counters.wrongChecksums == 0)
        if !header.isTaken { #expect(wire.notes.uses.suffix(2) == [.refused, .delivered]) }
    }

    /// Another host's settings may differ: source routes taken, keys for AH.
    @Test func `what the host acknowledges it has not discarded`() {
        let (wire, talk) = (Wire(), talk(true))
        wire.shakeHands(talk)
        let header = options("", [131, 7, 4, 1, 2, 3, 4, 0], isTaken: false)
        wire.send(talk.request("GET /").packet(behind: header))
        #expect(wire.request.isEmpty)
        wire.send(talk.response("", acknowledging: 5))
        #expect(wire.request == "GET /")
    }

    @Test(arguments: [true, false])
    func `what this host sent is not judged`(isV4: Bool) {
        let (wire, talk) = (Wire(), talk(isV4))
        wire.shakeHands(talk)
        let header =
            isV4
            ? options("", [131, 7, 4, 1, 2, 3, 4, 0], isTaken: true)
            : Header(name: "", bytes: [6, 4] + zeros(22), number: 51, isTaken: true)
        wire.send(talk.request("GET /").packet(behind: header)) { $0.isSentByHost = true }
        #expect(wire.request == "GET /")
        #expect(wire.anomalies.isEmpty)
    }

    @Test func `an acknowledgement that is discarded moves no timestamp`() {
        func stamped(_ segment: Segment, _ value: UInt32) -> Segment {
            var bytes: [UInt8] = [1, 1, 8, 10]
            bytes.add32(value)
            bytes.add32(100)
            return segment.with { $0.options = bytes }
        }
        let (wire, talk) = (Wire(), Talk())
        wire.send(stamped(talk.syn, 100), stamped(talk.synAck, 100), stamped(talk.clientAck, 101))
        let late = stamped(talk.clientAck, 1_000_000)
        wire.send(late.packet(behind: options("", [131, 7, 4, 1, 2, 3, 4, 0], isTaken: false)))
        wire.send(stamped(talk.request("GET /"), 102))
        #expect(wire.request == "GET /")
        #expect(!wire.anomalies.contains(.timestampOld))
    }

    @Test func `a checksum behind a routing header at its end is verified`() {
        let (wire, talk) = (Wire(), talk(false))
        wire.shakeHands(talk)
        var wrong = talk.request("decoy").packet(behind: routing(5, 0, isTaken: true))
        wrong[wrong.count - 1] ^= 1
        wire.send(wrong)
        wire.send(talk.request("GET /"))
        #expect(wire.request == "GET /")
        #expect(wire.anomalies.contains(.tcpWrongChecksum))
    }

    @Test func `a discarded datagram does not answer for the other side`() {
        let wire = Wire()
        wire.send(udpPacket(.client, .server, [1]))
        let answer = Array(udpPacket(.server, .client, [2])[20...])
        wire.send(ipPacket(.server, .client, proto: 17, options: [131, 7, 4, 1, 2, 3, 4, 0], answer))
        #expect(wire.flow?.state == .new)
        #expect(wire.anomalies == [.ipv4OptionDiscarded])
    }

    @Test func `a fragment that is discarded is in no datagram`() {
        let (wire, packet) = (Wire(), udpPacket(.client, .server, Array("0123456789abcdef".utf8)))
        let pieces = fragments(of: packet, at: [0, 16])
        let options: [UInt8] = [7, 2, 4, 0, 0, 0, 0, 0]
        let decoy = ipPacket(.client, .server, proto: 17, options: options, zeros(8))
        wire.send(fragment(of: decoy, 16, zeros(8), hasMore: false))
        for piece in pieces { wire.send(piece) }
        #expect(wire.recorder.payloads == [Array("0123456789abcdef".utf8)])
        #expect(wire.recorder.strayAnomalies == [.ipv4OptionInvalidLength, .ipv4OptionDiscarded])
        #expect(wire.counters.discardedHeaders == 1)
    }

    /// Of a datagram: what stood before its fragment header was judged there, and what stands behind cannot
    /// be a hop-by-hop header or another fragment header.
    @Test(arguments: [
        (UInt8(60), true), (0, false), (44, false),
    ])
    func `headers behind a fragment header`(number: UInt8, isTaken: Bool) {
        let (wire, talk) = (Wire(), talk(false))
        wire.shakeHands(talk)
        let header = Header(name: "", bytes: [6] + zeros(7), number: number, isTaken: isTaken)
        let packet = talk.request("decoy").packet(behind: header)
        for piece in fragments(of: packet, at: [0, 32]) { wire.send(piece) }
        wire.send(talk.request("GET /"))
        #expect(wire.request == (isTaken ? "decoy" : "GET /"))
        #expect(wire.anomalies.contains(.ipv6ExtensionDiscarded) == !isTaken)
    }

    @Test func `a hop-by-hop header before a fragment header stays where it was`() {
        let (wire, talk) = (Wire(), talk(false))
        wire.shakeHands(talk)
        for piece in fragments(of: talk.request("GET /").packet, at: [0, 24]) {
            var changed = piece
            changed[6] = 0
            changed.insert(contentsOf: [44] + zeros(7), at: 40)
            changed.set16(changed.count - 40, at: 4)
            wire.send(changed)
        }
        #expect(wire.request == "GET /")
    }
}
