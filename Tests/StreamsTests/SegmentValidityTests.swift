// SPDX-License-Identifier: Apache-2.0
// What a receiver's stack would not take is in no stream: decoys with numbers that do not fit. And how
// connections end.
import NetworkTypes
import Testing

@testable import Streams

struct DecoyTests {
    private let talk = Talk()

    private func connected() -> Wire {
        let wire = Wire()
        wire.shakeHands(talk)
        wire.send(talk.request("GET "), talk.response("", acknowledging: 4))
        return wire
    }

    struct Decoy: Sendable, CustomTestStringConvertible {
        var name: String
        var anomaly: Anomaly
        var change: @Sendable (inout Segment) -> Void
        var testDescription: String { name }
    }

    @Test(arguments: [
        Decoy(name: "no flags", anomaly: .withoutAck) { $0.flags = [] },
        Decoy(name: "PSH without ACK", anomaly: .withoutAck) { $0.flags = [.psh] },
        Decoy(name: "FIN without ACK", anomaly: .withoutAck) { $0.flags = [.fin] },
        Decoy(name: "SYN", anomaly: .establishedSYNDiffers) { $0.flags = [.syn] },
        Decoy(name: "SYN+FIN", anomaly: .finWithSYN) { $0.flags = [.syn, .fin] },
        Decoy(name: "SYN+RST", anomaly: .finWithSYN) { $0.flags = [.syn, .rst] },
        Decoy(name: "SYN+ACK", anomaly: .establishedSYNACKToServer) { $0.flags = [.syn, .ack] },
        Decoy(name: "acknowledges the future", anomaly: .invalidAck) { $0.acknowledgement &+= 100_000 },
        Decoy(name: "acknowledges the past", anomaly: .invalidAck) { $0.acknowledgement &-= 100_000 },
        Decoy(name: "behind the window", anomaly: .outOfWindow) { $0.sequence &+= 70_000 },
        Decoy(name: "far behind the window", anomaly: .outOfWindow) { $0.sequence &+= 1 << 30 },
    ])
    func `a decoy is refused and the real request is told`(decoy: Decoy) {
        let wire = connected()
        wire.send(talk.request("XXXXX", at: 4).with(decoy.change), talk.request("/real", at: 4))
        #expect(wire.request == "GET /real")
        #expect(wire.anomalies == [decoy.anomaly])
        // A SYN is a beginning for a host that has no such connection.
        let use = decoy.anomaly == .establishedSYNDiffers ? SegmentUse.none : .refused
        #expect(wire.notes.uses.suffix(2) == [use, .delivered])
        #expect(wire.flow?.state == .established)
    }

    /// SYNs with other numbers, before and behind the one that the server takes.
    @Test(arguments: [(0, 1), (1, 0), (5, 4), (0, 40), (40, 0), (40, 40)], [true, false])
    func `the server's answer says which of many SYNs it took`(_ decoys: (Int, Int), _ isReset: Bool) {
        let (before, behind) = decoys
        let wire = Wire()
        let first = Talk()
        if isReset { wire.send(first.syn, first.synAck, first.request("").with { $0.flags = [.rst] }) }
        var talk = Talk()
        (talk.clientStart, talk.serverStart) = (90_000_000, 250_000)
        let decoys = (1...80).map { number in
            talk.syn.with { $0.sequence = 700_000_000 &+ UInt32(number) &* 1_000_000 }
        }
        for decoy in decoys.prefix(before) { wire.send(decoy) }
        wire.send(talk.syn)
        for decoy in decoys.suffix(behind) { wire.send(decoy) }
        wire.send(talk.synAck, talk.request(""), talk.say("GET /"), talk.answer("OK"), talk.say("real"))
        #expect(wire.request == "GET /real")
        #expect(wire.response == "OK")
    }

    /// A server that keeps nothing of SYNs answers both: the client says which connection there is.
    @Test(arguments: [false, true]) func `of two connections that were answered the client takes one`(
        _ isSecond: Bool
    ) {
        let wire = Wire()
        var (first, second) = (Talk(), Talk())
        (second.clientStart, second.serverStart) = (700_000_000, 800_000)
        wire.send(first.syn, first.synAck, second.syn, second.synAck)
        var talk = isSecond ? second : first
        wire.send(talk.request(""), talk.say("GET /"), talk.answer("OK"), talk.say("real"))
        #expect(wire.request == "GET /real")
        #expect(wire.response == "OK")
        (first, second) = (second, first)
    }

    /// Both may have died on the way to the client.
    @Test(arguments: [0, 4, 700_000], [0, 700_000])
    func `a server's reset and SYN+ACK that nobody takes end nothing`(_ client: UInt32, _ server: UInt32) {
        let wire = connected()
        let gone = talk.response("", acknowledging: 4)
        wire.send(gone.with { $0.flags = [.rst, .ack] })
        wire.send(
            gone.with {
                $0.flags = [.syn, .ack]
                $0.sequence &+= server &- 1
                $0.acknowledgement &+= client
            })
        wire.send(
            talk.request("/re", at: 4), talk.response("OK", acknowledging: 7), talk.request("al", at: 7))
        #expect(wire.request == "GET /real")
        #expect(wire.response == "OK")
    }

    @Test func `behind a reset a connection whose SYN was not seen is read`() {
        let wire = connected()
        wire.send(talk.request("", at: 4).with { $0.flags = [.rst] })
        var next = Talk()
        (next.clientStart, next.serverStart) = (90_000_000, 250_000_000)
        wire.send(next.synAck, next.request(""), next.say("GET /next"), next.answer("OK"))
        #expect(wire.request == "GET /next")
    }

    @Test func `a decoy that fits in all is told first, and the real request is an anomaly with its payload`()
    {
        let wire = connected()
        wire.send(talk.request("XXXXX", at: 4).with { $0.ttl = 1 }, talk.request("/real", at: 4))
        #expect(wire.request == "GET XXXXX")
        #expect(wire.anomalies == [.overlapDiffers])
        #expect(wire.recorder.payloads.last == Array("/real".utf8))
    }

    @Test func `a reset that its receiver would not take ends nothing`() {
        let wire = connected()
        wire.send(talk.request("", at: 5).with { $0.flags = [.rst] }, talk.request("/real", at: 4))
        #expect(wire.flow?.state == .established)
        #expect(wire.request == "GET /real")
        #expect(wire.anomalies == [.resetInvalid])
        #expect(wire.counters.resetsRefused == 1)
    }

    @Test func `a reset that fits closes, and what goes on behind it is read on`() {
        let wire = connected()
        wire.send(talk.request("", at: 4).with { $0.flags = [.rst] })
        #expect(wire.flow?.state == .closed)
        wire.send(talk.request("/re", at: 4), talk.request("al", at: 7))
        #expect(wire.request == "GET /real")
        #expect(wire.anomalies == [.resetSuspected])
    }

    @Test func `a decoy's FIN does not end the stream as long as it is not acknowledged`() {
        let wire = connected()
        wire.send(talk.request("", at: 4).with { $0.flags = [.fin, .ack] }, talk.request("/real", at: 4))
        #expect(wire.request == "GET /real")
        #expect(wire.anomalies == [.finOutOfWindow])
        #expect(wire.notes.hasEnded.toServer == false)
    }

    @Test func `behind a FIN that was acknowledged nothing is taken`() {
        let wire = connected()
        wire.send(talk.request("", at: 4).with { $0.flags = [.fin, .ack] })
        wire.send(
            talk.response("", acknowledging: 5), talk.request("more", at: 4), talk.request("more", at: 5))
        #expect(wire.request == "GET ")
        #expect(wire.notes.hasEnded.toServer)
        #expect(wire.anomalies == [.finOutOfWindow, .finOutOfWindow])
    }

    @Test func `a byte that asks whether there is room is no anomaly`() {
        let wire = connected()
        wire.send(talk.response("", acknowledging: 4).with { $0.window = 0 })
        // Room that was offered once stays: only behind it is a segment out of the window.
        wire.send(talk.request([0x41], at: 65_539))
        #expect(wire.anomalies.isEmpty)
        #expect(wire.notes.uses.last == .refused)
        #expect(wire.request == "GET ")
    }

    @Test func `windows are scaled where both SYNs say so`() {
        for (isAgreed, use) in [(true, SegmentUse.queued), (false, .refused)] {
            let wire = Wire()
            wire.send(talk.syn.with { $0.options = [3, 3, 7] })
            wire.send(talk.synAck.with { $0.options = isAgreed ? [3, 3, 2] : [] }, talk.request(""))
            wire.send(talk.response("", acknowledging: 0), talk.request("x", at: 100_000))
            #expect(wire.notes.uses.last == use)
        }
    }

    @Test func `an urgent pointer is told and its byte stays in the stream`() {
        let wire = connected()
        wire.send(talk.request("/reXal", at: 4).with { ($0.flags, $0.urgentPointer) = ([.ack, .urg], 4) })
        #expect(wire.request == "GET /reXal")
        #expect(wire.anomalies == [.urgentData])
    }

    @Test func `a SYN that the server answers begins a new connection`() {
        let wire = connected()
        let next = Talk(clientStart: 900_000, serverStart: 700_000)
        wire.send(next.syn, next.synAck, next.request("PUT /"))
        #expect(wire.recorder.flows.count == 2)
        #expect(wire.recorder.flows.first?.attachment.end == .replaced)
        #expect(wire.recorder.flows.first?.attachment.bytes.toServer == Array("GET ".utf8))
        #expect(wire.request == "PUT /")
        #expect(wire.counters.flowsReplaced == 1)
    }

    @Test func `late SYNs and SYN+ACKs that nobody answers change nothing`() {
        let wire = connected()
        wire.send(talk.syn, talk.synAck, talk.synAck.with { $0.sequence = 7 })
        wire.send(talk.response("", acknowledging: 4).with { $0.flags = [.syn] })
        wire.send(talk.request("/real", at: 4))
        #expect(wire.request == "GET /real")
        #expect(
            wire.anomalies
                == [.establishedSYN, .establishedSYNACK, .establishedSYNACKDiffers, .establishedSYNToClient])
    }
}

struct EndTests {
    private func fin(_ segment: Segment) -> Segment { segment.with { $0.flags.insert(.fin) } }

    @Test func `FINs of both sides, acknowledged, end both streams and close`() {
        let wire = Wire()
        let talk = Talk()
        wire.shakeHands(talk)
        wire.send(fin(talk.request("bye")))
        #expect(wire.flow?.tcpState == .closeWait)
        #expect(wire.flow?.state == .established)
        wire.send(talk.response("200", acknowledging: 4))
        #expect(wire.notes.hasEnded == PerDirection(true, false))
        wire.send(fin(talk.response("", at: 3, acknowledging: 4)))
        #expect(wire.flow?.tcpState == .lastAck)
        wire.send(talk.request("", at: 4).with { $0.acknowledgement &+= 4 })
        #expect(wire.flow?.tcpState == .closed)
        #expect(wire.flow?.state == .closed)
        #expect(wire.notes.hasEnded == PerDirection(true, true))
        #expect(wire.request == "bye")
        #expect(wire.response == "200")
        #expect(wire.anomalies.isEmpty)
    }

    @Test func `a server's FIN first goes through the states of RFC 9293`() {
        let wire = Wire()
        let talk = Talk()
        wire.shakeHands(talk)
        wire.send(fin(talk.response("200", acknowledging: 0)))
        #expect(wire.flow?.tcpState == .finWait1)
        wire.send(talk.request("").with { $0.acknowledgement &+= 4 })
        #expect(wire.flow?.tcpState == .finWait2)
        wire.send(fin(talk.request("").with { $0.acknowledgement &+= 4 }))
        #expect(wire.flow?.tcpState == .timeWait)
        wire.send(talk.response("", at: 4, acknowledging: 1))
        #expect(wire.flow?.tcpState == .closed)
    }

    @Test func `a FIN that comes before data in front of it ends the stream behind that data`() {
        let wire = Wire()
        let talk = Talk()
        wire.shakeHands(talk)
        wire.send(fin(talk.request("cd", at: 2)), talk.request("ab"))
        #expect(wire.request == "abcd")
        #expect(!wire.notes.hasEnded.toServer)
        wire.send(talk.response("", acknowledging: 5))
        #expect(wire.notes.hasEnded.toServer)
    }

    @Test func `a SYN behind both FINs begins a new connection at once`() {
        let wire = Wire()
        let talk = Talk()
        wire.shakeHands(talk)
        wire.send(fin(talk.request("")), fin(talk.response("", acknowledging: 1)))
        wire.send(talk.request("", at: 1).with { $0.acknowledgement &+= 1 })
        let next = Talk(clientStart: 77)
        wire.send(next.syn)
        #expect(wire.recorder.flows.count == 2)
        #expect(wire.flow?.tcpState == .synSent)
        wire.send(next.synAck, next.request("GET /"))
        #expect(wire.request == "GET /")
    }

    @Test func `every state has the name that Suricata has for it`() {
        let names = [
            "none", "syn_sent", "syn_recv", "established", "fin_wait1", "fin_wait2", "time_wait", "last_ack",
            "close_wait", "closing", "closed",
        ]
        #expect((0...10).map { TCPState(rawValue: $0)?.name } == names)
    }
}
