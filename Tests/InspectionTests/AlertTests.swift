// SPDX-License-Identifier: Apache-2.0
// Which alerts one packet raises, in which order, and what they tell beside the signature.
import NetworkTypes
import PolicyLanguage
import Signatures
import TestSupport
import Testing

@testable import Inspection

/// A rule about every request, numbered.
private func rule(_ sid: Int, _ action: String = "alert") -> String {
    "\(action) http any any -> any any (http.method; content:\"GET\"; sid:\(sid);)\n"
}

@Test func `a packet's alerts are bounded, what the others ask for is done`() throws {
    let rules = (1...4).map { rule($0) }.joined() + rule(5, "drop")
    let bench = try Bench(rules, onMatch: .dropFlow, actionOrder: [.alert, .drop]) { $0.alertsPerPacket = 3 }
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, request))
    #expect(try bench.alerts() == [1, 2, 3])
    #expect(bench.inspector.counters.alertsRefused == 2)
    #expect(bench.outcome.findings.count == 5 && bench.responses.contains { $0 != .alert })
}

@Test(arguments: [([SignatureAction.pass, .alert], [Int]()), ([.alert, .pass], [1])])
func `the first action in the order goes first`(_ order: [SignatureAction], _ alerts: [Int]) throws {
    let bench = try Bench(rule(1) + rule(2, "pass"), actionOrder: order)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, request))
    #expect(try bench.alerts() == alerts)
}

@Test func `a client of one protocol at a server of another is told by side`() throws {
    let bench = try Bench(
        """
        alert tcp any any -> any any (flow:to_client; app-layer-protocol:http,to_server; \
        app-layer-protocol:ssh,to_client; sid:1;)
        """)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, request))
    #expect(try bench.alerts() == [])
    bench.feed(talk.say(.toClient, "SSH-2.0-OpenSSH_9.2\r\n"))
    bench.feed(talk.say(.toClient, "Protocol mismatch.\r\n"))
    #expect(try bench.alerts() == [1])
}

@Test func `CONNECT with a path has no host`() throws {
    let bench = try Bench(#"alert http any any -> any any (http.host; bsize:<3; sid:1;)"#)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "CONNECT / HTTP/1.1\r\nUser-Agent: probe\r\n\r\n"))
    bench.feed(talk.say(.toClient, "HTTP/1.1 200 OK\r\n\r\n"))
    bench.finish()
    #expect(try bench.alerts() == [])
    let http = try #require(try bench.events(.http).first?["http"] as? [String: Any])
    #expect(http["url"] as? String == "/" && http["hostname"] == nil)
}

@Test func `DNS messages are numbered one by one, and a query's code and name are looked at`() throws {
    let bench = try Bench(
        """
        alert dns any any -> any any (dns.rcode:3; flow:to_server; sid:1;)
        alert dns any any -> any any (dns.queries.rrname; content:"evil"; sid:2;)
        """)
    let name: [UInt8] = [4] + Array("evil".utf8) + [0]
    let rest: [UInt8] = [0, 1, 0, 0, 0, 0, 0, 0] + name + [0, 1, 0, 1]
    let talk = Conversation(serverPort: 53)
    bench.feed(talk.datagram(.toServer, [0x12, 0x34, 1, 3] + rest))
    bench.feed(talk.datagram(.toClient, [0x12, 0x34, 0x81, 0x83] + rest))
    #expect(try bench.alerts() == [1, 2, 2])
    let numbers = try bench.events(.dns).map { ($0["dns"] as? [String: Any])?["tx_id"] as? Int }
    #expect(numbers == [0, 1])
}

@Test(
    arguments: [
        ("203.0.113.9", "203.0.113.9"), ("203.0.113.9, 198.51.100.8", "198.51.100.8"),
        ("2001:db8::1", "2001:db8::1"), ("unknown", nil), ("<script>", nil),
    ] as [(String, String?)])
func `an alert tells for whom a proxy asks`(_ header: String, _ told: String?) throws {
    let bench = try Bench(rule(1))
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: \(header)\r\n\r\n"))
    let alert = try #require(try bench.events(.alert).first?["alert"] as? [String: Any])
    #expect(alert["xff"] as? String == told)
}

@Test func `who only watches looks at what was acknowledged, at the sender's next packet or the end`() throws
{
    let bench = try Bench(rule(1)) { $0.waitsForAcknowledgement = true }
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, request))
    bench.feed(talk.say(.toClient, reply))
    #expect(try bench.alerts() == [])
    bench.feed(talk.say(.toServer, request))
    #expect(try bench.alerts() == [1])
    bench.finish()
    #expect(try bench.alerts() == [1, 1])
    let last = try #require(try bench.events(.alert).last)
    #expect(last["pkt_src"] as? String == "stream (flow timeout)")
}

@Test func `what a SYN carries alerts once, whether or not the stream takes it`() throws {
    let bench = try Bench(#"alert tcp any any -> any any (content:"needle"; sid:1;)"#)
    var talk = Conversation(serverPort: 9000)
    bench.feed(talk.open(saying: "a needle"))
    bench.feed(talk.say(.toServer, " in hay"))
    #expect(try bench.alerts() == [1])
}

@Test func `a protocol without connections alerts by packet, another by flow`() throws {
    let bench = try Bench("alert ip any any -> any any (sid:1;)")
    for _ in 0..<3 { bench.feed(Conversation().packet(.toServer, proto: 50, [0, 0, 0, 1, 0, 0, 0, 1])) }
    #expect(try bench.alerts() == [1, 1, 1])
    for _ in 0..<3 { bench.feed(Conversation(serverPort: 9000).datagram(.toServer, [1, 2])) }
    #expect(try bench.alerts() == [1, 1, 1, 1])
}

@Test(arguments: [(true, 2), (false, 1)])
func `VLANs part flows, unless they are told not to`(_ separates: Bool, _ flows: Int) throws {
    let bench = try Bench { $0.separatesVLANs = separates }
    let frame = Conversation(serverPort: 9000).datagram(.toServer, [1, 2])
    bench.feed(frame)
    var tagged = frame
    tagged.insert(contentsOf: [0x81, 0, 0, 7], at: 12)
    bench.feed(tagged)
    bench.finish()
    #expect(try bench.events(.flow).count == flows)
}

/// More headers than libhtp takes.
private let tooManyHeaders = (0..<2_500).map { "n\($0): v\r\n" }.joined()

extension Conversation {
    /// What a side says, in segments of a thousand bytes.
    fileprivate mutating func sayAll(_ way: FlowDirection, _ text: String) -> [[UInt8]] {
        let bytes = Array(text.utf8)
        return stride(from: 0, to: bytes.count, by: 1_000).map {
            say(way, bytes[$0..<min(bytes.count, $0 + 1_000)])
        }
    }
}

@Test func `behind a response that stops the parser each is told once, with its end`() throws {
    let bench = try Bench(
        #"alert http any any -> any any (flow:to_client; file.data; content:"evil"; endswith; sid:1;)"#)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, String(repeating: "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", count: 2)))
    let stopper = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\(tooManyHeaders)\r\nab"
    bench.feed(talk.sayAll(.toClient, stopper + "HTTP/1.1 404 OK\r\nServer: z\r\n\r\nvery evil"))
    bench.finish()
    #expect(try bench.alerts() == [1])
    let told = try bench.events(.http).compactMap { ($0["http"] as? [String: Any])?["status"] as? Int }
    #expect(told == [404, 200], "the continued one by the transaction that it began")
}

@Test func `what looks like requests in a body pushes out no message that is being read`() throws {
    let bench = try Bench(#"alert http any any -> any any (http.uri; content:"/evil"; sid:1;)"#)
    var talk = Conversation()
    bench.feed(talk.open())
    let body = String(repeating: "GET / HTTP/1.1\n", count: 1_000)
    let request = "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body
    bench.feed(talk.sayAll(.toServer, "GET /f HTTP/1.1\r\n\(tooManyHeaders)\r\n" + request))
    bench.finish()
    #expect(try bench.alerts() == [1])
}

/// The rest of a message that stops libhtp is read as one more message with the same first line.
@Test func `the rest of a message raises no alert that the message has raised`() throws {
    let bench = try Bench(
        rule(1) + """
            alert http any any -> any any (http.method; content:"GET"; http.header; content:"n2400:"; sid:2;)
            alert http any any -> any any (http.host; content:"late"; sid:3;)
            """)
    var talk = Conversation()
    bench.feed(talk.open())
    let headers = tooManyHeaders + "Host: late\r\n" + tooManyHeaders
    bench.feed(talk.sayAll(.toServer, "GET /f HTTP/1.1\r\n\(headers)\r\n"))
    bench.feed(talk.say(.toServer, "GET /g HTTP/1.1\r\nHost: late\r\n\r\n"))
    bench.finish()
    let alerts = try bench.alerts()
    #expect(alerts.sorted() == [1, 1, 2, 3, 3], "of the message once, and of the one behind it")
}
