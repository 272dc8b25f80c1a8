// SPDX-License-Identifier: Apache-2.0
// The parts by themselves: the queue of pieces, the history of what was given, the memory that they share,
// and the order in which a consumer hears of things.
import NetworkTypes
import TestSupport
import Testing

@testable import Streams

struct SegmentQueueTests {
    private func insert(_ queue: inout SegmentQueue, _ text: String, at offset: Int64, _ memory: StreamMemory)
        -> SegmentQueue.Insertion
    {
        Array(text.utf8).withUnsafeBytes { queue.insert($0, at: offset, memory) }
    }

    private func pieces(_ queue: SegmentQueue) -> [String] {
        queue.pieces.map { "\(String(decoding: $0.bytes, as: UTF8.self))@\($0.offset)" }
    }

    @Test func `pieces stand in order, and one that another goes on behind grows`() {
        let memory = StreamMemory(limit: 10_000)
        var queue = SegmentQueue()
        for (text, offset) in [("ef", 14), ("ab", 10), ("cd", 12)] as [(String, Int64)] {
            #expect(insert(&queue, text, at: offset, memory).stored == 2)
        }
        #expect(pieces(queue) == ["abcd@10", "ef@14"])
        #expect(queue.byteCount == 6)
        #expect(memory.used == 6 + 2 * StreamMemory.pieceCost)
    }

    @Test func `what is there stays, and what is missing is put between`() {
        let memory = StreamMemory(limit: 10_000)
        var queue = SegmentQueue()
        _ = insert(&queue, "B", at: 1, memory)
        _ = insert(&queue, "DE", at: 3, memory)
        let insertion = insert(&queue, "abcdefg", at: 0, memory)
        #expect(insertion.differs && insertion.stored == 4 && !insertion.isRefused)
        var text = ""
        while let piece = queue.popFirst(memory) { text += String(decoding: piece.bytes, as: UTF8.self) }
        #expect(text == "aBcDEfg")
        #expect(memory.used == 0 && queue.byteCount == 0 && queue.isEmpty)
    }

    @Test func `what will not come is a piece without bytes, as far as nothing is there`() {
        let memory = StreamMemory(limit: 10_000)
        var queue = SegmentQueue()
        _ = insert(&queue, "xy", at: 10, memory)
        queue.insertLoss(of: 20, at: 4, memory)
        queue.insertLoss(of: 5, at: 10, memory)
        #expect(queue.pieces.map(\.offset) == [4, 10])
        #expect(queue.pieces.map(\.lost) == [6, 0])
        #expect(!insert(&queue, "abcdef", at: 4, memory).differs, "there is nothing to differ from")
    }

    @Test func `without room nothing more is stored, and all room comes back`() {
        let memory = StreamMemory(limit: 200)
        var queue = SegmentQueue()
        #expect(insert(&queue, String(repeating: "a", count: 100), at: 0, memory).stored == 100)
        let insertion = insert(&queue, String(repeating: "b", count: 100), at: 500, memory)
        #expect(insertion.isRefused && insertion.stored == 0)
        #expect(insert(&queue, "c", at: 100, memory).stored == 1, "behind a piece it costs a byte")
        queue.removeAll(memory)
        #expect(memory.used == 0)
    }
}

struct StreamHistoryTests {
    private func append(
        _ history: inout StreamHistory, _ text: String, at offset: Int64, _ memory: StreamMemory
    )
        -> Int
    {
        Array(text.utf8).withUnsafeBytes { history.append($0, at: offset, limit: 8, memory) }
    }

    private func differs(_ history: StreamHistory, _ text: String, at offset: Int64, acked: Int64 = 0) -> Bool
    {
        Array(text.utf8).withUnsafeBytes { history.differs(from: $0, at: offset, acked: acked) }
    }

    @Test func `the last bytes are compared, as far as they are kept and not acknowledged`() {
        let memory = StreamMemory(limit: 1000)
        var history = StreamHistory()
        #expect(append(&history, "abcd", at: 0, memory) == 0)
        #expect(append(&history, "efgh", at: 4, memory) == 0)
        #expect(!differs(history, "abcdefgh", at: 0))
        #expect(differs(history, "abXdefgh", at: 0))
        #expect(!differs(history, "abXdefgh", at: 0, acked: 3))
        #expect(differs(history, "Xz", at: 7) && !differs(history, "hz", at: 7))
        #expect(!differs(history, "zz", at: 8) && !differs(history, "zz", at: -2))
        #expect(append(&history, "ij", at: 8, memory) == 0)
        #expect(memory.used <= 8)
        #expect(!differs(history, "XXXX", at: 0), "the oldest half is gone")
        #expect(differs(history, "X", at: 9))
        history.acknowledge(9, memory)
        #expect(memory.used > 0)
        history.acknowledge(10, memory)
        #expect(memory.used == 0)
    }

    @Test func `more than is kept at once leaves its end, and a jump begins anew`() {
        let memory = StreamMemory(limit: 1000)
        var history = StreamHistory()
        #expect(append(&history, "0123456789abcdef", at: 0, memory) == 0)
        #expect(memory.used == 8)
        #expect(
            differs(history, "X", at: 8) && !differs(history, "8", at: 8) && !differs(history, "X", at: 7))
        #expect(append(&history, "z", at: 100, memory) == 0)
        #expect(memory.used == 1)
        #expect(differs(history, "X", at: 100))
    }

    @Test func `what has no room is not kept and said`() {
        let memory = StreamMemory(limit: 3)
        var history = StreamHistory()
        #expect(append(&history, "abcd", at: 0, memory) == 4)
        #expect(append(&history, "ef", at: 4, memory) == 0)
        #expect(memory.used == 2)
    }
}

struct ConsumerOrderTests {
    /// Writes down the name of each call.
    private final class Names: StreamConsumer {
        var calls: [String] = []

        func makeState(of start: FlowStart) { calls.append("makeState") }
        func opened(_ flow: Flow<Void>) { calls.append("opened") }
        func arrived(_ packet: DecodedPacket, _ direction: Direction, of flow: Flow<Void>) {
            calls.append("arrived")
        }
        func finished(
            _ packet: DecodedPacket, _ direction: Direction, as use: SegmentUse, of flow: Flow<Void>
        ) { calls.append("finished") }
        func strayed(_ packet: DecodedPacket) { calls.append("strayed") }
        func anomaly(_ anomaly: Anomaly, of flow: Flow<Void>?, _ packet: DecodedPacket?) {
            calls.append(anomaly.word)
        }
        func data(_ bytes: UnsafeRawBufferPointer, at place: StreamPlace, of flow: Flow<Void>) {
            calls.append("data \(place.direction) \(place.offset)")
        }
        func gap(of count: Int64, at place: StreamPlace, of flow: Flow<Void>) { calls.append("gap \(count)") }
        func streamEnded(at place: StreamPlace, of flow: Flow<Void>) { calls.append("end \(place.offset)") }
        func closed(_ flow: Flow<Void>, _ reason: FlowEnd) { calls.append("closed \(reason)") }
    }

    @Test func `a consumer hears of things in the order that its protocol says`() {
        let names = Names()
        let tracker = StreamTracker(StreamOptions(), names)
        let talk = Talk()
        for segment in talk.handshake { tracker.follow(segment.packet, at: 1) }
        #expect(
            names.calls == ["makeState", "opened", "arrived", "finished"]
                + ["arrived", "finished", "arrived", "finished"])
        names.calls = []
        tracker.follow(talk.request("ef", at: 4).packet, at: 1)
        tracker.follow(talk.request("ab", at: 0).packet, at: 1)
        tracker.follow(talk.response("200", acknowledging: 6).packet, at: 1)
        #expect(
            names.calls == ["arrived", "finished", "arrived", "data toServer 0", "finished"]
                + [
                    "arrived", "data toClient 0", "gap 2", "reassembly_seq_gap", "data toServer 4",
                    "finished",
                ])
        names.calls = []
        tracker.follow(fragments(of: udpPacket(.client, .server, [1, 2]), at: [0, 8])[1], at: 1)
        tracker.follow([0x45], at: 1)
        #expect(names.calls == ["strayed", "ipv4.pkt_too_small", "strayed"])
        names.calls = []
        tracker.finish()
        #expect(names.calls == ["end 6", "end 3", "closed inputEnded"])
    }
}
