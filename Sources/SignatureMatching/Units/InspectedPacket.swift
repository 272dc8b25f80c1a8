// SPDX-License-Identifier: Apache-2.0
// One call's input: a packet, the stream bytes it brought, and the transactions that it changed.

import Glibc
import Signatures

/// A stretch of one direction of a TCP stream, in order.
public struct StreamChunk {
    /// Valid for the call.
    public var bytes: UnsafeRawBufferPointer
    /// How many bytes of the stream stand before the chunk: `offset` and `depth` count from the stream's
    /// start.
    public var streamOffset: UInt64

    public init(bytes: UnsafeRawBufferPointer, streamOffset: UInt64) {
        self.bytes = bytes
        self.streamOffset = streamOffset
    }
}

/// What `SignatureMatcher.inspect` looks at. Pointers need to be valid for the call alone.
public struct InspectedPacket {
    public var header: PacketHeader
    public var fields: PacketFields
    /// The packet's own L4 payload; nil: no packet at all (a stream's end, a flow's time-out): only
    /// `stream` and `transactions` are inspected.
    public var payload: UnsafeRawBufferPointer?
    /// The packet's TCP payload is part of the stream that comes as `stream`, now or later: signatures on
    /// the stream do not look at the packet (a TCP packet that no stream took is inspected by itself).
    public var isInStream = false
    /// Where in the stream the payload will stand, if that ever has it: a match there is the same one.
    public var heldAt: UInt64?
    /// Its host takes the packet. One that it drops may raise alerts, and does nothing to others: the bits
    /// that it sets only such packets see, it counts for no rate, and it is not the first of its flow.
    public var isTaken = true
    /// Stream bytes to inspect, in this packet's direction. A chunk may begin with bytes of the one
    /// before, so that what stands across their border is found; a signature reports once for bytes that
    /// overlap.
    public var stream: StreamChunk?
    /// Headers as they stand in the packet, for signatures that inspect them; nil: the packet has none.
    public var networkHeader: UnsafeRawBufferPointer?
    public var transportHeader: UnsafeRawBufferPointer?
    /// Transactions of this packet's direction that have something new.
    public var transactions: [InspectedTransaction] = []

    public init(header: PacketHeader, fields: PacketFields = PacketFields()) {
        self.header = header
        self.fields = fields
    }

    /// The stream bytes are the packet's own: what most packets bring.
    var streamIsPayload: Bool {
        guard isInStream, header.transport == .tcp, let payload, let chunk = stream?.bytes,
            payload.count == chunk.count, let mine = payload.baseAddress, let theirs = chunk.baseAddress
        else { return false }
        return memcmp(mine, theirs, payload.count) == 0
    }
}

/// One signature that matched.
public struct SignatureMatch: Hashable, Sendable {
    /// In what it was found.
    public enum Place: Hashable, Sendable {
        case packet
        case stream
        /// Index into `InspectedPacket.transactions`.
        case transaction(Int)
    }

    /// Index into `SignatureEngine.signatures`.
    public var signature: Int
    public var place: Place
    /// Whether it is to be reported: false with `noalert`, and where `threshold` holds it back. Its action
    /// stands all the same.
    public var isReported: Bool
}
