// SPDX-License-Identifier: Apache-2.0
// Captures through an engine: one result for each packet, then the sums.
import Capture
import Inspection
import NetworkTypes
import PolicyLanguage

/// One packet of a replay.
public struct ReplayedPacket: Sendable {
    /// From 1, going on from one capture to the next.
    public var number: Int
    /// Where it stands; nil where there is one capture alone.
    public var place: CapturePlace?
    /// Since 1970-01-01T00:00Z.
    public var timeNanoseconds: Int64
    /// The frame's original length in bytes, as the capture has it.
    public var length: Int
    /// The headers; nil where no IP header could be read, and where nobody wants them.
    public var headers: PacketDescription?
    public var judgement: Judgement
    /// It comes from one of `hosts`: this host sent it.
    public var isOutbound: Bool

    /// The headers in text; empty where there are none.
    public var flow: String { headers?.flowText ?? "" }
}

/// Which packet of which of several captures.
public struct CapturePlace: Sendable, Hashable {
    public let path: String
    /// From 1.
    public let number: Int
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

    public mutating func add(_ judgement: Judgement) { add(judgement, times: 1) }

    mutating func add(_ judgement: Judgement, times: Int) {
        packets += times
        verdicts[judgement.verdict, default: 0] += times
        reasons[judgement.reason, default: 0] += times
        if let rule = judgement.rule { rules[rule, default: 0] += times }
    }
}

/// Judges frames as this host would meet them.
public struct ReplayRun<Engine: ReplayEngine>: FlowActions {
    /// Whether each packet is told with its headers; where nobody reads them, packets need not be decoded.
    public var describes = true
    private var counted = ReplaySummary()
    /// Most packets are judged as the one before: how often, before that is added up.
    private var latest: Judgement?
    private var repeats = 0
    private var engine: Engine
    private let hosts: [Prefix]
    private let device: String?
    private let decoder = PacketDecoder()
    /// The capture of several that is read now, and the packets of those before it.
    private var capture: (path: String, packetsBefore: Int)?
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

    /// The next of several captures begins. The firewall's clock goes on, and time that goes back counts as
    /// none; the inspector's begins anew where the capture is older than what came before.
    public mutating func begin(capture path: String) {
        let before = counted.packets + repeats
        capture = (path, before)
        inspection?.begin(capture: path, after: before)
    }

    /// - Parameter isSent: this host sends the frame, whatever its source is.
    public mutating func judge(
        _ captured: CapturedFrame, isSent: Bool = false
    ) throws -> ReplayedPacket {
        var frame = captured
        if let device { frame.interface = device }
        let headers = describes || !hosts.isEmpty ? decoder.describe(frame.bytes) : nil
        let isOutbound =
            isSent || headers.map { headers in hosts.contains { $0.contains(headers.source) } } ?? false
        let judgement = isOutbound ? try outbound(frame) : try engine.judge(frame)
        count(judgement)
        let number = frame.number + (capture?.packetsBefore ?? 0)
        if let sample = judgement.sample {
            try inspect(frame, sample, SampledPlace(number: number, isOutbound: isOutbound))
        }
        return ReplayedPacket(
            number: number, place: capture.map { CapturePlace(path: $0.path, number: frame.number) },
            timeNanoseconds: frame.timeNanoseconds, length: frame.originalLength, headers: headers,
            judgement: judgement, isOutbound: isOutbound)
    }

    /// As `judge`, for who wants the sums alone: events are thrown away.
    public mutating func take(_ captured: CapturedFrame) throws {
        guard hosts.isEmpty, !describes, device == nil else {
            _ = try judge(captured)
            inspection?.forgetEvents()
            return
        }
        let judgement = try engine.judge(captured)
        count(judgement)
        guard let sample = judgement.sample else { return }
        let number = captured.number + (capture?.packetsBefore ?? 0)
        try inspect(captured, sample, SampledPlace(number: number, isOutbound: false))
        inspection?.forgetEvents()
    }

    /// The sums so far.
    public var summary: ReplaySummary {
        var sums = counted
        if let latest { sums.add(latest, times: repeats) }
        sums.alerts = inspection?.alerts ?? 0
        return sums
    }

    private mutating func count(_ judgement: Judgement) {
        if let latest, latest == judgement {
            repeats += 1
            return
        }
        if let latest { counted.add(latest, times: repeats) }
        latest = judgement
        repeats = 1
    }

    /// The captures are at their end: what the inspector still has to say, flow by flow.
    public mutating func finish(_ take: ([InspectionEvent]) -> Void) { inspection?.finish(take) }

    /// The inspector's events since they were last taken.
    public mutating func takeEvents() -> [InspectionEvent] { inspection?.takeEvents() ?? [] }

    private mutating func inspect(
        _ frame: CapturedFrame, _ sample: SampleMark, _ place: SampledPlace
    ) throws {
        guard let findings = try inspection?.take(frame, for: sample, place) else { return }
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
