// SPDX-License-Identifier: Apache-2.0
// What an endpoint passes over or answers with an error, before what it takes: none of it hides what follows.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

/// A hello beyond what is held, as those with post-quantum keys are.
private let longHello = TLSBuilder.message(
    1,
    TLSBuilder.clientHello(extensions: [
        TLSBuilder.ext(51, [UInt8](repeating: 5, count: 1_400)), TLSBuilder.serverName("www.example.org"),
    ]))

@Test(arguments: [1, 2, 32, 100]) func `empty records before a hello are passed over`(count: Int) {
    let empty = (0..<count).flatMap { _ in TLSBuilder.record(22, []) }
    var conversation = Conversation()
    conversation.client(empty + TLSBuilder.record(22, longHello))
    conversation.server(empty + TLSBuilder.record(22, TLSBuilder.message(2, TLSBuilder.serverHello([]))))
    let whole = Reading(conversation)
    #expect(whole.tls?.clientHello?.serverName?.text == "www.example.org")
    #expect(whole.tls?.serverHello != nil)
    var random = SeededGenerator(seed: 0x656d_7074)
    for _ in 0..<8 { #expect(Reading(conversation.split(&random)).text == whole.text) }
}

@Test func `endless empty records are not held`() {
    let parser = StreamParser(http: HTTPConfiguration())
    for _ in 0..<400 {
        for direction in FlowDirection.allCases {
            TLSBuilder.record(22, []).withUnsafeBytes { parser.feed($0, direction) { _ in } }
        }
    }
    #expect(parser.isFinished)
}

private let header: [UInt8] = [0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
private let query: [UInt8] = [0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4, 0x65, 0x76, 0x69, 0x6c, 0, 0, 1, 0, 1]

private let junkMessages: [[[UInt8]]] = {
    let text = [UInt8](repeating: 0x78, count: 30)
    let opcode: [UInt8] = [0, 7, 0x49, 0] + header[4...] + [1, 2, 3, 4, 5]
    let long: [UInt8] = header + [UInt8](repeating: 0, count: 600)
    let twoQuestions: [UInt8] = [0, 7, 1, 0, 0, 2] + query[6...]
    return [
        [header], [header, header, header], [[]], [[1, 2, 3]], [text], [opcode], [long], [twoQuestions],
    ]
}()

/// Messages that servers answer with an error, or drop, before they read the next one.
@Test(arguments: junkMessages)
func `messages over TCP that are none hide no query behind them`(junk: [[UInt8]]) {
    var conversation = Conversation()
    conversation.client((junk + [query]).flatMap(TLSBuilder.block16))
    let whole = Reading(conversation)
    #expect(whole.appProtocol == .dns)
    #expect(whole.dns.last?.message.questions.map(\.name.text) == ["evil"])
    var random = SeededGenerator(seed: 0x646e_7374)
    for _ in 0..<8 { #expect(Reading(conversation.split(&random)).text == whole.text) }
}

@Test func `any number of messages over TCP hides no query behind them`() {
    var conversation = Conversation()
    for _ in 0..<1_000 { conversation.client(TLSBuilder.block16(header)) }
    conversation.client(TLSBuilder.block16(query))
    #expect(Reading(conversation).dns.map { $0.message.questions.map(\.name.text) } == [["evil"]])
    var random = SeededGenerator(seed: 0x646e_7375)
    #expect(Reading(conversation.split(&random)).dns.count == 1)
}

private func datagrams(_ list: [[UInt8]]) -> Reading {
    var conversation = Conversation()
    conversation.isDatagrams = true
    for datagram in list { conversation.client(datagram) }
    return Reading(conversation)
}

/// A long header of a version that is known, and nothing that could be opened.
private let fakeInitial: [UInt8] = [0xc1, 0, 0, 0, 1] + [UInt8](repeating: 8, count: 60)
private let initial = QUICBuilder().packet(QUICBuilder.crypto(0, TLSBuilder.message(1, TLSBuilder.usual)))

private let text = [UInt8](repeating: 0x78, count: 30)

@Test(arguments: [(text, 8), (text, 1_000), (header, 8), (fakeInitial, 1), (initial, 1)])
func `datagrams that are none hide no query behind them`(junk: [UInt8], count: Int) {
    let reading = datagrams([[UInt8]](repeating: junk, count: count) + [query])
    #expect(reading.appProtocol == .dns)
    #expect(reading.dns.last?.message.questions.map(\.name.text) == ["evil"])
}

@Test(arguments: [(text, 8), (query, 1), (query, 100)])
func `datagrams that are none hide no hello behind them`(junk: [UInt8], count: Int) {
    let reading = datagrams([[UInt8]](repeating: junk, count: count) + [initial])
    #expect(reading.appProtocol == .quic)
    #expect(reading.quic.first?.serverName?.text == "www.example.org")
}
