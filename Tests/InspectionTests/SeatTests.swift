// SPDX-License-Identifier: Apache-2.0
// Flows whose packets several inspectors are asked for: whoever sends them chooses by DSCP, TTL or flags
// which rule sees each, and is not to choose what finds them.
import Diagnostics
import Foundation
import NetworkTypes
import PolicyLanguage
import SignatureMatching
import Signatures
import Testing

@testable import Inspection

private let evil = #"drop http any any -> any any (msg:"e"; http.uri; content:"/secret"; sid:1;)"#
private let bytes = #"drop tcp any any -> any any (msg:"b"; content:"evilword"; sid:2;)"#

private func engine(_ rules: String) throws -> PlannedSignatures {
    PlannedSignatures(
        engine: try SignatureEngine(loadSignatures([SourceText(path: "a.rules", text: rules)])),
        thresholds: [])
}

private func planned(
    _ name: String, _ onMatch: MatchResponse = .alert, _ signatures: PlannedSignatures? = nil,
    forbids: Set<UInt16> = []
) -> PlannedInspector {
    var bounds = ProtocolBounds()
    bounds.forbidden = forbids
    return PlannedInspector(name: name, onMatch: onMatch, protocols: bounds, signatures: signatures)
}

/// Inspectors whose rules have their names.
private final class Seats {
    private let inspector: PayloadInspector
    private(set) var outcome = InspectionOutcome()
    private var time: Int64 = 1_767_225_600_000_000_000

    init(_ inspectors: [PlannedInspector]) throws {
        var options = InspectionOptions()
        options.verifyChecksums = false
        let plan = InspectionPlan(rules: inspectors.map(\.name), inspectors: inspectors)
        inspector = try PayloadInspector(plan: plan, options: options)
    }

    /// - Parameter number: whose rule the packet meets.
    func feed(_ frame: [UInt8], _ number: UInt32) {
        time += 1_000_000
        frame.withUnsafeBytes {
            inspector.feed(
                InspectionSample(
                    frame: $0, timeNanoseconds: time, rule: number, inspector: number, isOutbound: false),
                into: &outcome)
        }
    }

    func finish() { inspector.finish(into: &outcome) }

    /// Findings as "inspector response".
    var findings: [String] {
        outcome.findings.map { finding in
            switch finding.response {
            case .alert: "\(finding.inspector) alert"
            case .dropFlow: "\(finding.inspector) drop-flow"
            case .ban: "\(finding.inspector) ban"
            }
        }
    }

    /// Signatures that were tried so far.
    var candidates: Int {
        get throws {
            let line = inspector.stats(at: 0).line
            let event = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            let detect = (event?["stats"] as? [String: Any])?["detect"] as? [String: Any]
            return try #require(detect?["candidates"] as? Int)
        }
    }

    func rules(of kind: InspectionEvent.Kind) -> [String] {
        outcome.events.filter { $0.kind == kind }.map { $0.header?.rule?.rule ?? "" }
    }
}

private let ban = MatchResponse.ban(nanoseconds: 60)

@Test func `the first packet's rule does not keep the other rule's signatures from the flow`() throws {
    let seats = try Seats([planned("voice"), planned("web", ban, try engine(evil))])
    var talk = Conversation()
    let opening = talk.open()
    seats.feed(opening[0], 0)
    for frame in opening.dropFirst() { seats.feed(frame, 1) }
    seats.feed(talk.say(.toServer, request), 1)
    #expect(seats.findings == ["1 ban"])
    #expect(seats.rules(of: .alert) == ["web"] && seats.rules(of: .drop) == ["web"])
}

@Test func `an inspector sees the packets that another one was asked for`() throws {
    let seats = try Seats([planned("voice"), planned("web", .dropFlow, try engine(bytes))])
    var talk = Conversation()
    for frame in talk.open() { seats.feed(frame, 1) }
    seats.feed(talk.say(.toServer, "xx evil"), 0)
    seats.feed(talk.say(.toServer, "word yy"), 0)
    #expect(seats.findings == ["1 drop-flow"])
}

@Test(arguments: [0, 1] as [UInt32])
func `inspectors with the same files each match once, and each by its own on-match`(first: UInt32) throws {
    let shared = try engine(evil)
    let seats = try Seats([planned("watch", .alert, shared), planned("web", .ban(nanoseconds: 60), shared)])
    var talk = Conversation()
    for (index, frame) in talk.open().enumerated() { seats.feed(frame, (first + UInt32(index)) % 2) }
    var number = first
    for byte in request.utf8 {
        seats.feed(talk.say(.toServer, [byte]), number)
        number = 1 - number
    }
    #expect(seats.findings.sorted() == ["0 alert", "1 ban"])
}

@Test func `inspectors with other files match what is theirs, once`() throws {
    let both = [planned("a", .alert, try engine(evil)), planned("b", .alert, try engine(bytes))]
    let seats = try Seats(both)
    var talk = Conversation()
    for (index, frame) in talk.open().enumerated() { seats.feed(frame, UInt32(index % 2)) }
    for (index, byte) in "GET /secret/evilword HTTP/1.1\r\nHost: a\r\n\r\n".utf8.enumerated() {
        seats.feed(talk.say(.toServer, [byte]), UInt32(index % 2))
    }
    seats.finish()
    #expect(seats.rules(of: .alert).sorted() == ["a", "b"])
    #expect(seats.rules(of: .http) == ["a"], "protocols' events are told once")
}

/// nDPI's number of HTTP.
private let http: UInt16 = 7

@Test(arguments: [0, 3, 8]) func `each inspector's protocols are compared, whenever it comes`(joins: Int)
    throws
{
    let seats = try Seats([planned("voice"), planned("web", .dropFlow, forbids: [http])])
    var talk = Conversation()
    var frames = talk.open()
    for _ in 0..<4 {
        frames.append(talk.say(.toServer, request))
        frames.append(talk.say(.toClient, reply))
    }
    for (index, frame) in frames.enumerated() { seats.feed(frame, index < max(1, joins) ? 0 : 1) }
    #expect(seats.findings == ["1 drop-flow"])
}

@Test func `inspectors that take turns search what is new, as one alone does`() throws {
    let rules = (1...5).map { number in
        #"alert http any any -> any any (http.header; content:"X-L"; pcre:"/z\#(number)$/"; sid:\#(number);)"#
    }.joined(separator: "\n")
    let head = "POST /a HTTP/1.1\r\nHost: a\r\nX-Long: \(String(repeating: "y", count: 2000))\r\n"
    var candidates: [Int] = []
    for others in [0, 1] as [UInt32] {
        let seats = try Seats([
            planned("a", .alert, try engine(rules)), planned("b", .alert, try engine(rules)),
        ])
        var talk = Conversation()
        for frame in talk.open() { seats.feed(frame, 0) }
        seats.feed(talk.say(.toServer, head + "Content-Length: 200\r\n\r\n"), 0)
        for byte in 0..<100 { seats.feed(talk.say(.toServer, "b"), byte % 2 == 0 ? 0 : others) }
        candidates.append(try seats.candidates)
    }
    #expect(candidates[0] > 0 && candidates[1] == 2 * candidates[0], "\(candidates)")
}
