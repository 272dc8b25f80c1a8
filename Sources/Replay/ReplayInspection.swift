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

    /// For each rule with `inspect:`, by name.
    private let samples: [String: SampledFor]

    public init(_ inspector: PayloadInspector, policy: CheckedPolicy) {
        self.inspector = inspector
        let names = policy.inspectors.map(\.name)
        var samples: [String: SampledFor] = [:]
        for (number, rule) in policy.rules.enumerated() {
            guard let name = rule.inspect, let index = names.firstIndex(of: name) else { continue }
            samples[rule.name] = SampledFor(rule: UInt32(clamping: number), inspector: UInt32(clamping: index))
        }
        self.samples = samples
    }

    /// For what the packet is sampled; nil where it is not.
    func sampled(_ judgement: Judgement) -> SampledFor? {
        guard judgement.verdict == .pass, let rule = judgement.rule else { return nil }
        return samples[rule]
    }

    /// - Parameter sampled: the rule and the inspector that the evaluator sampled it for.
    /// - Returns: what is to hold from the next packet on.
    mutating func take(
        _ frame: CapturedFrame, for sampled: SampledFor, isOutbound: Bool
    ) -> [Finding] {
        var sample = InspectionSample(
            frame: frame.bytes, timeNanoseconds: max(0, frame.timeNanoseconds), rule: sampled.rule,
            inspector: sampled.inspector, isOutbound: isOutbound,
            packetNumber: UInt64(clamping: frame.number))
        sample.isCutShort = frame.capturedLength < frame.originalLength
        inspector.feed(sample, into: &outcome)
        return settle()
    }

    /// The captures are at their end: all flows are.
    mutating func finish() {
        inspector.finish(into: &outcome)
        _ = settle()
    }

    mutating func takeEvents() -> [InspectionEvent] {
        defer { events.removeAll(keepingCapacity: true) }
        return events
    }

    private mutating func settle() -> [Finding] {
        events += outcome.events
        alerts += outcome.events.count { $0.kind == .alert }
        let findings = outcome.findings
        outcome.removeAll()
        return findings
    }
}

/// For which rule and inspector a packet was sampled, by their positions in the policy.
public struct SampledFor: Hashable, Sendable {
    public var rule: UInt32
    public var inspector: UInt32

    public init(rule: UInt32, inspector: UInt32) {
        self.rule = rule
        self.inspector = inspector
    }
}
