// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: flows that begin with a SYN, until the server is heard. Anybody can send one within an
// older connection, whose server answers with what it expects (RFC 9293 3.5.1, RFC 5961 4). Then the flow
// begins anew with the server's numbers and all that was said; the SYN may still be answered, where its
// sender meant it.
import NetworkTypes

extension StreamTracker {
    /// Settles, before a segment is judged, whether the flow's SYN is of a connection that its server has.
    /// - Returns: the flow's slot, which may be another.
    func settleRequest(
        _ packet: DecodedPacket, _ direction: Direction, _ flow: FlowOf, _ slot: FlowTable.Slot,
        _ place: FlowPlace
    ) -> FlowTable.Slot {
        let flags = packet.tcpFlags
        guard flags.contains(.ack), flags.isDisjoint(with: [.syn, .rst]), let session = flow.session else {
            return slot
        }
        guard direction == .toClient else {
            keep(packet, flow, session)
            return slot
        }
        // On a router anybody can have made it up.
        guard packet.isSentByHost, session.isRefuted(by: packet, flow.pickUp) else { return slot }
        return refute(packet, flow, slot, place)
    }

    /// Begins anew with what the other end says, where its SYN or SYN+ACK, which was none, does not count.
    func refute(_ packet: DecodedPacket, _ flow: FlowOf, _ slot: FlowTable.Slot, _ place: FlowPlace)
        -> FlowTable.Slot
    {
        var isClients = Self.isServiceLow(packet)
        let mayTurn = isClients && packet.payload.isEmpty
        if isClients, packet.isSentByHost, saysAnswer(packet) { isClients = false }
        let direction = isClients ? Direction.toServer : .toClient
        return beginAnew(packet, flow, slot, place, direction: direction, mayTurn: mayTurn)
    }

    /// What the SYN's sender goes on to say may be of the older connection.
    private func keep(_ packet: DecodedPacket, _ flow: FlowOf, _ session: TCPSession) {
        guard let pickUp = flow.pickUp else {
            beginPickUp(packet, .toServer, flow, session)
            flow.pickUp?.synData = session.request?.payloadCount ?? 0
            return
        }
        if !pickUp.keep(packet) { pickUp.goLate(with: packet) }
    }

    /// Whether a packet goes to the one port of both that is below 1024. The SYN was none, so that it does
    /// not say who is the client.
    private static func isServiceLow(_ packet: DecodedPacket) -> Bool {
        packet.destinationPort < 1024 && packet.sourcePort >= 1024
    }
}
