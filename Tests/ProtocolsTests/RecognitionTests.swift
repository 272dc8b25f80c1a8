// SPDX-License-Identifier: Apache-2.0
// Recognition by the first bytes, gaps, tunnels, and that no split of the bytes changes what is read.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

@Test(arguments: [
    "\u{0}\u{1}\u{2}\u{3}nothing that is known", "220 mail.example.org ESMTP\r\n",
    "OPTIONS sip:x SIP/2.0\r\n",
    "* OK IMAP4\r\n", "FROB\r\n",
])
func `other protocols are left alone`(text: String) {
    var conversation = Conversation()
    conversation.client(text)
    conversation.server(text)
    let reading = Reading(conversation)
    #expect(reading.appProtocol == nil)
    #expect(reading.stages == [])
}

@Test func `an endless first line is not held`() {
    let configuration = HTTPConfiguration()
    let parser = StreamParser(http: configuration)
    for _ in 0..<40 {
        [UInt8](repeating: 0x41, count: 30).withUnsafeBytes { parser.feed($0, .toServer) { _ in } }
        [UInt8]("AB CD EF GH IJ KL MN OP QR ST").withUnsafeBytes { parser.feed($0, .toClient) { _ in } }
    }
    #expect(parser.isFinished)
}

/// As servers take it, whatever the method.
@Test(arguments: [
    "OPTIONS /" + String(repeating: "a", count: 2_500) + " HTTP/1.1\r\n",
    "LOCK /" + String(repeating: "a", count: 2_500) + " HTTP/1.1\r\n",
    "OPTIONS http://h/" + String(repeating: "a", count: 2_500) + " HTTP/1.1\r\n",
    "OPTIONS / HTTP/1.1 \r\nX: " + String(repeating: "a", count: 1_500) + "\r\n",
    "BREW /pot HTTP/1.1 \t \r\n", "BREW /pot HTTP/1.10\r\n", "BREW /pot HTTP/1.010\r\n",
    "FOO" + String(repeating: " ", count: 3_000) + "/ HTTP/1.1\r\n",
    "FOO HTTP://h/" + String(repeating: "a", count: 2_500) + " HTTP/1.1\r\n",
])
func `a request in pieces is recognised before its answer`(line: String) {
    var conversation = Conversation(line + "Host: h\r\n\r\nGET /behind HTTP/1.1\r\nHost: h\r\n\r\n")
    var random = SeededGenerator(seed: 0x6f70_7469)
    for _ in 0..<8 {
        let reading = Reading(conversation)
        #expect(reading.transactions.last?.request.uri.text == "/behind")
        #expect(reading.transactions.count == 2)
        conversation = conversation.split(&random)
    }
}

/// Servers take a hello in records of any length, and of any minor version.
@Test(arguments: [1, 2, 3, 4, 5], [0, 3, 9, 255]) func `a hello in pieces of records is recognised`(
    _ first: Int, _ minor: UInt8
) {
    let hello = TLSBuilder.message(1, TLSBuilder.usual)
    var record = TLSBuilder.record(22, Array(hello[..<first]))
    record[2] = minor
    var conversation = Conversation()
    conversation.client(record + TLSBuilder.record(22, Array(hello[first...])))
    #expect(Reading(conversation).tls?.clientHello?.serverName?.text == "www.example.org")
}

@Test func `a tunnel whose client has said all before the answer is read`() {
    var conversation = Conversation("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n")
    conversation.client(TLSBuilder.record(22, TLSBuilder.message(1, TLSBuilder.usual)))
    conversation.pieces.append(.end(.toServer))
    conversation.server("HTTP/1.1 200 OK\r\n\r\n")
    #expect(Reading(conversation).tls?.clientHello?.serverName?.text == "www.example.org")
}

@Test func `requests behind a CONNECT that nobody answers are read`() {
    let reading = Reading(Conversation("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n" + Stopper.behind))
    #expect(reading.transactions.map(\.request.uri.text).suffix(2) == ["/behind", "/last"])
}

@Test func `a server's first bytes are enough`() {
    var conversation = Conversation()
    conversation.client("FRO")
    conversation.server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    #expect(Reading(conversation).appProtocol == .http)
}

@Test func `a protocol within a CONNECT tunnel is read`() throws {
    var conversation = Conversation(
        "CONNECT www.example.org:443 HTTP/1.1\r\nHost: www.example.org\r\n\r\n",
        "HTTP/1.1 200 Connection established\r\n\r\n")
    conversation.client(TLSBuilder.record(22, TLSBuilder.message(1, TLSBuilder.usual)))
    let reading = Reading(conversation)
    #expect(reading.transactions.first?.request.method.text == "CONNECT")
    #expect(reading.appProtocol == .tls)
    #expect(reading.tls?.clientHello?.serverName?.text == "www.example.org")
}

@Test func `a client that does not wait for the proxy is read all the same`() {
    var conversation = Conversation("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n")
    conversation.client(TLSBuilder.record(22, TLSBuilder.message(1, TLSBuilder.usual)))
    conversation.server("HTTP/1.1 200 OK\r\n\r\n")
    #expect(Reading(conversation).tls?.clientHello?.serverName?.text == "www.example.org")
}

@Test func `what waits for a proxy's answer is bounded`() {
    var conversation = Conversation("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n")
    for _ in 0..<5 { conversation.client([UInt8](repeating: 0, count: 4000)) }
    #expect(Reading(conversation).anomalies.contains("held_back_bytes_over_limit"))
}

@Test func `a refused CONNECT is followed by requests`() {
    var conversation = Conversation(
        "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
    conversation.client("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    conversation.server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    #expect(Reading(conversation).transactions.map { $0.response.status } == [403, 200])
}

@Test func `a direction whose first bytes were not seen leaves the other readable`() {
    var conversation = Conversation()
    conversation.pieces.append(.gap(.toServer, 100))
    conversation.server("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
    conversation.client("rest of something\r\n")
    let reading = Reading(conversation)
    #expect(reading.transactions.map { $0.response.status } == [200])
}

/// Conversations of each protocol.
private let conversations: [Conversation] = {
    var http = Conversation(
        "POST /%61?b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX: a\r\n b\r\n\r\n"
            + "3\r\nabc\r\n0\r\nT: u\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwxyz"
            + "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    http.client("GET /3 HTTP/1.0\r\nnonsense\r\n\r\n")
    http.server("HTTP/1.0 404 Gone\r\n\r\nuntil the end")
    var tls = Conversation()
    tls.client(TLSBuilder.record(22, TLSBuilder.message(1, TLSBuilder.usual)))
    tls.server(
        TLSBuilder.record(22, TLSBuilder.message(2, TLSBuilder.serverHello([])))
            + TLSBuilder.record(22, TLSBuilder.certificates([TLSBuilder.certificate()]))
            + TLSBuilder.record(21, [1, 0]) + TLSBuilder.record(23, [1, 2, 3]))
    var tunnel = Conversation("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n")
    tunnel.pieces += tls.pieces
    return [http, tls, tunnel]
}()

@Test(arguments: 0..<3, [UInt64](1...40))
func `no split of the bytes changes what is read`(which: Int, seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let whole = Reading(conversations[which])
    let split = Reading(conversations[which].split(&random))
    #expect(split.text == whole.text)
}

@Test(arguments: [UInt64](1...200))
func `random changes of the bytes are survived`(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var conversation = random.pick(conversations)
    conversation.pieces = conversation.pieces.map { piece in
        guard case .bytes(let direction, var bytes) = piece else { return piece }
        for _ in 0..<random.below(6) where !bytes.isEmpty {
            let place = random.below(bytes.count)
            switch random.below(3) {
            case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
            case 1: bytes.remove(at: place)
            default: bytes.insert(contentsOf: bytes[place...].prefix(random.below(40)), at: place)
            }
        }
        return .bytes(direction, bytes)
    }
    _ = Reading(conversation.split(&random)).text
}

@Test(arguments: [0, 9, 15, 16, 17, 500, 511, 512, 1023, 1025, 4000])
func `however many empty lines stand before a request, it is recognised without an answer`(count: Int) {
    var conversation = Conversation()
    conversation.client(String(repeating: "\r\n", count: count) + "GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
    let reading = Reading(conversation)
    #expect(reading.appProtocol == .http)
    #expect(reading.transactions.first?.request.uri.text == "/x")
}

@Test func `a request behind one with many headers is read too`() {
    let fields = (0..<1000).map { "\($0):\r\n" }.joined()
    let conversation = Conversation(
        "GET /first HTTP/1.1\r\nHost: h\r\n\(fields)\r\nGET /second HTTP/1.1\r\nHost: h\r\n\r\n")
    #expect(Reading(conversation).transactions.map(\.request.uri.text) == ["/first", "/second"])
}
