// SPDX-License-Identifier: Apache-2.0
// Claim: nothing that a sender may repeat without end makes the inspector grow: flows, bodies, headers,
// questions, fragments, holes. Each flood is larger than any table; memory is measured half-way and at the
// end.
import Diagnostics
import Inspection
import NetworkTypes
import SignatureMatching
import Signatures
import TestSupport

/// A flood of the inspector.
struct InspectionFlood: Sendable {
    let name: String
    /// Packets, or for `flows` connections.
    let count: Int
    let send: @Sendable (inout FloodedInspector, Int) -> Void

    static let all = [
        InspectionFlood(name: "inspection: flows", count: 1_000_000) { $0.connection($1) },
        InspectionFlood(name: "inspection: endless chunked bodies", count: 2_000_000) { $0.chunk($1) },
        InspectionFlood(name: "inspection: endless headers", count: 1_000_000) { $0.header($1) },
        InspectionFlood(name: "inspection: pipelined requests", count: 1_000_000) { $0.pipelined($1) },
        InspectionFlood(name: "inspection: segments behind a hole", count: 12_000_000) { $0.hole($1) },
        InspectionFlood(name: "inspection: first fragments alone", count: 1_000_000) { $0.fragment($1) },
        InspectionFlood(name: "inspection: questions", count: 1_000_000) { $0.question($1) },
        InspectionFlood(name: "inspection: handshakes without end", count: 6_000_000) { $0.handshake($1) },
    ]

    func run(_ size: FloodSize) throws -> Outcome {
        var inspector = try FloodedInspector()
        // KiB: what a table's last entries take, and the heap's own pages.
        var memory = MemoryWatch(mostGrowth: 16 << 10)
        let count = size.packets(self.count)
        for number in 0..<count {
            send(&inspector, number)
            memory.step(number, of: count)
        }
        let grown = memory.after - memory.before
        let figures =
            "\(grouped(count)) of them, \(grouped(inspector.events)) events, "
            + "resident KiB \(grouped(memory.before)) half-way, \(grouped(memory.after)) at the end"
        return Outcome(holds: grown <= 16 << 10 && inspector.packets > 0, figures: figures, memory: memory)
    }
}

/// The inspector, with signatures on every kind of buffer, and frames for it.
struct FloodedInspector {
    private let inspector: PayloadInspector
    private var outcome = InspectionOutcome()
    private var time: Int64 = 1_767_225_600_000_000_000
    private var wire = AttackWire(isV6: false, seed: 2)
    private(set) var events = 0
    private(set) var packets = 0

    private static let rules = """
        alert tcp any any -> any any (msg:"a"; content:"nowhere to be found"; sid:1;)
        alert http any any -> any any (msg:"b"; http.uri; content:"/nowhere"; sid:2;)
        alert http any any -> any any (msg:"c"; http.header; content:"X-Nowhere"; sid:3;)
        alert http any any -> any any (msg:"d"; file.data; content:"nowhere to be found"; sid:4;)
        alert http any any -> any any (msg:"e"; http.request_body; content:"nowhere to be found"; sid:5;)
        alert dns any any -> any any (msg:"f"; dns.query; content:"nowhere"; sid:6;)
        alert tls any any -> any any (msg:"g"; tls.sni; content:"nowhere"; sid:7;)
        """

    init() throws {
        let set = loadSignatures([SourceText(path: "flood.rules", bytes: Array(Self.rules.utf8))])
        guard set.counts.loaded == 7 else { throw FloodError(description: "\(set.diagnostics)") }
        let planned = PlannedInspector(
            name: "all", onMatch: .alert, signatures: PlannedSignatures(engine: try SignatureEngine(set)))
        inspector = try PayloadInspector(plan: InspectionPlan(rules: ["all"], inspectors: [planned]))
    }

    private mutating func feed(_ packet: [UInt8]) {
        time += 1000
        packets += 1
        wire.frame(packet).withUnsafeBytes {
            let sample = InspectionSample(frame: $0, timeNanoseconds: time, rule: 0, inspector: 0)
            inspector.feed(sample, into: &outcome)
        }
        events += outcome.events.count
        outcome.removeAll()
    }

    private mutating func feed(_ segment: WireSegment) { feed(wire.segment(segment)) }

    /// A connection that is never closed, and its request.
    mutating func connection(_ number: Int) {
        wire.clientPort = UInt16(truncatingIfNeeded: 1 + number % 65_000)
        wire.serverPort = UInt16(truncatingIfNeeded: 80 + number / 65_000)
        for packet in wire.handshake() { feed(packet) }
        feed(WireSegment("GET /\(number) HTTP/1.1\r\nHost: www.example.com\r\n\r\n".utf8))
    }

    /// One connection that never ends.
    private mutating func endless(_ number: Int, _ head: String, _ piece: [UInt8]) {
        let head = Array(head.utf8)
        if number == 0 {
            for packet in wire.handshake() { feed(packet) }
            feed(WireSegment(head))
        }
        let offset = head.count + number * piece.count
        feed(WireSegment(piece, at: offset))
        guard number % 16 == 0 else { return }
        var answer = wire.control(.toClient, 0x10, 0)
        answer.acknowledged = offset + piece.count
        feed(answer)
    }

    mutating func chunk(_ number: Int) {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        endless(number, head, Array("c8\r\n".utf8) + [UInt8](repeating: 0x61, count: 200) + [13, 10])
    }

    mutating func header(_ number: Int) {
        endless(number, "GET / HTTP/1.1\r\nHost: a\r\n", Array("X-Header: value\r\n".utf8))
    }

    mutating func pipelined(_ number: Int) {
        endless(number, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
    }

    /// A byte is missing before each segment, in connections that push each other out.
    mutating func hole(_ number: Int) {
        wire.clientPort = UInt16(truncatingIfNeeded: 1 + number / 40 % 65_000)
        wire.serverPort = UInt16(truncatingIfNeeded: 80 + number / 40 / 65_000)
        if number % 40 == 0 { for packet in wire.handshake() { feed(packet) } }
        feed(WireSegment([UInt8](repeating: 0x61, count: 1000), at: 1 + number % 40 * 1001))
    }

    mutating func fragment(_ number: Int) {
        let packet = wire.segment(WireSegment([UInt8](repeating: 0x61, count: 1000)))
        let part = FragmentPart(offset: 0, hasMore: true, id: UInt16(truncatingIfNeeded: number))
        feed(wire.fragment(of: packet, part, packet[20..<(20 + 1016)]))
    }

    /// Questions over TCP that nobody answers.
    mutating func question(_ number: Int) {
        wire.serverPort = 53
        let id = [UInt8(number >> 8 & 255), UInt8(number & 255)]
        let query = id + [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3] + Array("abc".utf8) + [0, 0, 1, 0, 1]
        endless(number, "", [0, UInt8(query.count)] + query)
    }

    /// A TLS record of a handshake message that says to be 16 MiB long, in many connections.
    mutating func handshake(_ number: Int) {
        wire.clientPort = UInt16(truncatingIfNeeded: 1 + number / 20 % 65_000)
        wire.serverPort = UInt16(truncatingIfNeeded: 443 + number / 20 / 65_000)
        if number % 20 == 0 { for packet in wire.handshake() { feed(packet) } }
        let record = [0x16, 3, 1, 4, 0, 1, 0xff, 0xff, 0xff] + [UInt8](repeating: 3, count: 1020)
        feed(WireSegment(record, at: number % 20 * record.count))
    }
}
