// SPDX-License-Identifier: Apache-2.0
// Packets -> flows -> streams, one flow: who talks with whom, since when, how much, and in which state.
import NetworkTypes

/// Which way a packet goes. The client is who opened the flow.
public enum Direction: UInt8, Sendable, CaseIterable {
    case toServer, toClient

    public var reversed: Direction { self == .toServer ? .toClient : .toServer }
}

/// One value for each direction.
public struct PerDirection<Value> {
    public var toServer: Value
    public var toClient: Value

    public init(_ toServer: Value, _ toClient: Value) {
        self.toServer = toServer
        self.toClient = toClient
    }

    /// `get`, and not `_read`: a coroutine with two yields is not inlined, and asks for memory.
    public subscript(direction: Direction) -> Value {
        @inline(__always) get { direction == .toServer ? toServer : toClient }
        _modify { if direction == .toServer { yield &toServer } else { yield &toClient } }
    }
}

extension PerDirection: Sendable where Value: Sendable {}
extension PerDirection: Equatable where Value: Equatable {}

/// What was seen of one direction.
public struct FlowCounts: Equatable, Sendable {
    public internal(set) var packets: UInt64 = 0
    /// Bytes of frames, as the input gave them.
    public internal(set) var bytes: UInt64 = 0
    /// All TCP flags that packets of this direction had, refused ones too.
    public internal(set) var tcpFlags = TCPFlags()

    mutating func add(_ packet: DecodedPacket) {
        packets &+= 1
        bytes &+= UInt64(truncatingIfNeeded: max(0, packet.frameLength))
        tcpFlags.formUnion(packet.tcpFlags)
    }
}

/// How far a flow got: Suricata's `flow.state`.
public enum FlowState: UInt8, Sendable {
    /// One direction was seen (TCP: no handshake yet); both (TCP: handshake done, or picked up in the
    /// middle); TCP only: RST, or both FINs acknowledged.
    case new, established, closed
}

/// A TCP connection's state, by the names that RFC 9293 and Suricata have for it.
public enum TCPState: UInt8, Sendable {
    case none, synSent, synReceived, established
    case finWait1, finWait2, timeWait, lastAck, closeWait, closing, closed

    /// As in Suricata's `tcp.state`.
    public var name: String {
        switch self {
        case .none: "none"
        case .synSent: "syn_sent"
        case .synReceived: "syn_recv"
        case .established: "established"
        case .finWait1: "fin_wait1"
        case .finWait2: "fin_wait2"
        case .timeWait: "time_wait"
        case .lastAck: "last_ack"
        case .closeWait: "close_wait"
        case .closing: "closing"
        case .closed: "closed"
        }
    }
}

/// What is known of a flow when its first packet comes. Port numbers are 0 for protocols without ports; of
/// ICMP and ICMPv6 the client's is the type that the first packet had and the server's the type that answers
/// it, 255 where none does.
public struct FlowStart: Sendable {
    /// Differs from flow to flow; the same input gives the same numbers. 1 to 2^53 - 1.
    public let id: UInt64
    public let client: IPAddress
    public let server: IPAddress
    public let clientPort: UInt16
    public let serverPort: UInt16
    public let proto: IPProtocol
    /// VLAN ids; 0 is none.
    public let vlan: UInt16
    public let innerVLAN: UInt16
    /// The rule of the first packet.
    public let ruleTag: UInt32
    /// The first packet's, nanoseconds since 1970-01-01T00:00Z.
    public let time: Int64
    /// This host sent the first packet.
    public let isSentByHost: Bool
    /// The first packet's direction: `toClient` where it was an answer whose question was not seen.
    public let firstDirection: Direction
}

/// A flow as the tracker keeps it, without the consumer's part.
public class FlowRecord {
    /// Who talks with whom, and what the first packet said.
    public final let start: FlowStart
    /// The last packet's time, nanoseconds since 1970-01-01T00:00Z.
    public final internal(set) var lastTime: Int64
    public final internal(set) var counts = PerDirection(FlowCounts(), FlowCounts())
    /// ICMP and ICMPv6: the code of the first packet of each direction.
    public final internal(set) var icmpCodes = PerDirection<UInt8>(0, 0)
    public final internal(set) var state = FlowState.new

    final let key: FlowKey
    /// The client is the lower end of `key`.
    final var isClientLow = true
    /// The payload of the first packet said that it is an answer.
    final var isBegunByAnswer = false
    /// TCP: its first packet was a SYN or SYN+ACK, which says who is the client, if the other end has it so.
    final var isBegunBySYN = false
    /// TCP: it was picked up in its middle, and who was heard first taken for the server.
    final var mayTurn = false
    /// TCP: what was said as long as one end alone was heard.
    final var pickUp: PickUp?
    /// How many flows began before, and this one.
    final var serial: UInt64 = 0
    final var session: TCPSession?
    /// Directions whose streams the consumer wants no more of.
    final var ignored = PerDirection(false, false)

    init(_ start: FlowStart, _ key: FlowKey) {
        self.start = start
        self.key = key
        lastTime = start.time
    }
}

extension FlowRecord {
    /// TCP: how far the connection got; `none` for other protocols and what no connection was made of.
    public final var tcpState: TCPState { session?.state ?? .none }
    /// TCP: no handshake was seen; the client is then a guess: see StreamOptions.midstream.
    public final var isMidstream: Bool { session?.isMidstream ?? false }
    /// TCP: bytes of a direction that were given or lost so far, gaps included.
    public final func streamLength(_ direction: Direction) -> Int64 {
        session?.halves[direction].next ?? 0
    }
    /// Where in its direction's stream a TCP segment's payload begins; nil before there is a stream.
    public final func streamOffset(of packet: DecodedPacket, _ direction: Direction) -> Int64? {
        session?.halves[direction].offset(of: packet.tcpSequence)
    }
    /// `streamLength` of both directions: asked for with every packet.
    public final var streamLengths: (toServer: Int64, toClient: Int64) {
        guard let session else { return (0, 0) }
        return (session.halves.toServer.next, session.halves.toClient.next)
    }

    /// TCP: bytes from each direction's SYN on, that one included, as Suricata's `stream_size` counts; 0 for
    /// one of which no number is known, by its own segments or by what the other acknowledges.
    public final var streamSizes: (toServer: UInt64, toClient: UInt64) {
        guard let session else { return (0, 0) }
        return (Self.size(session.halves.toServer), Self.size(session.halves.toClient))
    }

    private static func size(_ half: HalfStream) -> UInt64 {
        half.isSynced ? UInt64(max(0, half.next)) &+ 1 : 0
    }

    /// Takes no more stream data of a direction, from the next packet on: no `data`, `gap`, `streamEnded`.
    /// Packets, state and counts go on.
    public final func ignoreStream(_ direction: Direction) { ignored[direction] = true }
}

/// A flow with what the consumer keeps of it.
public final class Flow<State>: FlowRecord {
    /// The consumer's own, as its `makeState` made it.
    public final var attachment: State

    init(_ start: FlowStart, _ key: FlowKey, _ attachment: State) {
        self.attachment = attachment
        super.init(start, key)
    }
}
