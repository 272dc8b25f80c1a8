// SPDX-License-Identifier: Apache-2.0
// The inspector as a whole: from frames to alerts, findings and events.
import NetworkTypes
import PolicyLanguage
import ProtocolDetection
import TestSupport
import Testing

@testable import Inspection

private let web = """
    alert http any any -> any any (msg:"a secret"; flow:established,to_server; http.uri; \
    content:"/secret/"; sid:1; rev:3; classtype:web-application-attack;)
    """
private let dropping = web.replacing("alert http", with: "drop http")
private let client = IPAddress(v4: 0xcb00_7107)
private let server = IPAddress(v4: 0xc633_6401)

@Test func `a signature on a request alerts with the transaction, the flow and the policy's rule`() throws {
    let bench = try Bench(web)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, request))
    let event = try #require(try bench.events(.alert).first)
    #expect(event["event_type"] as? String == "alert" && event["src_ip"] as? String == "203.0.113.7")
    #expect(event["dest_port"] as? Int == 80 && event["proto"] as? String == "TCP")
    let alert = try #require(event["alert"] as? [String: Any])
    #expect(alert["signature_id"] as? Int == 1 && alert["rev"] as? Int == 3)
    #expect(alert["action"] as? String == "allowed" && alert["severity"] as? Int == 1)
    #expect((event["http"] as? [String: Any])?["url"] as? String == "/secret/passwd?x=1")
    #expect((event["xdpguard"] as? [String: Any])?["rule"] as? String == "web")
    #expect((event["flow"] as? [String: Any])?["pkts_toserver"] as? Int == 3)
}

@Test func `a request in segments of one byte is found, once`() throws {
    let bench = try Bench(web)
    var talk = Conversation()
    bench.feed(talk.open())
    for byte in request.utf8 { bench.feed(talk.say(.toServer, [byte])) }
    bench.feed(talk.say(.toClient, reply))
    #expect(try bench.alerts() == [1])
}

@Test(arguments: [1, 3, 7, 50])
func `content of a stream is found wherever the segments part`(_ size: Int) throws {
    let rule =
        #"alert tcp any any -> any any (msg:"x"; content:"needle"; content:"thread"; within:20; sid:2;)"#
    let bench = try Bench(rule)
    var talk = Conversation(serverPort: 9000)
    bench.feed(talk.open())
    let text = Array((String(repeating: "hay ", count: 40) + "needle and thread" + " hay hay").utf8)
    for start in stride(from: 0, to: text.count, by: size) {
        bench.feed(talk.say(.toServer, text[start..<min(start + size, text.count)]))
    }
    #expect(try bench.alerts() == [2])
}

@Test(arguments: [1, 2, 5, 40])
func `content is found behind a first segment that is shorter than what is left of it`(_ first: Int) throws {
    let bench = try Bench(#"alert tcp any any -> any any (msg:"x"; content:"a long needle"; sid:2;)"#)
    var talk = Conversation(serverPort: 9000)
    bench.feed(talk.open())
    let text = Array((String(repeating: "-", count: first - 1) + "a long needle").utf8)
    bench.feed(talk.say(.toServer, text[..<first]))
    bench.feed(talk.say(.toServer, text[first...]))
    #expect(try bench.alerts() == [2])
}

@Test func `the last bytes of a body in single bytes are looked at, though it never comes to its end`() throws
{
    let rule = #"alert http any any -> any any (msg:"x"; http.request_body; content:"evil"; sid:2;)"#
    let bench = try Bench(rule)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n"))
    for byte in (String(repeating: "-", count: 600) + "evil").utf8 { bench.feed(talk.say(.toServer, [byte])) }
    bench.finish()
    #expect(try bench.alerts() == [2])
}

@Test func `a body in single bytes is not searched again at each of them`() throws {
    let rule = #"alert http any any -> any any (msg:"x"; http.request_body; content:"evil"; sid:2;)"#
    let bench = try Bench(rule)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n"))
    for _ in 0..<4000 { bench.feed(talk.say(.toServer, [0x2d])) }
    let stats = try #require(try bench.statistics["detect"] as? [String: Any])
    let scanned = try #require(stats["scanned_bytes"] as? Int)
    // At each byte the whole body: 8,000,000; each sixteenth: a seventeenth-fold sum.
    #expect(scanned < 250_000)
}

@Test func `each direction of a stream reports by itself, and each stretch of it`() throws {
    let bench = try Bench(#"alert tcp any any -> any any (msg:"x"; content:"needle"; sid:2;)"#)
    var talk = Conversation(serverPort: 9000)
    bench.feed(talk.open())
    for way in [FlowDirection.toServer, .toClient, .toServer] { bench.feed(talk.say(way, "a needle")) }
    #expect(try bench.alerts() == [2, 2, 2])
}

struct ResponseCase: Sendable, CustomTestStringConvertible {
    let action: String
    let onMatch: MatchResponse
    let response: Finding.Response
    var testDescription: String { "\(action), on-match \(onMatch)" }

    init(_ action: String, _ onMatch: MatchResponse, _ response: Finding.Response) {
        self.action = action
        self.onMatch = onMatch
        self.response = response
    }
}

private let flow = FlowTuple(
    proto: .tcp, source: client, sourcePort: 40_000, destination: server, destinationPort: 80)
private let dropFlow = Finding.Response.dropFlow(flow, nanoseconds: Finding.flowDropNanoseconds)

@Test(arguments: [
    ResponseCase("alert", .alert, .alert), ResponseCase("alert", .dropFlow, .alert),
    ResponseCase("alert", .ban(nanoseconds: 5), .alert), ResponseCase("drop", .alert, .alert),
    ResponseCase("drop", .dropFlow, dropFlow), ResponseCase("reject", .dropFlow, dropFlow),
    ResponseCase("drop", .ban(nanoseconds: 5), .ban(client, nanoseconds: 5)),
    ResponseCase("rejectboth", .ban(nanoseconds: 5), .ban(client, nanoseconds: 5)),
])
func `a signature's action is bounded by the policy, and weaker where it says so`(
    _ example: ResponseCase
) throws {
    let bench = try Bench(
        web.replacing("alert http", with: "\(example.action) http"), onMatch: example.onMatch)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, request))
    #expect(bench.responses == [example.response])
    let action = (try bench.events(.alert).first?["alert"] as? [String: Any])?["action"] as? String
    #expect(action == (example.response == .alert ? "allowed" : "blocked"))
    #expect(try bench.events(.drop).count == (example.response == .alert ? 0 : 1))
}

/// Who is spared, and whether an event may say that something is dropped.
struct BlockCase: Sendable, CustomTestStringConvertible {
    let firewall: FirewallCase
    let onMatch: MatchResponse
    let isBlocked: Bool
    /// The match is in what the server answers, which this host sends.
    var isAnswer = false
    var isSpared: Bool {
        if case .neverBans = firewall { onMatch == .dropFlow && !isBlocked } else { false }
    }
    var testDescription: String { "\(firewall), on-match \(onMatch)\(isAnswer ? ", of an answer" : "")" }
}

private let ban = MatchResponse.ban(nanoseconds: 60_000_000_000)

@Test(arguments: [
    BlockCase(firewall: .enforces, onMatch: ban, isBlocked: true),
    BlockCase(firewall: .enforces, onMatch: .dropFlow, isBlocked: true),
    BlockCase(firewall: .monitors, onMatch: ban, isBlocked: false),
    BlockCase(firewall: .monitors, onMatch: .dropFlow, isBlocked: false),
    BlockCase(firewall: .neverBans([203, 0, 113]), onMatch: ban, isBlocked: false),
    BlockCase(firewall: .neverBans([203, 0, 113]), onMatch: .dropFlow, isBlocked: false),
    // This host's own address: what is dropped comes from the other end.
    BlockCase(firewall: .neverBans([198, 51, 100]), onMatch: ban, isBlocked: true),
    BlockCase(firewall: .neverBans([198, 51, 100]), onMatch: .dropFlow, isBlocked: true),
    BlockCase(firewall: .neverBans([203, 0, 113]), onMatch: ban, isBlocked: false, isAnswer: true),
    BlockCase(firewall: .neverBans([198, 51, 100]), onMatch: .dropFlow, isBlocked: true, isAnswer: true),
])
func `events say that something is dropped where the firewall drops it`(_ example: BlockCase) throws {
    let rules = #"drop tcp any any -> any any (msg:"x"; content:"needle"; sid:2;)"#
    let bench = try Bench(rules, onMatch: example.onMatch, firewall: example.firewall)
    var talk = Conversation(serverPort: 9000)
    bench.feed(talk.open())
    let way = example.isAnswer ? FlowDirection.toClient : .toServer
    for _ in 0..<2 { bench.feed(talk.say(way, "a needle"), isOutbound: example.isAnswer) }
    bench.finish()
    // A flow that goes on is inspected further, and the controller hears of each match.
    #expect(try bench.alerts() == (example.isBlocked ? [2] : [2, 2]))
    #expect(bench.responses.count == (example.isBlocked ? 1 : 2))
    // A ban of who is in never-ban is kept, but holds nowhere; a dropped flow would be dropped both ways.
    #expect(bench.responses.contains(.alert) == example.isSpared)
    let alert = try #require(try bench.events(.alert).first)
    #expect(
        (alert["alert"] as? [String: Any])?["action"] as? String
            == (example.isBlocked ? "blocked" : "allowed"))
    #expect(
        (alert["verdict"] as? [String: Any])?["action"] as? String == (example.isBlocked ? "drop" : "alert"))
    #expect(try bench.events(.drop).isEmpty == !example.isBlocked)
    let flow = try #require(try bench.events(.flow).first)["flow"] as? [String: Any]
    #expect(flow?["action"] as? String == (example.isBlocked ? "drop" : nil))
}

@Test func `a pass signature keeps alerts and drops back`() throws {
    let pass = #"pass http any any -> any any (msg:"ours"; http.user_agent; content:"probe"; sid:9;)"#
    let bench = try Bench(pass + "\n" + dropping, onMatch: .dropFlow)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, request))
    #expect(try bench.alerts().isEmpty && bench.responses.isEmpty)
}

@Test func `who is banned is the side that is not this host`() throws {
    let leak = #"drop tcp any any -> any any (msg:"leak"; flow:to_client; content:"hello"; sid:4;)"#
    let bench = try Bench(leak, onMatch: .ban(nanoseconds: 7))
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, request))
    bench.feed(talk.say(.toClient, reply), isOutbound: true)
    #expect(bench.responses == [.ban(client, nanoseconds: 7)])
}

@Test func `a forbidden protocol is found on any port`() throws {
    var bounds = ProtocolBounds()
    bounds.forbidden = [try ProtocolDetector().names.id(named: "ssh").rawValue]
    let bench = try Bench(onMatch: .dropFlow, protocols: bounds)
    var talk = Conversation(serverPort: 8080)
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "SSH-2.0-OpenSSH_9.2\r\n"))
    bench.feed(talk.say(.toClient, "SSH-2.0-OpenSSH_9.2\r\n"))
    #expect(bench.outcome.findings.count == 1)
    #expect(bench.outcome.findings.first?.cause == .protocolName("SSH"))
    #expect(try bench.alerts() == [0])
}

@Test func `a guess by the port is no reason to act`() throws {
    var bounds = ProtocolBounds()
    bounds.forbidden = [try ProtocolDetector().names.id(named: "ssh").rawValue]
    let bench = try Bench(onMatch: .dropFlow, protocols: bounds)
    var talk = Conversation(serverPort: 22)
    bench.feed(talk.open())
    bench.finish()
    #expect(bench.outcome.findings.isEmpty)
}

@Test func `only what is allowed may be spoken, and a request over another port may`() throws {
    var bounds = ProtocolBounds()
    bounds.allowedOnly = [try ProtocolDetector().names.id(named: "http").rawValue]
    for (text, findings) in [(request, 0), ("SSH-2.0-OpenSSH_9.2\r\n", 1)] {
        let bench = try Bench(onMatch: .dropFlow, protocols: bounds)
        var talk = Conversation(serverPort: 8080)
        bench.feed(talk.open())
        bench.feed(talk.say(.toServer, text))
        bench.feed(talk.say(.toClient, text == request ? reply : text))
        bench.finish()
        #expect(bench.outcome.findings.count == findings, "\(text)")
    }
}

@Test func `every sampled flow ends with one flow event that names its protocol`() throws {
    let bench = try Bench()
    for port in UInt16(40_000)..<40_020 {
        var talk = Conversation(clientPort: port)
        bench.feed(talk.open())
        bench.feed(talk.say(.toServer, request))
        bench.feed(talk.say(.toClient, reply))
    }
    bench.finish()
    let flows = try bench.events(.flow)
    #expect(flows.count == 20 && Set(flows.compactMap { $0["src_port"] as? Int }).count == 20)
    #expect(flows.allSatisfy { $0["app_proto"] as? String == "HTTP" })
    #expect(try bench.events(.http).count == 20)
    bench.finish()
    #expect(try bench.events(.flow).count == 20)
}

@Test func `what is inside a tunnel is inspected, and the event says so`() throws {
    let bench = try Bench(web)
    var talk = Conversation()
    bench.feed(talk.open().map(wrapped))
    bench.feed(wrapped(talk.say(.toServer, request)))
    let event = try #require(try bench.events(.alert).first)
    #expect(event["src_ip"] as? String == "203.0.113.7")
    #expect((event["tunnel"] as? [String: Any])?["src_ip"] as? String == "192.0.2.1")
    #expect(bench.inspector.counters.tunnels.seen.map { $0.0 } == ["ipv4_in_ipv4"])
    #expect(bench.inspector.counters.tunnels.seen.map { $0.1 } == [4])
}

@Test func `threshold.config holds an alert back, not the drop`() throws {
    let bench = try Bench(
        dropping, onMatch: .dropFlow,
        thresholds: "suppress gen_id 1, sig_id 1, track by_src, ip 203.0.113.0/24")
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, request))
    #expect(try bench.alerts().isEmpty && bench.responses == [dropFlow])
}

@Test func `a name in a query is looked at, and told`() throws {
    let bench = try Bench(#"alert dns any any -> any any (dns.query; content:"evil.example"; sid:6;)"#)
    let name: [UInt8] = [4] + Array("evil".utf8) + [7] + Array("example".utf8) + [0]
    let query: [UInt8] = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + name + [0, 1, 0, 1]
    bench.feed(Conversation(serverPort: 53).datagram(.toServer, query))
    #expect(try bench.alerts() == [6])
    let dns = try #require(try bench.events(.dns).first?["dns"] as? [String: Any])
    let asked = (dns["queries"] as? [[String: Any]])?.first?["rrname"] as? String
    #expect(dns["type"] as? String == "request" && asked == "evil.example")
}

@Test(arguments: [UInt64(1), 2, 3])
func `any bytes give lines that are JSON objects, and no trap`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let bench = try Bench(web)
    for port in UInt16(0)..<60 {
        var talk = Conversation(serverPort: random.pick([53, 80, 443, 22]), clientPort: 40_000 + port)
        bench.feed(talk.open())
        for _ in 0..<8 {
            let start: [UInt8] = random.pick([Array("GET /".utf8), [22, 3, 1], Array("SSH-2.0-".utf8), []])
            let noise = (0..<random.below(120)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let way: FlowDirection = random.chance(50) ? .toServer : .toClient
            bench.feed(talk.say(way, start + noise + [13, 10, 13, 10]))
            bench.feed(talk.datagram(way, noise))
            bench.feed(noise)
        }
    }
    bench.finish()
    for kind in InspectionEvent.Kind.allCases { _ = try bench.events(kind) }
    #expect(bench.inspector.counters.samples > 1000)
}

@Test func `bits of signatures that a flow has no room for are counted`() throws {
    let rules = (0..<300).map { number in
        "alert udp any any -> any any (msg:\"x\"; content:\"evil\"; flowbits:set,b\(number); "
            + "flowbits:noalert; sid:\(number + 1);)"
    }
    let bench = try Bench(rules.joined(separator: "\n"))
    bench.feed(Conversation(serverPort: 9000).datagram(.toServer, Array("evil".utf8)))
    let stats = try #require(try bench.statistics["detect"] as? [String: Any])
    #expect(stats["flow_state_refused"] as? Int == 44)
}

@Test func `a limit by flow tells each connection of a client that uses one port again`() throws {
    let rule = """
        alert tcp any any -> any any (msg:"x"; content:"evil"; \
        threshold:type limit, track by_flow, count 1, seconds 3600; sid:2;)
        """
    let bench = try Bench(rule)
    for number in 1...3 as ClosedRange<UInt32> {
        var talk = Conversation(serverPort: 9000, from: number * 100_000)
        bench.feed(talk.open())
        bench.feed(talk.say(.toServer, "evil"))
        bench.feed(talk.say(.toServer, "evil"))
        bench.feed(talk.reset(.toServer))
    }
    bench.finish()
    #expect(try bench.alerts() == [2, 2, 2])
}
