// SPDX-License-Identifier: Apache-2.0
// Samples of a host have a clock that nobody sets, events the one of the wall: somebody who sets that moves
// the times that are told, and nothing else.
import Foundation
import NetworkTypes
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
