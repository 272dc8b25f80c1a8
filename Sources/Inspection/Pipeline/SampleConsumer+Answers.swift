// SPDX-License-Identifier: Apache-2.0
// Step "answer": a match becomes an alert and a finding. In: the signature's action, or a protocol that the
// policy forbids. Out: what `on-match` allows of it; the flow is marked where it is dropped.
import JSONOutput
import NetworkTypes
import PolicyLanguage
import SignatureMatching
import Signatures
import Streams

/// What the matches of one packet come to.
struct PacketAnswer {
    var alerts: [Alert] = []
    /// The packet is dropped: by this alert, for this reason.
    var drop: (alert: JSONValue, reason: String)?
    /// A `pass` signature matched.
    var isPassed = false
    /// To whom a `reject` signature wants it to be told.
    var rejectTarget: String?

    /// EVE's `verdict` object.
    func verdict(_ proto: IPProtocol?) -> JSONValue {
        var members = EventMembers()
        members.add("action", .string(drop != nil ? "drop" : isPassed ? "pass" : "alert"))
        if let rejectTarget, drop != nil {
            members.add("reject-target", .string(rejectTarget))
            members.add("reject", .array([proto == .tcp ? "tcp-reset" : "icmp-prohib"]))
        }
        return members.object
    }
}

extension SampleConsumer {
    /// Alerts, findings and the `drop` event of what one packet, or one stretch of a stream, matched.
    func answer(
        _ matches: [SignatureMatch], _ signatures: InspectorSignatures, _ context: MatchContext
    ) {
        guard !matches.isEmpty else { return }
        var answer = PacketAnswer()
        for match in matches { add(match, signatures, context, to: &answer) }
        write(answer, context)
    }

    func answer(_ alert: ProtocolAlert, _ context: MatchContext) {
        var answer = PacketAnswer()
        let response = response(to: true, context, ends(context))
        let blocks = blocks(response, context)
        let told = Alert(alert.eve(blocks ? .blocked : .allowed), alert.summary)
        answer.alerts = [told]
        if blocks { answer.drop = (told.object, "rules") }
        carryOut(response, .protocolName(alert.name), context, ofFlow: true)
        write(answer, context)
    }

    private func add(
        _ match: SignatureMatch, _ signatures: InspectorSignatures, _ context: MatchContext,
        to answer: inout PacketAnswer
    ) {
        guard signatures.engine.signatures.indices.contains(match.signature) else { return }
        let signature = signatures.engine.signatures[match.signature]
        let id = SignatureID(signature)
        let ends = ends(context)
        let rated = signatures.rates.judge(
            RatedMatch(
                signature: id, source: ends.source, destination: ends.destination,
                flowID: context.flow?.start.id ?? 0, timeNanoseconds: context.time))
        guard rated.isActedOn else { return counters.suppressed &+= 1 }
        let action = rated.newAction.map(SignatureAction.init) ?? signature.action
        if action == .pass, answer.drop == nil { answer.isPassed = true }
        let isActedOn = action.asksForDrop && isTaken(match.place, context)
        let response = response(to: isActedOn, context, ends)
        let blocks = blocks(response, context)
        var alert = Alert(signature.eve(blocks ? .blocked : .allowed), signature.summary)
        alert.isOfPacket = match.place == .packet
        if case .transaction(let index) = match.place, context.units.indices.contains(index) {
            alert.record = context.units[index].record
        }
        if !match.isReported || !rated.isTold || rated.newAction == .pass {
            counters.suppressed &+= 1
        } else if answer.alerts.count < options.alertsPerPacket {
            answer.alerts.append(alert)
        } else {
            counters.alertsRefused &+= 1
        }
        if blocks, answer.drop == nil {
            answer.drop = (alert.object, rated.newAction == nil ? "rules" : "threshold detection_filter")
        }
        answer.rejectTarget = answer.rejectTarget ?? action.rejectTarget(context.way)
        guard action != .pass else { return }
        carryOut(response, .signature(id), context, ofFlow: signature.isOfFlow(match.place))
    }

    /// Whether the host has what matched. A packet with a wrong checksum, or out of its connection's window,
    /// it drops: a ban for that would be a ban for nothing, of whoever it names as its source.
    private func isTaken(_ place: SignatureMatch.Place, _ context: MatchContext) -> Bool {
        context.isTaken || place != .packet && context.packet?.proto == .tcp
    }

    private func write(_ answer: PacketAnswer, _ context: MatchContext) {
        if let state = context.flow?.attachment, answer.isPassed,
            context.seat?.matchState?.isPassed ?? false
        {
            state.isPassed = true
        }
        let verdict = answer.verdict(context.flow?.start.proto ?? context.packet?.proto)
        for alert in answer.alerts { writeAlert(alert, context, verdict: verdict) }
        if let drop = answer.drop, context.flow != nil {
            writeDrop(context, DropNote(reason: drop.reason, alert: drop.alert, verdict: verdict))
        }
    }

    /// What the policy allows of what a match asks for.
    private func response(
        to asksForDrop: Bool, _ context: MatchContext, _ ends: PacketEnds
    ) -> Finding.Response {
        let number = context.seat?.inspector ?? inspector
        // What is of no flow shows nobody that its source is who it says: an alert is all that comes of it.
        guard asksForDrop, plan.inspectors.indices.contains(number), let flow = judgedFlow(context) else {
            return .alert
        }
        switch plan.inspectors[number].onMatch {
        case .alert: return .alert
        case .dropFlow:
            // Neither is what the other end sends to such a one dropped.
            guard !plan.neverBan.contains((carrierEnds(context) ?? ends).remote) else { return .alert }
            return .dropFlow(flow, nanoseconds: Finding.flowDropNanoseconds)
        case .ban(let nanoseconds):
            return .ban(carrierEnds(context)?.remote ?? ends.remote, nanoseconds: nanoseconds)
        }
    }

    /// Whether the firewall drops what comes behind: under the policy's `mode: monitor` it drops nothing, and
    /// no ban holds for a source in `never-ban`.
    private func blocks(_ response: Finding.Response, _ context: MatchContext) -> Bool {
        switch response {
        case _ where plan.isMonitoring: false
        case .alert: false
        case .ban(let address, _): !plan.neverBan.contains(address)
        case .dropFlow: true
        }
    }

    /// - Parameter ofFlow: what matched is the flow itself or its stream: the inspector has seen enough of
    /// it. Where a packet matched by itself, what still comes of the flow is inspected.
    private func carryOut(
        _ response: Finding.Response, _ cause: Finding.Cause, _ context: MatchContext, ofFlow: Bool
    ) {
        guard let flow = judgedFlow(context) else { return }
        let state = context.flow?.attachment
        var finding = Finding(
            response, cause: cause, rule: context.seat?.rule ?? rule,
            inspector: UInt32(clamping: context.seat?.inspector ?? inspector), timeNanoseconds: context.time)
        finding.flow = flow
        outcome.findings.append(finding)
        // What goes on is inspected further.
        guard let state, ofFlow, blocks(response, context), let drop = drop(response, context),
            drop.end >= state.drop?.end ?? .min
        else { return }
        state.drop = drop
    }

    private func drop(_ response: Finding.Response, _ context: MatchContext) -> FlowDrop? {
        switch response {
        case .alert: nil
        case .dropFlow(_, let nanoseconds): FlowDrop(from: context.time, for: nanoseconds, nil)
        case .ban(_, let nanoseconds):
            FlowDrop(
                from: context.time, for: nanoseconds,
                ends(context).isFromHost ? context.way.opposite : context.way)
        }
    }

    /// The flow that the firewall judges: the packet's own, or that of the tunnel around it.
    private func judgedFlow(_ context: MatchContext) -> FlowTuple? {
        if let carrier = context.flow?.attachment.carrier ?? carrier { return carrier.flow }
        return context.flow.map { FlowTuple($0.start) }
    }

    /// Who carried what matched, and to whom; nil where rules look at the packet's own flow.
    private func carrierEnds(_ context: MatchContext) -> PacketEnds? {
        guard let flow = context.flow else {
            let isFromHost = context.packet?.isSentByHost ?? false
            return carrier.map {
                PacketEnds(source: $0.source, destination: $0.destination, isFromHost: isFromHost)
            }
        }
        guard let around = flow.attachment.carrier else { return nil }
        let carrier = context.way == .toServer ? around : around.reversed
        return PacketEnds(
            source: carrier.source, destination: carrier.destination,
            isFromHost: flow.attachment.hostSends == context.way)
    }

    /// Who sent what matched, and to whom.
    func ends(_ context: MatchContext) -> PacketEnds {
        let way = context.way
        guard let flow = context.flow else {
            let packet = context.packet
            let none = IPAddress(v4: 0)
            return PacketEnds(
                source: packet?.source ?? none, destination: packet?.destination ?? none,
                isFromHost: packet?.isSentByHost ?? false)
        }
        let (client, server) = (flow.start.client, flow.start.server)
        return PacketEnds(
            source: way == .toServer ? client : server, destination: way == .toServer ? server : client,
            isFromHost: flow.attachment.hostSends == way)
    }
}

/// The two addresses of what matched.
struct PacketEnds {
    var source: IPAddress
    var destination: IPAddress
    /// This host sent it.
    var isFromHost: Bool

    /// The side that is not this host: who is banned.
    var remote: IPAddress { isFromHost ? destination : source }
}

extension SignatureAction {
    /// More than an alert.
    fileprivate var asksForDrop: Bool { self != .alert && self != .pass }

    /// EVE's `verdict.reject-target`; nil where nobody is told.
    fileprivate func rejectTarget(_ way: FlowDirection) -> String? {
        let (sender, receiver) =
            way == .toServer ? ("to_client", "to_server") : ("to_server", "to_client")
        return switch self {
        case .reject, .rejectSource: sender
        case .rejectDestination: receiver
        case .rejectBoth: "both"
        case .alert, .pass, .drop: nil
        }
    }

    fileprivate init(_ action: ActionRate.NewAction) {
        switch action {
        case .alert: self = .alert
        case .drop: self = .drop
        case .pass: self = .pass
        case .reject: self = .reject
        }
    }
}

extension FlowTuple {
    init(_ start: FlowStart) {
        self.init(
            proto: start.proto, source: start.client,
            sourcePort: start.proto.hasPorts ? start.clientPort : 0, destination: start.server,
            destinationPort: start.proto.hasPorts ? start.serverPort : 0)
    }
}

extension Signature {
    /// Whether a match says something of the flow, not of one packet: it was found in the stream or in a
    /// transaction, or the signature asks for nothing but addresses, ports and a protocol.
    fileprivate func isOfFlow(_ place: SignatureMatch.Place) -> Bool {
        place != .packet || matches.isEmpty && packetTests.isEmpty
    }
}
