// SPDX-License-Identifier: Apache-2.0
// A flow's protocol by nDPI, and what the policy's `protocols` say of it. In: the flow's packets. Out: the
// answer, and a finding where the policy forbids it, on whatever port.
import NetworkTypes
import ProtocolDetection
import Streams

extension SampleConsumer {
    func detect(_ packet: DecodedPacket, _ way: FlowDirection, _ flow: Flow<InspectedFlow>) {
        let state = flow.attachment
        guard let detection = state.detection else { return judgeJoined(packet, way, flow) }
        let before = detection.protocols
        let milliseconds = UInt64(max(0, packet.time)) / 1_000_000
        let progress = detection.feed(packet.bytes, timeMilliseconds: milliseconds)
        if progress == .final {
            state.detected = detection.finish()
            state.detection = nil
        }
        guard progress == .final || detection.protocols != before else { return }
        state.named =
            applications[detection.protocols.application] ?? applications[detection.protocols.master]
        let context = MatchContext(flow: flow, packet: packet, way: way)
        judgeProtocol(detection.protocols, isFinal: progress == .final, context)
    }

    /// The flow ends: what is not decided yet gets nDPI's last word, which may be a guess.
    func finishDetection(_ flow: Flow<InspectedFlow>) {
        let state = flow.attachment
        guard let detection = state.detection else { return }
        let answer = detection.finish()
        state.detected = answer
        state.detection = nil
        guard !state.isDropped else { return }
        judgeProtocol(answer.protocols, isFinal: true, MatchContext(flow: flow, packet: nil))
    }

    /// An inspector that came when the answer was there already.
    private func judgeJoined(_ packet: DecodedPacket, _ way: FlowDirection, _ flow: Flow<InspectedFlow>) {
        let state = flow.attachment
        guard let detected = state.detected, let last = state.others.last, !last.isProtocolJudged else {
            return
        }
        let context = MatchContext(flow: flow, packet: packet, way: way)
        judgeProtocol(detected.protocols, isFinal: true, context)
    }

    /// Each of the flow's inspectors has bounds of its own.
    private func judgeProtocol(
        _ protocols: ProtocolPair, isFinal: Bool, _ context: MatchContext
    ) {
        guard let state = context.flow?.attachment else { return }
        state.updateSeats { seat in
            guard !seat.isProtocolJudged else { return }
            var context = context
            context.seat = seat
            seat.isProtocolJudged = judgeProtocol(protocols, isFinal: isFinal, context, seat.inspector)
        }
    }

    /// A guess by port or address is no reason to act: only what the payload showed counts. That nothing is
    /// recognised counts once the detector gives up on a flow that goes on.
    /// - Returns: whether the answer stands.
    private func judgeProtocol(
        _ protocols: ProtocolPair, isFinal: Bool, _ context: MatchContext, _ inspector: Int
    ) -> Bool {
        guard let state = context.flow?.attachment, plan.inspectors.indices.contains(inspector) else {
            return true
        }
        let bounds = plan.inspectors[inspector].protocols
        guard !bounds.isOpen else { return true }
        let confidence = state.detected?.confidence ?? .payload
        if confidence < .cache, confidence != .unknown || context.packet == nil { return isFinal }
        let isForbidden = bounds.forbidden.contains { protocols.involves(ProtocolID(rawValue: $0)) }
        let isStrange = bounds.allowedOnly.map { allowed in
            isFinal && !allowed.contains { protocols.involves(ProtocolID(rawValue: $0)) }
        }
        guard isForbidden || isStrange ?? false else { return isFinal }
        let name = state.detected?.name ?? printedName(protocols)
        answer(ProtocolAlert(name: name), context)
        return true
    }

    /// As ndpiReader prints it: "TLS.Google".
    private func printedName(_ protocols: ProtocolPair) -> String {
        let known = [protocols.master, protocols.application].filter { $0 != .unknown }
        let names = known.map { detector.names.name($0) }
        return names.count == 2 && names[0] != names[1]
            ? names.joined(separator: ".") : names.last ?? "Unknown"
    }
}
