// SPDX-License-Identifier: Apache-2.0
// Content codings of bodies: each gzip member, each layer, in pieces of any size; and what bounds them.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

private let text = "the body that is packed"
private let plain = Array(text.utf8)

/// A request or a response with a packed body, in pieces of a size.
private func reading(
    _ way: FlowDirection, _ coding: String, _ body: [UInt8], pieces size: Int = .max,
    limits: ProtocolLimits = ProtocolLimits()
) -> Reading {
    let headers = "Content-Encoding: \(coding)\r\nContent-Length: \(body.count)\r\n\r\n"
    var conversation = Conversation()
    if way == .toServer {
        conversation.client("POST / HTTP/1.1\r\nHost: h\r\n\(headers)")
    } else {
        conversation.client("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        conversation.server("HTTP/1.1 200 OK\r\n\(headers)")
    }
    var rest = body[...]
    while !rest.isEmpty {
        conversation.pieces.append(.bytes(way, Array(rest.prefix(size))))
        rest = rest.dropFirst(size)
    }
    return Reading(conversation, limits: limits)
}

extension Reading {
    fileprivate func body(_ way: FlowDirection) -> HTTPBody? {
        way == .toServer ? transactions.first?.request.body : transactions.first?.response.body
    }
}

struct CodingCase: Sendable, CustomTestStringConvertible {
    let name: String
    let coding: String
    let body: [UInt8]
    var testDescription: String { name }
}

private let members = plain.map { Deflate.gzip([$0]) }
private let cases: [CodingCase] = [
    CodingCase(name: "one member", coding: "gzip", body: Deflate.gzip(plain)),
    CodingCase(name: "an empty member first", coding: "gzip", body: Deflate.gzip([]) + Deflate.gzip(plain)),
    CodingCase(
        name: "two members", coding: "gzip",
        body: Deflate.gzip(Array(plain.prefix(9))) + Deflate.gzip(Array(plain.dropFirst(9)))),
    CodingCase(name: "a member for each byte", coding: "x-gzip", body: Array(members.joined())),
    CodingCase(
        name: "empty members between", coding: "gzip",
        body: Array(members.joined(separator: Deflate.gzip([])))),
    CodingCase(
        name: "members within one", coding: "gzip, gzip", body: Deflate.gzip(Array(members.joined()))),
    CodingCase(
        name: "members of members", coding: "gzip,gzip",
        body: Array(members.joined()).flatMap { Deflate.gzip([$0]) }),
    CodingCase(
        name: "zlib within gzip", coding: "deflate, gzip", body: Deflate.gzip(Deflate.zlib(plain))),
    CodingCase(name: "deflate", coding: "deflate", body: Deflate.zlib(plain)),
    CodingCase(name: "deflate without its frame", coding: "deflate", body: Deflate.raw(plain)),
    CodingCase(name: "deflate that is gzip", coding: "deflate", body: Deflate.gzip(plain)),
    CodingCase(name: "gzip that is deflate", coding: "gzip", body: Deflate.zlib(plain)),
    CodingCase(name: "words that are no coding", coding: "gzip, identity, x, y", body: Deflate.gzip(plain)),
    CodingCase(
        name: "bytes behind that are no member", coding: "gzip", body: Deflate.gzip(plain) + [0, 0x1f]),
    CodingCase(
        name: "the first byte of a member behind, and another", coding: "gzip",
        body: Deflate.gzip(plain) + [0x1f, 0x20, 0x8b]),
]

@Test(arguments: cases, [FlowDirection.toServer, .toClient])
func `a packed body is unpacked whole, in pieces of any size`(_ given: CodingCase, _ way: FlowDirection) {
    for size in [.max, 1, 2, 3, 7, 19, 33] {
        let reading = reading(way, given.coding, given.body, pieces: size)
        #expect(reading.body(way)?.bytes.text == text, "pieces of \(size): \(reading.anomalies)")
        #expect(!reading.anomalies.contains("parser_stopped"))
    }
}

@Test func `a body in members of which nobody keeps anything is a bomb`() {
    var limits = ProtocolLimits()
    limits.httpRequestBody = 10
    limits.httpWastedDecompression = 100
    let body = (0..<200).flatMap { _ in Deflate.gzip(plain) }
    let reading = reading(.toServer, "gzip", body, limits: limits)
    #expect(reading.anomalies.contains("compression_bomb"))
    #expect(reading.body(.toServer)?.bytes.count == 10)
    #expect(reading.transactions.first?.requestProgress == .complete)
}

@Test func `zeros in the name of a header leave the body packed for nobody`() {
    let packed = Deflate.gzip(plain)
    let end = "\r\nContent-Length: \(packed.count)\r\n\r\n"
    var conversation = Conversation("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    conversation.server("HTTP/1.1 200 OK\r\nContent\0-Encoding: gzip\(end)")
    conversation.server(packed)
    #expect(Reading(conversation).body(.toClient)?.bytes.text == text)
}

@Test func `a short packed body of a request that is never whole is looked at`() {
    let packed = Deflate.gzip(Array("ab".utf8))
    #expect(packed.count < 32)
    let start = "POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: \(packed.count + 9)\r\n\r\n"
    let parser = HTTPParser(configuration: HTTPConfiguration(), memory: ParserMemory(limit: 1 << 20))
    var body: [UInt8] = []
    let take = { (record: ProtocolRecord) in
        if case .http(let transaction, _) = record { body = transaction.request.body.bytes }
    }
    (Array(start.utf8) + packed).withUnsafeBytes { parser.feed($0, .toServer, take) }
    parser.end(.toServer, take)
    #expect(body.text == "ab")
}

@Test func `more codings than are undone are said`() {
    let packed = Deflate.gzip(Deflate.gzip(Deflate.gzip(plain)))
    let reading = reading(.toServer, "gzip, gzip, gzip", packed)
    #expect(reading.anomalies.contains("too_many_encoding_layers"))
    #expect(reading.body(.toServer)?.bytes == Deflate.gzip(plain))
}

@Test func `bytes missing from a packed body leave the next message readable`() throws {
    let packed = Deflate.gzip(plain)
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    var conversation = Conversation(request + request)
    conversation.server(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(packed.count + 40)\r\n\r\n")
    conversation.server(packed)
    conversation.pieces.append(.gap(.toClient, 30))
    conversation.server("0123456789HTTP/1.1 201 A\r\nContent-Length: 2\r\n\r\nok")
    let reading = Reading(conversation)
    #expect(reading.transactions.map { $0.response.status } == [200, 201])
    #expect(reading.transactions.first?.response.body.bytes.text.hasPrefix(text) == true)
    #expect(reading.transactions.last?.response.body.bytes.text == "ok")
}

@Test func `decompressors count, and a body without room for one is taken as sent`() {
    let memory = ParserMemory(limit: 60 << 10)
    let packed = Deflate.gzip(plain)
    let request = Array(
        "POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: \(packed.count + 1)\r\n\r\n".utf8)
    var bodies: [[UInt8]] = []
    var parsers: [HTTPParser] = []
    for _ in 0..<2 {
        let parser = HTTPParser(configuration: HTTPConfiguration(), memory: memory)
        parsers.append(parser)
        (request + packed).withUnsafeBytes {
            parser.feed($0, .toServer) {
                if case .http(let transaction, .requestBody) = $0 {
                    bodies.append(transaction.request.body.bytes)
                }
            }
        }
    }
    #expect(memory.used > 48 << 10)
    #expect(bodies == [plain, packed])
    parsers = []
    #expect(memory.used == 0)
}
