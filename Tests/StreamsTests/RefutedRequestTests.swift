// SPDX-License-Identifier: Apache-2.0
// SYNs within an older connection that is not known: its server answers with what it expects (RFC 9293 3.5.1,
// RFC 5961 4), and what follows is the older connection's, or, where the client meant the SYN, a new one's.
import NetworkTypes
import Testing

@testable import Streams

struct RefutedRequestTests {
    private var talk = Talk()
    private let real = "GET /evil HTTP/1.1\r\n\r\n"

    private func heard(_ wire: Wire) -> Bool {
        wire.recorder.flows.contains {
            String(decoding: $0.attachment.bytes.toServer, as: UTF8.self).contains(real)
        }
    }

    private var host: Wire {
        let wire = Wire()
        wire.isOnServer = true
        return wire
    }

    /// A SYN that stands so far from the next byte that the server expects.
    private func syn(at place: Int) -> Segment {
        talk.syn.with { $0.sequence &+= UInt32(truncatingIfNeeded: place + 1) }
    }

    /// What the client says, and the server's answers.
    private mutating func goOn(_ wire: Wire) {
        for part in ["GET /ev", "il HTT", "P/1.1\r", "\n\r\n"] { wire.send(talk.say(part), talk.serverAck) }
        wire.send(talk.answer("HTTP/1.1 200 OK\r\n\r\n"), talk.clientAck)
        wire.tracker.finish()
        #expect(wire.tracker.streamBytesHeld == 0)
    }

    private static let places = [
        777_777_777, -777_777_777, 50_000, 30_000_000, -30_000_000, 1000, 1, 0, -1, -2, -1000,
    ]

    @Test(arguments: places, [0, 1, 3])
    mutating func `a decoy in front does not hide what follows`(_ place: Int, _ challenges: Int) {
        let wire = host
        for number in 0..<max(1, challenges) {
            wire.send(syn(at: place + number * 100_000))
            if challenges > 0 { wire.send(talk.serverAck) }
        }
        goOn(wire)
        #expect(heard(wire))
    }

    /// What its sender says behind it, where no answer was seen.
    @Test(arguments: places, [0, 1, -1000, 5000, 30_000_000, 1 << 30])
    mutating func `nor does what goes on behind it`(_ place: Int, _ acknowledged: Int) {
        for (silence, count) in [(0, 1), (0, 3), (1_200_000_000, 2), (0, 120)] {
            // Data that the server may take, next to what it expects, is of one stream with it.
            let isNear = place > -20_000_000 && place < 30
            for text in isNear ? [""] : ["", "junk"] {
                let wire = host
                talk = Talk()
                wire.send(syn(at: place))
                for number in 0..<count {
                    let decoy = talk.request(text, at: place + 1 + number * text.utf8.count)
                    wire.send(
                        decoy.with {
                            $0.acknowledgement &+= UInt32(truncatingIfNeeded: acknowledged + number)
                        })
                }
                wire.time += Int64(silence)
                goOn(wire)
                #expect(heard(wire), "\(silence) \(count) '\(text)'")
            }
        }
    }

    /// A server that has no key discards a SYN with a signature, and answers none of it.
    @Test(arguments: [-1, 50_000]) mutating func `nor does one with a signature`(_ place: Int) {
        let wire = host
        wire.send(syn(at: place).with { $0.options = [19, 18] + [UInt8](repeating: 7, count: 16) })
        wire.send(talk.serverAck)
        goOn(wire)
        #expect(heard(wire))
    }

    @Test mutating func `what is said before the answer is read behind it`() {
        let wire = host
        wire.send(syn(at: 777_777_777), talk.say("GET /ev"), talk.say("il HTTP/1.1\r\n\r\n"))
        #expect(!heard(wire))
        wire.send(talk.serverAck)
        #expect(wire.request == real)
        #expect(wire.flow?.isMidstream == true)
        #expect(wire.recorder.flows.first?.attachment.end == .replaced)
        #expect(wire.tracker.rules.copies.used == 0)
    }

    /// On a router anybody can have made it up.
    @Test(arguments: [[.ack], [.ack, .psh], [.ack, .fin]] as [TCPFlags], [false, true])
    mutating func `what another host seems to acknowledge refutes nothing`(
        _ flags: TCPFlags, _ isAnswerSeen: Bool
    ) {
        let wire = Wire()
        wire.send(talk.syn)
        wire.send(
            talk.serverAck.with { segment in
                segment.flags = flags
                segment.sequence &+= 123_456_789
                segment.acknowledgement &+= 500_000_000
                if flags.contains(.psh) { segment.payload = Array("HTTP/1.1 200 OK\r\n\r\n".utf8) }
            })
        if isAnswerSeen { wire.send(talk.synAck) }
        wire.send(talk.clientAck, talk.say("GET /ev"), talk.say("il HTTP/1.1\r\n\r\n"))
        wire.tracker.finish()
        #expect(wire.recorder.flows.count == 1)
        if isAnswerSeen { #expect(wire.request == real) }
    }

    /// RFC 9293 3.5.1, figure 9: the client's reset makes way, and it asks again.
    @Test(arguments: [false, true], ["", "early"])
    mutating func `a client that uses its port again is followed`(_ isSentAgain: Bool, _ data: String) {
        let wire = Wire()
        let old = Talk(clientStart: 900_000_000, serverStart: 70_000_000)
        let request = talk.syn.with { $0.payload = Array(data.utf8) }
        wire.send(request, old.serverAck)
        wire.send(request.with { ($0.sequence, $0.flags, $0.payload) = (900_000_001, [.rst], []) })
        if isSentAgain { wire.send(request) }
        let count = UInt32(data.utf8.count)
        wire.send(talk.synAck.with { $0.acknowledgement &+= count })
        talk.sent = count
        wire.send(talk.clientAck, talk.say("GET /"), talk.answer("200"))
        #expect(wire.request == data + "GET /")
        #expect(wire.response == "200")
        #expect(wire.flow?.isMidstream == false)
        #expect(wire.flow?.start.clientPort == 40_000)
    }

    /// Of its own SYN this host knows that it is none.
    @Test mutating func `this host's own SYN is not refuted`() {
        let wire = Wire()
        wire.send(talk.syn.packet) { $0.isSentByHost = true }
        wire.send(talk.response("").with { $0.acknowledgement = 77 }, talk.synAck)
        wire.send(talk.say("GET /"), talk.answer("200"))
        #expect(wire.recorder.flows.count == 1)
        #expect(wire.request == "GET /" && wire.response == "200")
    }

    @Test(arguments: ["", "early"]) mutating func `a lost SYN+ACK is no reason to begin anew`(_ data: String)
    {
        let wire = Wire()
        wire.send(talk.syn.with { $0.payload = Array(data.utf8) })
        talk.sent = UInt32(data.utf8.count)
        wire.send(talk.clientAck, talk.say("GET /"), talk.answer("200"), talk.say(" more"))
        #expect(wire.recorder.flows.count == 1)
        #expect(wire.request == data + "GET / more")
        #expect(wire.flow?.isMidstream == false)
        #expect(wire.tracker.rules.copies.used == 0)
    }

    @Test(arguments: [false, true]) func `a handshake keeps no copies`(_ isOneSided: Bool) {
        let wire = Wire { $0.isOneSided = isOneSided }
        var talk = talk
        if isOneSided {
            wire.send(talk.syn, talk.clientAck, talk.say("GET /"))
        } else {
            wire.shakeHands(talk)
            wire.send(talk.say("GET /"))
        }
        #expect(wire.tracker.rules.copies.used == 0)
        #expect(wire.request == "GET /")
    }

    @Test func `what is kept is bounded and given back`() {
        let wire = Wire { $0.maximumStreamBytes = 1 << 20 }
        for port in 1...200 as ClosedRange<UInt16> {
            var talk = Talk()
            talk.client.port = port &+ 40_000
            wire.send(talk.syn)
            for index in 0..<120 { wire.send(talk.request("x", at: 900_000_000 + index)) }
        }
        #expect(wire.tracker.rules.copies.used > 0)
        #expect(wire.tracker.rules.copies.used <= 1 << 17)
        wire.tracker.finish()
        #expect(wire.tracker.streamBytesHeld == 0)
    }
}
