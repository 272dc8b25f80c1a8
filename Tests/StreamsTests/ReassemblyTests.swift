// SPDX-License-Identifier: Apache-2.0
// Segments to streams: order, repetition, overlap, gaps, bounds, and numbers that wrap.
import NetworkTypes
import Testing

@testable import Streams

struct ReassemblyTests {
    private let talk = Talk()

    private func connected(_ change: (inout StreamOptions) -> Void = { _ in }) -> Wire {
        let wire = Wire(change)
        wire.shakeHands(talk)
        return wire
    }

    @Test func `segments out of order are told in order`() {
        let wire = connected()
        wire.send(talk.request("cd", at: 2), talk.request("ef", at: 4))
        #expect(wire.request.isEmpty)
        wire.send(talk.request("ab"))
        #expect(wire.request == "abcdef")
        #expect(wire.notes.uses.suffix(3) == [.queued, .queued, .delivered])
        #expect(wire.tracker.streamBytesHeld == 6, "only what is not acknowledged is kept")
    }

    @Test func `bytes that come in order are told from the packet itself`() {
        final class Pointers: StreamConsumer {
            var payload: UnsafeRawPointer?
            var data: UnsafeRawPointer?
            func makeState(of start: FlowStart) {}
            func arrived(_ packet: DecodedPacket, _ direction: Direction, of flow: Flow<Void>) {
                payload = packet.payload.baseAddress
            }
            func data(_ bytes: UnsafeRawBufferPointer, at place: StreamPlace, of flow: Flow<Void>) {
                data = bytes.baseAddress
            }
        }
        let pointers = Pointers()
        let tracker = StreamTracker(StreamOptions(), pointers)
        for segment in talk.handshake + [talk.request("GET /")] {
            segment.packet.withUnsafeBytes { tracker.follow(InputPacket(bytes: $0, time: 1)) }
        }
        #expect(pointers.data != nil && pointers.data == pointers.payload)
    }

    @Test func `a repeated segment is told once`() {
        let wire = connected()
        wire.send(talk.request("ab"), talk.request("ab"), talk.request("abc"))
        #expect(wire.request == "abc")
        #expect(wire.notes.uses.suffix(3) == [.delivered, .repeated, .delivered])
        #expect(wire.anomalies.isEmpty)
        #expect(wire.counters.segmentsRepeated == 1)
    }

    @Test func `one byte a segment, last byte first`() {
        let wire = connected()
        let text = "GET /index.html HTTP/1.1"
        for (index, byte) in text.utf8.enumerated().reversed() {
            wire.send(talk.request([byte], at: index))
        }
        #expect(wire.request == text)
    }

    struct Overlap: Sendable, CustomTestStringConvertible {
        var segments: [(Int, String)]
        var stream: String
        var differs: Bool
        var testDescription: String { segments.map { "\($0.1)@\($0.0)" }.joined(separator: " ") }
    }

    @Test(arguments: [
        Overlap(segments: [(0, "abcd"), (2, "cdef")], stream: "abcdef", differs: false),
        Overlap(segments: [(0, "abcd"), (2, "XXef")], stream: "abcdef", differs: true),
        Overlap(segments: [(2, "cdef"), (0, "abXX")], stream: "abcdef", differs: true),
        Overlap(segments: [(2, "cd"), (1, "bXYe"), (0, "a")], stream: "abcde", differs: true),
        Overlap(segments: [(4, "e"), (2, "c"), (1, "bcde"), (0, "a")], stream: "abcde", differs: false),
        Overlap(segments: [(4, "e"), (2, "c"), (0, "abcdefg")], stream: "abcdefg", differs: false),
        Overlap(segments: [(4, "e"), (2, "c"), (0, "abXdXfg")], stream: "abcdefg", differs: true),
        Overlap(segments: [(0, "abcd"), (0, "abcX")], stream: "abcd", differs: true),
        Overlap(segments: [(2, "cd"), (2, "cX"), (0, "ab")], stream: "abcd", differs: true),
        Overlap(segments: [(2, "cd"), (4, "ef"), (3, "dXg"), (0, "ab")], stream: "abcdef", differs: true),
    ])
    func `of bytes for one place the first that came stay, others are an anomaly`(overlap: Overlap) {
        let wire = connected()
        for (offset, text) in overlap.segments { wire.send(talk.request(text, at: offset)) }
        #expect(wire.request == overlap.stream)
        #expect(wire.anomalies == (overlap.differs ? [.overlapDiffers] : []))
        #expect(wire.notes.uses.contains(.differing) == overlap.differs)
        #expect(wire.counters.segmentsDiffering == (overlap.differs ? 1 : 0))
    }

    @Test func `what the receiver acknowledged is compared no more`() {
        let wire = connected()
        wire.send(talk.request("abcd"), talk.response("", acknowledging: 4), talk.request("abXX"))
        #expect(wire.request == "abcd")
        #expect(wire.notes.uses.last == .repeated)
        #expect(wire.tracker.streamBytesHeld == 0)
        wire.send(
            talk.request("efgh", at: 4), talk.response("", acknowledging: 6), talk.request("XXgX", at: 4))
        #expect(wire.notes.uses.last == .differing, "byte 7 is not acknowledged")
    }

    @Test func `a hole that the receiver acknowledged is a gap at once`() {
        let wire = connected()
        wire.send(talk.request("ab"), talk.request("ef", at: 4), talk.response("", acknowledging: 6))
        #expect(wire.request == "abef")
        #expect(wire.notes.gaps.toServer == [2])
        #expect(wire.anomalies == [.sequenceGap])
        #expect(wire.counters.gapBytes == 2)
    }

    @Test func `where acknowledgements are waited for, just what was acknowledged is told`() {
        let wire = connected { $0.waitsForAcknowledgement = true }
        wire.send(talk.request("ab"), talk.request("cd", at: 2), talk.request("ef", at: 4))
        #expect(wire.request.isEmpty)
        wire.send(talk.response("", acknowledging: 3))
        #expect(wire.request == "abc")
        wire.send(talk.response("", acknowledging: 4))
        #expect(wire.request == "abcd")
        wire.tracker.finish()
        #expect(wire.request == "abcdef" && wire.tracker.streamBytesHeld == 0)
    }

    @Test func `what waits for its acknowledgement is bounded`() {
        let wire = connected {
            $0.waitsForAcknowledgement = true
            $0.maximumQueuedBytes = 4
        }
        wire.send(talk.request("abcd"))
        #expect(wire.request.isEmpty)
        wire.send(talk.request("ef", at: 4))
        #expect(wire.request == "abcdef")
    }

    @Test func `an acknowledgement of what was not seen makes no gap as long as nothing came behind it`() {
        let wire = connected()
        wire.send(talk.request("ab"), talk.response("", acknowledging: 4), talk.request("cd", at: 2))
        #expect(wire.request == "abcd")
        #expect(wire.notes.gaps.toServer.isEmpty)
    }

    @Test func `a hole is taken for lost when more waits than may`() {
        let wire = connected { $0.maximumQueuedBytes = 100 }
        wire.send(talk.request("ab"))
        for index in 0..<11 { wire.send(talk.request("0123456789", at: 10 + 10 * index)) }
        #expect(wire.notes.gaps.toServer == [8])
        #expect(wire.notes.bytes.toServer.count == 112)
    }

    @Test func `a hole is taken for lost when more pieces wait than may`() {
        let wire = connected { $0.maximumQueuedPieces = 5 }
        for index in 1...6 { wire.send(talk.request("x", at: 2 * index)) }
        #expect(wire.notes.gaps.toServer.first == 2)
        #expect(wire.request.first == "x")
    }

    @Test func `what waits when a flow ends is told with its gaps`() {
        let wire = connected()
        wire.send(talk.request("ab"), talk.request("ef", at: 4), talk.request("ij", at: 8))
        wire.tracker.finish()
        #expect(wire.request == "abefij")
        #expect(wire.notes.gaps.toServer == [2, 2])
        #expect(wire.notes.hasEnded == PerDirection(true, true))
        #expect(wire.notes.end == .inputEnded)
        #expect(wire.tracker.streamBytesHeld == 0)
    }

    @Test func `all connections together hold no more than they may`() {
        let wire = connected { ($0.maximumStreamBytes, $0.historyBytes) = (1000, 0) }
        wire.send(talk.request([UInt8](repeating: 1, count: 900), at: 10))
        wire.send(talk.request([UInt8](repeating: 2, count: 900), at: 2000))
        #expect(wire.notes.uses.suffix(2) == [.queued, .unkept])
        #expect(wire.counters.segmentsWithoutRoom == 1)
        #expect(wire.tracker.streamBytesHeld <= 1000)
        wire.send(talk.request([UInt8](repeating: 3, count: 10), at: 0))
        #expect(wire.notes.bytes.toServer.count == 910)
    }

    @Test func `what cannot be kept for comparing is counted`() {
        let wire = connected { $0.maximumStreamBytes = 100 }
        wire.send(talk.request([UInt8](repeating: 1, count: 90), at: 0))
        wire.send(talk.request([UInt8](repeating: 1, count: 90), at: 90))
        #expect(wire.notes.bytes.toServer.count == 180)
        #expect(wire.counters.uncomparedBytes == 90)
    }

    @Test(arguments: [UInt32.max - 4, UInt32.max, 0x7fff_ffff, 0x8000_0000])
    func `numbers that wrap do not matter`(start: UInt32) {
        let wire = Wire()
        let talk = Talk(clientStart: start, serverStart: start &- 3)
        wire.shakeHands(talk)
        wire.send(talk.request("cdefgh", at: 2), talk.request("ab"), talk.request("ij", at: 8))
        wire.send(talk.response("200", acknowledging: 10), talk.response(" OK", at: 3, acknowledging: 10))
        #expect(wire.request == "abcdefghij")
        #expect(wire.response == "200 OK")
        #expect(wire.anomalies.isEmpty)
    }

    @Test func `a stream of more than 4 GiB has offsets that go on`() {
        let half = HalfStream()
        let memory = StreamMemory(limit: 1000)
        half.sync(100, memory)
        for _ in 0..<5 {
            let next = half.next + 1 << 30
            half.skip(to: next, memory)
            let sequence = 100 &+ UInt32(truncatingIfNeeded: next)
            #expect(half.offset(of: sequence) == next)
            #expect(half.offset(of: sequence &+ 7) == next + 7)
            #expect(half.offset(of: sequence &- 7) == next - 7)
        }
        #expect(half.next == 5 << 30)
    }

    @Test func `bytes that a capture cut off are a gap`() {
        let wire = connected()
        let cut = Array(talk.request("abcdef").packet.dropLast(4))
        wire.send(cut) { $0.isCutShort = true }
        wire.send(talk.request("gh", at: 6))
        #expect(wire.request == "abgh")
        #expect(wire.notes.gaps.toServer == [4])
    }

    @Test func `a segment that was cut off and waits makes its gap where it stands`() {
        let wire = connected()
        wire.send(Array(talk.request("cdef", at: 2).packet.dropLast(2))) { $0.isCutShort = true }
        wire.send(talk.request("ab"), talk.request("gh", at: 6))
        #expect(wire.request == "abcdgh")
        #expect(wire.notes.gaps.toServer == [2])
    }

    @Test func `a wrong checksum keeps a segment out of the stream`() {
        let wire = connected()
        var packet = talk.request("decoy").packet
        packet[packet.count - 1] ^= 1
        wire.send(packet)
        wire.send(talk.request("GET /"))
        #expect(wire.request == "GET /")
        #expect(wire.anomalies == [.tcpWrongChecksum])
        #expect(wire.counters.wrongChecksums == 1)
        #expect(wire.notes.uses.suffix(2) == [.refused, .delivered])
    }

    @Test func `without verifying, and from this host, checksums do not matter`() {
        var packet = talk.request("GET /").packet
        packet[37] ^= 1
        let careless = connected { $0.verifiesChecksums = false }
        careless.send(packet)
        #expect(careless.request == "GET /")
        let own = connected()
        own.send(packet) { $0.isSentByHost = true }
        #expect(own.request == "GET /")
    }

    @Test func `a consumer that has had enough hears no more of a direction`() {
        let wire = connected()
        wire.recorder.onData = { $0.ignoreStream(.toServer) }
        wire.send(talk.request("ab"), talk.request("cd", at: 2), talk.response("200", acknowledging: 4))
        wire.send(talk.request("gh", at: 6))
        wire.tracker.finish()
        #expect(wire.request == "ab")
        #expect(wire.response == "200")
        #expect(wire.notes.hasEnded == PerDirection(false, true))
        #expect(wire.flow?.streamLength(.toServer) == 8)
        #expect(wire.tracker.streamBytesHeld == 0)
    }
}
