// SPDX-License-Identifier: Apache-2.0
// Signatures that hold where something is not there: on anomalies, on messages that end in no body, on those
// that never end.
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

@testable import Inspection

/// A talk in which a legal header repeats, and what must not alert on it.
private struct Repetition: Sendable, CustomTestStringConvertible {
    var conditions: String
    var direction = "to_server"

    var testDescription: String { conditions }
    var rule: String { "drop http any any -> any any (flow:established,\(direction); \(conditions) sid:1;)" }

    static let all = [
        Repetition(conditions: "http.user_agent; absent;"),
        Repetition(conditions: #"http.host; content:!"example.com";"#),
        Repetition(conditions: #"content:"GET /x"; http.user_agent; content:!"Mozilla";"#),
        Repetition(conditions: #"content:"GET /x"; content:!"Mozilla"; http_user_agent;"#),
        Repetition(conditions: #"http.uri; content:!"/x";"#), Repetition(conditions: "http.uri; bsize:!2;"),
        Repetition(conditions: "http.server; absent;", direction: "to_client"),
        Repetition(conditions: #"content:!"200"; http_stat_code;"#, direction: "to_client"),
    ]
}

private let repeating =
    "GET /x HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0\r\nCookie: a=1\r\n"
    + "Accept: text/html\r\nAccept: image/png\r\n\r\n"
private let repeatingReply =
    "HTTP/1.1 200 OK\r\nServer: s1\r\nX-P: 1\r\nX-P: 2\r\nContent-Length: 2\r\n\r\nhi"

@Test(arguments: Repetition.all)
private func `a header that is there twice makes none absent`(_ sample: Repetition) throws {
    let bench = try Bench(sample.rule, onMatch: .ban(nanoseconds: 1_000_000_000))
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, repeating))
    bench.feed(talk.say(.toClient, repeatingReply))
    bench.finish()
    #expect(try bench.alerts() == [])
    #expect(bench.outcome.findings.isEmpty)
    #expect(try bench.events(.anomaly).count >= 1)
}

@Test func `what is absent alerts once, whether or not there is an anomaly`() throws {
    let bench = try Bench(
        """
        alert http any any -> any any (http.cookie; content:!"foo"; sid:1;)
        alert http any any -> any any (http.method; content:"GET"; sid:2;)
        """)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "GET /x HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\n\r\n"))
    #expect(try bench.alerts().sorted() == [1, 2])
}

@Test(arguments: [1, 1_000])
func `an event is of its transaction, with the buffers of which it is tested`(_ size: Int) throws {
    let bench = try Bench(
        """
        alert http any any -> any any (app-layer-event:http.request_header_repetition; sid:1;)
        alert http any any -> any any (app-layer-event:http.request_header_repetition; \
        http.uri; content:"/x"; sid:2;)
        alert http any any -> any any (app-layer-event:http.request_header_repetition; \
        http.uri; content:"/y"; sid:3;)
        alert http any any -> any any (app-layer-event:http.request_header_repetition; \
        http.user_agent; content:!"Mozilla"; sid:4;)
        alert http any any -> any any (app-layer-event:http.missing_host_header; \
        http.uri; content:"/y"; sid:5;)
        """, knownEvents: ["http.request_header_repetition", "http.missing_host_header"])
    var talk = Conversation()
    bench.feed(talk.open())
    let bytes = Array((repeating + "GET /y HTTP/1.1\r\nUser-Agent: Mozilla/5.0\r\n\r\n").utf8)
    for start in stride(from: 0, to: bytes.count, by: size) {
        bench.feed(talk.say(.toServer, bytes[start..<min(bytes.count, start + size)]))
    }
    #expect(try bench.alerts().sorted() == [1, 2, 5])
    let first = try #require(try bench.events(.alert).first)
    #expect(first["tx_id"] as? Int == 0 && first["http"] != nil)
}

@Test func `a DNS message with an event has the buffers that it has`() throws {
    let bench = try Bench(
        """
        alert dns any any -> any any (dns.query; content:!"good"; sid:1;)
        alert dns any any -> any any (app-layer-event:dns.z_flag_set; dns.query; content:"good"; sid:2;)
        alert dns any any -> any any (app-layer-event:dns.z_flag_set; sid:3;)
        """, knownEvents: ["dns.z_flag_set"])
    let question: [UInt8] = [4] + Array("good".utf8) + [0, 0, 1, 0, 1]
    let talk = Conversation(serverPort: 53)
    bench.feed(talk.datagram(.toServer, [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + question))
    bench.feed(talk.datagram(.toServer, [0, 8, 1, 0x40, 0, 1, 0, 0, 0, 0, 0, 0] + question))
    #expect(try bench.alerts().sorted() == [2, 3])
}

@Test func `what stops an SSH client makes no banner absent`() throws {
    let bench = try Bench(
        """
        alert ssh any any -> any any (flow:to_server; ssh.software; content:!"OpenSSH"; sid:1;)
        alert ssh any any -> any any (app-layer-event:ssh.invalid_record; \
        ssh.software; content:"OpenSSH"; sid:2;)
        """, knownEvents: ["ssh.invalid_record"])
    var talk = Conversation(serverPort: 22)
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "SSH-2.0-OpenSSH_9.2\r\n"))
    bench.feed(talk.say(.toServer, [0, 0, 0, 1, 0, 0, 0, 0]))
    bench.finish()
    #expect(try bench.alerts() == [2])
}

// MARK: - Messages behind which another protocol begins, and those that never end

@Test func `a CONNECT is whole with its headers`() throws {
    let bench = try Bench(
        """
        alert http any any -> any any (flow:to_server; http.method; content:"C"; \
        http.user_agent; content:!"Moz"; sid:1;)
        alert http any any -> any any (flow:to_server; http.host; content:!"zzz"; sid:2;)
        alert http any any -> any any (flow:to_server; http.referer; absent; sid:3;)
        alert http any any -> any any (flow:to_client; http.content_type; absent; sid:4;)
        """)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n"))
    #expect(try bench.alerts() == [])
    bench.feed(talk.say(.toServer, "\r\n"))
    #expect(try bench.alerts().sorted() == [1, 2, 3])
    bench.feed(talk.say(.toClient, "HTTP/1.1 200 OK\r\nServer: s1\r\n\r\n"))
    bench.feed(talk.say(.toServer, [0x16, 3, 0x68, 0x65]))
    bench.finish()
    #expect(try bench.alerts().sorted() == [1, 2, 3, 4])
}

@Test func `a response that switches protocols is whole with its headers`() throws {
    let bench = try Bench(
        """
        alert http any any -> any any (flow:to_client; http.stat_code; content:!"999"; sid:1;)
        alert http any any -> any any (flow:to_client; http.content_type; absent; sid:2;)
        alert http any any -> any any (flow:to_client; http.server; content:!"s"; sid:3;)
        """)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(
        talk.say(.toServer, "GET /w HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    )
    bench.feed(talk.say(.toClient, "HTTP/1.1 101 Switching\r\nServer: s\r\nUpgrade: websocket\r\n\r\n"))
    #expect(try bench.alerts().sorted() == [1, 2])
    bench.feed(talk.say(.toClient, [0x81, 5, 0x68]))
    bench.finish()
    #expect(try bench.alerts().sorted() == [1, 2])
}

@Test func `a body that never ends is whole with its flow`() throws {
    let bench = try Bench(
        "alert http any any -> any any (flow:to_server; http.user_agent; absent; sid:1;)")
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "POST /w HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc"))
    #expect(try bench.alerts() == [])
    bench.finish()
    #expect(try bench.alerts() == [1])
}
