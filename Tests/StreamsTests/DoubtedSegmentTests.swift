// SPDX-License-Identifier: Apache-2.0
// Segments that hosts discard by rules that differ from kernel to kernel, and FINs that data overtakes: what
// the receiver acknowledges tells what it took.
import NetworkTypes
import Testing

@testable import Streams

/// A FIN ahead of its time is kept by the receiver until data passes it, then forgotten (tcp_ofo_queue).
struct OvertakenFINTests {
    private let talk = Talk()
    private let real = "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n"

    private func fin(at offset: Int) -> Segment {
        talk.request([], at: offset).with { $0.flags = [.fin, .ack] }
    }

    @Test(arguments: [1, 3, 8, 20, 200]) func `data that passes a FIN goes on`(_ place: Int) {
        let wire = Wire()
        wire.shakeHands(talk)
        wire.send(fin(at: place))
        let bytes = Array(real.utf8)
        for start in stride(from: 0, to: bytes.count, by: 7) {
            let end = min(start + 7, bytes.count)
            wire.send(talk.request(Array(bytes[start..<end]), at: start))
            wire.send(talk.response("", acknowledging: end))
        }
        #expect(wire.request == real)
        wire.send(talk.request("", at: bytes.count))
        #expect((wire.flow?.tcpState == .established) == (place < 200))
    }

    @Test func `a FIN of bytes that were sent long ago is none`() {
        let wire = Wire()
        wire.shakeHands(talk)
        wire.send(talk.request("GET /"), talk.response("", acknowledging: 5), fin(at: 4), fin(at: 2))
        wire.send(talk.request("evil", at: 5), talk.response("", acknowledging: 9))
        #expect(wire.request == "GET /evil")
        #expect(wire.flow?.tcpState == .established)
    }

    @Test func `what was sent out of order before the FIN of an earlier place passes it too`() {
        let wire = Wire()
        wire.shakeHands(talk)
        wire.send(talk.request("c", at: 2), fin(at: 2), talk.request("ab"), talk.request("d", at: 3))
        wire.send(talk.response("", acknowledging: 4))
        #expect(wire.request == "abcd")
    }

    @Test func `the FIN that is taken ends the stream`() {
        let wire = Wire()
        wire.shakeHands(talk)
        wire.send(fin(at: 5), talk.request("GET /"), talk.response("", acknowledging: 6))
        #expect(wire.notes.hasEnded.toServer)
        #expect(wire.flow?.tcpState == .closeWait)
    }
}

struct DoubtedSegmentTests {
    private let talk = Talk()

    /// What Linux discards, some of it since lately: the data that follows is what the server has.
    @Test(arguments: [100, -100, 5000, -5000]) func `data that acknowledges what was never sent is a decoy`(
        _ difference: Int
    ) {
        let wire = Wire()
        wire.shakeHands(talk)
        wire.send(
            talk.request("GET /none").with { $0.acknowledgement &+= UInt32(bitPattern: Int32(difference)) },
            talk.request("GET /evil"), talk.response("", acknowledging: 9))
        #expect(wire.request == "GET /evil")
        #expect(wire.anomalies == [.invalidAck])
    }

    @Test(arguments: [100, -100]) func `what the server acknowledges was none`(_ difference: Int) {
        let wire = Wire()
        wire.shakeHands(talk)
        wire.send(
            talk.request("GET /evil").with { $0.acknowledgement &+= UInt32(bitPattern: Int32(difference)) })
        #expect(wire.request.isEmpty)
        wire.send(talk.response("", acknowledging: 9))
        #expect(wire.request == "GET /evil")
        wire.send(talk.request(" more", at: 9), talk.response("", acknowledging: 14))
        #expect(wire.request == "GET /evil more")
        wire.tracker.finish()
        #expect(wire.tracker.streamBytesHeld == 0)
    }

    @Test func `of refused data what the server acknowledges is told, with the holes beside it`() {
        let wire = Wire()
        wire.shakeHands(talk)
        let future = { (text: String, offset: Int) in
            talk.request(text, at: offset).with { $0.acknowledgement &+= 100 }
        }
        wire.send(future("cd", 2), talk.request("ij", at: 8), future("ghxx", 6))
        #expect(wire.request.isEmpty)
        wire.send(talk.response("", acknowledging: 10))
        #expect(wire.request == "cdghij")
        #expect(wire.notes.gaps.toServer == [2, 2])
    }

    /// tcp_check_req: a reset or SYN within the window makes the server forget its request.
    @Test(arguments: [TCPFlags.rst, .syn]) func `a server that forgot its request answers another`(
        _ flag: TCPFlags
    ) {
        let wire = Wire()
        let first = talk.syn.with { ($0.sequence, $0.payload) = (900, [UInt8](repeating: 0x58, count: 1000)) }
        wire.send(first, talk.synAck.with { $0.acknowledgement = 901 })
        wire.send(talk.syn.with { ($0.sequence, $0.flags) = (950, flag == .syn ? [.syn] : [.rst]) })
        let next = talk.synAck.with { $0.sequence = 70_000 }
        let decoy = talk.request("GET /none").with { $0.acknowledgement = 170_001 }
        let real = talk.request("GET /evil").with { $0.acknowledgement = 70_001 }
        wire.send(talk.syn, next, decoy, real)
        wire.send(talk.response("", acknowledging: 9).with { $0.sequence = 70_001 })
        #expect(wire.request == "GET /evil")
    }

    @Test func `decoys that fill the room do not keep the nearest out`() {
        let wire = Wire { ($0.maximumQueuedBytes, $0.maximumQueuedPieces) = (10_000, 20) }
        wire.shakeHands(talk)
        for number in 0..<50 {
            wire.send(talk.request("x", at: 100 + 3 * number).with { $0.acknowledgement &+= 100 })
        }
        wire.send(talk.request("GET /evil").with { $0.acknowledgement &+= 100 })
        wire.send(talk.response("", acknowledging: 9))
        #expect(wire.request == "GET /evil")
    }

    @Test func `refused data that differs is told`() {
        let wire = Wire()
        wire.shakeHands(talk)
        for text in ["GET /none", "GET /evil"] {
            wire.send(talk.request(text).with { $0.acknowledgement &+= 100 })
        }
        #expect(wire.anomalies == [.invalidAck, .invalidAck, .overlapDiffers])
    }

    @Test func `refused data costs no more than may wait`() {
        let wire = Wire { ($0.maximumQueuedBytes, $0.maximumQueuedPieces) = (10_000, 20) }
        wire.shakeHands(talk)
        for number in 0..<1000 {
            let decoy = talk.request([UInt8](repeating: 1, count: 500), at: 20 + number * 7)
            wire.send(decoy.with { $0.acknowledgement &+= 100 })
        }
        #expect(wire.tracker.streamBytesHeld < 15_000)
        wire.send(talk.request("GET /evil"), talk.response("", acknowledging: 9))
        #expect(wire.request == "GET /evil")
        wire.tracker.finish()
        #expect(wire.tracker.streamBytesHeld == 0)
    }
}
