// SPDX-License-Identifier: Apache-2.0
// One of the connections that a flow carries: whose packets its keys open, and the CRYPTO bytes of both
// sides. In: packets and pieces. Out: frames; whole bytes from a hello's start on.
import NetworkTypes

/// One connection, by the id of its client's first packet, or of the one behind a retry.
struct QUICConnection {
    let version: QUICVersion
    /// The id that keys come from.
    let originalID: [UInt8]
    /// The id that the client calls itself.
    var clientID: [UInt8]
    /// The id that the server calls itself, once a packet of it was opened.
    var serverID: [UInt8]?
    /// Its number in records.
    var number = 0
    /// A hello of the client was read.
    var isTold = false
    var streams = [QUICHelloStreams(), QUICHelloStreams()]
    private let keys: QUICKeys
    private var serverKeys: QUICKeys?
    /// Of each side the numbers of packets that were opened since its hello was read, the newest last; and
    /// of those before.
    private var numbers: [[UInt64]] = [[], []]
    private var former: [[UInt64]] = [[], []]
    /// Of each side one more than the largest of them all.
    private var expected: [UInt64] = [0, 0]
    /// The packet that was opened last has the number of one before its side's hello was read.
    private(set) var isRepeated = false

    /// Nil for versions whose keys are not known here.
    init?(_ version: QUICVersion, originalID: [UInt8], clientID: [UInt8]) {
        guard let keys = QUICKeys(version, destinationID: originalID, .toServer) else { return nil }
        self.version = version
        self.originalID = originalID
        self.clientID = clientID
        self.keys = keys
    }

    /// A packet's frames; nil where it is none of that side of this connection. Of a number that came before
    /// there are none: its receiver discards it (RFC 9000 section 12.3).
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
        let opened = keys?.open(bytes, numberPlace: packet.numberPlace, expected: expected[side])
        guard let (number, frames) = opened else { return nil }
        expected[side] = max(expected[side], number &+ 1)
        if numbers[side].contains(number) { return [] }
        isRepeated = former[side].contains(number)
        if numbers[side].count >= max(1, most) { numbers[side].removeFirst() }
        numbers[side].append(number)
        return frames
    }

    /// A side's hello was read: its packets' numbers may be another connection's next.
    /// - Parameters:
    ///   - most: numbers that are remembered.
    ///   - isKnown: it is the hello that was read before, come again.
    mutating func forgetNumbers(_ direction: FlowDirection, isKnown: Bool, most: Int) {
        let side = Int(direction.rawValue)
        let before = isKnown ? former[side] : []
        (former[side], numbers[side]) = (Array((before + numbers[side]).suffix(max(1, most))), [])
    }

    /// What a packet's ids say of whether it is of this connection.
    func fit(_ packet: QUICPacket, _ direction: FlowDirection) -> QUICFit {
        guard version == packet.version else { return .none }
        let (client, server) =
            direction == .toServer
            ? (packet.sourceID, packet.destinationID) : (packet.destinationID, packet.sourceID)
        if direction == .toServer, server == originalID { return .original }
        guard client == clientID else { return .none }
        return server == serverID ? .both : .client
    }

    /// What its streams hold, in bytes.
    var held: Int { streams[0].held &+ streams[1].held }
}

/// What of a packet's ids is a connection's: nothing, the client's own id, both own ids, or the one that keys
/// come from.
enum QUICFit {
    case none
    case client
    case both
    case original
}
