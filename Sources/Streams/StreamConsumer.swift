// SPDX-License-Identifier: Apache-2.0
// Packets -> flows -> streams, the way out: what is told of packets, flows and streams, in which order.
//   opened  (arrived  anomaly*  (data | gap | streamEnded)*  finished)*  (data | gap | streamEnded)*  closed
// All calls come from within StreamTracker's methods; bytes are valid during the call only.

/// Takes flows, their packets and their streams. Every method but `makeState` may be left out.
public protocol StreamConsumer: AnyObject {
    /// What the consumer keeps of a flow.
    associatedtype State

    /// Whether the payload of a packet, which is not empty, looks like what a server says to a client. Not
    /// asked of a SYN. Of UDP who is taken for the server goes on to send what looks so, or the flow is
    /// replaced by one of the other direction; of TCP picked up in its middle, where the other end does.
    func saysAnswer(_ packet: DecodedPacket) -> Bool
    /// Makes the consumer's state of a flow that begins.
    func makeState(of start: FlowStart) -> State
    /// A flow began; its first packet follows.
    func opened(_ flow: Flow<State>)
    /// A packet of a flow, before anything that it brings about.
    func arrived(_ packet: DecodedPacket, _ direction: Direction, of flow: Flow<State>)
    /// The same packet, once all that it brings about was told.
    func finished(
        _ packet: DecodedPacket, _ direction: Direction, as use: SegmentUse, of flow: Flow<State>)
    /// A packet without a flow: a fragment before its datagram is whole, or headers that cannot be read.
    func strayed(_ packet: DecodedPacket)
    /// Something that no honest sender does; `flow` is nil where the packet has none. Where a gap was made at
    /// a flow's end there is no packet.
    func anomaly(_ anomaly: Anomaly, of flow: Flow<State>?, _ packet: DecodedPacket?)
    /// The next bytes of a TCP stream, each byte once and in order.
    func data(_ bytes: UnsafeRawBufferPointer, at place: StreamPlace, of flow: Flow<State>)
    /// Bytes that were never seen: `data` goes on behind them.
    func gap(of count: Int64, at place: StreamPlace, of flow: Flow<State>)
    /// A direction's last byte was told: its FIN was acknowledged, or the flow ends.
    func streamEnded(at place: StreamPlace, of flow: Flow<State>)
    /// The flow is over; nothing more is told of it. What it holds is freed after this call.
    func closed(_ flow: Flow<State>, _ reason: FlowEnd)
}

extension StreamConsumer {
    public func saysAnswer(_ packet: DecodedPacket) -> Bool { false }
    public func opened(_ flow: Flow<State>) {}
    public func arrived(_ packet: DecodedPacket, _ direction: Direction, of flow: Flow<State>) {}
    public func finished(
        _ packet: DecodedPacket, _ direction: Direction, as use: SegmentUse, of flow: Flow<State>
    ) {}
    public func strayed(_ packet: DecodedPacket) {}
    public func anomaly(_ anomaly: Anomaly, of flow: Flow<State>?, _ packet: DecodedPacket?) {}
    public func data(_ bytes: UnsafeRawBufferPointer, at place: StreamPlace, of flow: Flow<State>) {}
    public func gap(of count: Int64, at place: StreamPlace, of flow: Flow<State>) {}
    public func streamEnded(at place: StreamPlace, of flow: Flow<State>) {}
    public func closed(_ flow: Flow<State>, _ reason: FlowEnd) {}
}

/// Where in a TCP connection bytes stand.
public struct StreamPlace: Equatable, Sendable {
    public let direction: Direction
    /// Of the first byte, from the direction's first byte on (0 is the byte behind its SYN, or the first one
    /// seen of a connection that was picked up in its middle).
    public let offset: Int64

    public init(direction: Direction, offset: Int64) {
        self.direction = direction
        self.offset = offset
    }
}

/// What became of the payload of a packet.
public enum SegmentUse: UInt8, Sendable {
    /// Of no TCP connection that both sides agreed on, or without payload: nothing of it is in a stream.
    case none
    /// All or some of it was given as data, or waits for what comes before it.
    case delivered, queued
    /// It waits for the server's answer, with which it may be thrown away: the stream has it later, or never.
    case held
    /// The stream has had all of it before, byte for byte, or acknowledged.
    case repeated
    /// The stream has other bytes at some of its places; those that were seen first stay. The payload itself
    /// is worth looking at: which of the two the host takes cannot be known.
    case differing
    /// The host's stack takes it; the stream had no room for it, and goes on as if it had been lost.
    case unkept
    /// The host's stack would not take it for the connection, so the stream does not; an anomaly says why, or
    /// counters do. It may have no payload.
    case refused
}

/// Why a flow ended.
public enum FlowEnd: UInt8, Sendable {
    /// Nothing was seen of it for as long as its state lasts.
    case timeout
    /// The table was full, and it was the one used least recently.
    case evicted
    /// A new connection has the same addresses and ports.
    case replaced
    /// The input is at its end.
    case inputEnded
}
