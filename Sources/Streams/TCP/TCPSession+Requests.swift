// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: SYNs of a connection whose server has another one. In: the server's first segment. Out:
// whether it speaks of the SYN's connection; the SYNs, for the connection that it speaks of.
import NetworkTypes

extension TCPSession {
    /// It began with a SYN of which the server was not heard.
    var isRequestOpen: Bool {
        guard !isMidstream, state == .synSent || isAnsweredUnseen, !rules.isOneSided else { return false }
        return halves.toServer.edge == nil
    }

    /// Whether the server's first segment is of another connection than the SYN's.
    /// - Parameter pickUp: what the client said behind the SYN.
    func isRefuted(by packet: DecodedPacket, _ pickUp: PickUp?) -> Bool {
        let marks = SegmentMarks(packet.tcpOptions)
        guard agreed.refusal(marks, packet, .toClient, isOneSided: false) == nil else { return true }
        let (client, server) = (halves.toServer, halves.toClient)
        let acknowledged = client.offset(of: packet.tcpAcknowledgement)
        guard acknowledged >= 0, acknowledged <= client.seen else { return true }
        let first = server.isSynced ? server.base : earlyAcknowledgement ?? packet.tcpSequence
        let place = Int64(Int32(bitPattern: packet.tcpSequence &- first))
        guard place >= 0, place <= server.acked + HalfStream.blindWindow else { return true }
        guard let pickUp else { return false }
        let answer =
            pickUp.isLate ? pickUp.lateAnswer(packet, client) : pickUp.answer(packet, base: client.base)
        return answer == .other
    }

    /// Takes over the SYNs of a connection that its server does not have: it may yet answer one of them.
    /// - Parameter isReversed: who was taken for the client there is taken for the server here.
    func takeRequests(of former: TCPSession, isReversed: Bool) {
        let memory = rules.memory
        var requests = PerDirection(former.otherRequests, former.reversedRequests)
        (former.otherRequests, former.reversedRequests) = (OtherRequests(), OtherRequests())
        if let request = former.request { requests.toServer.keep(request, former.requestData, memory) }
        otherRequests = requests[isReversed ? .toClient : .toServer]
        reversedRequests = requests[isReversed ? .toServer : .toClient]
    }

    /// The data of the SYN, which waits for its answer.
    private var requestData: [UInt8] {
        guard let count = request?.payloadCount, count > 0, let first = halves.toServer.queue.first,
            first.offset == 0, first.bytes.count >= count
        else { return [] }
        return Array(first.bytes.prefix(count))
    }
}
