// SPDX-License-Identifier: Apache-2.0
// An inspector on a bench. In: signatures as text, what the policy says of them, frames. Out: events as
// JSON, and findings.
import Diagnostics
import Foundation
import NetworkTypes
import PolicyLanguage
import SignatureMatching
import Signatures
import Testing

@testable import Inspection

/// What the firewall does with findings.
enum FirewallCase: Sendable, Equatable {
    case enforces, monitors
    /// All of it but for the /24 of three bytes.
    case neverBans([UInt8])
}

/// One inspector with rules of its own, and all that it has said.
final class Bench {
    let inspector: PayloadInspector
    private(set) var outcome = InspectionOutcome()
    private var time: Int64 = 1_767_225_600_000_000_000

    init(
        _ rules: String = "", onMatch: MatchResponse = .alert, protocols: ProtocolBounds = ProtocolBounds(),
        thresholds: String = "", verifyChecksums: Bool = false, actionOrder: [SignatureAction]? = nil,
        decapsulate: Set<Encapsulation> = [], firewall: FirewallCase = .enforces,
        knownEvents: Set<String> = [], _ change: (inout InspectionOptions) -> Void = { _ in }
    ) throws {
        var planned = PlannedInspector(name: "http-api", onMatch: onMatch, protocols: protocols)
        var names = StateNames()
        if !rules.isEmpty {
            let set = loadSignatures(
                [SourceText(path: "a.rules", text: rules)], settings: SignatureSettings(events: knownEvents))
            try #require(set.diagnostics.isEmpty, "\(set.diagnostics.map { $0.rendered() }.joined())")
            var settings = SignatureEngine.Settings()
            settings.actionOrder = actionOrder ?? settings.actionOrder
            let file = ThresholdFile(SourceText(path: "threshold.config", text: thresholds))
            planned.signatures = try PlannedSignatures(set, thresholds: [file], settings: settings)
            names = set.names
        }
        var options = InspectionOptions()
        options.verifyChecksums = verifyChecksums
        change(&options)
        var plan = InspectionPlan(rules: ["web"], inspectors: [planned])
        plan.names = names
        plan.decapsulate = decapsulate
        switch firewall {
        case .enforces: break
        case .monitors: plan.isMonitoring = true
        case .neverBans(let bytes):
            let first = bytes.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << 8
            plan.neverBan = AddressSet(v4: IntervalSet(first...(first + 255)))
        }
        inspector = try PayloadInspector(plan: plan, options: options)
    }

    /// Other signatures from the next frame on.
    func use(_ rules: String) throws {
        var plan = inspector.plan
        let set = loadSignatures([SourceText(path: "b.rules", text: rules)], names: plan.names)
        try #require(set.diagnostics.isEmpty, "\(set.diagnostics.map { $0.rendered() }.joined())")
        plan.names = set.names
        plan.inspectors[0].signatures = PlannedSignatures(engine: try SignatureEngine(set), thresholds: [])
        try inspector.use(plan)
    }

    /// A millisecond after the frame before.
    func feed(_ frame: [UInt8], isOutbound: Bool = false) {
        time += 1_000_000
        frame.withUnsafeBytes {
            inspector.feed(
                InspectionSample(
                    frame: $0, timeNanoseconds: time, rule: 0, inspector: 0, isOutbound: isOutbound),
                into: &outcome)
        }
    }

    /// Lets time pass in which no packet comes.
    func pass(seconds: Int64) { time += seconds * 1_000_000_000 }

    func feed(_ frames: [[UInt8]]) { for frame in frames { feed(frame) } }

    func finish() { inspector.finish(into: &outcome) }

    /// The events of a kind, each as the object that its line is.
    func events(_ kind: InspectionEvent.Kind) throws -> [[String: Any]] {
        try outcome.events.filter { $0.kind == kind }.map { event in
            let parsed = try JSONSerialization.jsonObject(with: Data(event.line.utf8))
            return try #require(parsed as? [String: Any])
        }
    }

    /// The numbers of the signatures that alerted, in order.
    func alerts() throws -> [Int] {
        try events(.alert).compactMap { ($0["alert"] as? [String: Any])?["signature_id"] as? Int }
    }

    /// The counters so far, as the `stats` event has them.
    var statistics: [String: Any] {
        get throws {
            let line = inspector.stats(at: time).line
            let event = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            return try #require(event?["stats"] as? [String: Any])
        }
    }

    var responses: [Finding.Response] { outcome.findings.map(\.response) }
}

let request = "GET /secret/passwd?x=1 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: probe/1\r\n\r\n"
let reply = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello"
