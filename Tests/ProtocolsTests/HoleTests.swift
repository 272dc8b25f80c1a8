// SPDX-License-Identifier: Apache-2.0
// A hole in a stream whose protocol is not recognised yet: what comes behind it is recognised by its lines.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

@Test(arguments: ["", "G", "PO", "\r\n"]) func `requests behind a hole before recognition are read`(
    _ start: String
) {
    let seed: UInt64 = 0x686f_6c65
    var random = SeededGenerator(seed: seed)
    let path = String(repeating: "x", count: 3000)
    let body = String(repeating: "a", count: 20_000) + "GET /mid HTTP/1.1\r\n\r\n"
    for tail in [
        body, "", "ail\r\n", "T /first HTTP/1.1\r\nHost: h\r\n\r\n", "\(path)\r\nFOO /0 HTTP/1.1\r\n\r\n",
    ] {
        var whole = Conversation()
        if !start.isEmpty { whole.client(start) }
        whole.pieces.append(.gap(.toServer, 7))
        whole.client(tail + "FOO /\(path) HTTP/1.1\r\nHost: h\r\n\r\n" + Stopper.behind)
        for round in 0..<8 {
            let reading = Reading(round == 0 ? whole : whole.split(&random))
            let found = reading.transactions.map(\.request)
            let comment: Comment = "seed \(seed), round \(round): \(reading.stages)"
            #expect(reading.appProtocol == .http)
            #expect(found.contains { $0.uri.text == "/" + path }, comment)
            #expect(found.contains { $0.uri.text == "/behind" && $0.userAgent.text == "probe" }, comment)
            #expect(found.last?.body.bytes.text == "hello", comment)
        }
    }
}

@Test func `a hello behind a hole in front of it is read`() {
    var conversation = Conversation()
    conversation.pieces.append(.gap(.toServer, 100))
    conversation.client(TLSBuilder.record(22, TLSBuilder.message(1, TLSBuilder.usual)))
    var random = SeededGenerator(seed: 0x686f_6c66)
    for _ in 0..<8 {
        #expect(Reading(conversation).tls?.clientHello?.serverName?.text == "www.example.org")
        conversation = conversation.split(&random)
    }
}

@Test func `responses behind a hole before recognition are read`() {
    var conversation = Conversation()
    conversation.pieces.append(.gap(.toClient, 3))
    conversation.server("P/1.1 100 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    let reading = Reading(conversation)
    #expect(reading.transactions.contains { $0.response.body.bytes.text == "ok" }, "\(reading.stages)")
}

@Test func `what is no HTTP behind a hole is not taken for it, and not searched for ever`() {
    let parser = StreamParser(http: HTTPConfiguration())
    parser.skip(1, .toServer) { _ in }
    parser.skip(1, .toClient) { _ in }
    let line = Array("GET me that, please\r\n".utf8)
    for _ in 0..<100_000 where !parser.isFinished {
        for way in FlowDirection.allCases { line.withUnsafeBytes { parser.feed($0, way) { _ in } } }
    }
    #expect(parser.appProtocol == nil && parser.isFinished)
}
