// SPDX-License-Identifier: Apache-2.0
// Flows of which an answer is the first packet that is seen: it goes to the client.
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

@testable import Inspection

private let names = """
    alert dns any any -> any any (msg:"q"; dns.query; content:"evil"; sid:1;)
    alert dns any any -> any any (msg:"a"; dns.answers.rrname; content:"evil"; sid:2;)
    alert dns any any -> any any (msg:"r"; dns.response.rrname; content:"evil"; sid:3;)
    alert udp any 53 -> any any (msg:"to client"; flow:to_client; content:"evil"; sid:4;)
    alert udp any any -> any any (msg:"to server"; flow:to_server; content:"evil"; sid:5;)
    """

private let name: [UInt8] = [4] + Array("evil".utf8) + [3] + Array("com".utf8) + [0]
private let question = name + [0, 1, 0, 1]
private let query: [UInt8] = [0, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + question
private let response: [UInt8] =
    [0, 2, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0] + question + question + [0, 0, 0, 60, 0, 4, 192, 0, 2, 1]

struct AnswerFirstTests {
    @Test func `a DNS response without its query is what a server says`() throws {
        let bench = try Bench(names)
        let talk = Conversation(serverPort: 53)
        bench.feed(talk.datagram(.toClient, response))
        bench.finish()
        #expect(try bench.alerts() == [2, 3, 4])
        let dns = try #require(try bench.events(.dns).first)
        #expect((dns["dns"] as? [String: Any])?["type"] as? String == "response")
        #expect(dns["src_ip"] as? String == "198.51.100.1" && dns["src_port"] as? Int == 53)
        let flow = try #require(try bench.events(.flow).first)
        #expect(flow["src_ip"] as? String == "203.0.113.7" && flow["dest_port"] as? Int == 53)
    }

    @Test func `the queries behind it are its client's`() throws {
        let bench = try Bench(names)
        let talk = Conversation(serverPort: 53)
        bench.feed([talk.datagram(.toClient, response), talk.datagram(.toServer, query)])
        bench.finish()
        #expect(try bench.alerts() == [2, 3, 4, 1, 5])
        #expect(try bench.events(.flow).count == 1)
    }

    /// A port below 1024 can be had by whoever attacks.
    @Test func `who poses as a resolver is a client as soon as it says something else`() throws {
        let bench = try Bench(#"alert udp any any -> any 9000 (flow:to_server; content:"attack"; sid:7;)"#)
        let talk = Conversation(serverPort: 9000, clientPort: 53)
        bench.feed(talk.datagram(.toServer, response))
        bench.feed(talk.datagram(.toClient, Array("what".utf8)))
        bench.feed(talk.datagram(.toServer, Array("attack".utf8)))
        bench.feed(talk.datagram(.toServer, Array("attack".utf8)))
        bench.finish()
        #expect(try bench.alerts() == [7, 7])
        #expect(try bench.events(.flow).count == 2)
    }

    @Test func `what is sent to a service from a high port is no answer`() throws {
        let bench = try Bench(names)
        bench.feed(Conversation(serverPort: 53).datagram(.toServer, response))
        #expect(try bench.alerts().contains(5))
    }

    /// What a client says out of any connection, which the server answers with a reset.
    private static let strays =
        [
            (40_000, "ack payload 485454502f312e"), (40_000, "syn,ack"), (1000, "ack"),
            (40_000, "ack payload 616263"),
        ] as [(UInt16, String)]

    enum Answers: CaseIterable { case seen, goAnotherWay, neverSampled }

    @Test(arguments: strays, Answers.allCases)
    func `a stray segment in front does not make the client the server`(
        stray: (port: UInt16, flags: String), answers: Answers
    ) throws {
        let bench = try Bench(
            #"alert http any any -> any any (msg:"e"; flow:to_server; http.uri; content:"secret"; sid:1;)"#
        ) { $0.isOneSided = answers == .neverSampled }
        var talk = Conversation(serverPort: 8080, clientPort: stray.port, from: 0x4000_0000)
        bench.feed(
            try PacketBuilder("tcp 203.0.113.7:\(stray.port) > 198.51.100.1:8080 \(stray.flags)").bytes)
        for (index, frame) in talk.open().enumerated() where answers == .seen || index != 1 {
            bench.feed(frame)
        }
        bench.feed(talk.say(.toServer, request))
        let answer = talk.say(.toClient, reply)
        if answers == .seen { bench.feed(answer) }
        // Where answers go another way the client has to show that there was one.
        bench.feed(talk.say(.toServer, "G"))
        bench.finish()
        // Where nobody answers in time what is said is read twice: alone, and behind its SYN.
        #expect(Set(try bench.alerts()) == [1])
        #expect(try answers != .seen || bench.alerts().count == 1)
    }

    /// The rest of a request whose beginning was forgotten.
    @Test(arguments: [false, true], [false, true])
    func `a client that says a status line becomes no server`(isAnsweredFirst: Bool, isOneSided: Bool) throws
    {
        let bench = try Bench(
            #"alert http any any -> any any (msg:"e"; flow:to_server; http.uri; content:"secret"; sid:1;)"#
        ) { $0.isOneSided = isOneSided }
        var talk = Conversation(serverPort: 8080, from: 0x4000_0000)
        _ = talk.open()
        bench.feed(talk.say(.toServer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
        if isAnsweredFirst { bench.feed(talk.say(.toClient, "")) }
        bench.feed(talk.say(.toServer, request))
        if isAnsweredFirst { bench.feed(talk.say(.toClient, "")) }
        bench.feed([talk.say(.toClient, reply), talk.say(.toServer, request), talk.say(.toClient, reply)])
        bench.finish()
        // Where one side alone is sampled nothing is kept of what went before.
        #expect(try bench.alerts() == (isOneSided ? [1] : [1, 1]))
    }

    /// The host was heard first, as a server; so it stays, whatever its client says.
    @Test(arguments: [false, true]) func `a status line of who asks turns nothing around`(isHostKnown: Bool)
        throws
    {
        let bench = try Bench(
            #"alert http any any -> any any (msg:"e"; flow:to_server; http.uri; content:"secret"; sid:1;)"#)
        var talk = Conversation(serverPort: 8080)
        _ = talk.open()
        bench.feed(talk.say(.toClient, reply), isOutbound: isHostKnown)
        bench.feed(talk.say(.toServer, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 15\r\n\r\n"))
        bench.feed(talk.say(.toServer, "HTTP/1.1 200 OK"))
        bench.feed(talk.say(.toServer, request))
        bench.feed(talk.say(.toClient, reply + reply), isOutbound: isHostKnown)
        bench.finish()
        #expect(try bench.alerts() == [1])
    }

    /// What stands in front of a connection that was forgotten, with numbers that its server does not take.
    enum Decoy: CaseIterable {
        case none, data, acknowledgement, request, dataAndRequest, answer, answerInPlace, answerElsewhere
    }

    private func decoys(_ decoy: Decoy, from port: UInt16, to server: UInt16) -> [[UInt8]] {
        var strange = Conversation(serverPort: server, clientPort: port, from: 0x7000_0000)
        var ahead = Conversation(serverPort: server, clientPort: port, from: 0x4000_0001)
        _ = ahead.say(.toClient, [UInt8](repeating: 0, count: 200_000))
        let request = strange.open()[0]
        var inPlace = Conversation(serverPort: server, clientPort: port, from: 0x4000_0000)
        return switch decoy {
        case .none: []
        case .data: [strange.say(.toServer, "x")]
        case .acknowledgement: [ahead.say(.toServer, "")]
        case .request: [request]
        case .answer: [answer(like: request, acknowledging: [0, 0, 0, 9])]
        case .answerInPlace: [answer(like: inPlace.open()[0], acknowledging: [0xff, 0xff, 0xff, 0xf1])]
        case .answerElsewhere: [answer(like: inPlace.open()[0], acknowledging: [0, 0, 0, 9])]
        case .dataAndRequest: [strange.say(.toServer, "x"), request]
        }
    }

    /// A SYN as SYN+ACK.
    private func answer(like request: [UInt8], acknowledging number: [UInt8]) -> [UInt8] {
        var frame = request
        frame.replaceSubrange(42..<46, with: number)
        frame[47] = 0x12
        return frame
    }

    /// Any port can be had by whoever attacks.
    @Test(arguments: Decoy.allCases, [(80, 8080), (40_000, 8080), (40_000, 80)] as [(UInt16, UInt16)])
    func `a decoy in front of requests hides none of them`(
        _ decoy: Decoy, _ ports: (client: UInt16, server: UInt16)
    ) throws {
        for isAnswered in [false, true] {
            let bench = try Bench(
                #"alert http any any -> any any (flow:to_server; http.uri; content:"secret"; sid:1;)"#)
            var talk = Conversation(serverPort: ports.server, clientPort: ports.client, from: 0x4000_0000)
            _ = talk.open()
            bench.feed(decoys(decoy, from: ports.client, to: ports.server))
            if isAnswered, decoy != .none { bench.feed(talk.say(.toClient, ""), isOutbound: true) }
            for _ in 0..<3 {
                bench.feed(talk.say(.toServer, request))
                bench.feed(talk.say(.toClient, ""), isOutbound: true)
                bench.feed(talk.say(.toClient, reply), isOutbound: true)
                bench.feed(talk.say(.toServer, ""))
            }
            bench.finish()
            // Where no answer shows the decoy in time a request is read twice: alone, and in its place.
            let count = try bench.alerts().count
            #expect(count == 3 || count == 4 && !isAnswered, "\(count) \(isAnswered)")
        }
    }

    @Test(arguments: [8080, 80] as [UInt16])
    func `a response in the middle of a connection is what a server says`(_ port: UInt16) throws {
        let bench = try Bench(
            """
            alert http any any -> any any (msg:"st"; http.stat_code; content:"200"; sid:1;)
            alert tcp any any -> any any (msg:"tc"; flow:to_client,established; content:"hello"; sid:2;)
            """)
        var talk = Conversation(serverPort: port)
        _ = talk.open()
        bench.feed([talk.say(.toClient, reply), talk.say(.toClient, reply)])
        bench.finish()
        #expect(Set(try bench.alerts()) == [1, 2])
    }
}
