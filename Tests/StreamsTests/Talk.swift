// SPDX-License-Identifier: Apache-2.0
// Both ends of a TCP connection, which number their segments. In: what they say. Out: segments, to send as
// they are, or changed, or not at all.
import NetworkTypes

struct Talk {
    var client = Host.client
    var server = Host.server
    /// The sequence numbers of both SYNs.
    var clientStart: UInt32 = 1000
    var serverStart: UInt32 = 5000
    /// What each end has sent, and acknowledges.
    var sent: UInt32 = 0
    var answered: UInt32 = 0

    var syn: Segment {
        Segment(from: client, to: server, sequence: clientStart, flags: [.syn])
    }

    var synAck: Segment {
        Segment(
            from: server, to: client, sequence: serverStart, acknowledgement: clientStart &+ 1,
            flags: [.syn, .ack])
    }

    /// A segment of the client's that begins `offset` bytes into its stream, which does not count as sent.
    func request(_ text: String, at offset: Int = 0) -> Segment { request(Array(text.utf8), at: offset) }

    func request(_ bytes: [UInt8], at offset: Int) -> Segment {
        Segment(
            from: client, to: server, sequence: clientStart &+ 1 &+ UInt32(truncatingIfNeeded: offset),
            acknowledgement: serverStart &+ 1 &+ answered, flags: [.ack, .psh], payload: bytes)
    }

    /// A segment of the server's, likewise; it acknowledges `acknowledging` bytes.
    func response(_ text: String, at offset: Int = 0, acknowledging: Int? = nil) -> Segment {
        response(Array(text.utf8), at: offset, acknowledging: acknowledging)
    }

    func response(_ bytes: [UInt8], at offset: Int, acknowledging: Int? = nil) -> Segment {
        Segment(
            from: server, to: client, sequence: serverStart &+ 1 &+ UInt32(truncatingIfNeeded: offset),
            acknowledgement: clientStart &+ 1
                &+ (acknowledging.map { UInt32(truncatingIfNeeded: $0) } ?? sent),
            flags: [.ack], payload: bytes)
    }

    /// The client's next bytes.
    mutating func say(_ text: String) -> Segment {
        let segment = request(text, at: Int(sent))
        sent &+= UInt32(text.utf8.count)
        return segment
    }

    /// The server's next bytes, which acknowledge all that the client said.
    mutating func answer(_ text: String) -> Segment {
        let segment = response(text, at: Int(answered))
        answered &+= UInt32(text.utf8.count)
        return segment
    }

    /// Bare acknowledgements of all that was said.
    var clientAck: Segment { request("", at: Int(sent)) }
    var serverAck: Segment { response("", at: Int(answered)) }

    var handshake: [Segment] { [syn, synAck, request("")] }
}

extension Segment {
    func with(_ change: (inout Segment) -> Void) -> Segment {
        var segment = self
        change(&segment)
        return segment
    }
}

extension Wire {
    func shakeHands(_ talk: Talk = Talk()) { for segment in talk.handshake { send(segment) } }
}
