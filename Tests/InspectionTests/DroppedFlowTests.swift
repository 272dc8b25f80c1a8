// SPDX-License-Identifier: Apache-2.0
// A flow that a finding dropped is inspected again once it is dropped no more: the ban or the drop is over,
// or its packets come all the same.
import NetworkTypes
import PolicyLanguage
import ProtocolDetection
import Testing

@testable import Inspection

private let second: Int64 = 1_000_000_000
private let evil = """
    drop tcp any any -> any any (msg:"evil"; flow:to_server,established; content:"evil"; sid:1;)
    drop dns any any -> any any (msg:"query"; dns.query; content:"evil"; sid:2;)
    """

private func query(_ number: UInt8, _ name: String) -> [UInt8] {
    [0, number, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, UInt8(name.utf8.count)] + Array(name.utf8) + [0, 0, 1, 0, 1]
}

private func bounds(forbidding name: String) throws -> ProtocolBounds {
    var bounds = ProtocolBounds()
    bounds.forbidden = [try ProtocolDetector().names.id(named: name).rawValue]
    return bounds
}

struct DroppedFlowTests {
    @Test(arguments: [
        (MatchResponse.ban(nanoseconds: 60 * second), Int64(61)), (.ban(nanoseconds: 10 * second), 11),
    ])
    func `what a connection says after a ban is inspected`(_ onMatch: MatchResponse, _ wait: Int64) throws {
        for isTold in [true, false] {
            let bench = try Bench(evil, onMatch: onMatch) { $0.tellsDroppedPackets = isTold }
            var talk = Conversation(serverPort: 9)
            bench.feed(talk.open() + [talk.say(.toServer, "one evil")])
            #expect(bench.responses.count == 1)
            // On its way when the finding was made.
            bench.feed(talk.say(.toServer, "two evil"))
            #expect(bench.responses.count == 1)
            bench.pass(seconds: wait)
            bench.feed(talk.say(.toServer, "three evil"))
            #expect(bench.responses.count == 2 && bench.responses[0] == bench.responses[1])
            #expect(try bench.alerts() == [1, 1])
        }
    }

    @Test func `queries after a ban are inspected`() throws {
        let bench = try Bench(evil, onMatch: .ban(nanoseconds: 60 * second))
        let talk = Conversation(serverPort: 53)
        bench.feed(talk.datagram(.toServer, query(1, "good")))
        bench.feed(talk.datagram(.toClient, query(1, "good")))
        bench.feed(talk.datagram(.toServer, query(2, "evil")))
        bench.pass(seconds: 61)
        bench.feed(talk.datagram(.toServer, query(3, "evil")))
        #expect(try bench.alerts() == [2, 2])
        #expect(bench.responses.count == 2)
    }

    @Test func `a forbidden protocol is found again after a ban`() throws {
        let bench = try Bench(
            onMatch: .ban(nanoseconds: 60 * second), protocols: try bounds(forbidding: "http"))
        var talk = Conversation(serverPort: 2222)
        bench.feed(talk.open() + [talk.say(.toServer, request)])
        #expect(bench.responses.count == 1)
        bench.pass(seconds: 61)
        bench.feed(talk.say(.toServer, request))
        #expect(bench.responses.count == 2)
    }

    @Test(arguments: [MatchResponse.ban(nanoseconds: 600 * second), .dropFlow])
    func `packets that come though they had to be dropped are inspected`(_ onMatch: MatchResponse) throws {
        let bench = try Bench(evil, onMatch: onMatch)
        var talk = Conversation(serverPort: 9)
        bench.feed(talk.open() + [talk.say(.toServer, "one evil")])
        bench.pass(seconds: 2)
        // This host's own packets are sampled before they would be dropped, and show nothing.
        bench.feed(talk.say(.toClient, "yes"), isOutbound: true)
        bench.feed(talk.say(.toServer, "two evil"))
        #expect(try bench.alerts() == [1, 1])
    }

    @Test func `of a banned end's packets those of the other end show nothing`() throws {
        let rules =
            evil + "\n" + #"drop tcp any any -> any any (msg:"r"; flow:to_client; content:"evil"; sid:3;)"#
        let bench = try Bench(rules, onMatch: .ban(nanoseconds: 60 * second))
        var talk = Conversation(serverPort: 9)
        bench.feed(talk.open() + [talk.say(.toServer, "one evil")])
        bench.pass(seconds: 2)
        bench.feed(talk.say(.toClient, "evil"))
        #expect(try bench.alerts() == [1])
    }

    @Test func `where no firewall stands before it, all packets until the end are dropped`() throws {
        let bench = try Bench(evil, onMatch: .ban(nanoseconds: 60 * second)) { $0.tellsDroppedPackets = true }
        var talk = Conversation(serverPort: 9)
        bench.feed(talk.open() + [talk.say(.toServer, "one evil")])
        bench.pass(seconds: 50)
        bench.feed(talk.say(.toServer, "two evil"))
        #expect(try bench.alerts() == [1])
        #expect(try bench.events(.drop).count == 2)
    }

    @Test func `requests are found behind bytes that went by uninspected`() throws {
        let rules = #"drop http any any -> any any (msg:"x"; http.uri; content:"/secret/"; sid:1;)"#
        let bench = try Bench(rules, onMatch: .ban(nanoseconds: 60 * second))
        var talk = Conversation()
        let head = "POST /secret/ HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n"
        bench.feed(talk.open() + [talk.say(.toServer, head)])
        // Of the body and of what stands behind it nothing is seen.
        bench.feed(talk.say(.toServer, String(repeating: "b", count: 60) + "GET /a HT"))
        bench.pass(seconds: 61)
        bench.feed([talk.say(.toServer, "TP/1.1\r\nHost: a\r\n\r\n"), talk.say(.toClient, reply)])
        bench.feed([talk.say(.toServer, request), talk.say(.toClient, reply)])
        bench.finish()
        #expect(try bench.alerts() == [1, 1])
    }

    @Test func `a flow event tells of a drop while it lasts`() throws {
        for (wait, action) in [(Int64(1), "drop"), (61, nil)] {
            let bench = try Bench(evil, onMatch: .ban(nanoseconds: 60 * second))
            var talk = Conversation(serverPort: 9)
            bench.feed(talk.open() + [talk.say(.toServer, "one evil")])
            bench.pass(seconds: wait)
            if action == nil { bench.feed(talk.say(.toServer, "good")) }
            bench.finish()
            let flow = try bench.events(.flow).first?["flow"] as? [String: Any]
            #expect(flow?["action"] as? String == action)
        }
    }
}
