// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: segments of a connection that has begun. A segment whose numbers the receiver's stack
// would not take moves nothing and brings nothing: decoys are made of such.
import NetworkTypes

extension TCPSession {
    func judgeSegment(_ packet: DecodedPacket, _ direction: Direction) -> SegmentJudgement {
        guard packet.tcpFlags.contains(.ack) else { return .refused(.withoutAck) }
        let (half, other) = (halves[direction], halves[direction.reversed])
        if !half.isSynced { half.sync(packet.tcpSequence, rules.memory) }
        guard other.mayAcknowledge(packet.tcpAcknowledgement, isWhole: !isMidstream) else {
            return isUnheard(half) ? elsewhere(packet, direction) : .refused(.invalidAck)
        }
        let offset = half.offset(of: packet.tcpSequence)
        if let refusal = windowRefusal(packet, at: offset, half) {
            return isUnheard(half) ? elsewhere(packet, direction) : refusal
        }
        // A keep-alive that is not answered is sent again.
        let isAgain = packet.isKeepAlive && packet.tcpSequence == keepAlive
        if offset < 0, isUnheard(half), !packet.payload.isEmpty, !isAgain {
            return elsewhere(packet, direction)
        }
        let isDoubted = isAheadOfTheOther(packet, other)
        half.isHeard = true
        take(acknowledgementOf: packet, direction)
        if isDoubted { return .doubted }
        var judgement = payload(of: packet, at: offset)
        if isReset, !isResetDoubted, !packet.payload.isEmpty {
            isResetDoubted = true
            judgement.anomalies.insert(.resetSuspected)
        }
        let end = offset + Int64(packet.payload.count + packet.missingPayload)
        if let fin = half.fin, end > fin, !packet.payload.isEmpty {
            judgement.anomalies.insert(.finOutOfWindow)
            // Once it was acknowledged the receiver has the FIN, and takes nothing behind it.
            if half.isFinAcked { judgement.takesPayload = false }
        }
        if packet.tcpFlags.contains(.fin) { takeFIN(at: end, direction, &judgement) }
        // A FIN that was passed is none any more.
        if half.fin != nil || other.fin != nil || state != .established { moveOn() }
        return judgement
    }

    /// Of a connection that was picked up the receiver of a stream was not heard: any segment may have
    /// misled, and where another stands the connection may go on.
    private func isUnheard(_ half: HalfStream) -> Bool { isMidstream && half.edge == nil }

    /// One segment may be a decoy, and is looked at alone. Two that go on from one another are followed;
    /// before it is settled what the other end says decides.
    private func elsewhere(_ packet: DecodedPacket, _ direction: Direction) -> SegmentJudgement {
        var judgement = SegmentJudgement()
        if let stranger, stranger.direction == direction, stranger.segment.goesOn(with: packet) {
            judgement.successor = Successor(former: stranger.segment, isClients: direction == .toServer)
            return judgement
        }
        judgement.isElsewhere = true
        guard !isUnsettled else { return judgement }
        let segment = KeptSegment(packet)
        stranger = rules.copies.take(segment.cost) ? (segment, direction) : nil
        return judgement
    }

    /// Whether a segment that brings something acknowledges what the other side was not seen to send: a
    /// decoy, or samples were lost. Of a connection in its middle one side may be all that there is.
    private func isAheadOfTheOther(_ packet: DecodedPacket, _ other: HalfStream) -> Bool {
        let brings = !packet.payload.isEmpty || packet.missingPayload > 0 || packet.tcpFlags.contains(.fin)
        guard brings, !isOneSided, !isMidstream || other.isHeard else { return false }
        return !other.wasSeen(packet.tcpAcknowledgement, isPickedUp: isMidstream)
    }

    /// A payload that is taken, with what is to be said of it.
    func payload(of packet: DecodedPacket, at offset: Int64) -> SegmentJudgement {
        var judgement = SegmentJudgement()
        judgement.takesPayload = true
        judgement.offset = offset
        if packet.tcpFlags.contains(.urg), packet.tcpUrgentPointer > 0 {
            judgement.anomalies.insert(.urgentData)
        }
        return judgement
    }

    /// RFC 9293 3.10.7.4: a segment that begins behind the receiver's room is dropped. A byte right behind it
    /// is how a sender asks whether there is room again.
    private func windowRefusal(
        _ packet: DecodedPacket, at offset: Int64, _ half: HalfStream
    ) -> SegmentJudgement? {
        guard let edge = half.edge else {
            let isFar = offset - half.next > HalfStream.blindWindow
            return isFar ? .refused(.outOfWindow) : nil
        }
        if packet.payload.isEmpty { return offset > edge + 1 ? .refused(.outOfWindow) : nil }
        guard offset >= edge else { return nil }
        return offset == edge && packet.payload.count == 1 ? .refused() : .refused(.outOfWindow)
    }

    /// The acknowledgement and the window of a packet, for the stream of the other direction.
    func take(acknowledgementOf packet: DecodedPacket, _ direction: Direction) {
        let other = halves[direction.reversed]
        guard other.isSynced else { return }
        let shift = packet.tcpFlags.contains(.syn) ? 0 : Int64(halves[direction].windowShift)
        let offset = other.offset(of: packet.tcpAcknowledgement)
        other.acknowledge(offset, window: Int64(packet.tcpWindow) << shift, rules.memory)
    }

    private func takeFIN(at offset: Int64, _ direction: Direction, _ judgement: inout SegmentJudgement) {
        // The receiver has what was there: it takes the segment for one that was sent again.
        guard offset >= halves[direction].next else { return }
        if let fin = halves[direction].fin, fin != offset {
            judgement.anomalies.insert(.finOutOfWindow)
            guard !halves[direction].isFinAcked else { return }
        }
        halves[direction].finish(at: offset)
        if firstFIN == nil { firstFIN = direction }
    }

    /// The state by which FINs were seen and acknowledged, from the server's side as Suricata has it.
    func moveOn() {
        guard !isReset else { return }
        let isServersAcked = halves.toClient.isFinAcked
        switch (halves.toServer.fin != nil, halves.toClient.fin != nil) {
        case (false, false): state = .established
        case (true, false): state = .closeWait
        case (false, true): state = isServersAcked ? .finWait2 : .finWait1
        case (true, true):
            if isServersAcked, halves.toServer.isFinAcked {
                state = .closed
            } else if firstFIN == .toServer {
                state = .lastAck
            } else {
                state = isServersAcked ? .timeWait : .closing
            }
        }
    }
}
