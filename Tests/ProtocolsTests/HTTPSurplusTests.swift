// SPDX-License-Identifier: Apache-2.0
// Requests of methods that libhtp does not know, behind others: it takes them for surplus of a body, and
// servers read them.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

private let unknown = "FOO /evil HTTP/1.1\r\nHost: evilhost\r\n\r\n"
private let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
private let long = "POST /first HTTP/1.1\r\nHost: h\r\n" + Stopper.headers

private let before: [String] = [
    "GET /first HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /0 HTTP/1.1\r\nHost: h\r\n\r\nGET /first HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /first HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "POST /first HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\n\r\n",
    "POST /first HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    "GET /first HTTP/1.1\r\nHost: h\r\n\r\n\r\n",
    // Behind a message that stopped libhtp, within a line: its length says where the body ends.
    long + "Content-Length: 60\r\n\r\n" + String(repeating: "b", count: 60),
]

@Test(arguments: before) func `a request of an unknown method behind another is read`(_ text: String) {
    let seed: UInt64 = 0x666f_6f
    var random = SeededGenerator(seed: seed)
    let whole = Conversation(text + unknown + Stopper.behind, answer + answer)
    for round in 0..<8 {
        let reading = Reading(round == 0 ? whole : whole.split(&random))
        let found = reading.transactions.map(\.request)
        let comment: Comment = "seed \(seed), round \(round): \(reading.stages)"
        let evil = found.filter { $0.uri.text == "/evil" && $0.host.text == "evilhost" }
        #expect(evil.map(\.method.text) == ["FOO"], comment)
        #expect(found.contains { $0.uri.text == "/behind" && $0.userAgent.text == "probe" }, comment)
        #expect(found.contains { $0.uri.text == "/last" && $0.body.bytes.text == "hello" }, comment)
        let first = reading.transactions.filter { $0.request.uri.text == "/first" }
        #expect(first.contains { $0.requestProgress == .complete }, comment)
        #expect(!reading.anomalies.contains("memory_over_limit"), comment)
    }
}

@Test func `the answer of the request before one of an unknown method stays its own`() throws {
    let text = "GET /first HTTP/1.1\r\nHost: h\r\n\r\n" + unknown
    let reading = Reading(Conversation(text, answer + answer))
    let first = try #require(reading.transactions.first)
    #expect(first.request.uri.text == "/first" && first.response.body.bytes.text == "ok")
    #expect(first.request.body.length == 0 && first.responseProgress == .complete)
    #expect(!reading.anomalies.contains("parser_stopped"))
    #expect(!reading.anomalies.contains("unable_to_match_response_to_request"))
}

@Test func `surplus that is no request stays what it is`() {
    let text = "GET /first HTTP/1.1\r\nHost: h\r\n\r\nsome junk\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n"
    let reading = Reading(Conversation(text, answer + answer))
    #expect(reading.transactions.map(\.request.uri.text) == ["/first", "/next"])
    #expect(reading.anomalies.contains("request_body_unexpected"))
    #expect(reading.transactions.allSatisfy { $0.response.body.bytes.text == "ok" })
}

@Test func `a request of an unknown method behind junk is read`() {
    let text = "GET /first HTTP/1.1\r\nHost: h\r\n\r\nsome junk\r\n" + unknown
    #expect(Reading(Conversation(text)).transactions.contains { $0.request.uri.text == "/evil" })
}
