// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: connections that were picked up in their middle, until both ends were heard. What the
// first one says is told at once, by its own numbers. Where the other's show that these were wrong, or its
// words that it is the server, the flow begins anew with all that was said.
import NetworkTypes

extension StreamTracker {
    /// Keeps what the first end says, if it is not this host and another is to be heard.
    func beginPickUp(_ packet: DecodedPacket, _ direction: Direction, _ flow: FlowOf, _ session: TCPSession) {
        guard !packet.isSentByHost, !session.rules.isOneSided else { return }
        let pickUp = PickUp(direction, at: packet.time, rules.copies)
        if packet.tcpFlags.contains(.syn) {
            pickUp.synData = packet.payload.count
        } else if !pickUp.keep(packet) {
            pickUp.goLate(with: packet)
        }
        flow.pickUp = pickUp
        session.isUnsettled = !pickUp.isLate
    }

    /// Settles, before a segment is judged, where its flow stands.
    /// - Returns: the flow's slot, which may be another.
    func settle(_ packet: DecodedPacket, _ slot: FlowTable.Slot, _ place: FlowPlace) -> FlowTable.Slot {
        guard let flow = flow(slot) else { return slot }
        let direction = place.direction(in: flow)
        if flow.mayTurn, direction == .toServer, !packet.payload.isEmpty {
            // Its first words say whether it is: whoever asks may say a status line later.
            flow.mayTurn = false
            if isAnswer(packet, of: flow) {
                return beginAnew(packet, flow, slot, place, direction: .toClient, mayTurn: false)
            }
        }
        guard let session = flow.session else { return slot }
        if session.isRequestOpen, !flow.start.isSentByHost {
            return settleRequest(packet, direction, flow, slot, place)
        }
        guard let pickUp = flow.pickUp else { return slot }
        // What was kept of it was kept behind a SYN that was answered since.
        guard session.isMidstream else {
            flow.endPickUp()
            return slot
        }
        if direction == pickUp.direction {
            guard !pickUp.keep(packet) else { return slot }
            let slot = conclude(slot)
            self.flow(slot)?.pickUp?.goLate(with: packet)
            return slot
        }
        let flags = packet.tcpFlags
        guard flags.contains(.ack), flags.isDisjoint(with: [.syn, .rst]) else {
            if !pickUp.isAnswered { flow.endPickUp() }
            return slot
        }
        // Who is taken for the server may turn out to be the client as soon as the other says more.
        let mayWait = flow.mayTurn && packet.payload.isEmpty
        let isTrusted = packet.isSentByHost || direction == .toClient
        switch isTrusted && !pickUp.isAnswered ? answer(packet, pickUp, flow, session) : .agreed {
        case .open: break
        case .agreed:
            guard mayWait else {
                flow.endPickUp()
                break
            }
            // Of another host nobody knows whether it said that.
            guard packet.isSentByHost else { break }
            pickUp.wait()
            session.isUnsettled = false
        case .other where flow.isBegunBySYN:
            guard packet.isSentByHost else {
                flow.endPickUp()
                break
            }
            return refute(packet, flow, slot, place)
        case .other:
            let mayTurn = flow.mayTurn && packet.isSentByHost
            return beginAnew(packet, flow, slot, place, direction: direction, mayTurn: mayTurn)
        }
        return slot
    }

    private func answer(
        _ packet: DecodedPacket, _ pickUp: PickUp, _ flow: FlowOf, _ session: TCPSession
    ) -> PickUp.Answer {
        // What a SYN+ACK answers is where this end stands.
        let own = session.halves[pickUp.direction.reversed]
        let place = own.offset(of: packet.tcpSequence)
        if flow.isBegunBySYN, place < 0 || place > own.edge ?? HalfStream.blindWindow { return .other }
        if let keepAlive = session.keepAlive { pickUp.leaveOut(keepAlive: keepAlive) }
        let half = session.halves[pickUp.direction]
        return pickUp.isLate ? pickUp.lateAnswer(packet, half) : pickUp.answer(packet, base: half.base)
    }

    /// Whether the end that is taken for the client speaks as a server: that of a connection of which the
    /// first payload alone said who is who, or this host.
    private func isAnswer(_ packet: DecodedPacket, of flow: FlowOf) -> Bool {
        (packet.isSentByHost || flow.isBegunByAnswer) && saysAnswer(packet)
    }

    /// A flow with the numbers that `packet` says, which goes in `direction` and has yet to be judged, and
    /// with what the other end said before.
    /// - Parameter mayTurn: that one is taken for the server until the words of this one say who it is.
    func beginAnew(
        _ packet: DecodedPacket, _ former: FlowOf, _ slot: FlowTable.Slot, _ place: FlowPlace,
        direction: Direction, mayTurn: Bool
    ) -> FlowTable.Slot {
        var pickUp = former.takePickUp()
        if mayTurn, pickUp == nil { pickUp = PickUp(direction.reversed, at: packet.time, rules.copies) }
        let session = TCPSession(midstream: packet, direction, rules(of: packet))
        let isReversed = place.direction(in: former) != direction
        if let other = former.session { session.takeRequests(of: other, isReversed: isReversed) }
        counters.flowsReplaced &+= 1
        close(slot, .replaced)
        let slot = open(packet, place, direction)
        guard let flow = flow(slot) else { return slot }
        flow.mayTurn = mayTurn
        flow.session = session
        counters.tcpSessions &+= 1
        counters.tcpMidstream &+= 1
        guard let pickUp else { return slot }
        bringAll(of: pickUp, direction.reversed, before: packet, flow, session)
        guard mayTurn else {
            pickUp.discard()
            return slot
        }
        pickUp.wait(behind: packet, direction.reversed)
        flow.pickUp = pickUp
        return slot
    }

    /// What one end said, to a flow that begins with the other's `answer`.
    private func bringAll(
        of pickUp: PickUp, _ direction: Direction, before answer: DecodedPacket, _ flow: FlowOf,
        _ session: TCPSession
    ) {
        let half = session.halves[direction]
        half.sync(pickUp.start(before: answer), limits.memory)
        session.take(acknowledgementOf: answer, direction.reversed)
        // What is acknowledged and missing is among them still: they may be out of order.
        half.isHeld = true
        for segment in pickUp.segments where !segment.isRequest {
            let isTaken = pickUp.isTaken(segment.packet, before: answer)
            segment.withPacket { bringKept($0, direction, isTaken: isTaken, flow) }
        }
        half.isHeld = false
        tell(half, direction, flow, isClosing: false)
    }

    /// The other end is not heard so far. What the first said may have been the beginning of a connection.
    func conclude(_ slot: FlowTable.Slot) -> FlowTable.Slot {
        guard let former = flow(slot), let pickUp = former.pickUp, pickUp.isOpen else { return slot }
        former.session?.isUnsettled = false
        guard let index = pickUp.newBeginning else { return slot }
        former.pickUp = nil
        let place = FlowPlace(
            key: former.key, hash: former.key.hash(seed: options.seed),
            isSourceLow: (pickUp.direction == .toServer) == former.isClientLow)
        counters.flowsReplaced &+= 1
        close(slot, .replaced)
        let slot = pickUp.segments[index].withPacket { request in
            let slot = open(request, place, .toServer)
            flow(slot)?.session = TCPSession(request: ConnectionRequest(request), rules(of: request))
            return slot
        }
        guard let flow = flow(slot) else {
            pickUp.discard()
            return slot
        }
        counters.tcpSessions &+= 1
        for segment in pickUp.segments[(index + 1)...] {
            segment.withPacket { bringKept($0, .toServer, isTaken: true, flow) }
        }
        flow.session?.goOnUnanswered()
        guard pickUp.direction == .toServer else {
            pickUp.discard()
            return slot
        }
        pickUp.leaveOut(before: index + 1)
        flow.pickUp = pickUp
        return slot
    }

    /// A connection whose other end is not heard, where two segments of the first say that it is.
    func goOn(behind segment: KeptSegment, _ direction: Direction, _ flow: FlowOf) {
        segment.withPacket {
            flow.session = TCPSession(midstream: $0, direction, rules(of: $0))
            counters.tcpSessions &+= 1
            counters.tcpMidstream &+= 1
            bringKept($0, direction, isTaken: true, flow)
        }
    }

    /// What a segment says that may be of another connection with the same ends, as a flow of its own, which
    /// nobody will look for.
    func tellAlone(_ packet: DecodedPacket, _ direction: Direction, _ other: FlowOf) {
        guard !packet.payload.isEmpty else { return }
        counters.flows &+= 1
        let start = FlowStart(packet, direction, id: flowID(counters.flows))
        let flow = FlowOf(start, other.key, consumer.makeState(of: start))
        flow.isClientLow = other.isClientLow
        flow.serial = counters.flows
        let session = TCPSession(midstream: packet, direction, rules(of: packet))
        flow.session = session
        flow.state = Self.state(session.state)
        consumer.opened(flow)
        _ = bring(packet, direction, session.judge(packet, direction), flow)
        tell(session.halves[direction], direction, flow, isClosing: true)
        session.discard()
        consumer.closed(flow, .replaced)
    }

    /// A segment that was told of before, in another flow.
    private func bringKept(
        _ packet: DecodedPacket, _ direction: Direction, isTaken: Bool, _ flow: FlowOf
    ) {
        guard let session = flow.session else { return }
        guard isTaken else { return doubt(packet, direction, flow) }
        let judgement = session.judge(packet, direction)
        guard judgement.successor == nil else { return }
        _ = bring(packet, direction, judgement, flow)
        flow.state = Self.state(flow.tcpState)
    }
}

extension FlowRecord {
    /// Gives what asks the other end to the flow that takes this one's place.
    final func takePickUp() -> PickUp? {
        defer { pickUp = nil }
        return pickUp
    }

    /// What its next segment says may show that it is another connection, or turn it: few are so.
    final var mayNeedSettling: Bool {
        mayTurn || pickUp != nil || !start.isSentByHost && session?.isRequestOpen ?? false
    }

    /// Both ends were heard, or it does not matter any more.
    final func endPickUp() {
        pickUp?.discard()
        pickUp = nil
        session?.isUnsettled = false
    }
}
