// SPDX-License-Identifier: Apache-2.0
// A flow's protocol by nDPI, and what the policy's `protocols` say of it. In: the flow's packets. Out: the
// answer, and a finding where the policy forbids it, on whatever port.
import NetworkTypes
import PolicyLanguage
import ProtocolDetection
import Protocols
import Streams

extension SampleConsumer {
    func detect(_ packet: DecodedPacket, _ way: FlowDirection, _ flow: Flow<InspectedFlow>) {
        let state = flow.attachment
        if let detection = state.detection {
            let before = detection.protocols
            let milliseconds = UInt64(max(0, packet.time)) / 1_000_000
            let progress = detection.feed(packet.bytes, timeMilliseconds: milliseconds)
            if progress == .final {
                state.detected = detection.finish()
                state.detection = nil
            }
            if progress == .final || detection.protocols != before { name(state, detection.protocols) }
        }
        guard !state.isProtocolJudged else { return }
        judgeProtocol(MatchContext(flow: flow, packet: packet, way: way))
    }

    /// The flow ends: what is not decided yet gets nDPI's last word, which may be a guess.
    func finishDetection(_ flow: Flow<InspectedFlow>) {
        let state = flow.attachment
        if let detection = state.detection {
            state.detected = detection.finish()
            state.detection = nil
        }
        guard !state.isProtocolJudged, !state.isDropped else { return }
        judgeProtocol(MatchContext(flow: flow, packet: nil))
    }

    /// What a flow needs that is judged; nil where the policy does not ask what is spoken.
    func gathered(_ start: FlowStart) -> GatheredStart? {
        // Any inspector may be asked for the flow later.
        guard start.proto == .tcp, plan.inspectors.contains(where: { !$0.protocols.isOpen }) else {
            return nil
        }
        return GatheredStart()
    }

    /// Compares what is known of a flow's protocol with what the policy says, for each inspector of the flow.
    private func judgeProtocol(_ context: MatchContext) {
        guard let flow = context.flow else { return }
        let state = flow.attachment
        state.judgeSeats { bounds(of: $0).isOpen }
        guard !state.isProtocolJudged else { return }
        let known = knownProtocols(flow, at: context.time)
        state.judgeSeats { seat in
            guard let name = violation(of: bounds(of: seat), known, context) else {
                return state.detected != nil && !known.isEmpty && !(state.gathered?.isOpen ?? false)
            }
            var context = context
            context.seat = seat
            answer(ProtocolAlert(name: name), context)
            return true
        }
    }

    private func bounds(of seat: FlowSeat) -> ProtocolBounds {
        plan.inspectors.indices.contains(seat.inspector)
            ? plan.inspectors[seat.inspector].protocols : ProtocolBounds()
    }

    /// nDPI's word counts where the payload gave it; a guess by port or address does not. Where it recognised
    /// nothing, or had pieces to look at, what the streams' first bytes are counts, and what our own parsers
    /// read.
    private func knownProtocols(_ flow: Flow<InspectedFlow>, at time: Int64) -> [ProtocolPair] {
        let state = flow.attachment
        let answer = state.recognisedProtocols
        if let gathered = state.gathered, gathered.isOpen {
            gathered.look(flow.start, at: time, by: detector)
            if let found = gathered.recognised, state.named == nil { name(state, found) }
            if state.detected != nil, !answer.isUnknown, gathered.isWhole { gathered.close() }
        }
        var known = answer.isUnknown ? [] : [answer]
        if answer.isUnknown || state.gathered?.isInPieces ?? false { known += otherProtocols(state) }
        return known
    }

    /// The name of what the flow may not speak; nil where it may.
    private func violation(
        of bounds: ProtocolBounds, _ known: [ProtocolPair], _ context: MatchContext
    ) -> String? {
        guard let state = context.flow?.attachment else { return nil }
        if let pair = known.first(where: { $0.isAny(of: bounds.forbidden) }) { return name(pair, of: state) }
        guard let allowed = bounds.allowedOnly, state.detected != nil else { return nil }
        if let pair = known.first {
            return known.contains { $0.isAny(of: allowed) } ? nil : name(pair, of: state)
        }
        let isStrange = isUnrecognised(context) && !ProtocolPair.unknown.isAny(of: allowed)
        return isStrange ? printedName(.unknown) : nil
    }

    /// Whether a flow goes on of which nothing was recognised and nothing will be. Of a connection that was
    /// picked up in its middle a guess is all that there can be.
    private func isUnrecognised(_ context: MatchContext) -> Bool {
        guard let flow = context.flow, context.packet != nil else { return false }
        let state = flow.attachment
        if flow.isMidstream, state.detected?.confidence != .unknown { return false }
        return state.gathered?.isOneFull ?? true
    }
}

extension SampleConsumer {
    /// What is known of a flow of which nDPI recognises nothing, packet by packet.
    private func otherProtocols(_ state: InspectedFlow) -> [ProtocolPair] {
        var found: [ProtocolPair] = []
        if let pair = state.gathered?.recognised { found.append(pair) }
        guard let reader = state.reader, !reader.isGuess else { return found }
        let read = reader.applications
        let spoken = read.toClient == read.toServer ? [read.toServer] : [read.toServer, read.toClient]
        for case let application? in spoken {
            guard let id = parsed[application] else { continue }
            found.append(ProtocolPair(master: .unknown, application: id))
        }
        return found
    }

    /// The signatures' word for what was recognised last.
    private func name(_ state: InspectedFlow, _ protocols: ProtocolPair) {
        let found = protocols.isUnknown ? state.gathered?.recognised ?? .unknown : protocols
        state.detectedName = applications[found.application] ?? applications[found.master]
        if !found.isUnknown { state.openedName = nil }
    }

    /// Names the protocol by the client's first command, where that says it.
    func nameByOpening(_ way: FlowDirection, _ flow: Flow<InspectedFlow>, at offset: Int64) {
        let state = flow.attachment
        if way == .toClient, state.openedName != nil { return doubtName(flow, at: offset) }
        // A greeting may come behind the first commands.
        guard state.named == nil, state.detected == nil, offset < (way == .toServer ? StreamOpening.most : 4),
            let first = state.tails.toServer.first ?? pending.toServer.stream.first,
            StreamOpening.mayBegin(first)
        else { return }
        let isServerSeen = flow.counts[.toClient].packets > 0
        state.openedName =
            StreamOpening(
                client: opening(.toServer, flow), server: opening(.toClient, flow), isServerSeen: isServerSeen
            ).application
    }

    /// A direction's first bytes, where these are at hand.
    private func opening(_ way: FlowDirection, _ flow: Flow<InspectedFlow>) -> [UInt8] {
        let waiting = pending[way].opening(StreamOpening.most)
        let (tail, lengths) = (flow.attachment.tails[way], flow.streamLengths)
        guard waiting.isEmpty, tail.count == (way == .toServer ? lengths.toServer : lengths.toClient) else {
            return waiting
        }
        return Array(tail.prefix(StreamOpening.most))
    }

    /// A server that was not seen before speaks: its first words are no greeting where it is another
    /// protocol.
    private func doubtName(_ flow: Flow<InspectedFlow>, at offset: Int64) {
        guard flow.attachment.openedName != nil, offset < 4 else { return }
        let server = pending[.toClient].opening(4)
        if StreamOpening.isNoGreeting(server) { flow.attachment.openedName = nil }
    }

    private func name(_ pair: ProtocolPair, of state: InspectedFlow) -> String {
        if let detected = state.detected, pair == detected.protocols { return detected.name }
        return printedName(pair)
    }

    /// As ndpiReader prints it: "TLS.Google".
    private func printedName(_ protocols: ProtocolPair) -> String {
        let known = [protocols.master, protocols.application].filter { $0 != .unknown }
        let names = known.map { detector.names.name($0) }
        return names.count == 2 && names[0] != names[1]
            ? names.joined(separator: ".") : names.last ?? "Unknown"
    }
}

extension InspectedFlow {
    /// What nDPI recognised in the payload so far, or in the end.
    fileprivate var recognisedProtocols: ProtocolPair {
        guard let detected else { return detection?.protocols ?? .unknown }
        return detected.confidence < .cache ? .unknown : detected.protocols
    }
}

extension ProtocolPair {
    fileprivate func isAny(of numbers: Set<UInt16>) -> Bool {
        numbers.contains { involves(ProtocolID(rawValue: $0)) }
    }
}
