// SPDX-License-Identifier: Apache-2.0
// Step "answer": a match becomes an alert and a finding. In: the signature's action, or a protocol that the
// policy forbids. Out: what `on-match` allows of it; the flow is marked where it is dropped.
import JSONOutput
import NetworkTypes
import PolicyLanguage
import SignatureMatching
import Signatures
import Streams

extension SampleConsumer {
    func answer(
        _ match: SignatureMatch, _ signatures: InspectorSignatures, _ context: MatchContext,
        _ way: FlowDirection, _ units: [TransactionUnit]
    ) {
        guard signatures.engine.signatures.indices.contains(match.signature) else { return }
        let signature = signatures.engine.signatures[match.signature]
        let id = SignatureID(generator: signature.gid, sid: signature.sid, revision: signature.rev)
        let ends = ends(context, way)
        let rated = signatures.rates.judge(
            RatedMatch(
                signature: id, source: ends.source, destination: ends.destination,
                flowID: context.flow?.start.id ?? 0, timeNanoseconds: context.time))
        let action = rated.newAction.map(SignatureAction.init) ?? signature.action
        guard action != .pass, rated.isActedOn else { return counters.suppressed &+= 1 }
        let response = response(to: action.asksForDrop, context, ends)
        if match.isReported, rated.isTold {
            var alert = Alert(signature.eve(response.action), signature.summary)
            if case .transaction(let index) = match.place, units.indices.contains(index) {
                alert.record = units[index].record
            }
            writeAlert(alert, context, way)
        } else {
            counters.suppressed &+= 1
        }
        carryOut(response, .signature(id), context, way)
    }

    func answer(_ alert: ProtocolAlert, _ way: FlowDirection, _ context: MatchContext) {
        let response = response(to: true, context, ends(context, way))
        writeAlert(Alert(alert.eve(response.action), alert.summary), context, way)
        carryOut(response, .protocolName(alert.name), context, way)
    }

    /// What the policy allows of what a match asks for.
    private func response(
        to asksForDrop: Bool, _ context: MatchContext, _ ends: PacketEnds
    ) -> Finding.Response {
        let number = context.flow?.attachment.inspector ?? inspector
        guard asksForDrop, plan.inspectors.indices.contains(number) else { return .alert }
        switch plan.inspectors[number].onMatch {
        case .alert: return .alert
        case .dropFlow:
            guard let flow = context.flow else { return .alert }
            return .dropFlow(FlowTuple(flow.start), nanoseconds: Finding.flowDropNanoseconds)
        case .ban(let nanoseconds): return .ban(ends.remote, nanoseconds: nanoseconds)
        }
    }

    private func carryOut(
        _ response: Finding.Response, _ cause: Finding.Cause, _ context: MatchContext, _ way: FlowDirection
    ) {
        let state = context.flow?.attachment
        var finding = Finding(
            response, cause: cause, rule: state?.rule ?? rule,
            inspector: UInt32(clamping: state?.inspector ?? inspector), timeNanoseconds: context.time)
        finding.flow = context.flow.map { FlowTuple($0.start) }
        outcome.findings.append(finding)
        guard response != .alert, let flow = context.flow, !flow.attachment.isDropped else { return }
        flow.attachment.isDropped = true
        if let packet = context.packet { writeDrop(packet, way, flow, reason: "rules") }
    }

    /// Who sent what matched, and to whom.
    func ends(_ context: MatchContext, _ way: FlowDirection) -> PacketEnds {
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

extension Finding.Response {
    /// What an alert says that became of the packet.
    var action: AlertAction { self == .alert ? .allowed : .blocked }
}

extension SignatureAction {
    /// More than an alert.
    fileprivate var asksForDrop: Bool { self != .alert && self != .pass }

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
