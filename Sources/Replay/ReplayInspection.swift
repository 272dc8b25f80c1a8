// SPDX-License-Identifier: Apache-2.0
// Step "inspect" of a replay: sampled frames to the inspector, its findings back to the evaluator. In: a
// frame and its judgement. Out: EVE events; bans and dropped flows for the packets behind it.
import Capture
import Inspection
import NetworkTypes
import PolicyLanguage

/// The inspector of one replay.
public struct ReplayInspection {
    /// Events since they were last taken.
    public private(set) var events: [InspectionEvent] = []
    /// `alert` events so far.
    public private(set) var alerts = 0
    private let inspector: PayloadInspector
    private var outcome = InspectionOutcome()

    /// Positions in the policy, by name.
    private let rules: [String: UInt32]
    private let inspectors: [String: UInt32]
    /// Of the last sampled packet; nil before one.
    private var latestTime: Int64?
    /// The last mark and its positions: names need not be looked up for each packet.
    private var latest: (mark: SampleMark, rule: UInt32, inspector: UInt32)?

    public init(_ inspector: PayloadInspector) {
        self.inspector = inspector
        rules = positions(inspector.plan.rules)
        inspectors = positions(inspector.plan.inspectors.map(\.name))
    }

    /// - Parameter mark: the rule and the inspector that the evaluator sampled it for.
    /// - Returns: what is to hold from the next packet on.
    mutating func take(_ frame: CapturedFrame, for mark: SampleMark, isOutbound: Bool) -> [Finding] {
        guard let (rule, number) = place(of: mark) else { return [] }
        var sample = InspectionSample(
            frame: frame.bytes, timeNanoseconds: max(0, frame.timeNanoseconds), rule: rule,
            inspector: number, isOutbound: isOutbound, packetNumber: UInt64(clamping: frame.number))
        sample.isCutShort = frame.capturedLength < frame.originalLength
        (sample.linkType, sample.linkHeader) = (frame.linkType, frame.linkHeader)
        latestTime = sample.timeNanoseconds
        inspector.feed(sample, into: &outcome)
        return settle()
    }

    private mutating func place(of mark: SampleMark) -> (rule: UInt32, inspector: UInt32)? {
        if let latest, latest.mark == mark { return (latest.rule, latest.inspector) }
        guard let rule = rules[mark.rule], let inspector = inspectors[mark.inspector] else { return nil }
        latest = (mark, rule, inspector)
        return (rule, inspector)
    }

    /// The captures are at their end: all flows are. Behind them comes what was counted, once.
    mutating func finish(_ take: ([InspectionEvent]) -> Void) {
        var alerts = 0
        inspector.finish { outcome in
            alerts += outcome.events.count { $0.kind == .alert }
            take(outcome.events)
            outcome.removeAll()
        }
        self.alerts += alerts
        if let latestTime, inspector.options.writesFlowEvents { take([inspector.stats(at: latestTime)]) }
    }

    mutating func takeEvents() -> [InspectionEvent] {
        defer { events.removeAll(keepingCapacity: true) }
        return events
    }

    private mutating func settle() -> [Finding] {
        guard !outcome.isEmpty else { return [] }
        events += outcome.events
        alerts += outcome.events.count { $0.kind == .alert }
        let findings = outcome.findings
        outcome.removeAll()
        return findings
    }
}

private func positions(_ names: [String]) -> [String: UInt32] {
    Dictionary(
        names.enumerated().map { ($1, UInt32(clamping: $0)) }, uniquingKeysWith: { first, _ in first })
}

extension FlowEnds {
    init(_ flow: FlowTuple) {
        self.init(
            flow.proto, End(flow.source, flow.sourcePort), End(flow.destination, flow.destinationPort))
    }
}
