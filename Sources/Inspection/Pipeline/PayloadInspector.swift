// SPDX-License-Identifier: Apache-2.0
// The inspector: samples in, events and findings out. It knows no kernel, no process, no file and no clock
// of its own: time is that of the samples.
import NetworkTypes
import Streams

/// Inspects sampled packets: IP packets, flows, ordered streams, protocols, signatures. One thread at a time.
public final class PayloadInspector {
    /// The newest.
    public var plan: InspectionPlan { consumer.plan }
    public let options: InspectionOptions
    private let consumer: SampleConsumer
    private let tracker: StreamTracker<SampleConsumer>

    public init(
        plan: InspectionPlan, options: InspectionOptions = InspectionOptions()
    ) throws(InspectionError) {
        self.options = options
        consumer = try SampleConsumer(plan, options)
        var streams = StreamOptions()
        streams.verifiesChecksums = options.verifyChecksums
        streams.midstream = options.midstream
        streams.isOneSided = options.isOneSided
        streams.maximumFlows = options.flowCount
        streams.waitsForAcknowledgement = options.waitsForAcknowledgement
        streams.separatesVLANs = options.separatesVLANs
        streams.seed = options.seed
        tracker = StreamTracker(streams, consumer)
    }

    /// Added to samples' times where an event tells one and where a certificate's dates are judged, from the
    /// next event and packet on: nanoseconds from a clock that nobody sets to the one of the wall. Nothing
    /// else goes by it; 0 where samples have the wall's time.
    public var wallOffset: Int64 {
        get { consumer.wallOffset }
        set { consumer.wallOffset = newValue }
    }

    /// Sums since the inspector began.
    public var counters: InspectionCounters { consumer.counters }

    /// Looks for other signatures and protocols from the next packet on. Flows, their streams, bits and
    /// counters, what is remembered of hosts, and all sums go on.
    /// - Throws: where the plan is one of other rules or inspectors, or its signatures cannot be run; then
    ///   nothing has changed.
    public func use(_ next: InspectionPlan) throws(InspectionError) {
        guard next.rules == plan.rules, next.inspectors.map(\.name) == plan.inspectors.map(\.name) else {
            throw InspectionError("the signatures are of a policy with other rules or inspectors")
        }
        try consumer.use(next)
    }

    /// Takes one packet. What it and the time until it bring about is appended to `outcome`.
    public func feed(_ sample: InspectionSample, into outcome: inout InspectionOutcome) {
        consumer.counters.samples &+= 1
        consumer.counters.sampledBytes &+= UInt64(sample.frame.count)
        guard let frame = SampledFrame(sample.frame) else { return consumer.counters.notIP &+= 1 }
        consumer.rule = sample.rule
        consumer.inspector = Int(sample.inspector)
        consumer.packetNumber = sample.packetNumber
        consumer.captured = CapturedBytes(frame, link: sample.linkHeader, linkType: sample.linkType)
        tell(into: &outcome) {
            follow(frame, sample)
            followTunnels(sample)
        }
        consumer.captured = nil
    }

    private func follow(_ frame: SampledFrame, _ sample: InspectionSample) {
        var packet = InputPacket(
            bytes: frame.packet, time: sample.timeNanoseconds, frameLength: frame.length)
        packet.number = sample.packetNumber
        packet.ruleTag = sample.rule
        packet.vlan = frame.outerVLAN
        packet.innerVLAN = frame.innerVLAN
        packet.tunnel = consumer.carrier?.tunnelNumber ?? 0
        packet.isSentByHost = sample.isOutbound
        packet.isCutShort = sample.isCutShort
        tracker.follow(packet)
    }

    /// What the packet carries, and what that carries.
    private func followTunnels(_ sample: InspectionSample) {
        guard consumer.inner != nil else { return }
        while let inner = consumer.inner {
            consumer.inner = nil
            consumer.tunnel = inner.tunnel
            consumer.carrier = inner.carrier
            consumer.counters.tunnels.add(inner.kind)
            inner.bytes.withUnsafeBytes { bytes in
                guard var frame = inner.isFrame ? SampledFrame(bytes) : SampledFrame(packet: bytes) else {
                    return
                }
                frame.wrap(inner.mirrorHeaderLength, vlan: inner.vlan)
                consumer.captured = CapturedBytes(frame, linkType: inner.isFrame ? 1 : 101)
                follow(frame, sample)
                consumer.captured = nil
            }
        }
        consumer.tunnel = nil
        consumer.carrier = nil
    }

    /// Tells the time where no packet comes: flows that are over end, and their `flow` events are written.
    /// - Parameter timeNanoseconds: on the samples' clock; times that go back change nothing.
    public func advance(to timeNanoseconds: Int64, into outcome: inout InspectionOutcome) {
        tell(into: &outcome) { tracker.advance(to: timeNanoseconds) }
    }

    /// Ends all flows: every one that was sampled gets its `flow` event.
    public func finish(into outcome: inout InspectionOutcome) {
        tell(into: &outcome) { tracker.finish() }
    }

    /// Ends all flows, and hands on what came of each: a hundred thousand events at once are many.
    public func finish(_ take: (inout InspectionOutcome) -> Void) {
        tracker.finish { take(&consumer.outcome) }
    }

    /// The counters of every step so far, as a `stats` event.
    /// - Parameter timeNanoseconds: the event's time, on the samples' clock.
    public func stats(at timeNanoseconds: Int64) -> InspectionEvent {
        InspectionStatistics(
            inspection: consumer.counters, streams: tracker.counters, detection: consumer.detector.counters,
            matching: consumer.signatures.compactMap { $0?.matcher.counters },
            ratesForgotten: consumer.signatures.reduce(0) { $0 &+ ($1?.forgotten ?? 0) },
            openFlows: tracker.flowCount,
            http: (UInt64(clamping: consumer.parserMemory.used), consumer.parserMemory.givenUp)
        ).event(at: timeNanoseconds &+ consumer.wallOffset)
    }

    /// What each signature cost, dearest first; empty unless the plan's engines were made to measure it.
    public var signatureCosts: [InspectedSignatureCost] {
        let costs = zip(plan.inspectors, consumer.signatures).flatMap { inspector, signatures in
            (signatures?.matcher.profile ?? []).compactMap { cost -> InspectedSignatureCost? in
                guard cost.count > 0, let engine = signatures?.engine else { return nil }
                return InspectedSignatureCost(
                    inspector: inspector.name, signature: engine.signatures[cost.signature], cost: cost)
            }
        }
        return costs.sorted { ($1.nanoseconds, $0.id.sid) < ($0.nanoseconds, $1.id.sid) }
    }

    /// The consumer writes into the caller's memory while it is called.
    private func tell(into outcome: inout InspectionOutcome, _ body: () -> Void) {
        swap(&outcome, &consumer.outcome)
        body()
        swap(&outcome, &consumer.outcome)
    }
}

/// Why an inspector cannot be made.
public struct InspectionError: Error, Sendable, CustomStringConvertible {
    /// Lower case, no full stop: what was tried, why it failed, what to do.
    public let description: String

    public init(_ description: String) { self.description = description }
}
