// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: segments to the connection of their flow, and what it gives to the consumer.
import NetworkTypes

extension StreamTracker {
    /// A TCP segment of the flow in `slot`.
    func handleSegment(_ packet: DecodedPacket, _ slot: FlowTable.Slot, _ place: FlowPlace) {
        guard var flow = flow(slot) else { return }
        var slot = slot
        if packet.discardReason == nil, flow.mayNeedSettling {
            slot = settle(packet, slot, place)
            guard let settled = self.flow(slot) else { return }
            flow = settled
        }
        var direction = place.direction(in: flow)
        // Before the other end was heard nobody knows what is refused.
        var isAgreed = flow.pickUp?.isOpen != true && flow.session?.isAgreed ?? false
        var judgement = packet.discardReason == nil ? judge(packet, direction, flow) : .refused()
        if let successor = judgement.successor {
            counters.flowsReplaced &+= 1
            let pickUp = successor.former == nil ? nil : flow.takePickUp()
            close(slot, .replaced)
            let isClients = successor.isClients || !packet.tcpFlags.contains(.ack)
            slot = open(packet, place, isClients ? .toServer : .toClient)
            guard let opened = self.flow(slot) else { return }
            flow = opened
            direction = place.direction(in: flow)
            flow.session =
                successor.request.map { TCPSession(request: $0, rules(of: packet)) }
                ?? successor.answer.map { TCPSession($0, rules(of: packet)) }
            if flow.session != nil {
                counters.tcpSessions &+= 1
                flow.mayTurn = false
            }
            if let former = successor.former {
                goOn(behind: former, direction, flow)
                pickUp?.restart(with: former, packet)
                flow.pickUp = pickUp
            }
            isAgreed = false
            judgement = judge(packet, direction, flow)
        }
        if judgement.isElsewhere { tellAlone(packet, direction, flow) }
        count(packet, direction, flow)
        for anomaly in judgement.anomalies { consumer.anomaly(anomaly, of: flow, packet) }
        if judgement.anomalies.contains(.resetInvalid) { counters.resetsRefused &+= 1 }
        var use = bring(packet, direction, judgement, flow)
        if use == .none, judgement.isRefused, isAgreed { use = .refused }
        flow.state = Self.state(flow.tcpState)
        table.touch(slot, Self.queue(flow.state))
        consumer.finished(packet, direction, as: use, of: flow)
    }

    private func judge(_ packet: DecodedPacket, _ direction: Direction, _ flow: FlowOf) -> SegmentJudgement {
        if let session = flow.session { return session.judge(packet, direction) }
        return begin(packet, direction, flow)
    }

    /// The first segment of a flow that a connection can be made of.
    private func begin(_ packet: DecodedPacket, _ direction: Direction, _ flow: FlowOf) -> SegmentJudgement {
        let flags = packet.tcpFlags
        if flags.contains(.syn) {
            guard !flags.contains(.fin), !flags.contains(.rst) else { return .refused(.finWithSYN) }
            // What came before said nothing of who is the client; this does.
            guard direction == (flags.contains(.ack) ? .toClient : .toServer) else {
                var judgement = SegmentJudgement()
                judgement.successor = Successor()
                return judgement
            }
        }
        if flags.contains(.rst) { return .refused(.resetWithoutSession) }
        if flags.contains(.syn), !flags.contains(.ack) {
            let session = TCPSession(request: ConnectionRequest(packet), rules(of: packet))
            flow.session = session
            counters.tcpSessions &+= 1
            return session.judge(packet, direction)
        }
        // Whoever sends all that it has left in one segment may have been connected for long.
        if flags.contains(.fin), !options.midstream || !flags.contains(.ack) || packet.payload.isEmpty {
            return .refused(.finWithoutSession)
        }
        guard flags.contains(.ack), options.midstream else { return .refused() }
        return pickUp(packet, direction, flow)
    }

    /// What a tunnel carries may be answered without it: one direction may be all that comes.
    func rules(of packet: DecodedPacket) -> SessionRules {
        packet.tunnel == 0 ? rules : SessionRules(isOneSided: true, limits: limits, copies: rules.copies)
    }

    private func pickUp(_ packet: DecodedPacket, _ direction: Direction, _ flow: FlowOf) -> SegmentJudgement {
        let session = TCPSession(midstream: packet, direction, rules(of: packet))
        flow.session = session
        counters.tcpSessions &+= 1
        counters.tcpMidstream &+= 1
        guard packet.tcpFlags.contains(.syn) else {
            let judgement = session.judge(packet, direction)
            beginPickUp(packet, direction, flow, session)
            if packet.isKeepAlive { session.doubtFirstByte(of: direction) }
            return judgement
        }
        session.take(acknowledgementOf: packet, direction)
        beginPickUp(packet, direction, flow, session)
        return session.payload(of: packet, at: 0)
    }

    /// Brings a payload to its stream, and tells all that follows, the reverse direction's too: an
    /// acknowledgement says that what is missing there will not come.
    func bring(
        _ packet: DecodedPacket, _ direction: Direction, _ judgement: SegmentJudgement, _ flow: FlowOf
    ) -> SegmentUse {
        let hasPayload = packet.payloadEnd > packet.payloadStart || packet.missingPayload > 0
        if hasPayload { counters.segments &+= 1 }
        guard let session = flow.session, judgement.takesPayload else {
            if hasPayload { counters.segmentsRefused &+= 1 }
            if hasPayload, judgement.isRefused || judgement.isDoubted { doubt(packet, direction, flow) }
            return .none
        }
        let half = session.halves[direction]
        let use = hasPayload ? put(packet, direction, half, at: judgement.offset, flow) : .none
        if half.mayTell { tell(half, direction, flow, isClosing: false) }
        let other = session.halves[direction.reversed]
        if other.mayTell { tell(other, direction.reversed, flow, isClosing: false) }
        return use
    }

    /// What a receiver discards differs from kernel to kernel: what it acknowledges tells.
    func doubt(_ packet: DecodedPacket, _ direction: Direction, _ flow: FlowOf) {
        guard packet.discardReason != .wrongChecksum, let session = flow.session, session.isAgreed,
            packet.tcpFlags.contains(.ack), packet.tcpFlags.isDisjoint(with: [.syn, .rst]),
            session.halves[direction].isSynced, !flow.ignored[direction]
        else { return }
        let half = session.halves[direction]
        if half.doubt(packet.payload, at: half.offset(of: packet.tcpSequence), limits) {
            consumer.anomaly(.overlapDiffers, of: flow, packet)
        }
    }

    private func put(
        _ packet: DecodedPacket, _ direction: Direction, _ half: HalfStream, at offset: Int64, _ flow: FlowOf
    ) -> SegmentUse {
        let payload = packet.payload
        guard !flow.ignored[direction] else {
            half.skip(to: offset + Int64(payload.count), limits.memory)
            return .none
        }
        let acceptance = half.accept(payload, lost: packet.missingPayload, at: offset, limits)
        if !acceptance.direct.isEmpty {
            counters.streamBytes &+= UInt64(acceptance.direct.count)
            consumer.data(
                UnsafeRawBufferPointer(rebasing: payload[acceptance.direct]),
                at: StreamPlace(direction: direction, offset: acceptance.start), of: flow)
        }
        counters.uncomparedBytes &+= UInt64(acceptance.uncompared)
        if acceptance.isWithoutRoom { counters.segmentsWithoutRoom &+= 1 }
        switch acceptance.use {
        case .queued: counters.segmentsQueued &+= 1
        case .repeated: counters.segmentsRepeated &+= 1
        case .unkept, .refused: counters.segmentsRefused &+= 1
        case .differing:
            counters.segmentsDiffering &+= 1
            consumer.anomaly(.overlapDiffers, of: flow, packet)
        case .none, .delivered, .held: break
        }
        return acceptance.use == .queued && half.isHeld ? .held : acceptance.use
    }

    /// Tells what a direction's stream has to tell.
    func tell(_ half: HalfStream, _ direction: Direction, _ flow: FlowOf, isClosing: Bool) {
        guard !flow.ignored[direction] else { return half.discard(limits.memory) }
        while let step = half.nextStep(limits, isClosing: isClosing) {
            switch step {
            case .data(let bytes, let offset):
                counters.streamBytes &+= UInt64(bytes.count)
                let place = StreamPlace(direction: direction, offset: offset)
                bytes.withUnsafeBytes { consumer.data($0, at: place, of: flow) }
            case .gap(let count, let offset):
                counters.gaps &+= 1
                counters.gapBytes &+= UInt64(count)
                consumer.gap(of: count, at: StreamPlace(direction: direction, offset: offset), of: flow)
                consumer.anomaly(.sequenceGap, of: flow, nil)
            case .end(let offset):
                consumer.streamEnded(at: StreamPlace(direction: direction, offset: offset), of: flow)
            }
            // The consumer may have had enough.
            guard !flow.ignored[direction] else { return }
        }
    }

    static func state(_ state: TCPState) -> FlowState {
        switch state {
        case .none, .synSent, .synReceived: .new
        case .established, .finWait1, .finWait2, .closeWait, .closing: .established
        case .timeWait, .lastAck, .closed: .closed
        }
    }

    private static func queue(_ state: FlowState) -> FlowQueue {
        switch state {
        case .new: .tcpNew
        case .established: .tcpEstablished
        case .closed: .tcpClosed
        }
    }
}
