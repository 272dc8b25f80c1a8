// SPDX-License-Identifier: Apache-2.0
// What holds whatever the packets are: bounds on flows, packets and memory, and that one flow's guess frees
// nothing that another dissector wrote.

import TestSupport
import Testing

@testable import ProtocolDetection

@Suite struct LimitTests {
    @Test func `beyond the limit no flow is opened until one ends`() throws {
        let detector = try ProtocolDetector(limits: DetectionLimits(openFlows: 2))
        let first = try #require(detector.openFlow())
        var second = detector.openFlow()
        #expect(second != nil)
        #expect(detector.openFlow() == nil)
        #expect(detector.counters.flowsRefused == 1)
        _ = first.finish()
        #expect(detector.openFlows == 1)
        let third = detector.openFlow()
        #expect(third != nil)
        second = nil
        #expect(detector.openFlows == 1)
        #expect(detector.counters.flows == 3)
        withExtendedLifetime(third) {}
    }

    @Test func `a UDP flow is decided after the limit's packets`() throws {
        let detector = try ProtocolDetector(limits: DetectionLimits(packetsUDP: 3))
        let flow = try #require(detector.openFlow())
        let packet = TestFlow(port: 53).udp([1, 2, 3])
        for _ in 0..<3 { #expect(flow.feed(packet) != .final) }
        #expect(flow.feed(packet) == .final)
    }

    @Test func `after as many packets as nDPI looks at a flow is final`() throws {
        let detector = try ProtocolDetector()
        let flow = try #require(detector.openFlow())
        let ends = TestFlow(port: 50001)
        var looks = 0
        for packet in ends.handshake { flow.feed(packet) }
        while flow.state != .final, looks < 100 {
            flow.feed(ends.tcp([0x80, 0x81, 0x82], sequence: UInt32(1 + 3 * looks)))
            looks += 1
        }
        #expect(looks <= 29)
        #expect(detector.openFlows == 0)
    }

    @Test func `a flow that nDPI would buffer without end is decided by what was seen`() throws {
        let detector = try ProtocolDetector(limits: DetectionLimits(bytesPerFlow: 4096))
        let flow = try #require(detector.openFlow())
        let ends = TestFlow(port: 443)
        for packet in ends.handshake { flow.feed(packet) }
        // A hello that says it has 16,384 bytes.
        var sequence: UInt32 = 1
        var segment: [UInt8] = [22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3] + Array(repeating: 7, count: 1400)
        for _ in 0..<8 where flow.state != .final {
            flow.feed(ends.tcp(segment, sequence: sequence))
            sequence += UInt32(segment.count)
            segment = Array(repeating: 7, count: 1400)
        }
        #expect(flow.state == .final)
        #expect(detector.counters.flowsTooLarge == 1)
    }

    @Test func `a packet of another kind than the flow's first is refused`() throws {
        let detector = try ProtocolDetector()
        let flow = try #require(detector.openFlow())
        flow.feed(TestFlow(port: 53).udp([1, 2, 3]))
        flow.feed(TestFlow(port: 53).tcp(Payload.httpRequest))
        flow.feed(TestFlow(client: TestFlow.client6, server: TestFlow.server6, port: 53).udp([1, 2, 3]))
        #expect(detector.counters.refused(.foreign) == 2)
        #expect(detector.counters.packets == 1)
    }

    /// nDPI keeps TLS's pointers where DNS, Kerberos, SSH and others keep texts, and frees them by the flow's
    /// name, also where that is a guess by port. Broken messages of one protocol on another's port write
    /// there without being recognised.
    @Test func `broken messages on the ports of TLS and QUIC free nothing that they wrote`() throws {
        let seed: UInt64 = 17
        var generator = SeededGenerator(seed: seed)
        let detector = try ProtocolDetector()
        let messages = [
            Payload.dns(), Payload.dns(answer: true), Payload.sshClient, Payload.httpRequest,
            Payload.bitTorrent, Payload.clientHello(host: "www.example.com"),
        ]
        for round in 0..<3000 {
            var message = messages[round % messages.count]
            for _ in 0..<Int.random(in: 0...4, using: &generator) {
                message[Int.random(in: message.indices, using: &generator)] = UInt8.random(
                    in: 0...255, using: &generator)
            }
            let port = [443, 465, 853, 993, 995, 88][round / messages.count % 6]
            let source = [53, 5353, 88, 67, 40000][round % 5]
            let ends = TestFlow(clientPort: UInt16(source), port: UInt16(port))
            let flow = try #require(detector.openFlow())
            if round % 2 == 0 {
                flow.feed(ends.udp(message))
            } else {
                for packet in ends.handshake + [ends.tcp(message)] { flow.feed(packet) }
            }
            let found = flow.finish()
            #expect(found.hostName.count < 80, "seed \(seed), round \(round)")
        }
        #expect(detector.openFlows == 0)
    }
}
