// SPDX-License-Identifier: Apache-2.0
// Captures through an engine: one result for each packet, then the sums.
import Capture
import Inspection
import NetworkTypes
import PolicyLanguage

/// One packet of a replay.
public struct ReplayedPacket: Sendable {
    /// From 1, in its capture.
    public var number: Int
    /// Since 1970-01-01T00:00Z.
    public var timeNanoseconds: Int64
    /// The frame's original length in bytes, as the capture has it.
    public var length: Int
    /// The headers in text; empty where no IP header could be read.
    public var flow: String
    public var judgement: Judgement
    /// It comes from one of `hosts`: this host sent it.
    public var isOutbound: Bool
}

/// The sums over all packets.
public struct ReplaySummary: Sendable, Hashable {
    public var packets = 0
    public var verdicts: [Verdict: Int] = [:]
    public var reasons: [Reason: Int] = [:]
    /// Packets by the rule that decided them, or their first fragment.
    public var rules: [String: Int] = [:]
    /// The inspector's alerts.
    public var alerts = 0

    public mutating func add(_ judgement: Judgement) {
        packets += 1
        verdicts[judgement.verdict, default: 0] += 1
        reasons[judgement.reason, default: 0] += 1
        if let rule = judgement.rule { rules[rule, default: 0] += 1 }
    }
}

/// Judges frames as this host would meet them.
public struct ReplayRun<Engine: ReplayEngine>: FlowActions {
    public private(set) var summary = ReplaySummary()
    private var engine: Engine
    private let hosts: [Prefix]
    private let device: String?
    private let decoder = PacketDecoder()
    /// Takes sampled packets; nil where nothing is inspected.
    private var inspection: ReplayInspection?

    /// - Parameters:
    ///   - hosts: addresses that are this host's: packets from them are outbound. Empty: all are inbound.
    ///   - device: the interface that packets come in on, in place of what the capture says; nil: as it says.
    ///   - inspection: takes sampled packets; its findings hold from the next packet on.
    public init(
        engine: Engine, hosts: [Prefix] = [], device: String? = nil, inspection: ReplayInspection? = nil
    ) {
        self.inspection = inspection
        self.engine = engine
        self.hosts = hosts
        self.device = device
    }

    /// - Parameter isSent: this host sends the frame, whatever its source is.
    public mutating func judge(
        _ captured: CapturedFrame, isSent: Bool = false
    ) throws -> ReplayedPacket {
        var frame = captured
        if let device { frame.interface = device }
        let headers = decoder.describe(frame.bytes)
        let isOutbound =
            isSent || headers.map { headers in hosts.contains { $0.contains(headers.source) } } ?? false
        let judgement = isOutbound ? try outbound(frame) : try engine.judge(frame)
        summary.add(judgement)
        if let sample = judgement.sample { try inspect(frame, sample, isOutbound: isOutbound) }
        return ReplayedPacket(
            number: frame.number, timeNanoseconds: frame.timeNanoseconds, length: frame.originalLength,
            flow: headers?.flowText ?? "", judgement: judgement, isOutbound: isOutbound)
    }

    /// The captures are at their end: what the inspector still has to say is among the events.
    public mutating func finish() {
        inspection?.finish()
        summary.alerts = inspection?.alerts ?? 0
    }

    /// The inspector's events since they were last taken.
    public mutating func takeEvents() -> [InspectionEvent] { inspection?.takeEvents() ?? [] }

    private mutating func inspect(
        _ frame: CapturedFrame, _ sample: SampleMark, isOutbound: Bool
    ) throws {
        guard let findings = inspection?.take(frame, for: sample, isOutbound: isOutbound) else { return }
        summary.alerts = inspection?.alerts ?? 0
        for finding in findings { try carryOut(finding) }
    }

    /// From the next packet on.
    private mutating func carryOut(_ finding: Finding) throws {
        switch finding.response {
        case .alert: return
        case .ban(let address, let nanoseconds):
            try engine.ban(Prefix(address), for: UInt64(clamping: nanoseconds))
        case .dropFlow(let flow, let nanoseconds):
            try engine.dropFlow(FlowEnds(flow), for: UInt64(clamping: nanoseconds))
        }
    }

    private mutating func outbound(_ frame: CapturedFrame) throws -> Judgement {
        var judgement = Judgement(.pass, .outbound)
        judgement.sample = try engine.send(frame)
        return judgement
    }

    public mutating func ban(_ prefix: Prefix, for duration: UInt64?) throws {
        try engine.ban(prefix, for: duration)
    }

    public mutating func dropFlow(_ flow: FlowEnds, for duration: UInt64?) throws {
        try engine.dropFlow(flow, for: duration)
    }
}
