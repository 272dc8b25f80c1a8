// SPDX-License-Identifier: Apache-2.0
// Packets -> flows -> streams: what can be chosen, and the bounds that hold whatever is sent.

/// How packets become flows and streams. Times are nanoseconds, sizes bytes.
public struct StreamOptions: Sendable {
    /// Segments, datagrams and IPv4 headers with a wrong checksum are in no stream; Suricata's `-k none` is
    /// false. Packets that this host sent, and those cut short, are not verified either way.
    public var verifiesChecksums = true
    /// Connections whose handshake was not seen are followed from the first segment with ACK on. Who sends
    /// SYN+ACK is the server; else the end whose port alone is below 1024; else who did not send first.
    public var midstream = true
    /// Only one direction is sampled: data counts without the handshake's answer. Otherwise what a client
    /// sends before its server answered waits, since nobody can know yet whether the host will take it.
    public var isOneSided = false

    /// Data counts once its receiver acknowledged it, or the flow ends: what never reached it is not looked
    /// at. For who only watches: an answer to what is found comes a round trip later.
    public var waitsForAcknowledgement = false
    /// Packets with the same addresses and ports in different VLANs are of different flows.
    public var separatesVLANs = true

    /// Flows at a time; a new one then pushes out the one used least recently, of the new and closed ones
    /// where they are more than half of all.
    public var maximumFlows = 100_000
    /// After how long without a packet a flow is over; Suricata's defaults.
    public var timeouts = FlowTimeouts()

    /// Of one direction: how much may wait for what comes before it, and in how many pieces. Beyond it the
    /// hole before the first piece is taken for lost.
    public var maximumQueuedBytes = 256 << 10
    public var maximumQueuedPieces = 1024
    /// Of one direction: how much that was given, but not acknowledged yet, is kept to compare
    /// retransmissions with; 0 compares with what waits alone.
    public var historyBytes = 16 << 10
    /// Of all connections together; what comes on top is refused, as if it had been lost.
    public var maximumStreamBytes = 128 << 20

    /// Datagrams that wait for fragments, and their bytes in all. A new one pushes out the oldest.
    public var maximumDatagrams = 4096
    public var maximumFragmentBytes = 16 << 20
    /// How long a datagram waits from its first fragment on: Linux's ipfrag_time.
    public var fragmentTimeout: Int64 = 30_000_000_000

    /// Mixed into the flow table's hash, so that nobody outside can choose flows of one bucket: random where
    /// packets come from a wire.
    public var seed: UInt64 = 0

    public init() {}
}

/// Nanoseconds without a packet after which a flow is over, by protocol and state.
public struct FlowTimeouts: Sendable {
    public var tcpNew: Int64 = 60_000_000_000
    public var tcpEstablished: Int64 = 600_000_000_000
    public var tcpClosed: Int64 = 60_000_000_000
    /// UDP, ICMP and all others: one direction seen, and both.
    public var otherNew: Int64 = 30_000_000_000
    public var otherEstablished: Int64 = 300_000_000_000

    public init() {}
}
