// SPDX-License-Identifier: Apache-2.0
// A first flight that is longer than what is held, with a method that is longer than any: servers answer it
// with an error, and read on.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

private func long(_ count: Int, _ text: String = "M") -> String { String(repeating: text, count: count) }

/// The first request's method and the rest of its head.
private let first: [(method: Int, rest: String)] = [
    (33, " / HTTP/1.1\r\nHost: h\r\nX: \(long(1_000, "a"))\r\n\r\n"),
    (40, " /\(long(3_000, "a")) HTTP/1.1\r\nHost: h\r\n\r\n"),
    (40, "\t \(long(3_000, " "))/ HTTP/1.1\r\nHost: h\r\n\r\n"),
    (600, " http://h/\(long(2_000, "a")) HTTP/1.1\r\nHost: h\r\n\r\n"),
    (990, " / HTTP/1.1\r\nHost: h\r\n\r\n"), (1_023, " / HTTP/1.1\r\nHost: h\r\n\r\n"),
    (2_000, " / HTTP/1.1\r\nHost: h\r\n\r\n"), (7_000, " / HTTP/1.1\r\nHost: h\r\n\r\n"),
    (20_000, " / HTTP/1.1\r\nHost: h\r\n\r\n"), (70_000, " / HTTP/1.1\r\nHost: h\r\n\r\n"),
]

/// In segments as a sender makes them.
private func segments(_ text: String) -> Conversation {
    var conversation = Conversation()
    let bytes = Array(text.utf8)
    for start in stride(from: 0, to: bytes.count, by: 1_460) {
        conversation.client(Array(bytes[start...].prefix(1_460)))
    }
    return conversation
}

@Test(arguments: first)
func `a long method hides neither its own request nor those behind it`(method: Int, rest: String) {
    let text = long(method) + rest + "GET /behind HTTP/1.1\r\nHost: h\r\n\r\n"
    var random = SeededGenerator(seed: 0x6d65_7468)
    for round in 0..<8 {
        let conversation = segments(text)
        let reading = Reading(round == 0 ? conversation : conversation.split(&random))
        let found = reading.transactions.map(\.request)
        #expect(reading.appProtocol == .http)
        #expect(found.contains { $0.uri.text == "/behind" }, "round \(round): \(reading.stages)")
        // A line that no server takes is not held.
        guard method < 8_000 else { continue }
        #expect(found.count == 2 && found.first?.uri.isEmpty == false, "round \(round): \(reading.stages)")
    }
}

@Test func `requests behind a kilobyte that is none are read`() {
    var conversation = Conversation()
    conversation.client("PROXY TCP4 203.0.113.7 198.51.100.1 40000 80\r\n")
    conversation.client("GET /behind HTTP/1.1\r\nHost: h\r\nX: \(long(1_400))\r\n\r\n")
    #expect(Reading(conversation).transactions.map(\.request.uri.text) == ["/behind"])
}

@Test(arguments: [
    long(76, "Zm9v") + "\r\n", long(600, "Zm9v") + " x", long(40) + " sends nothing of HTTP/1.1 here\r\n",
    long(40) + " /a/path\r\n", "<34>1 2026-01-01T00:00:00Z h app - - - GET / HTTP/1.1 200\r\n",
    "\u{1}\u{2}\u{3}\u{0}",
])
func `what is no request is not taken for one, however long the server is silent`(text: String) {
    var conversation = segments(String(repeating: text, count: 80_000 / text.utf8.count))
    var random = SeededGenerator(seed: 0x6e6f_6e65)
    for _ in 0..<3 {
        let reading = Reading(conversation)
        #expect(reading.appProtocol == nil && reading.transactions.isEmpty)
        conversation = conversation.split(&random)
    }
}

/// Where the server speaks no HTTP there is nothing to look for.
@Test(arguments: [false, true]) func `what is longer than what is held is not searched for ever`(
    _ isServerFirst: Bool
) {
    let parser = StreamParser(http: HTTPConfiguration())
    let client = Array(long(1_400).utf8)
    let server = Array("220 mail.example.org ESMTP ready\r\n".utf8) + [UInt8](repeating: 0x20, count: 1_024)
    if isServerFirst { server.withUnsafeBytes { parser.feed($0, .toClient) { _ in } } }
    client.withUnsafeBytes { parser.feed($0, .toServer) { _ in } }
    if !isServerFirst {
        #expect(!parser.isFinished)
        server.withUnsafeBytes { parser.feed($0, .toClient) { _ in } }
    }
    #expect(parser.isFinished && parser.appProtocol == nil)
}
