// SPDX-License-Identifier: Apache-2.0
// Headers that are whole, headers that lie, and what is named of each.
import NetworkTypes
import TestSupport
import Testing

@testable import Streams

/// A packet read, with memory that ends with it.
private func read(
    _ packet: [UInt8], isCutShort: Bool = false, isSentByHost: Bool = false,
    _ look: (DecodedPacket) -> Void
) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: packet.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: packet)
    var input = InputPacket(bytes: UnsafeRawBufferPointer(copy), time: 1)
    (input.isCutShort, input.isSentByHost) = (isCutShort, isSentByHost)
    var reader = PacketReader(input, time: 1, StreamOptions())
    reader.read()
    look(reader.packet)
}

private func anomalies(of packet: [UInt8]) -> [Anomaly] {
    var found: [Anomaly] = []
    read(packet) { found = Array($0.anomalies) }
    return found
}

extension [UInt8] {
    fileprivate func changed(_ index: Int, _ value: UInt8) -> [UInt8] {
        var bytes = self
        bytes[index] = value
        return bytes
    }

    /// With the IPv4 header's checksum right again.
    fileprivate var summed: [UInt8] {
        var bytes = self
        let end = Int(bytes[0] & 15) * 4
        bytes.set16(0, at: 10)
        bytes.set16(Int(internetChecksum(Array(bytes[..<end]))), at: 10)
        return bytes
    }
}

struct PacketReaderTests {
    @Test func `all fields of an IPv4 TCP segment`() {
        let options: [UInt8] = [2, 4, 5, 180, 1, 3, 3, 7]
        let segment = Segment(
            sequence: 0x0102_0304, acknowledgement: 0xfffe_fdfc, flags: [.ack, .psh, .urg], window: 4321,
            urgentPointer: 2, options: options, payload: [9, 8, 7], ttl: 33, identification: 0xbeef)
        read(segment.packet + [0, 0, 0]) { packet in
            #expect(packet.anomalies.isEmpty && packet.isComplete && packet.discardReason == nil)
            #expect(packet.source == IPAddress("192.0.2.7"))
            #expect(packet.destination == IPAddress("198.51.100.1"))
            #expect(packet.family == .ipv4 && packet.proto == .tcp)
            #expect((packet.sourcePort, packet.destinationPort) == (40_000, 80))
            #expect((packet.tcpSequence, packet.tcpAcknowledgement) == (0x0102_0304, 0xfffe_fdfc))
            #expect(packet.tcpFlags == [.ack, .psh, .urg])
            #expect((packet.tcpWindow, packet.tcpUrgentPointer) == (4321, 2))
            #expect((packet.tcpMaximumSegmentSize, packet.tcpWindowScale) == (1460, 7))
            #expect((packet.ttl, packet.identification) == (33, 0xbeef))
            #expect(packet.ipLength == 51 && packet.bytes.count == 51, "what stands behind is padding")
            #expect(Array(packet.payload) == [9, 8, 7])
            #expect(packet.ipHeader.count == 20 && packet.ipOptions.isEmpty)
            #expect(packet.l4Header.count == 28 && Array(packet.tcpOptions) == options)
        }
    }

    @Test func `all fields of an IPv6 UDP packet behind extension headers`() {
        let inner = Array(udpPacket(.client6, .server6, [1, 2, 3])[40...])
        let headers: [UInt8] = [60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0]
        var packet = ipPacket(.client6, .server6, proto: 0, ttl: 9, headers + inner)
        packet[0] = 0x6a
        packet[1] = 0xb0
        read(packet) { packet in
            #expect(packet.anomalies.isEmpty && packet.isComplete && packet.discardReason == nil)
            #expect(packet.source == IPAddress("2001:db8::7"))
            #expect((packet.sourcePort, packet.destinationPort) == (40_000, 80))
            #expect(packet.trafficClass == 0xab && packet.ttl == 9 && packet.proto == .udp)
            #expect(packet.ipLength == 40 + 16 + 11)
            #expect(packet.ipHeader.count == 40 + headers.count && Array(packet.ipOptions) == headers)
            #expect(packet.l4Header.count == 8 && Array(packet.payload) == [1, 2, 3])
            #expect(packet.tcpOptions.isEmpty && packet.tcpMaximumSegmentSize == nil)
        }
    }

    @Test func `SCTP has ports`() {
        let packet = ipPacket(.client, .server, proto: 132, [0, 1, 0, 2] + [UInt8](repeating: 0, count: 10))
        read(packet) { packet in
            #expect((packet.sourcePort, packet.destinationPort) == (1, 2))
            #expect(packet.l4Header.count == 12 && packet.payload.count == 2)
        }
    }

    @Test func `a UDP payload ends where its length says`() {
        var packet = udpPacket(.client, .server, [1, 2, 3])
        packet += [0xee, 0xee]
        packet.set16(packet.count, at: 2)
        read(packet.summed) { #expect(Array($0.payload) == [1, 2, 3] && $0.anomalies.isEmpty) }
    }

    @Test func `a packet that the capture cut is read as far as it goes, its checksum is not judged`() {
        let packet = Talk().request("abcdef").packet
        read(Array(packet.dropLast(2)), isCutShort: true) { packet in
            #expect(packet.isComplete && packet.anomalies.isEmpty)
            #expect(packet.payload.count == 4 && packet.missingPayload == 2)
        }
        read(Array(packet.dropLast(30)), isCutShort: true) { #expect(!$0.isComplete) }
    }

    @Test func `what this host's card is to cut has no length yet`() {
        let packet = Talk().request("abcdef").packet.changed(2, 0).changed(3, 0)
        read(packet, isSentByHost: true) { #expect($0.payload.count == 6 && $0.anomalies.isEmpty) }
        #expect(anomalies(of: packet) == [.ipv4LengthBelowHeader])
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        var name: String
        var packet: [UInt8]
        var anomalies: [Anomaly]
        var testDescription: String { name }
    }

    private static let tcp4 = Talk().request("abcd").packet
    private static let udp6 = udpPacket(.client6, .server6, [1, 2, 3, 4])

    static let faults: [Fault] = [
        Fault(name: "nothing", packet: [], anomalies: [.wrongVersion]),
        Fault(name: "version 5", packet: tcp4.changed(0, 0x55), anomalies: [.wrongVersion]),
        Fault(name: "IPv4 of 19 bytes", packet: Array(tcp4[..<19]), anomalies: [.ipv4PacketTooSmall]),
        Fault(name: "IPv4 header of 16", packet: tcp4.changed(0, 0x44), anomalies: [.ipv4HeaderTooSmall]),
        Fault(
            name: "IPv4 length 19", packet: tcp4.changed(2, 0).changed(3, 19),
            anomalies: [.ipv4LengthBelowHeader]),
        Fault(name: "IPv4 cut", packet: Array(tcp4.dropLast()), anomalies: [.ipv4Truncated]),
        Fault(name: "IPv4 checksum", packet: tcp4.changed(8, 1), anomalies: [.ipv4WrongChecksum]),
        Fault(name: "TCP checksum", packet: tcp4.changed(43, 0), anomalies: [.tcpWrongChecksum]),
        Fault(
            name: "TCP of 19 bytes", packet: ipPacket(.client, .server, proto: 6, Array(tcp4[20..<39])),
            anomalies: [.tcpTooSmall]),
        Fault(name: "TCP header of 16", packet: tcp4.changed(32, 0x40), anomalies: [.tcpHeaderTooSmall]),
        Fault(name: "TCP header of 28", packet: tcp4.changed(32, 0x70), anomalies: [.tcpHeaderTooLong]),
        Fault(
            name: "TCP option of length 1",
            packet: Segment(options: [2, 1, 0, 0]).packet, anomalies: [.tcpOptionInvalidLength]),
        Fault(
            name: "TCP option behind the end",
            packet: Segment(options: [1, 1, 2, 4]).packet, anomalies: [.tcpOptionInvalidLength]),
        Fault(
            name: "TCP option without length",
            packet: Segment(options: [1, 1, 1, 2]).packet, anomalies: [.tcpOptionInvalidLength]),
        Fault(
            name: "TCP option twice",
            packet: Segment(options: [3, 3, 1, 3, 3, 1]).packet, anomalies: [.tcpOptionDuplicate]),
        Fault(
            name: "UDP of 7 bytes", packet: ipPacket(.client, .server, proto: 17, Array(udp6[40..<47])),
            anomalies: [.udpHeaderTooSmall]),
        Fault(name: "UDP length 7", packet: udp6.changed(45, 7), anomalies: [.udpLengthInvalid]),
        Fault(name: "UDP length 13", packet: udp6.changed(45, 13), anomalies: [.udpTooSmall]),
        Fault(
            name: "UDP without checksum under IPv6", packet: udp6.changed(46, 0).changed(47, 0),
            anomalies: [.udpWrongChecksum]),
        Fault(
            name: "ICMP of 7 bytes", packet: ipPacket(.client, .server, proto: 1, [8, 0, 0, 0, 0, 0, 0]),
            anomalies: [.icmpv4TooSmall]),
        Fault(
            name: "ICMPv6 of 7 bytes",
            packet: ipPacket(.client6, .server6, proto: 58, [128, 0, 0, 0, 0, 0, 0]),
            anomalies: [.icmpv6TooSmall]),
        Fault(
            name: "ICMP checksum",
            packet: icmpPacket(.client, .server, type: 8, [0, 1, 0, 1]).changed(27, 9),
            anomalies: [.icmpWrongChecksum]),
        Fault(
            name: "SCTP of 11 bytes",
            packet: ipPacket(.client, .server, proto: 132, [UInt8](repeating: 0, count: 11)),
            anomalies: [.sctpTooSmall]),
        Fault(name: "IPv6 of 39 bytes", packet: Array(udp6[..<39]), anomalies: [.ipv6PacketTooSmall]),
        Fault(name: "IPv6 cut", packet: Array(udp6.dropLast()), anomalies: [.ipv6Truncated]),
        Fault(
            name: "data behind no next header", packet: ipPacket(.client6, .server6, proto: 59, [1]),
            anomalies: [.ipv6DataAfterNone]),
    ]

    @Test(arguments: faults)
    func `a header that lies is named`(fault: Fault) {
        #expect(anomalies(of: fault.packet) == fault.anomalies)
    }

    @Test func `UDP without checksum is right under IPv4`() {
        let packet = udpPacket(.client, .server, [1]).changed(26, 0).changed(27, 0)
        #expect(anomalies(of: packet).isEmpty)
    }

    @Test(
        arguments: [
            ([7, 3, 4, 0], [Anomaly.ipv4OptionPaddingRequired]), ([7, 7, 4, 0, 0, 0, 0, 0], []),
            ([68, 2, 1, 1, 1, 1, 1, 1], [.ipv4OptionInvalidLength, .ipv4OptionDiscarded]),
            ([7, 9, 4, 0, 0, 0, 0, 0], [.ipv4OptionInvalidLength, .ipv4OptionDiscarded]),
            ([7, 1, 1, 1, 1, 1, 1, 1], [.ipv4OptionInvalidLength, .ipv4OptionDiscarded]),
            ([148, 4, 0, 0, 148, 4, 0, 0], [.ipv4OptionDuplicate]),
            ([99, 4, 0, 0, 0, 0, 0, 0], [.ipv4OptionUnknown]),
            ([1, 1, 1, 1, 1, 1, 1, 7], [.ipv4OptionEndRequired, .ipv4OptionDiscarded]),
        ] as [([UInt8], [Anomaly])])
    func `what is wrong with IPv4's options is named`(options: [UInt8], expected: [Anomaly]) {
        #expect(anomalies(of: ipPacket(.client, .server, proto: 99, options: options, [])) == expected)
    }

    /// Extension headers of 8 bytes: number and third byte.
    private func chain(_ headers: [(UInt8, UInt8)]) -> [UInt8] {
        var content: [UInt8] = []
        for index in headers.indices {
            let next = index + 1 < headers.count ? headers[index + 1].0 : 17
            content += [next, 0, headers[index].1, 4, 0, 0, 0, 0]
        }
        let udp = Array(udpPacket(.client6, .server6, [1])[40...])
        return ipPacket(.client6, .server6, proto: headers.first?.0 ?? 17, content + udp)
    }

    @Test(
        arguments: [
            ([(0, 1), (60, 1), (43, 5), (60, 1)], [Anomaly.ipv6ExtensionDiscarded]),
            ([(0, 1), (0, 1)], [.ipv6HopByHopTwice, .ipv6ExtensionDiscarded]),
            ([(43, 0)], [.ipv6RoutingTypeZero, .ipv6ExtensionDiscarded]),
            ([(43, 2), (43, 2)], [.ipv6RoutingTwice, .ipv6ExtensionDiscarded]),
            ([(60, 1), (60, 1)], [.ipv6DestinationTwice]),
            (
                [(60, 1), (60, 1), (60, 1), (60, 1), (60, 1), (60, 1), (60, 1), (60, 1)],
                [.ipv6DestinationTwice]
            ),
            (
                [(0, 1), (139, 1), (139, 1), (139, 1), (139, 1), (139, 1), (139, 1), (139, 1), (139, 1)],
                [.ipv6ExtensionDiscarded, .tooManyLayers]
            ),
        ] as [([(UInt8, UInt8)], [Anomaly])])
    func `what is wrong with a chain of headers is named`(headers: [(UInt8, UInt8)], expected: [Anomaly]) {
        #expect(anomalies(of: chain(headers)) == expected)
    }

    @Test func `a chain that ends within a header is named`() {
        for count in 1...7 {
            let packet = ipPacket(.client6, .server6, proto: 60, [UInt8](repeating: 0, count: count))
            #expect(anomalies(of: packet) == [.ipv6ExtensionTruncated])
        }
        let long = ipPacket(.client6, .server6, proto: 60, [17, 9, 0, 0, 0, 0, 0, 0])
        #expect(anomalies(of: long) == [.ipv6ExtensionTruncated])
    }

    @Test func `no packet that is cut or changed anywhere is more than it is`() {
        var random = SeededGenerator(seed: 7)
        let samples =
            [
                Self.tcp4, Self.udp6, chain([(0, 1), (60, 1), (44, 0)]),
                Segment(options: [2, 4, 5, 180, 1, 3, 3, 7], payload: [1]).packet,
                ipPacket(
                    .client, .server, proto: 17, options: [7, 7, 4, 0, 0, 0, 0, 0], Array(Self.udp6[40...])),
            ] + fragments(of: udpPacket(.client6, .server6, [UInt8](repeating: 1, count: 64)), at: [0, 16])
        for sample in samples {
            for count in 0...sample.count {
                for _ in 0..<20 {
                    var packet = Array(sample[..<count])
                    for _ in 0..<random.below(3) where count > 0 {
                        packet[random.below(count)] = UInt8(truncatingIfNeeded: random.next())
                    }
                    read(packet, isCutShort: random.chance(50)) { packet in
                        let parts = [
                            packet.payload, packet.ipHeader, packet.ipOptions, packet.l4Header,
                            packet.tcpOptions,
                        ]
                        #expect(parts.allSatisfy { $0.count <= packet.bytes.count })
                        #expect(packet.bytes.count <= count)
                        _ = packet.tcpWindowScale
                    }
                }
            }
        }
    }

    @Test(arguments: [0, 1, 2, 3, 4, 5, 7, 8, 1459, 1460, 65_535])
    func `the sum is RFC 1071's`(count: Int) {
        var random = SeededGenerator(seed: UInt64(count))
        let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let sum = bytes.withUnsafeBytes { $0.onesSum() }
        let expected = UInt32(UInt16(bigEndian: ~internetChecksum(bytes)))
        #expect(sum % 0xffff == expected % 0xffff, "0 and 0xffff are both zero")
    }
}

struct AnomalyTests {
    @Test func `names are Suricata's and no two are the same`() {
        #expect(Set(Anomaly.allCases.map(\.name)).count == Anomaly.allCases.count)
        #expect(Anomaly.ipv4Truncated.name == "decoder.ipv4.trunc_pkt")
        #expect(Anomaly.sctpTooSmall.name == "decoder.sctp.pkt_too_small")
        #expect(Anomaly.synAckWrongAck.name == "stream.3whs_synack_with_wrong_ack")
        #expect(Anomaly.overlapDiffers.name == "stream.reassembly_overlap_different_data")
        #expect(Anomaly.ipv6FragmentOverlap.word == "ipv6.frag_overlap")
        #expect(Anomaly.tooManyLayers.word == "too_many_layers")
        #expect(Anomaly.allCases.filter(\.isOfStream).count == 31)
    }

    @Test func `a set gives back what was put in, in order`() {
        var set = AnomalySet()
        #expect(set.isEmpty && Array(set).isEmpty)
        for anomaly in Anomaly.allCases.reversed() { set.insert(anomaly) }
        #expect(Array(set) == Anomaly.allCases)
        var other = AnomalySet()
        other.insert(.overlapDiffers)
        #expect(other.contains(.overlapDiffers) && !other.contains(.sequenceGap))
        other.formUnion(set)
        #expect(other == set)
    }
}
