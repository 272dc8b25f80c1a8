// SPDX-License-Identifier: Apache-2.0
// Messages that libhtp gives up and servers answer: what comes behind them is read on.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

/// A request that stops libhtp, and what it means to who reads on.
struct Stopper: Sendable, CustomTestStringConvertible {
    let name: String
    let text: String
    /// The body that its second reading has.
    var body = ""
    var testDescription: String { name }

    static let headers = (0..<2500).map { "n\($0): v\r\n" }.joined()

    static let all = [
        Stopper(name: "many headers", text: "GET /first HTTP/1.1\r\nHost: h\r\n\(headers)\r\n"),
        Stopper(
            name: "many headers and a body",
            text: "POST /first HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\(headers)\r\nbody", body: "body"),
        Stopper(
            name: "many headers, the length behind them",
            text: "POST /first HTTP/1.1\r\nHost: h\r\n\(headers)Content-Length: 4\r\n\r\nbody", body: "body"),
        Stopper(
            name: "a long header",
            text: "GET /first HTTP/1.1\r\nHost: h\r\nX: " + String(repeating: "GET ", count: 6000)
                + "\r\n\r\n"),
        Stopper(
            name: "a long request line",
            text: "GET /" + String(repeating: "a", count: 30_000) + " HTTP/1.1\r\nHost: h\r\n\r\n"),
        Stopper(
            name: "a long header block",
            text: "GET /first HTTP/1.1\r\nHost: h\r\n"
                + String(repeating: "N: \(String(repeating: "v", count: 5000))\r\n", count: 20) + "\r\n"),
        Stopper(
            name: "a strange transfer coding",
            text:
                "POST /first HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n"
                + "4\r\nbody\r\n0\r\n\r\n",
            body: "body"),
        Stopper(
            name: "a length that is none",
            text: "POST /first HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\nbody"),
        Stopper(
            name: "a chunk without length",
            text:
                "POST /first HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nbody\r\n0\r\n\r\n"
        ),
        // A decoy: the body of the message that nobody can frame names a long body of its own.
        Stopper(
            name: "a request in a body",
            text: "POST /first HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n"
                + "POST /decoy HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"),
        Stopper(
            name: "a body that looks like a request line",
            text: "POST /first HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\nPUT "),
    ]

    static let behind =
        "GET /b%65hind HTTP/1.1\r\nHost: h\r\nUser-Agent: probe\r\n\r\n"
        + "POST /last HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
}

@Test(arguments: Stopper.all) func `requests behind one that stops the parser are read`(_ stopper: Stopper) {
    let seed: UInt64 = 0x7265_7374
    var random = SeededGenerator(seed: seed)
    let whole = Conversation(stopper.text + Stopper.behind)
    for round in 0..<8 {
        let reading = Reading(round == 0 ? whole : whole.split(&random))
        let found = reading.transactions.map(\.request)
        let comment: Comment = "seed \(seed), round \(round): \(reading.stages)"
        #expect(found.contains { $0.uri.text == "/behind" && $0.userAgent.text == "probe" }, comment)
        #expect(found.last?.uri.text == "/last" && found.last?.body.bytes.text == "hello", comment)
        #expect(reading.anomalies.contains("parser_stopped"), comment)
        let numbers = reading.transactions.map(\.index)
        #expect(Set(numbers).count == found.count && numbers == numbers.sorted(), comment)
        guard !stopper.body.isEmpty else { continue }
        #expect(found.contains { $0.uri.text == "/first" && $0.body.bytes.text == stopper.body }, comment)
    }
}

@Test func `the headers of a message that stops the parser are all looked at`() {
    let request = "GET /first HTTP/1.1\r\nHost: h\r\n" + Stopper.headers + "X-Last: yes\r\n\r\n"
    let readings = Reading(Conversation(request)).transactions.map(\.request)
    let names = Set(readings.flatMap { $0.headers.fields.map { $0.name.text.lowercased() } })
    #expect(readings.allSatisfy { $0.uri.text == "/first" })
    #expect(names.contains("x-last") && (0..<2500).allSatisfy { names.contains("n\($0)") })
}

@Test func `responses behind one that stops the parser are read`() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    let requests = String(repeating: "GET / HTTP/1.1\r\nHost: h\r\n\r\n", count: 3)
    let long = "HTTP/1.1 200 OK\r\n" + Stopper.headers + "\r\nbody"
    let reading = Reading(Conversation(requests, long + answer + answer))
    #expect(reading.transactions.count { $0.response.body.bytes.text == "abc" } == 2, "\(reading.stages)")
    #expect(reading.anomalies.contains("parser_stopped"))
    #expect(!reading.anomalies.contains("unable_to_match_response_to_request"))
}

@Test func `requests behind a gap in a request are read`() {
    var conversation = Conversation("GET /first HTTP/1.1\r\nHo")
    conversation.pieces.append(.gap(.toServer, 100))
    conversation.client("tail\r\n\r\n" + Stopper.behind)
    let found = Reading(conversation).transactions.map(\.request.uri.text)
    #expect(found.suffix(2) == ["/behind", "/last"], "\(found)")
}

@Test func `requests behind a CONNECT that holds back too much are read`() {
    let text = "CONNECT a:1 HTTP/1.1\r\nHost: h\r\n\r\n" + String(repeating: "x", count: 20_000) + "\r\n"
    let found = Reading(Conversation(text + Stopper.behind)).transactions.map(\.request.uri.text)
    #expect(found.suffix(2) == ["/behind", "/last"], "\(found)")
}

@Test func `requests that stop the parser one after another are bounded by the connection's transactions`() {
    var limits = ProtocolLimits()
    limits.httpTransactions = 20
    let bad = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n"
    let reading = Reading(Conversation(String(repeating: bad, count: 500)), limits: limits)
    #expect(reading.transactions.count == 20)
}

/// Behind a message without framing nobody knows what is a body.
@Test func `what looks like a request within a body is read as both`() {
    let body = "x=1\r\nGET /decoy HTTP/1.1\r\n\r\nevil"
    let request = "POST /second HTTP/1.1\r\nHost: h\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body
    let text = "GET /first HTTP/1.1\r\nHost: h\r\n\(Stopper.headers)\r\n" + request + Stopper.behind
    let found = Reading(Conversation(text)).transactions.map(\.request)
    #expect(found.contains { $0.uri.text == "/second" && $0.body.bytes.text == body })
    #expect(found.contains { $0.uri.text == "/decoy" })
    #expect(found.contains { $0.uri.text == "/behind" })
    #expect(found.last?.uri.text == "/last" && found.last?.body.bytes.text == "hello")
}

@Test func `bodies within bodies are bounded`() {
    let posts = (0..<2_000).map { "POST /\($0) HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" }.joined()
    let text = "GET /first HTTP/1.1\r\nHost: h\r\n\(Stopper.headers)\r\n" + posts
    let found = Reading(Conversation(text)).transactions.map(\.request)
    #expect(found.count { $0.uri.text != "/first" } == 2_000)
    // Each but the first, of which most is known, is read until the third behind it begins.
    #expect(found.count { $0.body.bytes.count > 3 * 60 } == 1)
}

@Test func `the body of a message that stops the parser is unpacked`() {
    // "evil" by gzip (RFC 1952).
    let packed: [UInt8] = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 0x2d, 0xcb, 0xcc, 1, 0, 0x52, 0x31, 0xfb, 0x8d, 4, 0, 0, 0,
    ]
    let coding = "Content-Encoding: gzip\r\nContent-Length: \(packed.count)\r\n"
    var conversation = Conversation()
    conversation.client("POST /first HTTP/1.1\r\n\(coding)\(Stopper.headers)\r\n")
    conversation.client(packed)
    #expect(Reading(conversation).transactions.contains { $0.request.body.bytes.text == "evil" })
    for headers in [Stopper.headers, "Content-Length: x\r\n"] {
        var conversation = Conversation("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        conversation.server("HTTP/1.1 200 OK\r\n\(coding)\(headers)\r\n")
        conversation.server(packed)
        let reading = Reading(conversation)
        #expect(reading.transactions.contains { $0.response.body.bytes.text == "evil" }, "\(reading.stages)")
    }
}

@Test func `no header is looked at twice, and the rest is known as the same message`() {
    for count in 1020...1030 {
        let headers = (0..<count).map { "N\($0): v\($0)\r\n" }.joined()
        let text = "GET /first HTTP/1.1\r\nHost: h\r\n\(headers)\r\n"
        let found = Reading(Conversation(text)).transactions
        let names = found.flatMap { $0.request.headers.fields.map(\.name.text) }.filter { $0 != "Host" }
        #expect(names == (0..<count).map { "N\($0)" })
        #expect(found.map(\.isContinuation) == Array([false, true].prefix(found.count)))
    }
}
