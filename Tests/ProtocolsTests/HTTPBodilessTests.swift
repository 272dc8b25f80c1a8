// SPDX-License-Identifier: Apache-2.0
// Responses that have no body whatever their headers say: the next response is not theirs.
import TestSupport
import Testing

@testable import Protocols

private let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

/// A response that ends with its headers.
private struct Bodiless: Sendable, CustomTestStringConvertible {
    let status: String
    let headers: String
    var testDescription: String { "\(status) \(headers)" }

    static let all = ["304 Not Modified", "204 No Content", "103 Early Hints", "304 NM", "100 Continue"]
        .flatMap { status in
            [
                "Content-Length: 5\r\n", "Content-Length: 500\r\nContent-Encoding: gzip\r\n",
                "ETag: x\r\nContent-Length: 100\r\nServer: s\r\n", "Transfer-Encoding: chunked\r\n",
                "Transfer-Encoding: chunked\r\nContent-Length: 9\r\n",
            ].map { Bodiless(status: status, headers: $0) }
        }
}

@Test(arguments: Bodiless.all)
private func `the response behind one without a body is read`(_ first: Bodiless) {
    let seed: UInt64 = 0x626f_6479
    var random = SeededGenerator(seed: seed)
    let bare = "HTTP/1.1 \(first.status)\r\n\(first.headers)\r\n"
    let chunked = "HTTP/1.1 200 OK\r\nServer: s\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    var turns = Conversation(request, bare)
    turns.client(request)
    turns.server(chunked)
    for whole in [turns, Conversation(request + request, bare + chunked)] {
        for round in 0..<8 {
            let reading = Reading(round == 0 ? whole : whole.split(&random))
            let found = reading.transactions.map(\.response)
            let comment: Comment = "seed \(seed), round \(round): \(reading.stages)"
            #expect(found.contains { $0.status == 200 && $0.body.bytes.text == "hello" }, comment)
            let without = found.first { $0.status.map(String.init) == String(first.status.prefix(3)) }
            #expect(without?.body.length == 0, comment)
            #expect(without?.headers.raw.text.hasPrefix(first.headers) == true, comment)
            #expect(reading.transactions.allSatisfy { $0.request.method.text != "HEAD" }, comment)
            #expect(!reading.anomalies.contains("response_body_unexpected"), comment)
        }
    }
}

@Test func `a response without a body stays its request's, as the next one does`() {
    var talk = Conversation(request, "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n")
    talk.client("POST /next HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok")
    talk.server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    let reading = Reading(talk)
    #expect(reading.transactions.map(\.response.status) == [304, 200])
    #expect(reading.transactions.map(\.request.method.text) == ["GET", "POST"])
    #expect(reading.transactions.allSatisfy { $0.responseProgress == .complete && !$0.requestIsMissing })
    #expect(reading.transactions.first?.response.headers.value(of: "content-length")?.text == "500")
}

@Test func `a body that a response without one has all the same is read`() {
    var talk = Conversation(request, "HTTP/1.1 204 No Content\r\nContent-Length: 12\r\n\r\nhello\nworld\n")
    talk.client(request)
    talk.server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    let reading = Reading(talk)
    #expect(reading.transactions.map(\.response.body.bytes.text) == ["hello\nworld\n", "ok"])
    #expect(reading.anomalies.contains("response_body_unexpected"))
}

@Test(arguments: [
    "204 No Content\r\nContent-Length: 5\r\n\r\nhello", "204 No Content\r\n\r\nhello",
    "200 OK\r\nContent-Length: 0\r\n\r\nhello", "304 Not Modified\r\nContent-Length: 9\r\n\r\nto\nhello",
])
func `the response right behind a body that should not be there is read`(_ first: String) {
    let seed: UInt64 = 0x626f_6479
    var random = SeededGenerator(seed: seed)
    let packed = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast"
    var whole = Conversation(request, "HTTP/1.1 " + first)
    whole.client(request + request)
    whole.server(packed + last)
    for round in 0..<8 {
        let reading = Reading(round == 0 ? whole : whole.split(&random))
        let bodies = reading.transactions.map(\.response.body.bytes.text).filter { !$0.isEmpty }
        #expect(bodies.contains { $0.hasSuffix("hello") }, "round \(round): \(reading.stages)")
        #expect(bodies.suffix(2) == ["ok", "last"], "round \(round): \(reading.stages) \(bodies)")
    }
}

@Test func `an interim response with a request's body behind it leaves its request's answer alone`() {
    var talk = Conversation("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    talk.server("HTTP/1.1 100 Continue\r\n\r\n")
    talk.client("hello")
    talk.server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    let found = Reading(talk).transactions
    #expect(found.count == 1 && found.first?.request.body.bytes.text == "hello")
    #expect(found.first?.response.status == 200 && found.first?.response.body.bytes.text == "ok")
}

@Test(arguments: [
    ["103 Early Hints"], ["102 Processing", "103 Early Hints"], ["100 Continue", "100 Continue"],
])
func `interim responses are not their request's answer`(_ statuses: [String]) {
    let seed: UInt64 = 0x6869_6e74
    var random = SeededGenerator(seed: seed)
    let interim = statuses.map { "HTTP/1.1 \($0)\r\nLink: </a.css>; rel=preload\r\n\r\n" }.joined()
    let chunked = "HTTP/1.1 200 OK\r\nServer: s\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    // Of a HEAD the length is that of the body which a GET would have.
    var talk = Conversation("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    talk.server(interim + "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
    talk.client(request)
    talk.server(interim + chunked)
    for round in 0..<8 {
        let reading = Reading(round == 0 ? talk : talk.split(&random))
        let found = reading.transactions
        let comment: Comment = "seed \(seed), round \(round): \(reading.stages) \(reading.anomalies)"
        #expect(found.map(\.request.method.text) == ["HEAD", "GET"], comment)
        #expect(found.map(\.response.status) == [200, 200], comment)
        #expect(found.map(\.response.body.bytes.text) == ["", "ok"], comment)
        #expect(found.map(\.response.headers.raw.text).last?.hasPrefix("Server: s\r\n") == true, comment)
        #expect(found.allSatisfy { $0.response.headers.value(of: "link") == nil }, comment)
        #expect(reading.anomalies.isEmpty, comment)
    }
}
