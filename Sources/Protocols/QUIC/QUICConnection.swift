// SPDX-License-Identifier: Apache-2.0
// One of the connections that a flow carries: whose packets its keys open, and the CRYPTO bytes of both
// sides. In: packets and pieces. Out: frames; whole bytes from a hello's start on.
import NetworkTypes

/// One connection, by the id of its client's first packet, or of the one behind a retry.
struct QUICConnection {
    let version: QUICVersion
    /// The id that keys come from.
    let originalID: [UInt8]
    /// The id that the client calls itself. Nil: the packets of all that have the first id, as servers read
    /// them that do not discard those with another one (RFC 9000 section 7.2).
    var clientID: [UInt8]?
    /// The id that the server calls itself, once a packet of it was opened.
    var serverID: [UInt8]?
    /// Its number in records.
    var number = 0
    /// A hello of the client was read.
    var isTold = false
    /// Of each side.
    var streams = [QUICHelloStreams(), QUICHelloStreams()]
    private let keys: QUICKeys
    private var serverKeys: QUICKeys?

    /// Nil for versions whose keys are not known here.
    init?(_ version: QUICVersion, originalID: [UInt8], clientID: [UInt8]) {
        guard let keys = QUICKeys(version, destinationID: originalID, .toServer) else { return nil }
        self.version = version
        self.originalID = originalID
        self.clientID = clientID
        self.keys = keys
    }

    /// One with the same first id, of which nothing was heard; nil for `clientID`: what this one's client
    /// said, and what others with that id will.
    func sibling(_ clientID: [UInt8]?) -> QUICConnection {
        var sibling = self
        sibling.clientID = clientID
        sibling.serverID = nil
        sibling.streams = [clientID == nil ? streams[0] : QUICHelloStreams(), QUICHelloStreams()]
        return sibling
    }

    /// A packet's frames; nil where it is none of that side of this connection. Of a number that came before
    /// there are none.
    /// - Parameter most: numbers that are remembered.
    mutating func open(
        _ packet: QUICPacket, _ bytes: [UInt8], _ direction: FlowDirection, most: Int
    ) -> [UInt8]? {
        var keys: QUICKeys? = keys
        if direction == .toClient {
            serverKeys = serverKeys ?? QUICKeys(version, destinationID: originalID, .toClient)
            keys = serverKeys
        }
        let side = Int(direction.rawValue)
        let opened = keys?.open(bytes, numberPlace: packet.numberPlace, expected: streams[side].expected)
        guard let (number, frames) = opened else { return nil }
        return streams[side].admit(number, most: most) ? frames : []
    }

    /// Whether a client's packet has the id that its keys come from.
    func begins(_ packet: QUICPacket) -> Bool {
        version == packet.version && originalID == packet.destinationID
    }

    /// Likewise, where the packet is known by what is told of its hello.
    func begins(_ hello: QUICHello) -> Bool {
        version == hello.version && originalID == hello.destinationID
    }

    /// Whether another one has the same first id.
    func begins(as other: QUICConnection) -> Bool {
        version == other.version && originalID == other.originalID
    }

    /// What the ids of a packet that has other ones than the first say of whether it is of this connection.
    func fit(_ packet: QUICPacket, _ direction: FlowDirection) -> QUICFit {
        guard version == packet.version else { return .none }
        let (client, server) =
            direction == .toServer
            ? (packet.sourceID, packet.destinationID) : (packet.destinationID, packet.sourceID)
        guard client == clientID else { return .none }
        return server == serverID ? .both : .client
    }

    /// What its streams hold, in bytes.
    var held: Int { streams[0].held &+ streams[1].held }
}

/// What of a packet's ids is a connection's: nothing, the client's own id, or both own ids.
enum QUICFit {
    case none
    case client
    case both
}
