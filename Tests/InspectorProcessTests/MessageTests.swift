// SPDX-License-Identifier: Apache-2.0
// Messages between the two processes: what goes in comes out, and nothing else is a message.
import InspectorProcess
import NetworkTypes
import TestSupport
import Testing

@Suite struct MessageTests {
    private static let flow6 = InspectedFlow(
        proto: .udp, source: IPAddress(v6: 0x2001_0db8 << 96 | 1), sourcePort: 53,
        destination: IPAddress(v6: 0x2001_0db8 << 96 | 2), destinationPort: 65_535)

    private static func finding(
        _ response: ReportedFinding.Response, _ cause: ReportedFinding.Cause,
        _ flow: InspectedFlow = FindingJudgeTests.flow
    ) -> WorkerMessage {
        .finding(
            ReportedFinding(
                response, cause: cause, flow: flow, ruleSlot: 70_000, inspector: 4095,
                nanoseconds: 600_000_000_000))
    }

    private static let counters: WorkerCounters = {
        var counters = WorkerCounters()
        counters.samples = 1
        counters.sampledBytes = .max
        counters.staleSamples = 3
        counters.flows = 4
        counters.alerts = 5
        counters.findings = 6
        counters.events = 7
        counters.eventsLost = 8
        counters.memoryBytes = 9
        return counters
    }()

    private static let messages: [WorkerMessage] = [
        .ready(WorkerReady(landlockVersion: 7, inspectors: 2, signatures: 40_000, signaturesLeftOut: 12)),
        .failed("policies/web.conf has changed since it was applied: apply it again"), .failed(""),
        finding(.dropFlow, .signature(2_024_217)), finding(.ban(FindingJudgeTests.client), .signature(1)),
        finding(.ban(flow6.source), .protocolName("BitTorrent"), flow6),
        .events(Array("{\"event_type\":\"alert\"}\n{\"event_type\":\"flow\"}\n".utf8)),
        .heartbeat(WorkerCounters()), .heartbeat(counters), .reloading,
        .reloaded(WorkerReady(landlockVersion: 0, inspectors: 1, signatures: 3, signaturesLeftOut: 0)),
        .notReloaded("local.rules:3: a signature without 'sid'"),
    ]

    private func decoded(_ bytes: [UInt8]) throws(WireError) -> WorkerMessage {
        let result = bytes.withUnsafeBytes { bytes -> Result<WorkerMessage, WireError> in
            Result { () throws(WireError) in try WorkerMessage(decoding: bytes) }
        }
        return try result.get()
    }

    @Test(arguments: messages) func `a message comes out as it went in`(_ message: WorkerMessage) throws {
        #expect(try decoded(message.encoded()) == message)
    }

    @Test(arguments: messages) func `a message that ends early or goes on is none`(_ message: WorkerMessage) {
        let bytes = message.encoded()
        for count in 0..<bytes.count {
            #expect(throws: WireError.self) { try decoded(Array(bytes[..<count])) }
        }
        #expect(throws: WireError.self) { try decoded(bytes + [0]) }
    }

    /// A message whose length says otherwise.
    @Test func `a length that lies makes no message`() {
        for message in Self.messages {
            for length: UInt8 in [0, 1, 255] {
                var bytes = message.encoded()
                guard bytes[4] != length else { continue }
                bytes[4] = length
                #expect(throws: WireError.self) { try decoded(bytes) }
            }
        }
    }

    @Test func `changed messages are other messages or none, and nothing worse`() {
        let seed: UInt64 = 0x5eed_0006
        var generator = SeededGenerator(seed: seed)
        var refused = 0
        for round in 0..<20_000 {
            var bytes = Self.messages[round % Self.messages.count].encoded()
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: bytes.indices, using: &generator)] = .random(
                    in: 0...255, using: &generator)
            }
            guard let message = try? decoded(bytes) else {
                refused += 1
                continue
            }
            // What is taken can be said again.
            #expect((try? decoded(message.encoded())) == message, "seed \(seed), round \(round)")
        }
        #expect(refused > 1000, "seed \(seed)")
    }

    @Test func `fields that no message has are refused`() throws {
        let bytes = Self.finding(.ban(FindingJudgeTests.client), .protocolName("Tor")).encoded()
        // Behind the frame's 8 bytes: inspector 2, slot 4, time 8, protocol 1, then the family.
        for (offset, value, field) in [
            (23, UInt8(5), "address family"), (28, 1, "address"), (60, 9, "response"), (77, 0, "cause"),
            (82, 0x1b, "protocol name"),
        ] {
            var changed = bytes
            changed[offset] = value
            #expect(throws: WireError.field(field)) { try decoded(changed) }
        }
    }

    @Test func `another version or kind is refused by name`() {
        var bytes = Self.messages[0].encoded()
        bytes[0] = 9
        #expect(throws: WireError.version(9)) { try decoded(bytes) }
        bytes = Self.messages[0].encoded()
        bytes[2] = 99
        #expect(throws: WireError.kind(99)) { try decoded(bytes) }
    }

    @Test func `text that is too long is cut`() throws {
        let long = String(repeating: "x", count: 100_000)
        guard case .failed(let text) = try decoded(WorkerMessage.failed(long).encoded()) else {
            Issue.record("another message")
            return
        }
        #expect(text.count == 4096)
        let name = Self.finding(.dropFlow, .protocolName(long))
        guard case .finding(let finding) = try decoded(name.encoded()) else {
            Issue.record("another message")
            return
        }
        #expect(finding.cause == .protocolName(String(repeating: "x", count: 63)))
    }

    @Test(arguments: [
        ("{}\n", true), ("{\"a\":1}\n{\"b\":2}\n", true), ("{\"a\":\"ü €\"}\n", true), ("", false),
        ("{}", false),
        ("{}\n{}", false), ("\n", false), ("[]\n", false), ("{\"a\":\"\u{1b}[2J\"}\n", false),
        ("{\"a\":\"\t\"}\n", false), ("{\"a\":\"\u{7f}\"}\n", false), ("{\"a\":\"\u{9b}2J\"}\n", false),
        ("{\"a\":\"\u{2028}\"}\n", false), ("{\"a\"\r}\n", false), ("{\n}\n", false), ("{}\n\n", false),
    ]) func `event lines are whole lines of harmless text`(_ lines: String, _ areLines: Bool) {
        let message = WorkerMessage.events(Array(lines.utf8))
        #expect(((try? decoded(message.encoded())) != nil) == areLines)
    }

    @Test func `event lines that are not UTF-8 are refused`() {
        for bytes: [UInt8] in [[0xff], [0xc0, 0x80], [0xe2, 0x82], [0xed, 0xa0, 0x80]] {
            let line = Array("{\"a\":\"".utf8) + bytes + Array("\"}\n".utf8)
            #expect(throws: WireError.field("event line")) {
                try decoded(WorkerMessage.events(line).encoded())
            }
        }
    }

    @Test func `the controller's message comes out as it went in, and nothing else does`() throws {
        for message in ControllerMessage.allCases {
            let bytes = message.encoded()
            #expect(try bytes.withUnsafeBytes { try ControllerMessage(decoding: $0) } == message)
            #expect(throws: WireError.self) {
                try (bytes + [0]).withUnsafeBytes { try ControllerMessage(decoding: $0) }
            }
        }
        let other = WorkerMessage.heartbeat(WorkerCounters()).encoded()
        #expect(throws: WireError.self) {
            try other.withUnsafeBytes { try ControllerMessage(decoding: $0) }
        }
    }
}
