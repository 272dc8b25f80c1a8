// SPDX-License-Identifier: Apache-2.0
// QUIC: several connections on one flow, and what hides none of their hellos.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

private func hello(_ name: String) -> [UInt8] {
    TLSBuilder.message(1, TLSBuilder.clientHello(extensions: [TLSBuilder.serverName(name)]))
}

private func builder(_ number: Int) -> QUICBuilder {
    var builder = QUICBuilder()
    builder.destinationID = [0xd0, 0, 0, 0, 0, 0] + TLSBuilder.u16(number)
    return builder
}

private func read(_ datagrams: [[UInt8]]) -> Reading {
    var conversation = Conversation()
    conversation.isDatagrams = true
    for datagram in datagrams { conversation.client(datagram) }
    return Reading(conversation)
}

private func names(_ reading: Reading) -> [String] { reading.quic.compactMap { $0.serverName?.text } }

private let evil = hello("evil.example")

/// An Initial packet that no key opens.
private let junk =
    [0xc1, 0, 0, 0, 1, 8] + [UInt8](repeating: 0x47, count: 8) + [0, 0, 0x40, 40]
    + [UInt8](repeating: 0x78, count: 40)

@Test func `each connection's hello is read`() {
    let reading = read(
        (0..<100).map { builder($0).packet(QUICBuilder.crypto(0, hello("\($0).example"))) })
    #expect(names(reading) == (0..<100).map { "\($0).example" })
    #expect(reading.quic.map(\.connection) == Array(0..<100))
    #expect(reading.anomalies == [])
}

@Test func `an id that is used again for another hello is read again`() {
    let one = QUICBuilder()
    let reading = read([
        one.packet(QUICBuilder.crypto(0, hello("good.example"))), one.packet(QUICBuilder.crypto(0, evil)),
    ])
    #expect(names(reading) == ["good.example", "evil.example"])
    #expect(reading.quic.map(\.connection) == [0, 1])
}

@Test func `a hello that is sent again, also behind a retry, is told once`() {
    let first = builder(1).packet(QUICBuilder.crypto(0, evil))
    let again = builder(2).packet(QUICBuilder.crypto(0, evil), number: 1)
    #expect(names(read([first, first, again, first])) == ["evil.example"])
}

/// RFC 9001 section 4.6, RFC 8446 section 4.1.2: the stream goes on behind the first hello.
@Test func `the hello behind a retry request is read, whatever comes again`() {
    let first = hello("good.example"), one = builder(1)
    func packet(_ bytes: [UInt8], _ place: Int, _ number: UInt64) -> [UInt8] {
        one.packet(QUICBuilder.crypto(place, bytes), number: number)
    }
    let begin = packet(first, 0, 0), second = packet(evil, first.count, 1)
    let halves = [
        packet(Array(evil[..<30]), first.count, 1), packet(Array(evil[30...]), first.count + 30, 2),
    ]
    let third = packet(hello("third.example"), first.count + evil.count, 9)
    for datagrams in [
        [begin, second], [begin] + halves, [begin] + halves.reversed(), [begin, halves[0], begin, halves[1]],
        [halves[1], begin, halves[0]], [begin, second, second, begin], [second, begin],
        halves + [begin], [packet(first + evil, 0, 3)],
    ] {
        let reading = read(datagrams)
        #expect(names(reading) == ["good.example", "evil.example"])
        #expect(reading.quic.map(\.connection) == [0, 0])
        #expect(reading.anomalies == [])
    }
    #expect(names(read([begin, second, third])) == ["good.example", "evil.example", "third.example"])
    // Another connection with the same ids has its own.
    let other = hello("a.example")
    let anew = [begin, packet(other, 0, 5), packet(evil, other.count, 6)]
    #expect(names(read(anew)) == ["good.example", "a.example", "evil.example"])
}

/// RFC 9000 section 12.3: who did not forget the first packets discards another one with their number.
@Test func `a number that comes again behind a hello does not hide the next one`() {
    let first = hello("good.example"), one = builder(1)
    let begin = one.packet(QUICBuilder.crypto(0, first))
    let second = one.packet(QUICBuilder.crypto(first.count, evil), number: 1)
    for decoy in [[2], hello("decoy.example"), Array(evil.prefix(30)) + [7]] {
        let again = one.packet(QUICBuilder.crypto(first.count, decoy))
        #expect(names(read([begin, again, second])).contains("evil.example"))
        #expect(names(read([begin, again, again, second])).contains("evil.example"))
        // The first hello in between, with another number.
        let known = one.packet(QUICBuilder.crypto(0, first), number: 5)
        #expect(names(read([begin, known, again, second])).contains("evil.example"))
    }
}

/// Section 17.1 and appendix A.3: a packet has the last bytes of its number.
@Test func `numbers are those nearest to what is expected`() {
    for (number, bytes) in [(300, 1), (328, 1), (0x1_0010, 2), (200, 1), (73, 1)] as [(UInt64, Int)] {
        let reading = read([
            builder(1).packet(QUICBuilder.crypto(0, Array(evil[..<1])), number: number - 1, bytes: 4),
            builder(1).packet(QUICBuilder.crypto(1, Array(evil[1...])), number: number, bytes: bytes),
        ])
        #expect(names(reading) == ["evil.example"] && reading.anomalies == [], "\(number)")
    }
    #expect(QUICKeys.whole(0x9b32, bytes: 2, expected: 0xa82f_30eb) == 0xa82f_9b32)
    #expect(QUICKeys.whole(0xff, bytes: 1, expected: 0x100) == 0xff)
    #expect(QUICKeys.whole(0x00, bytes: 1, expected: 0xff) == 0x100)
    // Another connection's with the same ids.
    let other = [builder(1).packet([1], number: 1 << 33), builder(1).packet(QUICBuilder.crypto(0, evil))]
    #expect(names(read(other)) == ["evil.example"])
}

/// Each packet costs what it brings, however much stands behind the hello.
@Test func `what is no hello behind one is not read on`() {
    let first = hello("good.example"), one = builder(1), limits = ProtocolLimits()
    let places = stride(from: first.count + 1, to: limits.quicCrypto, by: 2)
    var streams = QUICHelloStreams()
    func add(_ bytes: [UInt8], _ place: Int) {
        _ = bytes.withUnsafeBytes { streams.add($0, at: place, limit: limits.quicCrypto) }
    }
    add(first, 0)
    for place in places { add([7], place) }
    let isKept = streams.firstWasRead(first.count, [1], limits)
    #expect(isKept)
    add([7], first.count)
    #expect(streams.starts.map { $0.readings.map { $0?.count } } == [[2, 2]] && streams.first.count == 0)
    let all = Array(places)
    let holes = stride(from: 0, to: all.count, by: 200).enumerated().map { number, start in
        let frames = all[start..<min(all.count, start + 200)].flatMap { QUICBuilder.crypto($0, [7]) }
        return one.packet(frames, number: UInt64(number + 1))
    }
    let packets = [one.packet(QUICBuilder.crypto(0, first))] + holes
    let last = one.packet(QUICBuilder.crypto(first.count, [7]), number: 200)
    #expect(names(read(packets + [last])) == ["good.example"])
}

/// In datagrams of their own, and within one, in which receivers read packet after packet.
@Test(arguments: [1, 8, 500]) func `packets that cannot be opened hide nothing`(count: Int) {
    let packet = builder(1).packet(QUICBuilder.crypto(0, evil))
    let own = [[UInt8]](repeating: junk, count: count)
    #expect(names(read(own + [packet])) == ["evil.example"])
    #expect(names(read([own.flatMap { $0 } + packet])) == ["evil.example"])
    let parts = [0..<20, 20..<evil.count].map {
        builder(1).packet(QUICBuilder.crypto($0.lowerBound, Array(evil[$0])), number: UInt64($0.lowerBound))
    }
    #expect(names(read([parts[0]] + own + [parts[1]])) == ["evil.example"])
}

/// Receivers pass over packets with another id than the first one's, so that few are looked at.
@Test func `packets of other ids in a datagram hide nothing`() {
    let own = builder(1).packet(QUICBuilder.crypto(0, evil))
    let others = (0..<ProtocolLimits().quicIDs - 1).flatMap { number -> [UInt8] in
        [0xc1, 0, 0, 0, 1, 1, UInt8(number), 0, 0, 21] + [UInt8](repeating: 0x78, count: 21)
    }
    #expect(names(read([others + own])) == ["evil.example"])
}

/// RFC 9000 section 14.1: a server discards an Initial packet in less than 1,200 bytes.
@Test func `a datagram that servers discard says nothing`() {
    func padded(_ packet: [UInt8], _ count: Int) -> [UInt8] {
        packet + [UInt8](repeating: 0, count: count - packet.count)
    }
    func packet(_ name: String, _ number: UInt64) -> [UInt8] {
        builder(1).packet(QUICBuilder.crypto(0, hello(name)), number: number)
    }
    var conversation = Conversation()
    conversation.isDatagrams = true
    conversation.client(padded(packet("good.example", 0), 1199))
    conversation.client(padded(packet("evil.example", 1), 1200))
    #expect(names(Reading(conversation, limits: ProtocolLimits())) == ["evil.example"])
}

/// Section 12.3: of two packets with one number the second is discarded.
@Test func `a packet whose number came before says nothing`() {
    let parts = [0..<20, 20..<evil.count].map { QUICBuilder.crypto($0.lowerBound, Array(evil[$0])) }
    let decoy = hello("good.example")
    let reading = read([
        builder(1).packet(parts[0], number: 7),
        builder(1).packet(QUICBuilder.crypto(20, Array(decoy[20...])), number: 7),
        builder(1).packet(parts[1], number: 8),
    ])
    #expect(names(reading) == ["evil.example"])
}

@Test func `packets that say nothing hide nothing`() {
    let empty = (0..<200).map { builder(1).packet([1], number: $0) }
    let packet = builder(1).packet(QUICBuilder.crypto(0, evil), number: 201)
    let reading = read(empty + [packet])
    #expect(names(reading) == ["evil.example"])
    #expect(reading.anomalies == [])
}

@Test func `a hello in single bytes with holes is read`() {
    let long = TLSBuilder.message(
        1,
        TLSBuilder.clientHello(extensions: [
            TLSBuilder.ext(51, [UInt8](repeating: 5, count: 4_000)), TLSBuilder.serverName("evil.example"),
        ]))
    let places = Array(stride(from: 0, to: long.count, by: 2)) + Array(stride(from: 1, to: long.count, by: 2))
    let frames = places.map { QUICBuilder.crypto($0, [long[$0]]) }
    let packets = stride(from: 0, to: frames.count, by: 100).map {
        builder(1).packet(frames[$0..<min($0 + 100, frames.count)].flatMap { $0 }, number: UInt64($0 / 100))
    }
    let reading = read(packets)
    #expect(names(reading) == ["evil.example"])
    #expect(reading.anomalies == [])
}

@Test func `bytes beyond the limit are refused, and the hello is read all the same`() {
    let limit = ProtocolLimits().quicCrypto
    let far = builder(1).packet(QUICBuilder.crypto(limit, [1]))
    let reading = read([far, builder(1).packet(QUICBuilder.crypto(0, evil), number: 1)])
    #expect(names(reading) == ["evil.example"])
    #expect(reading.anomalies == ["crypto_over_limit"])
}

/// As many as are kept wait for the rest of their hello between the parts of this one.
@Test func `connections that wait hide nothing`() {
    let parts = [0..<20, 20..<evil.count].map { QUICBuilder.crypto($0.lowerBound, Array(evil[$0])) }
    let others = (1..<ProtocolLimits().quicConnections).map {
        builder($0).packet(QUICBuilder.crypto(0, [1, 0, 9]))
    }
    let told = (100..<200).map { builder($0).packet(QUICBuilder.crypto(0, hello("\($0).example"))) }
    let own = builder(0)
    for between in [others, told] {
        let reading = read([own.packet(parts[0])] + between + [own.packet(parts[1], number: 1)])
        #expect(names(reading).last == "evil.example")
        #expect(reading.anomalies == [])
    }
}

@Test func `what is kept of connections is bounded`() {
    let limits = ProtocolLimits.ofShortDatagrams
    let parser = QUICParser(limits: limits)
    var anomalies: Set<String> = []
    for number in 0..<200 {
        // Bytes that are far apart.
        let frames = stride(from: 1, to: limits.quicCrypto, by: 500).flatMap { QUICBuilder.crypto($0, [7]) }
        builder(number).packet(frames).withUnsafeBytes {
            parser.feed($0, .toServer) { if case .anomaly(let one) = $0 { anomalies.insert(one.name) } }
        }
        #expect(parser.connectionCount <= limits.quicConnections)
        #expect(parser.heldBytes <= limits.quicHeld)
    }
    #expect(anomalies == ["connections_over_limit"])
    var found: [String?] = []
    builder(999).packet(QUICBuilder.crypto(0, evil)).withUnsafeBytes {
        parser.feed($0, .toServer) { if case .quic(let one) = $0 { found.append(one.serverName?.text) } }
    }
    #expect(found == ["evil.example"])
}

@Test func `each server's hello is read with its connection's keys`() {
    var conversation = Conversation()
    conversation.isDatagrams = true
    for number in 0..<4 {
        conversation.client(builder(number).packet(QUICBuilder.crypto(0, hello("\(number).example"))))
    }
    // All clients have the same id.
    for number in [UInt8](0..<4).reversed() {
        var server = builder(Int(number))
        server.keyID = server.destinationID
        server.direction = .toClient
        server.destinationID = [1, 2]
        let answer = TLSBuilder.message(2, TLSBuilder.serverHello([], session: [number]))
        conversation.server(server.packet(QUICBuilder.crypto(0, answer)))
    }
    let reading = Reading(conversation)
    #expect(reading.quic.suffix(4).map(\.connection) == [3, 2, 1, 0])
    #expect(reading.quic.suffix(4).map { $0.serverHello?.sessionID } == [[3], [2], [1], [0]])
}

/// Frames, packets and datagrams of any size, in any order.
@Test(arguments: [UInt64](1...30)) func `no split of a hello changes what is read`(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let most = random.pick([3, 40, 200])
    var frames: [[UInt8]] = []
    var start = 0
    while start < evil.count {
        let end = min(evil.count, start + 1 + random.below(most))
        frames.append(QUICBuilder.crypto(start, Array(evil[start..<end])))
        start = end
    }
    for index in frames.indices { frames.swapAt(index, random.below(frames.count)) }
    var datagrams: [[UInt8]] = []
    for (index, frame) in frames.enumerated() {
        let packet = builder(1).packet(frame, number: UInt64(truncatingIfNeeded: index))
        if random.chance(50), let last = datagrams.indices.last {
            datagrams[last] += packet
        } else {
            datagrams.append(packet)
        }
        if random.chance(20) { datagrams.append(junk) }
    }
    #expect(names(read(datagrams)) == ["evil.example"])
}
