// SPDX-License-Identifier: Apache-2.0
// What messages cost in memory is bounded: of one connection, and of all together.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

/// A request whose headers cost far more than its bytes.
private let dear =
    "GET /%d HTTP/1.1\n" + (0..<1000).map { "\(String($0, radix: 36)):\n" }.joined() + "\n"

private func dear(_ number: Int) -> String { "GET /\(number)" + dear.dropFirst("GET /%d".count) }

/// Headers of all readings of the requests, as URI and name.
private func names(_ reading: Reading) -> Set<String> {
    Set(
        reading.transactions.flatMap { transaction in
            transaction.request.headers.fields.map {
                transaction.request.uri.text + " " + $0.name.text.lowercased()
            }
        })
}

@Test func `requests that cost much are given up before their answers, the oldest first`() {
    var random = SeededGenerator(seed: 0x6d65_6d)
    let whole = Conversation((0..<14).map(dear).joined() + "GET /last HTTP/1.1\r\nHost: h\r\n\r\n")
    for round in 0..<4 {
        let memory = ParserMemory()
        let parser = StreamParser(http: HTTPConfiguration(), memory: memory)
        let reading = Reading(round == 0 ? whole : whole.split(&random), parser)
        #expect(reading.transactions.map(\.request.uri.text) == (0..<14).map { "/\($0)" } + ["/last"])
        #expect(reading.transactions.allSatisfy { $0.requestProgress == .complete })
        #expect(reading.anomalies.filter { $0 == "memory_over_limit" }.count == 1)
        #expect(memory.givenUp == 13 && (1...512 << 10).contains(memory.used), "\(memory.used)")
        #expect(reading.transactions.filter(\.isGivenUp).map(\.index) == Array(0..<13))
    }
}

@Test func `usual requests never meet the bounds`() {
    let memory = ParserMemory()
    let parser = StreamParser(http: HTTPConfiguration(), memory: memory)
    let cookie = String(repeating: "c", count: 500)
    let headers = (0..<15).map { "Header-\($0): some value of usual length\r\n" }.joined()
    let requests = (0..<24).map { "GET /\($0) HTTP/1.1\r\nCookie: \(cookie)\r\n\(headers)\r\n" }.joined()
    let reading = Reading(Conversation(requests), parser)
    #expect(reading.transactions.count == 24 && memory.givenUp == 0, "\(memory.used)")
}

@Test func `what a connection held is given back with it`() {
    let memory = ParserMemory()
    for text in [dear(1) + dear(2), "GET / HTTP/1.1\r\n" + Stopper.headers + "\r\n" + Stopper.behind] {
        _ = Reading(Conversation(text), StreamParser(http: HTTPConfiguration(), memory: memory))
        #expect(memory.used == 0)
    }
}

/// Where nothing is left for all connections, each keeps its share of what is being read.
@Test func `connections without memory lose no header, no body and no request`() {
    var random = SeededGenerator(seed: 0x6d65_6d)
    let rest = "Content-Length: 4\r\n\(Stopper.headers)X-Last: yes\r\n\r\nbody"
    let text =
        "GET /zero HTTP/1.1\r\nHost: h\r\n\r\nPOST /first HTTP/1.1\r\nHost: h\r\n" + rest + Stopper.behind
    let whole = Conversation(text)
    for round in 0..<6 {
        let memory = ParserMemory(limit: 0)
        let parser = StreamParser(http: HTTPConfiguration(), memory: memory)
        var most = 0
        let reading = Reading(round == 0 ? whole : whole.split(&random), parser) {
            most = max(most, memory.used)
        }
        let found = reading.transactions.map(\.request)
        let seen = names(reading)
        #expect((0..<2500).allSatisfy { seen.contains("/first n\($0)") } && seen.contains("/first x-last"))
        #expect(found.contains { $0.uri.text == "/zero" })
        #expect(found.contains { $0.uri.text == "/first" && $0.body.bytes.text == "body" })
        #expect(found.contains { $0.uri.text == "/behind" && $0.userAgent.text == "probe" })
        #expect(found.last?.uri.text == "/last" && found.last?.body.bytes.text == "hello")
        #expect(reading.anomalies.contains("memory_over_limit"))
        #expect(most < 64 << 10, "\(most)")
    }
}

@Test func `responses without memory lose no header and no body`() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\(Stopper.headers)X-Last: yes\r\n\r\nabc"
    let requests = String(repeating: "GET / HTTP/1.1\r\nHost: h\r\n\r\n", count: 3)
    let memory = ParserMemory(limit: 0)
    let parser = StreamParser(http: HTTPConfiguration(), memory: memory)
    let reading = Reading(Conversation(requests, answer + answer), parser)
    let names = reading.transactions.flatMap { $0.response.headers.fields.map { $0.name.text.lowercased() } }
    #expect(names.filter { $0 == "x-last" }.count == 2)
    #expect((0..<2500).allSatisfy { names.contains("n\($0)") })
    #expect(reading.transactions.count { $0.response.body.bytes.text == "abc" } == 2)
}

@Test func `bodies and lines are bounded where there is no memory`() {
    let long = String(repeating: "a", count: 10_000)
    let body = String(repeating: "b", count: 90_000)
    let texts = [
        "GET /\(long) HTTP/1.1\r\nHost: h\r\n",
        "POST / HTTP/1.1\r\nHost: \(long)\r\nContent-Type: \(long)\r\n" + Stopper.headers,
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\n\(body)",
    ]
    for text in texts {
        let memory = ParserMemory(limit: 0)
        let parser = StreamParser(http: HTTPConfiguration(), memory: memory)
        var most = 0
        let behind = "\r\n" + Stopper.behind
        let reading = Reading(Conversation(text + behind), parser) { most = max(most, memory.used) }
        #expect(reading.transactions.last?.request.uri.text == "/last")
        #expect(most < 80 << 10, "\(most)")
    }
}

/// Transactions are freed while libhtp goes on: at any place of either side.
@Test func `whatever comes without memory, all that was held is given back`() {
    let seed: UInt64 = 0x6672_6565
    var random = SeededGenerator(seed: seed)
    let requests = [
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD / HTTP/1.1\r\n", "N: v\r\n", "\r\n", Stopper.headers,
        "POST /p HTTP/1.1\r\nContent-Length: 9\r\n\r\nbody", "CONNECT a:1 HTTP/1.1\r\n\r\n",
        "FOO /f HTTP/1.1\r\n",
        "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "0\r\n\r\n",
        "GET /" + String(repeating: "l", count: 4000) + " HTTP/1.1\r\n",
    ]
    let responses = [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 100 Continue\r\n\r\n", "N: v\r\n",
        "\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", Stopper.headers,
        "HTTP/1.1 404 \(String(repeating: "l", count: 4000))\r\n", "HTTP/1.1 200 OK\r\n",
    ]
    for round in 0..<40 {
        var conversation = Conversation()
        for _ in 0..<(1 + random.below(24)) {
            switch random.below(12) {
            case 0: conversation.pieces.append(.gap(random.pick(FlowDirection.allCases), 5))
            case 1: conversation.pieces.append(.end(random.pick(FlowDirection.allCases)))
            case 2..<7: conversation.server(random.pick(responses))
            default: conversation.client(random.pick(requests))
            }
        }
        var limits = ProtocolLimits()
        limits.httpHeld = random.pick([1, 4096, 512 << 10])
        let memory = ParserMemory(limit: random.pick([0, 8192, 512 << 20]))
        for parts in [conversation, conversation.split(&random)] {
            let parser = StreamParser(http: HTTPConfiguration(limits: limits), memory: memory)
            _ = Reading(parts, parser)
        }
        #expect(memory.used == 0, "seed \(seed), round \(round)")
    }
}
