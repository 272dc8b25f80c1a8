// SPDX-License-Identifier: Apache-2.0
// QUIC: packets that servers discard, or pass over, hide no hello.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

private func hello(_ name: String) -> [UInt8] {
    TLSBuilder.message(1, TLSBuilder.clientHello(extensions: [TLSBuilder.serverName(name)]))
}

private let evil = hello("evil.example")
private let good = hello("good.example")

/// An Initial packet of the connection with the first id, by a client that calls itself `source`.
private func packet(_ bytes: [UInt8], _ place: Int, _ number: UInt64, source: UInt8 = 1) -> [UInt8] {
    var builder = QUICBuilder()
    builder.sourceID = [source, 2]
    return builder.packet(QUICBuilder.crypto(place, bytes), number: number)
}

private func names(_ datagrams: [[UInt8]]) -> [String] {
    var conversation = Conversation()
    conversation.isDatagrams = true
    for datagram in datagrams { conversation.client(datagram) }
    return Reading(conversation).quic.compactMap { $0.serverName?.text }
}

/// RFC 9000 section 7.2: servers discard Initial packets with another source id than the first one's.
@Test(arguments: [20, 30, 60], [0, 1, 7] as [UInt64])
func `a packet with another source id hides nothing`(cut: Int, number: UInt64) {
    let parts = [packet(Array(evil[..<cut]), 0, 0), packet(Array(evil[cut...]), cut, 1)]
    let filling = [UInt8](repeating: 0x78, count: 300)
    for decoy in [
        packet(Array(good[cut...]), cut, number, source: 9), packet(good, 0, number, source: 9),
        packet(filling, 0, number, source: 9), packet(filling, cut, number, source: 9),
    ] {
        for datagrams in [
            [decoy] + parts, [parts[0], decoy, parts[1]], [parts[1], decoy, parts[0]],
            [decoy, parts[1], decoy, parts[0]], [parts[0] + decoy + parts[1]],
        ] {
            #expect(names(datagrams).contains("evil.example"))
        }
    }
    let many = (10..<30).map { packet(Array(good[cut...]), cut, number, source: $0) }
    #expect(names([parts[0]] + many + [parts[1]]).contains("evil.example"))
}

/// Not all servers do.
@Test func `a hello in packets of several source ids is read`() {
    let parts = [packet(Array(evil[..<20]), 0, 0), packet(Array(evil[20...]), 20, 1, source: 9)]
    #expect(names(parts) == ["evil.example"])
    #expect(names(parts.reversed()) == ["evil.example"])
    let three = [
        packet(Array(evil[..<20]), 0, 0), packet(Array(evil[20..<40]), 20, 1, source: 9),
        packet(Array(evil[40...]), 40, 2, source: 7),
    ]
    #expect(names(three) == ["evil.example"])
    let once = [packet(good, 0, 0), packet(good, 0, 1, source: 9), packet(good, 0, 2, source: 7)]
    #expect(names(once) == ["good.example"])
    // Numbers that have their last byte alone, beyond what one of them said.
    var last = QUICBuilder()
    last.sourceID = [9, 2]
    let far = last.packet(QUICBuilder.crypto(20, Array(evil[20...])), number: 301, bytes: 1)
    #expect(names([packet(Array(evil[..<20]), 0, 300), far]) == ["evil.example"])
}

/// The server's hello is told with the hello of its client, whoever else asked.
@Test func `a server's hello stands beside its client's`() {
    var conversation = Conversation()
    conversation.isDatagrams = true
    for datagram in [
        packet(Array(evil[..<20]), 0, 0), packet(good, 0, 0, source: 9), packet(Array(evil[20...]), 20, 1),
    ] { conversation.client(datagram) }
    var server = QUICBuilder()
    server.keyID = server.destinationID
    server.direction = .toClient
    server.destinationID = [1, 2]
    let answer = TLSBuilder.message(2, TLSBuilder.serverHello([], session: [5]))
    conversation.server(server.packet(QUICBuilder.crypto(0, answer)))
    let hellos = Reading(conversation).quic
    let asked = hellos.first { $0.serverName?.text == "evil.example" }
    #expect(asked != nil && hellos.last?.serverHello?.sessionID == [5])
    #expect(hellos.last?.connection == asked?.connection)
}

/// The server has read the first hello, and what stands in its place again is nothing to it: as long as that
/// one, or shorter.
@Test(arguments: [1, 3, 7]) func `other hellos in the first one's place do not hide the second one`(
    count: Int
) {
    let begin = packet(good, 0, 0)
    let halves = [
        packet(Array(evil[..<30]), good.count, 101), packet(Array(evil[30...]), good.count + 30, 102),
    ]
    let others = (0..<count).map { number in
        packet(hello(["n\(number).example", "bad\(number).example"][number % 2]), 0, UInt64(10 + number))
    }
    let junk = [[2, 0, 0, 1, 7], [1, 0, 0, 2, 7, 7], [1, 0xff, 0xff, 0xff]].map { packet($0, 0, 20) }
    for decoys in [others] + junk.map({ [$0] }) {
        #expect(names([begin] + decoys + halves).contains("evil.example"))
        #expect(names([begin, halves[0]] + decoys + [halves[1]]).contains("evil.example"))
        // And a number that its receiver knows, with other bytes.
        let known = packet([UInt8](repeating: 0x78, count: 50), good.count, 0)
        #expect(names([begin] + decoys + [known] + halves).contains("evil.example"))
    }
}

@Test func `how much stands behind hellos is bounded`() {
    var limits = ProtocolLimits.ofShortDatagrams
    limits.quicConnections = 1
    let parser = QUICParser(limits: limits)
    var anomalies: Set<String> = []
    for number in 0..<100 {
        let own = hello("\(number).example")
        let far = stride(from: own.count + 500, to: limits.quicCrypto, by: 500).flatMap {
            QUICBuilder.crypto($0, [7])
        }
        QUICBuilder().packet(QUICBuilder.crypto(0, own) + far, number: UInt64(number)).withUnsafeBytes {
            parser.feed($0, .toServer) { if case .anomaly(let one) = $0 { anomalies.insert(one.name) } }
        }
        #expect(parser.heldBytes <= limits.quicHeld)
    }
    #expect(anomalies == ["hellos_over_limit"])
}
