// SPDX-License-Identifier: Apache-2.0
// What the inspector does with flows, packets and streams as the tracker tells of them: detection, protocols,
// signatures, events. One for each worker; all of its calls come from within one PayloadInspector.feed.
import NetworkTypes
import ProtocolDetection
import Protocols
import SignatureMatching
import Signatures
import Streams

final class SampleConsumer {
    private(set) var plan: InspectionPlan
    let options: InspectionOptions
    /// By position in the plan; nil for an inspector without signatures.
    private(set) var signatures: [InspectorSignatures?] {
        didSet { noteSignatures() }
    }
    /// An inspector with signatures may be asked for packets of a flow that others were asked for before.
    private var mayBeJoined = false
    /// Some signature asks how long a stream is.
    private(set) var testsStreamSizes = false
    let detector: ProtocolDetector
    let httpConfiguration: HTTPConfiguration
    /// What the parsers of all flows hold together.
    let parserMemory: ParserMemory
    /// The signatures' words for what the detector finds.
    let applications: [ProtocolID: Signatures.ApplicationProtocol]
    /// The detector's numbers of what the parsers here read: all of them.
    let parsed: [Protocols.ApplicationProtocol: ProtocolID]
    /// From samples' times to those of events, and to the one that certificates are held against.
    var wallOffset: Int64 = 0 {
        didSet { detector.wallOffsetMilliseconds = wallOffset / 1_000_000 }
    }
    var outcome = InspectionOutcome()
    var counters = InspectionCounters()
    /// The sample that is being taken.
    var rule: UInt32 = 0
    var inspector = 0
    var packetNumber: UInt64 = 0
    /// The frame that is followed, for alerts that repeat it; nil between packets.
    var captured: CapturedBytes?
    /// No flow of the packet was established when it came.
    var opensFlow = false
    /// The bytes of its payload.
    var payloadCount = 0
    /// The packet brings nothing that its stream has not had.
    var isRepeated = false
    /// What the packet carries, to be followed next; and around what the packet was.
    var inner: InnerPacket?
    var tunnel: Tunnel?
    /// Whom findings in the packet are about, where that is not its own flow.
    var carrier: Carrier?
    /// What the packet brought so far, for the signatures.
    var pending = BothWays(PendingUnit(), PendingUnit())
    /// Events of protocols that stand behind the packet's alerts.
    var laterEvents: [InspectionEvent] = []

    init(_ plan: InspectionPlan, _ options: InspectionOptions) throws(InspectionError) {
        self.plan = plan
        self.options = options
        do throws(DetectionError) {
            var limits = DetectionLimits()
            limits.openFlows = options.flowCount
            detector = try ProtocolDetector(limits: limits)
        } catch {
            throw InspectionError("\(error.message); \(error.help)")
        }
        applications = detector.names.signatureApplications
        do throws(UnknownProtocolName) {
            parsed = try detector.names.parsedApplications()
        } catch {
            throw InspectionError(
                "nDPI does not know the protocol '\(error.name)', which policies may forbid; install nDPI 4.2"
            )
        }
        httpConfiguration = HTTPConfiguration()
        parserMemory = ParserMemory(limit: httpConfiguration.limits.httpHeldByAll)
        signatures = try Self.load(plan, after: [])
        noteSignatures()
    }

    private func noteSignatures() {
        testsStreamSizes = signatures.contains { $0?.testsStreamSizes ?? false }
        mayBeJoined = signatures.count > 1 && signatures.contains { $0 != nil }
    }

    /// Inspectors with the same files share the engine, not the memory of matches.
    private static func load(
        _ plan: InspectionPlan, after former: [InspectorSignatures?]
    ) throws(InspectionError) -> [InspectorSignatures?] {
        var loaded: [InspectorSignatures?] = []
        for (number, inspector) in plan.inspectors.enumerated() {
            guard let planned = inspector.signatures else {
                loaded.append(nil)
                continue
            }
            do throws(SignatureEngineError) {
                loaded.append(
                    try InspectorSignatures(
                        planned.engine, thresholds: planned.thresholds,
                        after: former.indices.contains(number) ? former[number] : nil))
            } catch {
                throw InspectionError("inspector '\(inspector.name)' does not start: \(error.description)")
            }
        }
        return loaded
    }

    /// From the next packet on: other signatures, for inspectors of the same positions.
    func use(_ next: InspectionPlan) throws(InspectionError) {
        signatures = try Self.load(next, after: signatures)
        plan = next
    }
}

extension SampleConsumer: StreamConsumer {
    func makeState(of start: FlowStart) -> InspectedFlow {
        counters.flows &+= 1
        return InspectedFlow(makeSeat(), detection: detector.openFlow(), gathered: gathered(start))
    }

    func arrived(_ packet: DecodedPacket, _ direction: Direction, of flow: Flow<InspectedFlow>) {
        let way = FlowDirection(direction)
        let state = flow.attachment
        opensFlow = flow.state == .new
        payloadCount = packet.payload.count
        state.latestPacket = packetNumber
        if packet.isSentByHost, state.hostSends == nil { state.hostSends = way }
        if state.carrier == nil, let carrier {
            state.carrier = way == .toServer ? carrier : carrier.reversed
        }
        if let drop = state.drop { resume(drop, packet, way, flow) }
        guard !state.isDropped else { return }
        if state.seat.inspector != inspector, !state.isSeated(inspector) { state.join(makeSeat()) }
        takeWaiting(state)
        // A packet that its host drops carries nothing.
        if let kind = TunnelKind(packet), packet.discardReason == nil {
            inner = InnerPacket(packet, depth: (tunnel?.depth ?? 0) + 1)
            inner?.carrier = carrier
            if carrier == nil, !plan.opens(kind) { inner?.carrier = Carrier(flow.start, packet) }
        }
        if packet.proto != .tcp, !packet.payload.isEmpty { state.speaks[way] = true }
        if packet.proto == .udp, packet.isComplete, !packet.payload.isEmpty, isRead(state) {
            readDatagram(packet.payload, way, flow)
        }
    }

    func finished(
        _ packet: DecodedPacket, _ direction: Direction, as use: SegmentUse, of flow: Flow<InspectedFlow>
    ) {
        let way = FlowDirection(direction)
        if flow.attachment.isDropped {
            guard options.tellsDroppedPackets else { return }
            writeDrop(
                MatchContext(flow: flow, packet: packet, way: way), DropNote(reason: "flow drop"))
        } else {
            let isTaken = packet.discardReason == nil && use != .refused
            // What its host drops says nothing of what is spoken on the flow.
            if isTaken { detect(packet, way, flow) }
            inspect(packet, way, flow, use)
            if options.waitsForAcknowledgement {
                keepWaiting(way.opposite, flow.attachment)
            } else {
                flush(way.opposite, flow)
            }
            if flow.attachment.named != flow.attachment.searchedName { searchAgain(packet, way, flow) }
        }
        writeLaterEvents(flow)
    }

    func strayed(_ packet: DecodedPacket) { inspectStray(packet) }

    func anomaly(_ anomaly: Anomaly, of flow: Flow<InspectedFlow>?, _ packet: DecodedPacket?) {
        writeAnomaly(anomaly, flow, packet)
    }

    func data(_ bytes: UnsafeRawBufferPointer, at place: StreamPlace, of flow: Flow<InspectedFlow>) {
        let way = FlowDirection(place.direction)
        let state = flow.attachment
        if let drop = state.drop { return drop.missed[way] &+= Int64(bytes.count) }
        guard isRead(state) else { return flow.ignoreStream(place.direction) }
        takeWaiting(state)
        state.gathered?.add(bytes, way, isWhole: bytes.count == payloadCount)
        if state.hasSignatures {
            pending[way].add(bytes, at: place.offset, tail: state.tails[way])
            nameByOpening(way, flow, at: place.offset)
        }
        readStream(bytes, way, flow)
    }

    func gap(of count: Int64, at place: StreamPlace, of flow: Flow<InspectedFlow>) {
        let way = FlowDirection(place.direction)
        if let drop = flow.attachment.drop { return drop.missed[way] &+= count }
        guard isRead(flow.attachment) else { return }
        takeWaiting(flow.attachment)
        flow.attachment.gathered?.close()
        flush(way, flow)
        flow.attachment.tails[way] = []
        skipStream(Int(clamping: count), way, flow)
    }

    func streamEnded(at place: StreamPlace, of flow: Flow<InspectedFlow>) {
        guard !flow.attachment.isDropped else { return }
        takeWaiting(flow.attachment)
        endStream(FlowDirection(place.direction), flow)
    }

    func closed(_ flow: Flow<InspectedFlow>, _ reason: FlowEnd) {
        takeWaiting(flow.attachment)
        endStream(.toServer, flow)
        endStream(.toClient, flow)
        flush(.toServer, flow)
        flush(.toClient, flow)
        finishDetection(flow)
        writeUntold(flow)
        writeLaterEvents(flow)
        if options.writesFlowEvents { writeFlow(flow, reason) }
    }
}

extension SampleConsumer {
    /// Whether anybody wants to know what its protocol says: signatures, who reads events, the policy.
    func isRead(_ state: InspectedFlow) -> Bool {
        state.hasSignatures || options.writesProtocolEvents || mayBeJoined
            || state.gathered?.isOpen ?? false
    }
}

extension FlowDirection {
    init(_ direction: Direction) { self = direction == .toServer ? .toServer : .toClient }
}
