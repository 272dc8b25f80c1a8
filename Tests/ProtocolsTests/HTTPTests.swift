// SPDX-License-Identifier: Apache-2.0
// HTTP/1: what is read of requests and responses, stage by stage, and what the bounds refuse.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

private let plain = Conversation(
    "POST /a%2Fb/../c?x=%41 HTTP/1.1\r\nHost: WWW.Example.org:8080\r\nUser-Agent: probe/1\r\n"
        + "Referer: http://192.0.2.1/\r\nCookie: a=b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        + "Content-Length: 5\r\n\r\nhello",
    "HTTP/1.1 302 Found\r\nLocation: /next\r\nSet-Cookie: c=d\r\nContent-Length: 3\r\nServer: s\r\n\r\nabc")

@Test func `a request and its response are read whole`() throws {
    let reading = Reading(plain)
    #expect(reading.appProtocol == .http)
    let transaction = try #require(reading.transactions.first)
    let request = transaction.request
    #expect(reading.transactions.count == 1)
    #expect(request.line.text == "POST /a%2Fb/../c?x=%41 HTTP/1.1")
    #expect(request.method.text == "POST")
    #expect(request.rawURI.text == "/a%2Fb/../c?x=%41")
    #expect(request.uri.text == "/a/c?x=A")
    #expect(request.protocolName.text == "HTTP/1.1")
    #expect(request.host.text == "www.example.org")
    #expect(request.rawHost.text == "WWW.Example.org:8080")
    #expect(request.port == 8080)
    #expect(request.userAgent.text == "probe/1")
    #expect(request.referer.text == "http://192.0.2.1/")
    #expect(request.cookie.text == "a=b")
    #expect(request.contentType.text == "text/plain; charset=utf-8")
    #expect(request.body.bytes.text == "hello")
    #expect(request.messageLength == 5)
    let response = transaction.response
    #expect(response.line.text == "HTTP/1.1 302 Found")
    #expect(response.status == 302)
    #expect(response.statusText.text == "302")
    #expect(response.message.text == "Found")
    #expect(response.location.text == "/next")
    #expect(response.cookie.text == "c=d")
    #expect(response.server.text == "s")
    #expect(response.body.bytes.text == "abc")
    #expect(reading.anomalies == [])
}

@Test func `the stages come in the order of the bytes`() {
    #expect(
        Reading(plain).stages == [
            "0 requestLine", "0 requestHeaders", "0 requestComplete", "0 responseLine", "0 responseHeaders",
            "0 responseComplete",
        ])
}

@Test func `header texts are as signatures look at them`() throws {
    let request = try #require(Reading(plain).transactions.first?.request)
    #expect(request.headers.raw.text.hasPrefix("Host: WWW.Example.org:8080\r\nUser-Agent: probe/1\r\n"))
    #expect(request.headers.raw.text.hasSuffix("Content-Length: 5\r\n\r\n"))
    #expect(
        request.normalizedHeaders.text
            == "Host: WWW.Example.org:8080\r\nUser-Agent: probe/1\r\nReferer: http://192.0.2.1/\r\n"
            + "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n")
    #expect(
        request.headers.names.text
            == "\r\nHost\r\nUser-Agent\r\nReferer\r\nCookie\r\nContent-Type\r\nContent-Length\r\n\r\n")
    #expect(request.start.text == request.line.text + "\r\n" + request.headers.raw.text)
}

/// A URI as sent, and as signatures look at it.
struct URICase: Sendable, CustomTestStringConvertible {
    let sent: String
    let read: String
    var testDescription: String { sent }
}

@Test(arguments: [
    URICase(sent: "/%63md.exe", read: "/cmd.exe"),
    URICase(sent: "/Admin/Login.ASPX?Q=R", read: "/Admin/Login.ASPX?Q=R"),
    URICase(sent: "/%41dmin/X%5a", read: "/Admin/XZ"),
    URICase(sent: "/a//b/./c", read: "/a/b/c"),
    URICase(sent: "/a/b/../../etc/passwd", read: "/etc/passwd"),
    URICase(sent: "/..%2f..%2fetc/passwd", read: "/etc/passwd"),
    URICase(sent: "/a\\b", read: "/a/b"),
    URICase(sent: "/%u0063md.exe", read: "/cmd.exe"),
    URICase(sent: "/a?b=%63#d", read: "/a?b=c#d"),
    URICase(sent: "/a?b=1+%2f%3C%20%00", read: "/a?b=1+/< \0"),
    URICase(sent: "/a?..%2f..%2Fb//c\\d", read: "/a?../../b//c\\d"),
    // Encoded once more, in the manner of IIS, and not validly: as Suricata has it.
    URICase(sent: "/a?%2563", read: "/a?%63"),
    URICase(sent: "/a?%u0063", read: "/a?%u0063"),
    URICase(sent: "/a?%zz%6%", read: "/a?%zz%6%"),
    URICase(sent: "http://user@192.0.2.1:81/x?y", read: "/x?y"),
    URICase(sent: "*", read: "*"),
])
func `a URI is decoded as lenient servers do`(uri: URICase) throws {
    let request = try #require(
        Reading(Conversation("GET \(uri.sent) HTTP/1.1\r\nHost: h\r\n\r\n")).transactions.first)
    #expect(request.request.rawURI.text == uri.sent)
    #expect(request.request.uri.text == uri.read)
}

@Test(
    arguments: [
        ("/a?%2563", ["/a?c"]), ("/a?%u0063", ["/a?c"]), ("/a?%uff23", ["/a?C"]), ("/a?%25252563", ["/a?c"]),
        ("/a?%zz", []), ("/a?%63", []), ("/%2541?x=%41", ["/A?x=A"]),
        ("/%2541/%252e%252e/b?%2541#c", ["/b?%41#c", "/%41/%2e%2e/b?A#c", "/b?A#c"]),
    ] as [(String, [String])])
func `a path and a query that are encoded more than once have further readings`(
    _ sent: String, _ readings: [String]
) throws {
    let request = try #require(
        Reading(Conversation("GET \(sent) HTTP/1.1\r\nHost: h\r\n\r\n")).transactions.first)
    #expect(request.request.uriDecodedFurther.map(\.text) == readings)
}

@Test func `chunks are joined and their trailers count as headers`() throws {
    let reading = Reading(
        Conversation(
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n"
                + "T: u\r\n\r\n"
        ))
    let response = try #require(reading.transactions.first?.response)
    #expect(response.body.bytes.text == "abcdefg")
    #expect(response.headers.value(of: "t")?.text == "u")
    #expect(reading.stages.last == "0 responseComplete")
}

/// `hello hello hello hello` by gzip.
private let gzipped: [UInt8] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8,
    0x40, 0x27, 0x01, 0xe3, 0x51, 0x3d, 0x8d, 0x17, 0x00, 0x00, 0x00,
]

@Test func `a compressed body is unpacked`() throws {
    var conversation = Conversation("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    conversation.server(
        [UInt8]("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(gzipped.count)\r\n\r\n")
            + gzipped)
    let response = try #require(Reading(conversation).transactions.first?.response)
    #expect(response.body.bytes.text == "hello hello hello hello")
    #expect(response.messageLength == gzipped.count)
}

@Test func `a compressed request is unpacked`() throws {
    var conversation = Conversation()
    conversation.client(
        [UInt8](
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Length: \(gzipped.count)\r\n\r\n"
        )
            + gzipped)
    let request = try #require(Reading(conversation).transactions.first?.request)
    #expect(request.body.bytes.text == "hello hello hello hello")
}

@Test func `pipelined requests meet their responses`() {
    let reading = Reading(
        Conversation(
            "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
                + "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n",
            "HTTP/1.1 201 A\r\nContent-Length: 0\r\n\r\nHTTP/1.1 202 B\r\nContent-Length: 1\r\n\r\nx"
                + "HTTP/1.1 203 C\r\nContent-Length: 0\r\n\r\n"))
    #expect(reading.transactions.map { $0.request.uri.text } == ["/1", "/2", "/3"])
    #expect(reading.transactions.map { $0.response.status } == [201, 202, 203])
}

@Test func `a hundred continue is followed by the response`() throws {
    let reading = Reading(
        Conversation(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\r\n\r\n"))
    let response = try #require(reading.transactions.first?.response)
    #expect(response.status == 200)
    #expect(response.headers.raw.text == "Content-Length: 0\r\nA: b\r\n\r\n")
}

@Test func `a response without a request says that it has none`() throws {
    var conversation = Conversation()
    conversation.server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab")
    let transaction = try #require(Reading(conversation).transactions.first)
    #expect(transaction.requestIsMissing)
    #expect(transaction.request.uri == [])
    #expect(transaction.response.body.bytes.text == "ab")
}

@Test func `a body that lasts until the end is whole at the end`() throws {
    let reading = Reading(
        Conversation(
            "GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<p>all of it"))
    let transaction = try #require(reading.transactions.first)
    #expect(transaction.response.body.bytes.text == "<p>all of it")
    #expect(transaction.responseProgress == .complete)
}

@Test func `a method that nobody knows is HTTP by its version`() throws {
    let reading = Reading(Conversation("FROB /x HTTP/1.1\r\nHost: h\r\n\r\n"))
    #expect(reading.appProtocol == .http)
    #expect(reading.transactions.first?.request.method.text == "FROB")
}

@Test func `bytes missing from a body leave the rest readable`() throws {
    var conversation = Conversation(
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    conversation.pieces.append(.gap(.toClient, 4))
    conversation.server("hij")
    conversation.client("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
    conversation.server("HTTP/1.1 204 No\r\n\r\n")
    let reading = Reading(conversation)
    #expect(reading.transactions.map { $0.response.status } == [200, 204])
    #expect(reading.transactions.first?.response.body.bytes.text == "abchij")
}

@Test func `a refused piece of a body is counted and marks it cut`() throws {
    var limits = ProtocolLimits()
    limits.httpResponseBody = 4
    let reading = Reading(
        Conversation(
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef"),
        limits: limits)
    let body = try #require(reading.transactions.first?.response.body)
    #expect(body.bytes.text == "abcd")
    #expect(body.length == 6)
    #expect(body.isTruncated)
}

/// A conversation, and the name of what is wrong with it.
struct AnomalyCase: Sendable, CustomTestStringConvertible {
    let name: String
    let request: String
    var response = ""
    var testDescription: String { name }
}

@Test(arguments: [
    AnomalyCase(name: "missing_host_header", request: "GET / HTTP/1.1\r\n\r\n"),
    AnomalyCase(name: "host_header_ambiguous", request: "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"),
    AnomalyCase(name: "request_field_missing_colon", request: "GET / HTTP/1.1\r\nHost: h\r\nnothing\r\n\r\n"),
    AnomalyCase(
        name: "invalid_content_length_field_in_request",
        request: "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: many\r\n\r\n"),
    AnomalyCase(name: "request_line_leading_whitespace", request: " GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    AnomalyCase(
        name: "invalid_response_chunk_len", request: "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        response: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
    AnomalyCase(
        name: "response_invalid_status", request: "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        response: "HTTP/1.1 abc OK\r\n\r\n"),
    AnomalyCase(
        name: "abnormal_ce_header", request: "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        response: "HTTP/1.1 200 OK\r\nContent-Encoding: wrong\r\nContent-Length: 1\r\n\r\nx"),
    AnomalyCase(
        name: "parser_stopped",
        request: "GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: 20_000) + "\r\n\r\n"),
])
func `what HTTP forbids is named`(anomaly: AnomalyCase) {
    #expect(Reading(Conversation(anomaly.request, anomaly.response)).anomalies.contains(anomaly.name))
}

@Test func `a header block over its limit is said, and read on as a further one`() {
    let field = "N: " + String(repeating: "v", count: 5000) + "\r\n"
    let request = "GET / HTTP/1.1\r\nHost: h\r\n" + String(repeating: field, count: 20) + "\r\n"
    let reading = Reading(Conversation(request))
    #expect(reading.anomalies.contains("header_block_over_limit"))
    #expect(reading.transactions.count == 2 && reading.transactions.last?.requestProgress == .complete)
    #expect(reading.transactions.allSatisfy { $0.request.headers.raw.count <= ProtocolLimits().httpHeader })
}

@Test func `requests that nobody answers do not pile up`() {
    let requests = (0..<200).map { "GET /\($0) HTTP/1.1\r\nHost: h\r\n\r\n" }.joined()
    let reading = Reading(Conversation(requests))
    #expect(reading.transactions.count == 200)
    #expect(reading.transactions.allSatisfy { $0.requestProgress == .complete })
    #expect(reading.anomalies.contains("too_many_open_transactions"))
}

@Test func `more transactions than a connection may have end it and are said`() {
    var limits = ProtocolLimits()
    limits.httpTransactions = 3
    let requests = String(repeating: "GET / HTTP/1.1\r\nHost: h\r\n\r\n", count: 5)
    let reading = Reading(Conversation(requests), limits: limits)
    #expect(reading.transactions.count == 3)
    #expect(reading.anomalies.contains("too_many_transactions"))
}

@Test func `anomalies beyond their limit are only counted`() {
    var limits = ProtocolLimits()
    limits.anomalies = 2
    let requests = String(repeating: "GET / HTTP/1.1\r\n\r\n", count: 9)
    let parser = HTTPParser(configuration: HTTPConfiguration(limits: limits))
    var said = 0
    [UInt8](requests).withUnsafeBytes {
        parser.feed($0, .toServer) { if case .anomaly = $0 { said += 1 } }
    }
    #expect(said == 2)
    #expect(parser.suppressedAnomalies == 7)
}

@Test func `forgotten body bytes make room in memory and not in the limit`() throws {
    let transaction = try #require(Reading(plain).transactions.first)
    transaction.forgetRequestBody(before: 2)
    transaction.forgetResponseBody(before: 99)
    #expect(transaction.request.body.bytes.text == "llo")
    #expect(transaction.request.body.offset == 2)
    #expect(transaction.response.body.bytes == [])
}
