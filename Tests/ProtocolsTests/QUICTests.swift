// SPDX-License-Identifier: Apache-2.0
// QUIC: keys of the RFCs' examples, hellos over several frames, packets and datagrams, Google's CHLO.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

/// A version, a side, and the keys that its RFC gives for connection id 8394c8f03e515708.
struct KeyCase: Sendable, CustomTestStringConvertible {
    let version: UInt32
    let direction: FlowDirection
    let key: String
    let iv: String
    let headerKey: String
    var testDescription: String { "\(QUICVersion(rawValue: version).name) \(direction)" }
}

@Test(arguments: [
    KeyCase(
        version: 1, direction: .toServer, key: "1f369613dd76d5467730efcbe3b1a22d",
        iv: "fa044b2f42a3fd3b46fb255c",
        headerKey: "9f50449e04a0e810283a1e9933adedd2"),
    KeyCase(
        version: 1, direction: .toClient, key: "cf3a5331653c364c88f0f379b6067e37",
        iv: "0ac1493ca1905853b0bba03e",
        headerKey: "c206b8d9b9f0f37644430b490eeaa314"),
    KeyCase(
        version: 0x6b33_43cf, direction: .toServer, key: "8b1a0bc121284290a29e0971b5cd045d",
        iv: "91f73e2351d8fa91660e909f", headerKey: "45b95e15235d6f45a6b19cbcb0294ba9"),
])
func `keys are those of the RFC's example`(one: KeyCase) throws {
    let keys = try #require(
        QUICKeys(
            QUICVersion(rawValue: one.version), destinationID: QUICBuilder().destinationID, one.direction))
    #expect(keys.key.hexadecimal.text == one.key)
    #expect(keys.iv.hexadecimal.text == one.iv)
    #expect(keys.headerKey.hexadecimal.text == one.headerKey)
}

private let hello = TLSBuilder.message(1, TLSBuilder.usual)

private func read(_ datagrams: [UInt8]..., server: [[UInt8]] = []) -> Reading {
    var conversation = Conversation()
    conversation.isDatagrams = true
    for datagram in datagrams { conversation.client(datagram) }
    for datagram in server { conversation.server(datagram) }
    return Reading(conversation)
}

@Test(arguments: [1, 0x6b33_43cf, 0xff00_001b, 0xff00_001d, 0xff00_0022] as [UInt32])
func `a client's hello is read in each version`(version: UInt32) throws {
    var builder = QUICBuilder()
    builder.version = QUICVersion(rawValue: version)
    let reading = read(builder.packet(QUICBuilder.crypto(0, hello)))
    #expect(reading.appProtocol == .quic)
    let found = try #require(reading.quic.first)
    #expect(found.version.rawValue == version)
    #expect(found.serverName?.text == "www.example.org")
    #expect(found.clientHello?.ja4.text.hasPrefix("q13d0206h2_") == true)
    #expect(found.destinationID == builder.destinationID)
    #expect(found.sourceID == [1, 2])
}

@Test func `frames in any order are one hello`() {
    let parts = [0..<10, 10..<60, 60..<hello.count].map {
        QUICBuilder.crypto($0.lowerBound, Array(hello[$0]))
    }
    let frames = [1] + parts[2] + [0, 0] + parts[0] + [2, 0x40, 9, 0, 0, 3] + parts[1] + parts[0]
    #expect(read(QUICBuilder().packet(frames)).quic.first?.serverName?.text == "www.example.org")
}

@Test func `packets in any order are one hello`() {
    let first = QUICBuilder().packet(QUICBuilder.crypto(0, Array(hello[..<50])))
    let second = QUICBuilder().packet(QUICBuilder.crypto(50, Array(hello[50...])), number: 1)
    #expect(read(second, first).quic.first?.serverName?.text == "www.example.org")
    #expect(read(first + second).quic.first?.serverName?.text == "www.example.org")
    #expect(read(first).quic.isEmpty)
}

@Test func `a client that uses the server's id is read with the first keys`() {
    let first = QUICBuilder().packet(QUICBuilder.crypto(0, Array(hello[..<50])))
    var later = QUICBuilder()
    later.keyID = later.destinationID
    later.destinationID = [9, 9, 9, 9]
    let second = later.packet(QUICBuilder.crypto(50, Array(hello[50...])), number: 1)
    #expect(read(first, second).quic.first?.serverName?.text == "www.example.org")
}

@Test func `behind a retry keys come from the new id`() {
    var later = QUICBuilder()
    later.destinationID = [5, 5, 5, 5, 5, 5, 5, 5]
    let first = QUICBuilder().packet(QUICBuilder.crypto(0, Array(hello[..<50])))
    let again = later.packet(QUICBuilder.crypto(0, hello))
    #expect(read(first, again).quic.first?.serverName?.text == "www.example.org")
}

@Test func `the server's hello is read with the client's keys`() throws {
    var server = QUICBuilder()
    server.direction = .toClient
    server.keyID = server.destinationID
    server.destinationID = [1, 2]
    let answer = TLSBuilder.message(2, TLSBuilder.serverHello([TLSBuilder.ext(43, [3, 4])]))
    let reading = read(
        QUICBuilder().packet(QUICBuilder.crypto(0, hello)),
        server: [server.packet([2, 0, 0, 0, 0] + QUICBuilder.crypto(0, answer))])
    let found = try #require(reading.quic.last)
    #expect(found.direction == .toClient)
    #expect(found.serverHello?.version.name == "TLS 1.3")
}

/// Frames or packets that cannot be, and what they are called.
@Test func `what QUIC forbids is named`() {
    #expect(read(QUICBuilder().packet([0x1f])).anomalies == ["invalid_frame"])
    #expect(
        read(QUICBuilder().packet(QUICBuilder.crypto(0x3fff_0000, [1]))).anomalies == ["crypto_over_limit"])
    #expect(
        read(QUICBuilder().packet(QUICBuilder.crypto(0, [2, 0, 0, 0]))).anomalies
            == ["invalid_handshake_message"])
    var packet = QUICBuilder().packet(QUICBuilder.crypto(0, hello))
    packet[packet.count - 1] ^= 1
    #expect(read(packet).anomalies == ["decrypt_failed"])
}

@Test func `Google's hello is read without keys`() throws {
    func tag(_ name: String, _ end: UInt8) -> [UInt8] {
        Array((name.utf8 + [0, 0, 0, 0]).prefix(4)) + [end, 0, 0, 0]
    }
    let chlo = [UInt8]("CHLO") + [2, 0, 0, 0] + tag("SNI", 5) + tag("UAID", 8) + [UInt8]("a.b.cxyz")
    let packet =
        [0x0d] + [UInt8](repeating: 1, count: 8) + [UInt8]("Q043") + [UInt8](repeating: 3, count: 20)
        + chlo
    let reading = read(packet)
    let found = try #require(reading.quic.first)
    #expect(found.version.name == "Q043")
    #expect(found.serverName?.text == "a.b.c")
    #expect(found.userAgent?.text == "xyz")
}

@Test(arguments: [UInt64](1...100))
func `changed packets are survived`(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var frames =
        [1] + QUICBuilder.crypto(random.below(3), hello) + QUICBuilder.crypto(random.below(40), hello)
    for _ in 0..<random.below(8) {
        frames[random.below(frames.count)] = UInt8(truncatingIfNeeded: random.next())
    }
    var packet = QUICBuilder().packet(frames)
    if random.chance(50) { packet[random.below(packet.count)] = UInt8(truncatingIfNeeded: random.next()) }
    _ = read(packet, Array(packet.prefix(random.below(packet.count)))).text
}

@Test(
    arguments: [
        (1, "1"), (0x6b33_43cf, "2"), (0xff00_001d, "draft-29"), (0x5130_3530, "Q050"),
        (0xface_b002, "0xfaceb002"),
    ] as [(UInt32, String)])
func `versions have names`(number: UInt32, name: String) {
    #expect(QUICVersion(rawValue: number).name == name)
}
