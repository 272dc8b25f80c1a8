// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: one TCP connection, as its two hosts see it. In: segments of both directions. Out: for
// each whether the receiver's stack would take it (RFC 9293 3.10.7, RFC 5961, and where they leave a choice
// Linux), and where in its stream its payload stands.
import NetworkTypes

/// What is decided of a segment.
struct SegmentJudgement {
    var anomalies = AnomalySet()
    /// The receiver's stack would take its payload, if it has any.
    var takesPayload = false
    /// It would discard the segment, whatever it carries.
    var isRefused = false
    /// Nobody can say yet whether it takes its payload: what it acknowledges will.
    var isDoubted = false
    /// Where in the sender's stream its payload begins.
    var offset: Int64 = 0
    /// The connection that took the place of this one, with which the segment is judged again.
    var successor: Successor?
    /// It stands where nothing of this connection does: what it says is looked at alone.
    var isElsewhere = false

    static func refused(_ anomaly: Anomaly? = nil) -> SegmentJudgement {
        var judgement = SegmentJudgement()
        judgement.isRefused = true
        if let anomaly { judgement.anomalies.insert(anomaly) }
        return judgement
    }

    static var doubted: SegmentJudgement {
        var judgement = SegmentJudgement()
        judgement.anomalies.insert(.invalidAck)
        judgement.isDoubted = true
        return judgement
    }
}

/// What is known of a connection that takes the place of another. By reference: few segments bring one.
final class Successor {
    /// Its SYN, where that was seen before.
    let request: ConnectionRequest?
    /// Its SYN and SYN+ACK, likewise: the segment is the client's.
    let answer: UnconfirmedAnswer?
    /// The segment before, which stood where nothing of the former connection does, and with which it begins.
    let former: KeptSegment?
    /// The segment is the client's although it is no SYN.
    let isClients: Bool

    init(
        request: ConnectionRequest? = nil, answer: UnconfirmedAnswer? = nil, former: KeptSegment? = nil,
        isClients: Bool = false
    ) {
        self.request = request
        self.answer = answer
        self.former = former
        self.isClients = isClients
    }
}

/// What the session must know of the tracker's options.
struct SessionRules {
    let isOneSided: Bool
    let limits: HalfLimits
    /// Of copies of segments that were told of.
    let copies: StreamMemory
    var memory: StreamMemory { limits.memory }
}

/// The connection. `halves[d]` is the stream that flows in direction d.
final class TCPSession {
    var state = TCPState.none
    let isMidstream: Bool
    let halves = PerDirection(HalfStream(), HalfStream())
    let rules: SessionRules
    /// The client's SYN, and later ones with other numbers: the SYN+ACK says which the server took.
    var request: ConnectionRequest?
    var otherRequests = OtherRequests()
    /// A later SYN+ACK with another number: the client's ACK says which it took (a server that sends SYN
    /// cookies has no fixed one).
    var otherAnswer: UInt32?
    /// The newest SYN+ACKs of other connections.
    private var unconfirmed: [UnconfirmedAnswer] = []
    private static let mostUnconfirmed = 4
    /// SYNs of the end that is taken for the server, as the first segment that was seen had it.
    var reversedRequests = OtherRequests()
    /// What the client acknowledged before any SYN+ACK was seen.
    var earlyAcknowledgement: UInt32?
    /// No answer was seen, and the client says that it has one: it goes another way.
    var isAnsweredUnseen = false
    /// The other side is not seen.
    var isOneSided: Bool { rules.isOneSided || isAnsweredUnseen }
    /// It was picked up in its middle, and the other end is still to be heard.
    var isUnsettled = false
    /// The last segment that stood elsewhere, where the other end is not heard.
    var stranger: (segment: KeptSegment, direction: Direction)? {
        didSet { rules.copies.giveBack(oldValue?.segment.cost ?? 0) }
    }
    /// Who sent the first FIN.
    var firstFIN: Direction?
    var isReset = false
    /// Data went on behind the reset, which was told.
    var isResetDoubted = false
    var agreed = AgreedOptions()
    /// Whose first byte may be a keep-alive's, which waits for its next one.
    private var doubted: Direction?
    /// The number of that byte, where it was one.
    private(set) var keepAlive: UInt32?

    /// A connection that begins with a SYN.
    init(request: ConnectionRequest, _ rules: SessionRules) {
        self.rules = rules
        self.request = request
        isMidstream = false
        state = .synSent
        halves.toServer.sync(request.sequence &+ 1, rules.memory)
        halves.toServer.isHeld = true
        halves.toServer.windowShift = request.windowScale ?? 0
        agreed.begin(request.marks)
        bringData(of: request)
    }

    /// Gives back what it holds, of both directions.
    func discard() {
        halves.toServer.discard(rules.memory)
        halves.toClient.discard(rules.memory)
        otherRequests.removeAll(rules.memory)
        reversedRequests.removeAll(rules.memory)
        stranger = nil
    }

    /// A connection whose client has taken the answer.
    init(_ answer: UnconfirmedAnswer, _ rules: SessionRules) {
        self.rules = rules
        request = answer.request
        isMidstream = false
        state = .synReceived
        halves.toServer.sync(answer.request.sequence &+ 1, rules.memory)
        halves.toClient.sync(answer.sequence &+ 1, rules.memory)
        agreed.begin(answer.request.marks)
        agreed.answer(answer.marks)
        agreeOnScale(answer.request.windowScale, answer.windowScale)
        let acknowledged = Int64(answer.acknowledgement &- answer.request.sequence &- 1)
        if acknowledged > 0 {
            halves.toServer.isHeld = true
            bringData(of: answer.request)
            halves.toServer.isHeld = false
        }
        halves.toServer.acknowledge(acknowledged, window: answer.window, rules.memory)
    }

    /// A connection of which the first segment that was seen, from `direction`, is in its middle, or its
    /// SYN+ACK.
    init(midstream packet: DecodedPacket, _ direction: Direction, _ rules: SessionRules) {
        self.rules = rules
        isMidstream = true
        let isAnswer = packet.tcpFlags.contains(.syn)
        state = isAnswer ? .synReceived : .established
        halves[direction].sync(packet.tcpSequence &+ (isAnswer ? 1 : 0), rules.memory)
        halves[direction.reversed].sync(packet.tcpAcknowledgement, rules.memory)
        // How far windows are to be shifted was said in the SYNs: the most that RFC 7323 allows.
        halves.toServer.windowShift = 14
        halves.toClient.windowShift = 14
        if isAnswer {
            halves[direction].windowShift = packet.tcpWindowScale ?? 0
            agreed.answer(SegmentMarks(packet.tcpOptions))
        }
    }

    /// Both sides have said that they want it: what does not fit is not of it.
    var isAgreed: Bool { state != .none && state != .synSent }

    /// Judges a segment, and moves the connection on by it.
    func judge(_ packet: DecodedPacket, _ direction: Direction) -> SegmentJudgement {
        let flags = packet.tcpFlags
        if flags.isSuperset(of: [.syn, .fin]) || flags.isSuperset(of: [.syn, .rst]) {
            return .refused(.finWithSYN)
        }
        if direction == .toServer, !unconfirmed.isEmpty, flags.contains(.ack),
            flags.isDisjoint(with: [.syn, .rst]),
            let answer = unconfirmed.first(where: { $0.isConfirmed(by: packet) })
        {
            var judgement = SegmentJudgement()
            judgement.successor = Successor(answer: answer, isClients: true)
            return judgement
        }
        if isMidstream, let other = begunAnew(packet, direction) { return other }
        settleFirstByte(packet, direction)
        let marks = SegmentMarks(packet.tcpOptions)
        let refusal = agreed.refusal(marks, packet, direction, isOneSided: isOneSided)
        if let refusal { return .refused(refusal) }
        // Before the segment moves them.
        let next = halves[direction].next
        let isAcknowledging = acknowledgesWhatIsThere(packet, direction)
        var judgement = judgeNumbers(packet, direction)
        // Where this connection is not the one that the server has, it is a beginning.
        if flags.contains(.syn), !flags.contains(.ack), direction == .toServer { judgement.isRefused = false }
        guard judgement.takesPayload, !flags.contains(.syn) else { return judgement }
        let end = judgement.offset + Int64(packet.payload.count + packet.missingPayload)
        let isNext =
            judgement.offset <= next && end >= next && judgement.offset <= halves[direction].acked
            && isAcknowledging
        agreed.take(marks, direction, isNext: isNext, isMidstream: isMidstream)
        // Of that all was acknowledged (RFC 9293 3.10.7.4): whoever sends it need not know the connection.
        judgement.isRefused = end < halves[direction].acked
        return judgement
    }

    /// Of a connection that was picked up it is a guess who opened it, and that there is one: any segment may
    /// mislead, and the other end answers it with a reset. Where that end answers a SYN of the one that is
    /// taken for the server, or a client goes on behind its SYN where no answer was seen, it was wrong.
    private func begunAnew(_ packet: DecodedPacket, _ direction: Direction) -> SegmentJudgement? {
        let flags = packet.tcpFlags
        let isUnanswered = isOneSided || halves[direction].edge == nil && !isUnsettled
        let goesOn = isUnanswered && !flags.contains(.rst) && !continues(packet, direction)
        var request: ConnectionRequest?
        switch (flags.contains(.syn), flags.contains(.ack), direction) {
        case (true, false, .toClient): reversedRequests.note(packet, rules.memory)
        case (true, true, .toServer): request = reversedRequests.answered(by: packet.tcpAcknowledgement)
        case (false, true, .toClient) where goesOn:
            request = reversedRequests.beginning(at: packet.tcpSequence)
        case (false, true, .toServer) where goesOn: request = otherRequests.beginning(at: packet.tcpSequence)
        default: break
        }
        guard let request else { return nil }
        var judgement = SegmentJudgement()
        judgement.successor = Successor(request: request, isClients: !flags.contains(.syn))
        return judgement
    }

    /// Whether a segment goes on where its sender's others stand, and acknowledges what they do: then
    /// a SYN in front of it was a decoy. The numbers of a new connection are elsewhere.
    private func continues(_ packet: DecodedPacket, _ direction: Direction) -> Bool {
        let (half, other) = (halves[direction], halves[direction.reversed])
        guard half.isSynced, other.isSynced else { return false }
        return abs(half.offset(of: packet.tcpSequence) - half.next) <= PickUp.near
            && abs(other.offset(of: packet.tcpAcknowledgement) - other.acked) <= PickUp.near
    }

    /// Whether a segment acknowledges neither less than one before, nor what the other side has not sent: one
    /// that does moves no clock of a Linux host, and nobody is to move ours.
    private func acknowledgesWhatIsThere(_ packet: DecodedPacket, _ direction: Direction) -> Bool {
        let other = halves[direction.reversed]
        guard packet.tcpFlags.contains(.ack), other.isSynced else { return false }
        let offset = other.offset(of: packet.tcpAcknowledgement)
        return offset >= other.acked && offset <= other.seen
    }

    /// Takes note of a SYN+ACK of another connection, which the client's next segment may confirm. One that
    /// was not asked for, and whose numbers go on where this connection stands, is of this server's making.
    func note(_ answer: DecodedPacket, to request: ConnectionRequest?) {
        let server = halves.toClient.offset(of: answer.tcpSequence &+ 1) - halves.toClient.next
        let client = halves.toServer.offset(of: answer.tcpAcknowledgement) - halves.toServer.next
        let goesOn = halves.toClient.isSynced && abs(server) <= PickUp.near && abs(client) <= PickUp.near
        guard request != nil || !goesOn else { return }
        let noted = UnconfirmedAnswer(answer, to: request)
        // Sent again it takes no further place.
        unconfirmed.removeAll { $0.sequence == noted.sequence && $0.acknowledgement == noted.acknowledgement }
        if unconfirmed.count == Self.mostUnconfirmed { unconfirmed.removeFirst() }
        unconfirmed.append(noted)
    }

    /// A connection was picked up with what may be a keep-alive's byte.
    func doubtFirstByte(of direction: Direction) {
        doubted = direction
        halves[direction].isHeld = true
    }

    /// Only where more single bytes follow was it data.
    private func settleFirstByte(_ packet: DecodedPacket, _ direction: Direction) {
        guard doubted == direction, !packet.payload.isEmpty else { return }
        doubted = nil
        let half = halves[direction]
        half.isHeld = false
        guard packet.payload.count != 1 || half.offset(of: packet.tcpSequence) != 1 else { return }
        keepAlive = half.base
        half.dropFirstByte(rules.memory)
    }

    private func judgeNumbers(_ packet: DecodedPacket, _ direction: Direction) -> SegmentJudgement {
        let flags = packet.tcpFlags
        switch state {
        case .synSent:
            return judgeBeforeAnswer(packet, direction)
        case .synReceived:
            return judgeBeforeAcknowledgement(packet, direction)
        default:
            if flags.contains(.rst) { return judgeReset(packet, direction) }
            if flags.contains(.syn) { return judgeLateSYN(packet, direction) }
            return judgeSegment(packet, direction)
        }
    }

    /// RFC 5961 3.2: a reset counts only at the very number that the receiver expects. It ends nothing here
    /// but the state: what its receiver goes on to acknowledge is read on, for the reset may have died on
    /// the way.
    func judgeReset(_ packet: DecodedPacket, _ direction: Direction) -> SegmentJudgement {
        guard halves[direction].mayReset(packet.tcpSequence) else { return .refused(.resetInvalid) }
        isReset = true
        state = .closed
        return SegmentJudgement()
    }
}
