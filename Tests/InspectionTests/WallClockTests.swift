// SPDX-License-Identifier: Apache-2.0
// Samples of a host have a clock that nobody sets, events the one of the wall: somebody who sets that moves
// the times that are told and the one that certificates are held against, and nothing else.
import Capture
import Foundation
import NetworkTypes
import TestSupport
import Testing

@testable import Inspection

private let second: Int64 = 1_000_000_000
/// 2026-01-01T00:00Z.
private let newYear: Int64 = 1_767_225_600
private let rule = """
    alert udp any any -> any any (msg:"x"; content:"needle"; threshold:type limit, track by_src, count 1, \
    seconds 60; sid:1;)
    """

/// An inspector whose clock began with the host, and what it says.
private struct Host {
    let inspector: PayloadInspector
    private var outcome = InspectionOutcome()

    init(_ rules: String) throws { inspector = try Bench(rules).inspector }

    /// A datagram, so many seconds after the host's start.
    mutating func send(at seconds: Int64, _ text: String = "needle") {
        Conversation(serverPort: 9).datagram(.toServer, Array(text.utf8)).withUnsafeBytes {
            inspector.feed(
                InspectionSample(frame: $0, timeNanoseconds: seconds * second, rule: 0, inspector: 0),
                into: &outcome)
        }
    }

    mutating func wait(until seconds: Int64) { inspector.advance(to: seconds * second, into: &outcome) }

    /// Seconds since the start of the year of all events of a kind so far.
    func times(of kind: InspectionEvent.Kind) -> [Int64] {
        outcome.events.filter { $0.kind == kind }.map { $0.timeNanoseconds / second - newYear }
    }

    func flow() throws -> [String: Any] {
        let event = try #require(outcome.events.last { $0.kind == .flow })
        let parsed = try JSONSerialization.jsonObject(with: Data(event.line.utf8)) as? [String: Any]
        return try #require(parsed?["flow"] as? [String: Any])
    }
}

@Test func `a wall clock that is set back two hours stops neither rates nor timeouts`() throws {
    var host = try Host(rule)
    host.inspector.wallOffset = (newYear + 7200) * second
    host.send(at: 50)
    host.inspector.wallOffset = newYear * second
    host.send(at: 100)
    #expect(host.times(of: .alert) == [7250], "one in sixty seconds")
    host.send(at: 120)
    #expect(host.times(of: .alert) == [7250, 120])
    // The first was over after half a minute of silence.
    #expect(host.times(of: .flow) == [50])
    host.wait(until: 1000)
    #expect(host.times(of: .flow) == [50, 120])
    #expect(host.inspector.stats(at: 1000 * second).timeNanoseconds == (newYear + 1000) * second)
}

@Test func `a flow's times are told by the wall clock as it is then, and its age by neither`() throws {
    var host = try Host(rule)
    host.inspector.wallOffset = newYear * second
    host.send(at: 50)
    host.inspector.wallOffset = (newYear + 3600) * second
    host.send(at: 58)
    host.wait(until: 1000)
    let flow = try host.flow()
    #expect(flow["start"] as? String == "2026-01-01T01:00:50.000000+0000")
    #expect(flow["end"] as? String == "2026-01-01T01:00:58.000000+0000")
    #expect(flow["age"] as? Int == 8)
}

/// The server's side of a TLS 1.2 connection of 2022, whose certificate was valid for that summer.
@Suite(.enabled(if: SharedData.folder != nil, "\(SharedData.absence)"))
struct CertificateDateTests {
    private static let expired = "TLS Expired Certificate"
    private static let years: Int64 = 30 * 365 * 86_400 * second

    /// Feeds the recording.
    /// - Parameter clock: the first packet's time on the samples' clock; nil: as it was recorded.
    /// - Returns: when it was recorded, and what nDPI finds wrong with its flow.
    private func feed(
        _ inspector: PayloadInspector, clock: Int64? = nil
    ) throws -> (recorded: Int64, risks: [String]) {
        let folder = try #require(SharedData.folder)
        let path = "\(folder)/tls-fingerprints/ndpi/tls_1.2_unidirectional_server.pcapng"
        var reader = try CaptureReader(path: path)
        var outcome = InspectionOutcome()
        var first: Int64?
        while let frame = try reader.next() {
            let recorded = first ?? frame.timeNanoseconds
            first = recorded
            var sample = InspectionSample(
                frame: frame.bytes,
                timeNanoseconds: frame.timeNanoseconds - recorded + (clock ?? recorded), rule: 0,
                inspector: 0)
            (sample.linkType, sample.linkHeader) = (frame.linkType, frame.linkHeader)
            inspector.feed(sample, into: &outcome)
        }
        inspector.finish(into: &outcome)
        let flows = try outcome.events.filter { $0.kind == .flow }.map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.line.utf8)) as? [String: Any])
        }
        #expect(flows.count == 1)
        let found = try #require(flows.first?["ndpi"] as? [String: Any])
        return (try #require(first), found["flow_risk"] as? [String] ?? [])
    }

    @Test func `a certificate is held against the wall's clock, whatever the samples'`() throws {
        let (recorded, risks) = try feed(try Bench().inspector)
        #expect(!risks.contains(Self.expired))
        let inspector = try Bench().inspector
        inspector.wallOffset = recorded - 50 * second
        #expect(try feed(inspector, clock: 50 * second).risks == risks)
        let late = try Bench().inspector
        late.wallOffset = recorded + Self.years
        #expect(try feed(late, clock: 50 * second).risks.contains(Self.expired))
    }

    @Test func `a wall clock that ran ahead and is set back does not outdate certificates`() throws {
        let (recorded, risks) = try feed(try Bench().inspector)
        let inspector = try Bench().inspector
        inspector.wallOffset = recorded + Self.years
        #expect(try feed(inspector, clock: 50 * second).risks.contains(Self.expired))
        inspector.wallOffset = recorded - 1000 * second
        #expect(try feed(inspector, clock: 1000 * second).risks == risks)
    }
}
