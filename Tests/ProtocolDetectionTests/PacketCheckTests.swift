// SPDX-License-Identifier: Apache-2.0
// The gate before nDPI: what is complete goes on, what lies about its lengths does not.

import TestSupport
import Testing

@testable import ProtocolDetection

/// A packet and what the gate says.
struct GateCase: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let packet: [UInt8]
    let expected: PacketCheck.Result

    init(_ description: String, _ packet: [UInt8], _ expected: PacketCheck.Result) {
        testDescription = description
        self.packet = packet
        self.expected = expected
    }

    private static func changed(_ packet: [UInt8], _ changes: [Int: UInt8]) -> [UInt8] {
        var packet = packet
        for (offset, byte) in changes { packet[offset] = byte }
        return packet
    }

    private static func v4(_ length: Int, _ transport: UInt8 = 17) -> PacketCheck.Result {
        .complete(CheckedPacket(length: length, transport: transport, isIPv6: false))
    }

    private static func v6(_ length: Int, _ transport: UInt8) -> PacketCheck.Result {
        .complete(CheckedPacket(length: length, transport: transport, isIPv6: true))
    }

    private static let udp4 = TestFlow(port: 53).udp([1, 2, 3, 4])
    private static let flow6 = TestFlow(client: TestFlow.client6, server: TestFlow.server6, port: 53)
    private static let udp6 = flow6.udp([1, 2, 3, 4])

    /// An IPv6 packet whose UDP segment stands behind extension headers.
    private static func behind(_ first: UInt8, _ headers: [UInt8]) -> [UInt8] {
        flow6.ip(first, headers + [0x9c, 0x40, 0, 53, 0, 8, 0, 0])
    }

    static let all: [GateCase] = [
        GateCase("IPv4", udp4, v4(32)),
        GateCase("IPv4 with a link layer's padding", udp4 + Array(repeating: 0, count: 14), v4(32)),
        GateCase("nothing", [], .refused(.malformed)),
        GateCase("a version of neither", changed(udp4, [0: 0x55]), .refused(.malformed)),
        GateCase("IPv4 cut in its header", Array(udp4[..<19]), .refused(.malformed)),
        GateCase("IPv4 cut by one byte", Array(udp4.dropLast()), .refused(.malformed)),
        GateCase("IPv4 with a header of 16 bytes", changed(udp4, [0: 0x44]), .refused(.malformed)),
        GateCase("IPv4 with a header beyond its end", changed(udp4, [0: 0x4f]), .refused(.malformed)),
        GateCase("IPv4 of length 0", changed(udp4, [2: 0, 3: 0]), .refused(.malformed)),
        GateCase("IPv4 shorter than its header", changed(udp4, [3: 19]), .refused(.malformed)),
        GateCase("IPv4's first fragment", changed(udp4, [6: 0x20]), v4(32)),
        GateCase("IPv4's later fragment", changed(udp4, [7: 1]), .refused(.laterFragment)),
        GateCase("IPv4's last fragment", changed(udp4, [6: 0x1f, 7: 0xff]), .refused(.laterFragment)),
        GateCase("IPv4 with another protocol", changed(udp4, [9: 47]), v4(32, 47)),
        GateCase("IPv6", udp6, v6(52, 17)),
        GateCase("IPv6 with a link layer's padding", udp6 + [0, 0], v6(52, 17)),
        GateCase("IPv6 cut in its header", Array(udp6[..<39]), .refused(.malformed)),
        GateCase("IPv6 cut by one byte", Array(udp6.dropLast()), .refused(.malformed)),
        GateCase("IPv6 with hop-by-hop options", behind(0, [17, 0, 1, 4, 0, 0, 0, 0]), v6(56, 17)),
        GateCase(
            "IPv6 with options beyond its end", behind(0, [17, 9, 1, 4, 0, 0, 0, 0]), .refused(.malformed)),
        GateCase("IPv6's atomic fragment", behind(44, [17, 0, 0, 0, 0, 0, 0, 1]), v6(56, 17)),
        GateCase("IPv6's first fragment", behind(44, [17, 0, 0, 1, 0, 0, 0, 1]), v6(56, 17)),
        GateCase("IPv6's later fragment", behind(44, [17, 0, 0, 8, 0, 0, 0, 1]), .refused(.laterFragment)),
        GateCase("IPv6 without a next header", flow6.ip(59, [0, 0]), .refused(.malformed)),
        GateCase("IPv6 that ends in an extension header", flow6.ip(60, [17, 0, 1, 4]), .refused(.malformed)),
        GateCase(
            "IPv6 with 16 extension headers",
            behind(
                60,
                Array(repeating: [60, 0, 1, 4, 0, 0, 0, 0], count: 15).flatMap { $0 } + [
                    17, 0, 1, 4, 0, 0, 0, 0,
                ]),
            v6(176, 17)),
        GateCase(
            "IPv6 with 17 extension headers",
            behind(
                60,
                Array(repeating: [60, 0, 1, 4, 0, 0, 0, 0], count: 16).flatMap { $0 } + [
                    17, 0, 1, 4, 0, 0, 0, 0,
                ]),
            .refused(.malformed)),
        GateCase(
            "IPv6 longer than nDPI can say", flow6.ip(17, Array(repeating: 0, count: 65_500)),
            .refused(.tooLong)),
    ]
}

@Suite struct PacketCheckTests {
    @Test(arguments: GateCase.all)
    func `only a complete packet goes on`(_ gate: GateCase) {
        #expect(gate.packet.withUnsafeBytes { PacketCheck.check($0) } == gate.expected)
    }

    @Test(arguments: GateCase.all)
    func `what the gate refuses is counted and not looked at`(_ gate: GateCase) throws {
        let detector = try ProtocolDetector()
        let flow = try #require(detector.openFlow())
        flow.feed(gate.packet)
        guard case .refused(let cause) = gate.expected else {
            #expect(detector.counters.packets == 1)
            return
        }
        #expect(detector.counters.packets == 0)
        for other in PacketRefusal.allCases {
            #expect(detector.counters.refused(other) == (other == cause ? 1 : 0))
        }
        #expect(flow.finish().name == "Unknown")
    }

    @Test func `whatever the bytes, what goes on lies within them`() {
        let seed: UInt64 = 6
        var generator = SeededGenerator(seed: seed)
        let starts = GateCase.all.map(\.packet).filter { $0.count < 256 }
        for round in 0..<20_000 {
            var packet = starts[round % starts.count]
            for _ in 0..<Int.random(in: 0...3, using: &generator) where !packet.isEmpty {
                packet[Int.random(in: packet.indices, using: &generator)] = UInt8.random(
                    in: 0...255, using: &generator)
            }
            packet = Array(packet.prefix(Int.random(in: 0...packet.count, using: &generator)))
            if case .complete(let checked) = packet.withUnsafeBytes({ PacketCheck.check($0) }) {
                #expect(checked.length <= packet.count, "seed \(seed), round \(round)")
                #expect(checked.length >= (checked.isIPv6 ? 40 : 20), "seed \(seed), round \(round)")
            }
        }
    }

    @Test func `behind a packet there is nothing of the one before it`() {
        var buffer = PacketBuffer()
        let long = [UInt8](repeating: 0xaa, count: 2000)
        let short: [UInt8] = [1, 2, 3]
        _ = long.withUnsafeBytes { buffer.hold($0) }
        guard let copy = short.withUnsafeBytes({ buffer.hold($0) }) else {
            Issue.record("no buffer")
            return
        }
        #expect((0..<3000).map { copy[$0] } == short + [UInt8](repeating: 0, count: 2997))
    }
}
