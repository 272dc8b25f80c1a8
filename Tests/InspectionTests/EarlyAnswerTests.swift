// SPDX-License-Identifier: Apache-2.0
// Requests that go on behind a whole answer to them: what comes is searched, and the answer told once.
import Testing

@testable import Inspection

private let rules = """
    alert http any any -> any any (msg:"b"; flow:to_server; http.request_body; content:"cmd=ATTACK"; sid:1;)
    alert http any any -> any any (msg:"f"; flow:to_server; file.data; content:"cmd=ATTACK"; sid:2;)
    alert http any any -> any any (msg:"o"; flow:to_server; content:"cmd=ATTACK"; http_client_body; sid:3;)
    alert http any any -> any any (msg:"r"; flow:to_client; http.stat_code; content:"200"; sid:4;)
    alert http any any -> any any (msg:"t"; flow:to_server; http.header; content:"X-Late: attack"; sid:5;)
    """

private let length = "POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 13\r\n\r\n"
private let chunked = "POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
private let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
private let interim = "HTTP/1.1 100 Continue\r\n\r\n"

struct EarlyAnswerTests {
    /// What comes before the answer, and behind it.
    @Test(arguments: [
        ([length], ["cmd=ATTACKNOW"]), ([length], ["cmd=A", "TTACKN", "OW"]),
        ([length + "cmd=A"], ["TTACKNOW"]),
        ([chunked], ["8\r\ncmd=ATTA\r\n5\r\nCKNOW\r\n0\r\n\r\n"]),
        ([chunked + "8\r\ncmd=ATTA\r\n"], ["5\r\nCKNOW\r\n", "0\r\n\r\n"]),
        // The connection ends within the body.
        ([chunked], ["8\r\ncmd=ATTA\r\n", "5\r\nCKNOW\r\n"]),
    ])
    func `a body behind the whole answer to its request is searched`(
        before: [String], behind: [String]
    ) throws {
        for first in ["", interim] {
            let bench = try Bench(rules)
            var talk = Conversation()
            bench.feed(talk.open())
            for text in before { bench.feed(talk.say(.toServer, text)) }
            bench.feed(talk.say(.toClient, first + answer))
            #expect(try bench.events(.http).count == 1)
            for text in behind { bench.feed(talk.say(.toServer, text)) }
            bench.finish()
            #expect(try bench.alerts().sorted() == [1, 2, 3, 4])
            #expect(try bench.events(.http).count == 1)
        }
    }

    @Test func `the requests behind such a body are read, and each is told once`() throws {
        let bench = try Bench(rules)
        var talk = Conversation()
        bench.feed(talk.open())
        for _ in 0..<100 {
            bench.feed([talk.say(.toServer, length), talk.say(.toClient, answer)])
            bench.feed(talk.say(.toServer, "cmd=ATTACKNOW"))
        }
        bench.finish()
        #expect(try bench.alerts().count { $0 == 1 } == 100)
        #expect(try bench.events(.http).count == 100)
    }

    @Test func `headers and trailers behind the whole answer are searched`() throws {
        for rest in ["\r\nX-Late: attack\r\n\r\n0\r\n\r\n", "\r\n\r\n0\r\nX-Late: attack\r\n\r\n"] {
            let bench = try Bench(rules)
            var talk = Conversation()
            bench.feed(talk.open())
            bench.feed(talk.say(.toServer, "POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked"))
            bench.feed([talk.say(.toClient, answer), talk.say(.toServer, rest)])
            bench.finish()
            #expect(try bench.alerts() == [4, 5])
            #expect(try bench.events(.http).count == 1)
        }
    }

    @Test func `a long body behind the whole answer is not held`() throws {
        let bench = try Bench(rules)
        var talk = Conversation()
        bench.feed(talk.open())
        bench.feed([talk.say(.toServer, chunked), talk.say(.toClient, answer)])
        let chunk = "400\r\n" + String(repeating: "a", count: 1024) + "\r\n"
        for _ in 0..<400 { bench.feed([talk.say(.toServer, chunk), talk.say(.toClient, "")]) }
        let http = try #require(try bench.statistics["http"] as? [String: Any])
        #expect(http["memuse"] as? Int ?? .max < 128 << 10)
        bench.feed(talk.say(.toServer, "0\r\n\r\n" + length + "cmd=ATTACKNOW"))
        bench.finish()
        #expect(try bench.alerts().sorted() == [1, 2, 3, 4])
        #expect(try bench.events(.http).count == 2)
    }
}
