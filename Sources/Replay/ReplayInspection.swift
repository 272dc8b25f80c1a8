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
    private var inspector: PayloadInspector
    private var outcome = InspectionOutcome()

    /// Positions in the policy, by name.
    private let rules: [String: UInt32]
    private let inspectors: [String: UInt32]
    /// Of the last sampled packet; nil before one.
    private var latestTime: Int64?
    /// Those of several captures that were begun, each with the number of its first packet.
    private var captures: [(first: UInt64, path: String)] = []
    /// No packet of it was sampled yet.
    private var isCaptureNew = false
    /// The last mark and its positions: names need not be looked up for each packet.
    private var latest: (mark: SampleMark, rule: UInt32, inspector: UInt32)?

    public init(_ inspector: PayloadInspector) {
        self.inspector = inspector
        rules = positions(inspector.plan.rules)
        inspectors = positions(inspector.plan.inspectors.map(\.name))
    }

    /// - Parameter packets: of the captures before it.
    mutating func begin(capture path: String, after packets: Int) {
        captures.append((UInt64(clamping: packets) + 1, path))
        isCaptureNew = true
    }

    /// - Parameter mark: the rule and the inspector that the evaluator sampled it for.
    /// - Returns: what is to hold from the next packet on.
    mutating func take(
        _ frame: CapturedFrame, for mark: SampleMark, _ place: SampledPlace
    ) throws(InspectionError) -> [Finding] {
        guard let (rule, number) = self.place(of: mark) else { return [] }
        var sample = InspectionSample(
            frame: frame.bytes, timeNanoseconds: max(0, frame.timeNanoseconds), rule: rule,
            inspector: number, isOutbound: place.isOutbound, packetNumber: UInt64(clamping: place.number))
        sample.isCutShort = frame.capturedLength < frame.originalLength
        (sample.linkType, sample.linkHeader) = (frame.linkType, frame.linkHeader)
        if isCaptureNew, let latestTime, sample.timeNanoseconds < latestTime { try beginAnew(latestTime) }
        isCaptureNew = false
        latestTime = sample.timeNanoseconds
        inspector.feed(sample, into: &outcome)
        return settle()
    }

    /// A capture is older than the one before: its flows go on from none of that, and its times are its own.
    private mutating func beginAnew(_ lastTime: Int64) throws(InspectionError) {
        var options = inspector.options
        // Flows of both have numbers of their own.
        options.seed &+= 1
        let next = try PayloadInspector(plan: inspector.plan, options: options)
        inspector.finish(into: &outcome)
        if options.writesFlowEvents { outcome.events.append(inspector.stats(at: lastTime)) }
        inspector = next
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
        let captures = captures
        inspector.finish { outcome in
            alerts += outcome.events.count { $0.kind == .alert }
            take(outcome.events.map { $0.of(captures) })
            outcome.removeAll()
        }
        self.alerts += alerts
        if let latestTime, inspector.options.writesFlowEvents { take([inspector.stats(at: latestTime)]) }
    }

    mutating func forgetEvents() {
        if !events.isEmpty { events.removeAll(keepingCapacity: true) }
    }

    mutating func takeEvents() -> [InspectionEvent] {
        defer { events.removeAll(keepingCapacity: true) }
        return events
    }

    private mutating func settle() -> [Finding] {
        guard !outcome.isEmpty else { return [] }
        events += outcome.events.map { $0.of(captures) }
        alerts += outcome.events.count { $0.kind == .alert }
        let findings = outcome.findings
        outcome.removeAll()
        return findings
    }
}

/// What a replay knows of a sampled packet beside its frame.
struct SampledPlace {
    /// From 1, over all captures.
    let number: Int
    let isOutbound: Bool
}

extension InspectionEvent {
    /// With the one of several captures that its packet is of, or its flow's latest.
    fileprivate func of(_ captures: [(first: UInt64, path: String)]) -> InspectionEvent {
        guard let latest = captures.last else { return self }
        var event = self
        let packet = header?.latestPacket ?? 0
        event.capture = packet >= latest.first ? latest.path : captures.last { $0.first <= packet }?.path
        return event
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
