// SPDX-License-Identifier: Apache-2.0
// Flows that applications make, and what the detector says of them, on their ports and off them.

import Testing

@testable import ProtocolDetection

/// A flow's packets and the answer.
struct Conversation: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let packets: [[UInt8]]
    let name: String
    var confidence = DetectionConfidence.payload
    var hostName = ""

    static let all: [Conversation] = [
        http(port: 80), http(port: 8081), ssh(port: 22), ssh(port: 443),
        Conversation(
            testDescription: "HTTP over IPv6",
            packets: http(TestFlow(client: TestFlow.client6, server: TestFlow.server6, port: 80)),
            name: "HTTP",
            hostName: "www.example.com"),
        Conversation(
            testDescription: "BitTorrent on the port of HTTPS",
            packets: {
                let flow = TestFlow(port: 443)
                return flow.handshake + [flow.tcp(Payload.bitTorrent)]
            }(), name: "BitTorrent", confidence: .cache),
        Conversation(
            testDescription: "DNS with its answer",
            packets: {
                let flow = TestFlow(port: 53)
                return [flow.udp(Payload.dns()), flow.udp(Payload.dns(answer: true), fromServer: true)]
            }(), name: "DNS", hostName: "www.example.com"),
        Conversation(
            testDescription: "TLS on the port of SSH",
            packets: {
                let flow = TestFlow(port: 22)
                return flow.handshake + [flow.tcp(Payload.clientHello(host: "www.example.com"))]
            }(), name: "TLS", hostName: "www.example.com"),
        Conversation(
            testDescription: "a connection to the port of SSH that says nothing",
            packets: [TestFlow(port: 22).tcp([], sequence: 0, flags: 2)], name: "SSH", confidence: .port),
        Conversation(
            testDescription: "bytes that mean nothing",
            packets: [TestFlow(port: 50001).udp([1, 2, 3, 4])], name: "Unknown", confidence: .unknown),
        Conversation(
            testDescription: "no packet at all", packets: [], name: "Unknown", confidence: .unknown),
    ]

    private static func http(_ flow: TestFlow) -> [[UInt8]] {
        flow.handshake + [flow.tcp(Payload.httpRequest), flow.tcp(Payload.httpResponse, fromServer: true)]
    }

    private static func http(port: UInt16) -> Conversation {
        Conversation(
            testDescription: "HTTP on port \(port)", packets: http(TestFlow(port: port)), name: "HTTP",
            hostName: "www.example.com")
    }

    private static func ssh(port: UInt16) -> Conversation {
        let flow = TestFlow(port: port)
        return Conversation(
            testDescription: "SSH on port \(port)",
            packets: flow.handshake
                + [flow.tcp(Payload.sshServer, fromServer: true), flow.tcp(Payload.sshClient)], name: "SSH")
    }
}

@Suite struct FlowDetectionTests {
    let detector: ProtocolDetector

    init() throws { detector = try ProtocolDetector() }

    private func open() throws -> FlowDetection { try #require(detector.openFlow()) }

    @Test(arguments: Conversation.all)
    func `a flow is named by what it says, whatever its port`(_ conversation: Conversation) throws {
        let flow = try open()
        for packet in conversation.packets { flow.feed(packet) }
        let found = flow.finish()
        #expect(found.name == conversation.name)
        #expect(found.confidence == conversation.confidence)
        #expect(found.hostName == Array(conversation.hostName.utf8))
        #expect(flow.state == .final)
        #expect(flow.result == found)
        #expect(flow.finish() == found)
    }

    @Test func `a protocol off its port is a risk`() throws {
        let flow = try open()
        let ends = TestFlow(port: 443)
        for packet in ends.handshake + [ends.tcp(Payload.bitTorrent)] { flow.feed(packet) }
        #expect(flow.finish().risks.names == ["Known Protocol on Non Standard Port"])
    }

    @Test func `two dots in a URL are a risk`() throws {
        let flow = try open()
        let ends = TestFlow(port: 80)
        let request = Array("GET /../../etc/passwd HTTP/1.1\r\nHost: www.example.com\r\n\r\n".utf8)
        for packet in ends.handshake + [ends.tcp(request)] { flow.feed(packet) }
        #expect(flow.finish().risks.names.contains("HTTP Suspicious URL"))
    }

    @Test func `the protocol is known before the flow is final`() throws {
        let flow = try open()
        let ends = TestFlow(port: 80)
        for packet in ends.handshake { #expect(flow.feed(packet) == .undecided) }
        #expect(flow.feed(ends.tcp(Payload.httpRequest)) == .named)
        #expect(flow.protocols.involves(try detector.names.id(named: "http")))
        #expect(flow.result == nil)
        #expect(flow.feed(ends.tcp(Payload.httpResponse, fromServer: true)) == .final)
        #expect(flow.result?.category == "Web")
    }

    @Test func `a client's hello gives JA3, and a master and an application`() throws {
        let flow = try open()
        let ends = TestFlow(port: 443)
        let hello = Payload.clientHello(host: "www.google.com")
        for packet in ends.handshake + [ends.tcp(hello)] { flow.feed(packet) }
        let found = flow.finish()
        #expect(found.name == "TLS.Google")
        #expect(found.ja3Client == "b367d1880e20a3242edfb07f274b9f76")
        #expect(found.ja3Server == nil)
        for name in ["tls", "GOOGLE"] {
            #expect(found.protocols.involves(try detector.names.id(named: name)))
        }
        #expect(!found.protocols.involves(.unknown))
        #expect(!found.protocols.involves(try detector.names.id(named: "http")))
    }

    @Test func `a hello in two segments is read as one`() throws {
        let flow = try open()
        let ends = TestFlow(port: 443)
        let hello = Payload.clientHello(host: "www.example.com")
        for packet in ends.handshake { flow.feed(packet) }
        flow.feed(ends.tcp(Array(hello[..<30])))
        flow.feed(ends.tcp(Array(hello[30...]), sequence: 31))
        #expect(flow.finish().hostName == Array("www.example.com".utf8))
    }

    @Test func `after the final answer packets are not looked at`() throws {
        let flow = try open()
        let ends = TestFlow(port: 53)
        flow.feed(ends.udp(Payload.dns()))
        flow.feed(ends.udp(Payload.dns(answer: true), fromServer: true))
        #expect(flow.state == .final)
        let packets = detector.counters.packets
        #expect(flow.feed(ends.udp(Payload.dns())) == .final)
        #expect(detector.counters.packets == packets)
        #expect(detector.openFlows == 0)
    }

    @Test func `time that goes back changes nothing`() throws {
        let flow = try open()
        let ends = TestFlow(port: 80)
        for (index, packet) in (ends.handshake + [ends.tcp(Payload.httpRequest)]).enumerated() {
            flow.feed(packet, at: UInt64(1_000_000 - index))
        }
        #expect(flow.finish().name == "HTTP")
    }

    @Test(arguments: [0, 7_200_000, -7_200_000, .max, .min] as [Int64])
    func `a wall clock that is set in the middle of a flow changes nothing`(_ offset: Int64) throws {
        let flow = try open()
        let ends = TestFlow(port: 80)
        for packet in ends.handshake { flow.feed(packet, at: 1_000_000) }
        detector.wallOffsetMilliseconds = offset
        flow.feed(ends.tcp(Payload.httpRequest), at: .max)
        flow.feed(ends.tcp(Payload.httpResponse, fromServer: true), at: 0)
        #expect(flow.finish().name == "HTTP")
    }
}
