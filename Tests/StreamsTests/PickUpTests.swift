// SPDX-License-Identifier: Apache-2.0
// Connections that are picked up in their middle, where the client says what the server does not take: the
// server's numbers tell what it does.
import NetworkTypes
import Testing

@testable import Streams

struct PickUpTests {
    private let talk = Talk()
    private let real = "GET /evil HTTP/1.1\r\n\r\n"

    /// All that the client said, by any of its flows.
    private func heard(_ wire: Wire, _ text: String) -> Bool {
        wire.recorder.flows.contains {
            String(decoding: $0.attachment.bytes.toServer, as: UTF8.self).contains(text)
        }
    }

    private func ack(_ offset: Int) -> Segment { talk.response("", acknowledging: offset) }

    private func syn(before offset: Int) -> Segment {
        talk.request("", at: offset).with {
            $0.sequence &-= 1
            $0.acknowledgement = 0
            $0.flags = [.syn]
        }
    }

    /// Where a decoy stands, from the next byte that the server expects: ahead of it within and without its
    /// window, and behind it.
    private static let places = [30, 500, 200_000, 3_000_000, 50_000_000, 1_000_000_000]
        .flatMap { [$0, -$0 - 20] }

    @Test(arguments: places, [false, true]) func `a decoy in front does not hide what follows`(
        _ place: Int, isAnsweredFirst: Bool
    ) {
        let wire = Wire()
        wire.send(talk.request("junkjunk", at: place))
        if isAnsweredFirst { wire.send(ack(0)) }
        wire.send(talk.request("GET /ev"), talk.request("il HTTP/1.1\r\n\r\n", at: 7), ack(22))
        #expect(heard(wire, real))
        #expect(wire.request == real || place > 0 && wire.request == real + "junkjunk")
    }

    /// Nothing, or silence for longer than hosts wait, or more segments than are kept.
    private static let delays = [(0, 0), (1_200_000_000, 0), (0, 100), (700_000_000_000, 0)]

    @Test(arguments: [1000, 0, -1000, 200_000, 1_000_000_000], [0, 1, 1000, -20_000_000, 1 << 30])
    func `nor does a server that is heard late let one hide anything`(_ place: Int, _ ahead: Int) {
        for (silence, more) in Self.delays {
            // A decoy with the very numbers that are expected is none to anybody.
            for (text, flags) in [("", TCPFlags.ack), ("junkjunk", .ack), ("junkjunk", [.ack, .fin])]
            where place != 0 || ahead != 0 {
                let wire = Wire()
                var talk = talk
                let decoy = talk.request(text, at: place).with {
                    $0.acknowledgement &+= UInt32(truncatingIfNeeded: ahead)
                    $0.flags.formUnion(flags)
                }
                for _ in 0...more { wire.send(decoy) }
                wire.time += Int64(silence)
                for part in ["GET /ev", "il HTT", "P/1.1\r", "\n\r\n"] {
                    wire.send(talk.say(part), talk.serverAck)
                }
                wire.send(talk.answer("HTTP/1.1 200 OK\r\n\r\n"), talk.clientAck)
                wire.tracker.finish()
                #expect(heard(wire, real), "\(silence) \(more) '\(text)'")
                #expect(wire.tracker.rules.copies.used == 0)
            }
        }
    }

    /// The last of a connection may be all that is seen of it.
    @Test(arguments: [false, true]) func `a request with the end of its stream is read`(isAnswered: Bool) {
        let wire = Wire()
        wire.send(talk.request(real).with { $0.flags.insert(.fin) })
        if isAnswered { wire.send(ack(real.utf8.count + 1)) }
        wire.tracker.finish()
        #expect(heard(wire, real))
    }

    /// What the server acknowledges counts the FIN.
    @Test(arguments: [5000, -1000, 1_000_000_000, 0], [false, true])
    func `nor do decoys in front of one that ends its stream`(_ place: Int, isBare: Bool) {
        for (silence, more) in Self.delays {
            let wire = Wire()
            if place != 0 { for _ in 0...more { wire.send(talk.request("junkjunk", at: place)) } }
            if place != 0 { wire.time += Int64(silence) }
            let end = talk.request("il HTTP/1.1\r\n\r\n", at: 7)
            wire.send(talk.request("GET /ev"), isBare ? end : end.with { $0.flags.insert(.fin) })
            if isBare { wire.send(talk.request("", at: 22).with { $0.flags.insert(.fin) }) }
            wire.send(ack(23))
            wire.tracker.finish()
            #expect(heard(wire, real), "\(silence) \(more)")
            if place == 0 { #expect(wire.recorder.flows.count == 1) }
        }
    }

    /// Nobody ends what he has not begun.
    @Test(arguments: [0, 7], [false, true])
    func `a FIN in front of a request leaves no hole`(_ acknowledged: Int, isAnswered: Bool) {
        let wire = Wire()
        wire.send(talk.request("junkjunk", at: 5000))
        wire.send(talk.request("", at: -1).with { $0.flags.insert(.fin) })
        if isAnswered { wire.send(ack(0)) }
        wire.send(talk.request("GET /ev"), ack(acknowledged), talk.request("il HTTP/1.1\r\n\r\n", at: 7))
        wire.send(ack(22))
        #expect(wire.request == real)
        #expect(!wire.anomalies.contains(.sequenceGap))
    }

    /// Two that go on from one another are followed where nobody is heard.
    @Test func `nor do pairs of decoys behind a silence`() {
        let wire = Wire()
        var talk = talk
        wire.send(talk.request("junk", at: 1000))
        wire.time += 1_200_000_000
        let first = talk.say("GET /ev")
        wire.send(first)
        for offset in [50_000_000, 50_000_004] {
            wire.send(talk.request("junk", at: offset).with { $0.acknowledgement &+= 100_000 })
        }
        wire.send(talk.serverAck, talk.say("il HTTP/1.1\r\n\r\n"), talk.serverAck)
        #expect(heard(wire, real))
    }

    /// Its own slowness is no reason to begin the flow anew.
    @Test(arguments: [1_200_000_000, 0] as [Int64])
    func `a server that is heard late and agrees changes nothing`(
        _ pause: Int64
    ) {
        let wire = Wire()
        var talk = talk
        for _ in 0..<120 {
            wire.send(talk.say("question"))
            wire.time += pause
        }
        wire.send(talk.serverAck, talk.answer("answer"), talk.say("end"), talk.serverAck)
        #expect(wire.recorder.flows.count == 1)
        #expect(wire.request == String(repeating: "question", count: 120) + "end")
        #expect(wire.tracker.rules.copies.used == 0)
    }

    /// RFC 1122 4.2.3.6: with a byte that the server has already.
    @Test(arguments: [1, 2]) func `a keep-alive that is not answered yet is no part of the request`(
        _ count: Int
    ) {
        let wire = Wire()
        var talk = talk
        for _ in 0..<count { wire.send(talk.request([0], at: -1).with { $0.flags = [.ack] }) }
        for part in ["GET /ev", "il HTTP/1.1\r\n\r\n"] { wire.send(talk.say(part), talk.serverAck) }
        #expect(wire.recorder.flows.count == 1)
        #expect(wire.request == real)
    }

    @Test(arguments: places) func `nor do decoys between`(_ place: Int) {
        let wire = Wire()
        wire.send(talk.request("junk", at: place), talk.request("GET /ev"))
        wire.send(talk.request("trash", at: -place), talk.request("il HTTP/1.1\r\n\r\n", at: 7), ack(22))
        #expect(heard(wire, real))
    }

    @Test(arguments: [1000, 100_000, -20_000_000] as [Int])
    func `what acknowledges wrongly does not stand for what comes later`(_ ahead: Int) {
        let wire = Wire()
        wire.send(
            talk.request("GET /ok").with { $0.acknowledgement &+= UInt32(truncatingIfNeeded: ahead) })
        wire.send(talk.request("GET /ev"), talk.request("il HTTP/1.1\r\n\r\n", at: 7), ack(22))
        #expect(wire.request == real)
    }

    @Test func `nor behind a server that was heard first`() {
        let wire = Wire()
        wire.send(talk.response("").packet) { $0.isSentByHost = true }
        wire.send(talk.request("GET /ok").with { $0.acknowledgement &+= 1000 }, talk.request("GET /ev"))
        wire.send(talk.request("il HTTP/1.1\r\n\r\n", at: 7), ack(22))
        #expect(wire.request == real)
    }

    /// A host answers a SYN within a connection with a bare ACK: the stream goes on.
    @Test(arguments: [0, 3, 4], [0, 100, 22]) func `a SYN among what is said cuts nothing`(
        _ overlap: Int, acknowledged: Int
    ) {
        for isOneSided in [false, true] {
            let wire = Wire { $0.isOneSided = isOneSided }
            wire.send(talk.request("GET /ev"), syn(before: 7 - overlap))
            wire.send(talk.request(String(real.dropFirst(7 - overlap)), at: 7 - overlap))
            if acknowledged <= 22, !isOneSided { wire.send(ack(acknowledged)) }
            wire.tracker.finish()
            #expect(heard(wire, real))
        }
    }

    @Test(arguments: [false, true]) func `a SYN behind a decoy of its own number begins a connection`(
        _ isAnswered: Bool
    ) {
        let wire = Wire()
        wire.send(talk.request("").with { $0.acknowledgement = 0x7000_0000 }, talk.syn)
        if isAnswered { wire.send(talk.synAck) }
        wire.send(talk.request(""), talk.request("GET /ev"))
        if isAnswered { wire.send(syn(before: 7)) }
        wire.send(talk.request("il HTTP/1.1\r\n\r\n", at: 7))
        wire.tracker.finish()
        #expect(heard(wire, real))
        if isAnswered { #expect(wire.flow?.isMidstream == false) }
    }

    /// Nobody is heard who could tell: what stands elsewhere is followed there.
    @Test(arguments: [200_000, 50_000_000, -50_000_000, 1_000_000_000], [false, true])
    func `where answers are not seen a decoy far away hides nothing`(_ place: Int, isOneSided: Bool) {
        let wire = Wire { $0.isOneSided = isOneSided }
        wire.send(talk.request("junkjunk", at: place))
        wire.time += 2_000_000_000
        wire.send(talk.request("GET /ev"), talk.request("il HTTP/1.1\r\n\r\n", at: 7))
        #expect(heard(wire, real))
    }

    @Test func `what comes out of order in front of the first answer is put together`() {
        for place in [1_000_000_000, 0] {
            let wire = Wire()
            if place > 0 { wire.send(talk.request("junk", at: place)) }
            wire.send(talk.request("il HTTP/1.1\r\n\r\n", at: 7), talk.request("GET /ev"), ack(22))
            #expect(wire.request == real)
            #expect(!wire.anomalies.contains(.sequenceGap))
        }
    }

    /// Where nobody tells which of them are decoys.
    @Test(arguments: [50_000_000, -50_000_000, 1_000_000_000, -20]) func `decoys between cut nothing unheard`(
        _ place: Int
    ) {
        let wire = Wire { $0.isOneSided = true }
        wire.send(talk.request("GET /ev"), talk.request("junk", at: place))
        wire.send(talk.request("il HTTP/1.1\r\n\r\n", at: 7))
        #expect(heard(wire, real))
    }

    @Test(arguments: [false, true]) func `nor does one in front of each segment hide them`(_ isOneSided: Bool)
    {
        let wire = Wire { $0.isOneSided = isOneSided }
        for index in 0..<5 {
            wire.send(talk.request("j", at: 1_000_000_000))
            wire.time += 1_100_000_000
            wire.send(talk.request("GET /\(index) HTTP/1.1\r\n\r\n", at: 19 * index))
        }
        wire.tracker.finish()
        for index in 0..<5 { #expect(heard(wire, "GET /\(index) HTTP/1.1\r\n\r\n")) }
        #expect(wire.tracker.streamBytesHeld == 0)
    }

    @Test func `both ends that agree keep nothing and begin no other flow`() {
        let wire = Wire()
        var talk = talk
        for _ in 0..<4 { wire.send(talk.say("question"), talk.answer("answer")) }
        #expect(wire.recorder.flows.count == 1)
        #expect(wire.tracker.rules.copies.used == 0)
        #expect(wire.request == String(repeating: "question", count: 4))
    }

    @Test func `what is kept is bounded and given back`() {
        let wire = Wire { $0.maximumStreamBytes = 1 << 20 }
        for port in 1...200 as ClosedRange<UInt16> {
            var talk = Talk()
            talk.client.port = port &+ 40_000
            for index in 0..<120 { wire.send(talk.request("x", at: index)) }
        }
        #expect(wire.tracker.streamBytesHeld <= 1 << 20)
        #expect(wire.tracker.rules.copies.used <= 1 << 17)
        wire.tracker.finish()
        #expect(wire.tracker.rules.copies.used == 0)
    }

    /// Flows whose servers are never heard last long, and leave room for those that begin.
    @Test func `what is kept for longer takes half of the room at most`() {
        let wire = Wire { $0.maximumStreamBytes = 1 << 20 }
        for port in 1...200 as ClosedRange<UInt16> {
            var talk = Talk()
            talk.client.port = port &+ 40_000
            wire.send(talk.request("x"))
            wire.time += 2_000_000_000
            for index in 1..<10 { wire.send(talk.request("x", at: index)) }
        }
        #expect(wire.tracker.rules.copies.used <= 1 << 16)
        #expect(wire.tracker.rules.copies.used > 1 << 15)
        wire.tracker.finish()
        #expect(wire.tracker.rules.copies.used == 0)
    }
}
