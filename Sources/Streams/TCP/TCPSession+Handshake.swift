// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: the handshake, and SYNs that come when it is over. What a client sends before its server
// answered is held back: whether it fits the answer decides whether the server takes it.
import NetworkTypes

extension TCPSession {
    /// A SYN was seen, its answer not.
    func judgeBeforeAnswer(_ packet: DecodedPacket, _ direction: Direction) -> SegmentJudgement {
        let flags = packet.tcpFlags
        if flags.contains(.rst) { return judgeRefusal(packet, direction) }
        if flags.contains([.syn, .ack]) { return judgeAnswer(packet, direction) }
        if flags.contains(.syn) { return judgeRequest(packet, direction) }
        guard flags.contains(.ack) else { return .refused(.withoutAck) }
        return direction == .toServer
            ? judgeEarlyData(packet) : judgeUnansweredReply(packet)
    }

    /// The reset that says "closed port" acknowledges the SYN. One of the client's ends nothing: where the
    /// server had it no SYN+ACK would follow, and where one does it did not.
    private func judgeRefusal(_ packet: DecodedPacket, _ direction: Direction) -> SegmentJudgement {
        if direction == .toServer {
            let isRight = halves.toServer.offset(of: packet.tcpSequence) == 0
            return isRight ? SegmentJudgement() : .refused(.resetInvalid)
        }
        let isAnswer =
            request?.isAnswered(by: packet.tcpAcknowledgement) ?? false
            || otherRequests.answered(by: packet.tcpAcknowledgement) != nil
        guard packet.tcpFlags.contains(.ack), isAnswer else { return .refused(.resetInvalid) }
        isReset = true
        state = .closed
        return SegmentJudgement()
    }

    /// A SYN again, or with another number. Its data waits: TCP Fast Open (RFC 7413) servers may take it.
    func judgeRequest(_ packet: DecodedPacket, _ direction: Direction) -> SegmentJudgement {
        guard direction == .toServer else { return .refused(.synToClient) }
        var judgement = SegmentJudgement()
        guard packet.tcpSequence == request?.sequence else {
            otherRequests.note(packet, rules.memory)
            judgement.anomalies.insert(.synDifferentSequence)
            return judgement
        }
        // A server without a key has dropped one with a signature: the first one without is the request.
        guard !SegmentMarks(packet.tcpOptions).isSigned else { return judgement }
        if request?.marks.isSigned == true, state == .synSent {
            let unsigned = ConnectionRequest(packet)
            request = unsigned
            halves.toServer.discard(rules.memory)
            halves.toServer.windowShift = unsigned.windowScale ?? 0
            agreed.begin(unsigned.marks)
        }
        judgement.takesPayload = true
        return judgement
    }

    private func judgeAnswer(_ packet: DecodedPacket, _ direction: Direction) -> SegmentJudgement {
        guard direction == .toClient else { return .refused(.synAckWrongDirection) }
        let acknowledged = packet.tcpAcknowledgement
        let isOthers =
            request.map { $0.sequence &+ 1 != acknowledged } ?? true
            && otherRequests.beginning(at: acknowledged) != nil
        if isOthers || request?.isAnswered(by: acknowledged) != true {
            guard let other = otherRequests.answered(by: packet.tcpAcknowledgement) else {
                note(packet, to: nil)
                return .refused(.synAckWrongAck)
            }
            request = other
            agreed.begin(other.marks)
            halves.toServer.sync(other.sequence &+ 1, rules.memory)
            bringData(of: other)
        }
        agreed.answer(SegmentMarks(packet.tcpOptions))
        var judgement = SegmentJudgement()
        let isFitting = earlyAcknowledgement.map { $0 == packet.tcpSequence &+ 1 } ?? true
        if !isFitting {
            judgement.anomalies.insert(.handshakeDataInjected)
            halves.toServer.discard(rules.memory)
        } else if packet.tcpAcknowledgement == halves.toServer.base, dropSYNData() {
            judgement.anomalies.insert(.synDataIgnored)
        }
        otherRequests.removeAll(rules.memory)
        state = .synReceived
        halves.toServer.isHeld = false
        halves.toClient.sync(packet.tcpSequence &+ 1, rules.memory)
        agreeOnScale(request?.windowScale, packet.tcpWindowScale)
        take(acknowledgementOf: packet, .toClient)
        judgement.takesPayload = true
        return judgement
    }

    /// The server acknowledged the SYN alone: the client will send its data again.
    private func dropSYNData() -> Bool {
        guard let request, request.payloadCount > 0, earlyAcknowledgement == nil else { return false }
        halves.toServer.discard(rules.memory)
        return true
    }

    /// The data of a SYN that was seen before waits, as the first one's does.
    func bringData(of request: ConnectionRequest) {
        request.payload.withUnsafeBytes { bytes in
            guard !bytes.isEmpty else { return }
            _ = halves.toServer.accept(bytes, lost: 0, at: 0, rules.limits)
        }
        self.request?.dropPayload()
    }

    /// RFC 7323 2.2: scaling holds where both SYNs have it.
    func agreeOnScale(_ client: UInt8?, _ server: UInt8?) {
        halves.toServer.windowShift = server == nil ? 0 : client ?? 0
        halves.toClient.windowShift = client == nil ? 0 : server ?? 0
    }

    /// The client goes on although no answer was seen: where one direction alone is sampled, that is all
    /// there will be; else it waits for the answer, which it has to fit.
    private func judgeEarlyData(_ packet: DecodedPacket) -> SegmentJudgement {
        if let other = otherRequests.beginning(at: packet.tcpSequence) {
            guard rules.isOneSided else { return .refused() }
            request = other
            agreed.begin(other.marks)
            halves.toServer.sync(other.sequence &+ 1, rules.memory)
        }
        let offset = halves.toServer.offset(of: packet.tcpSequence)
        guard offset >= 0, offset <= HalfStream.blindWindow else { return .refused(.outOfWindow) }
        if rules.isOneSided {
            // It sends the SYN's data again, so the server did not take it.
            if offset == 0, !packet.payload.isEmpty { _ = dropSYNData() }
            halves.toServer.isHeld = false
            state = .established
            return judgeSegment(packet, .toServer)
        }
        let first = earlyAcknowledgement ?? packet.tcpAcknowledgement
        if isAnswering(packet.tcpAcknowledgement, behind: first) || halves.toServer.isOverfull(rules.limits) {
            isAnsweredUnseen = true
            goOn(from: first)
            return judgeSegment(packet, .toServer)
        }
        guard first == packet.tcpAcknowledgement else { return .refused(.handshakeWrongAck) }
        earlyAcknowledgement = first
        return payload(of: packet, at: offset)
    }

    /// Whether a client that acknowledged so much acknowledges more: only a server that goes on has it do so.
    private func isAnswering(_ acknowledgement: UInt32, behind first: UInt32) -> Bool {
        let more = Int64(acknowledgement &- first)
        return more > 0 && more <= HalfStream.blindWindow
    }

    /// The other end is not heard: what waits for its answer counts.
    func goOnUnanswered() {
        guard state == .synSent, let first = earlyAcknowledgement else { return }
        isAnsweredUnseen = true
        goOn(from: first)
    }

    /// Goes on without the SYN+ACK, whose server's first byte has the number `start`. Where what the client
    /// said of it was a decoy, the SYN+ACK will show it.
    private func goOn(from start: UInt32) {
        halves.toClient.sync(start, rules.memory)
        halves.toServer.isHeld = false
        // How far the server's windows are to be shifted is not known: the most that RFC 7323 allows.
        halves.toServer.windowShift = request?.windowScale ?? 0
        halves.toClient.windowShift = 14
        state = .established
    }

    /// The server goes on although its SYN+ACK was not seen, which a lost sample explains.
    private func judgeUnansweredReply(_ packet: DecodedPacket) -> SegmentJudgement {
        let offset = halves.toServer.offset(of: packet.tcpAcknowledgement)
        guard offset >= 0, offset <= halves.toServer.seen else { return .refused(.handshakeWrongDirection) }
        let start = earlyAcknowledgement ?? packet.tcpSequence
        guard packet.tcpSequence &- start < UInt32(HalfStream.blindWindow) else {
            return .refused(.handshakeWrongDirection)
        }
        goOn(from: start)
        return judgeSegment(packet, .toClient)
    }

    /// SYN+ACK was seen, the client's ACK not.
    func judgeBeforeAcknowledgement(_ packet: DecodedPacket, _ direction: Direction) -> SegmentJudgement {
        let flags = packet.tcpFlags
        if flags.contains(.rst) { return judgeReset(packet, direction) }
        if flags.contains([.syn, .ack]) { return judgeAnswerAgain(packet, direction) }
        if flags.contains(.syn) { return judgeRequest(packet, direction) }
        guard flags.contains(.ack) else { return .refused(.withoutAck) }
        if direction == .toServer {
            if agreed.isStrange(SegmentMarks(packet.tcpOptions)) { return .refused(.timestampOld) }
            if let other = otherAnswer, packet.tcpAcknowledgement == other {
                halves.toClient.sync(other, rules.memory)
            }
            let offset = halves.toClient.offset(of: packet.tcpAcknowledgement)
            guard offset >= 0, offset <= max(halves.toClient.seen, 0) else {
                return .refused(.handshakeWrongAck)
            }
        }
        // A server's stack sends nothing but SYN+ACK before it has the client's ACK: it had it.
        let judgement = judgeSegment(packet, direction)
        if judgement.takesPayload { moveOn() }
        return judgement
    }

    private func judgeAnswerAgain(_ packet: DecodedPacket, _ direction: Direction) -> SegmentJudgement {
        guard direction == .toClient else { return .refused(.synAckWrongDirection) }
        let answered = halves.toServer.offset(of: packet.tcpAcknowledgement)
        let other = otherRequests.answered(by: packet.tcpAcknowledgement)
        let isSame = packet.tcpSequence &+ 1 == halves.toClient.base
        // A server that keeps nothing of SYNs answers each, and one that forgot its request (for a SYN or RST
        // in its window, tcp_check_req) the next: the client says which connection it takes.
        if answered != 0, other != nil || !isSame || answered < 0 || answered > halves.toServer.seen {
            note(packet, to: other)
        }
        guard isSame else {
            otherAnswer = packet.tcpSequence &+ 1
            return .refused(.synAckDifferentSequence)
        }
        guard answered >= 0, answered <= halves.toServer.seen else { return .refused(.synAckDifferentAck) }
        agreed.answerAgain(SegmentMarks(packet.tcpOptions))
        take(acknowledgementOf: packet, .toClient)
        var judgement = SegmentJudgement()
        judgement.takesPayload = true
        return judgement
    }

    /// A SYN in a connection that has begun: a host answers with a bare ACK (RFC 5961 4.2). Only where the
    /// server answers with SYN+ACK, or the connection is known to be over, has a new one begun.
    func judgeLateSYN(_ packet: DecodedPacket, _ direction: Direction) -> SegmentJudgement {
        if packet.tcpFlags.contains(.ack) { return judgeLateAnswer(packet, direction) }
        let isRefused = isReset && !halves.toClient.isSynced
        let isOver = state == .timeWait || state == .closed && (!isReset || isRefused || isOneSided)
        if isOver {
            var judgement = SegmentJudgement()
            judgement.successor = Successor()
            return judgement
        }
        guard direction == .toServer else { return .refused(.establishedSYNToClient) }
        let isAgain = packet.tcpSequence &+ 1 == halves.toServer.base
        // Of a connection that was picked up nobody saw the first one.
        if !isAgain || isMidstream { otherRequests.note(packet, rules.memory) }
        return .refused(isAgain ? .establishedSYN : .establishedSYNDiffers)
    }

    private func judgeLateAnswer(_ packet: DecodedPacket, _ direction: Direction) -> SegmentJudgement {
        guard direction == .toClient else { return .refused(.establishedSYNACKToServer) }
        if let other = answeredAnew(packet) {
            var judgement = SegmentJudgement()
            judgement.successor = Successor(request: other)
            return judgement
        }
        if isReset { note(packet, to: nil) }
        if !halves.toClient.isSynced { halves.toClient.sync(packet.tcpSequence &+ 1, rules.memory) }
        let isSame = packet.tcpSequence &+ 1 == halves.toClient.base
        guard isAnsweredUnseen, isSame else {
            return .refused(isSame ? .establishedSYNACK : .establishedSYNACKDiffers)
        }
        agreed.answer(SegmentMarks(packet.tcpOptions))
        agreeOnScale(request?.windowScale, packet.tcpWindowScale)
        return SegmentJudgement()
    }

    /// The request that a SYN+ACK begins a new connection for.
    private func answeredAnew(_ packet: DecodedPacket) -> ConnectionRequest? {
        if let other = otherRequests.answered(by: packet.tcpAcknowledgement) { return other }
        guard isAnsweredUnseen, packet.tcpSequence &+ 1 != halves.toClient.base,
            let request, request.isAnswered(by: packet.tcpAcknowledgement)
        else { return nil }
        return request
    }
}
