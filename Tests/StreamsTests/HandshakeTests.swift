// SPDX-License-Identifier: Apache-2.0
// Handshakes: whole, one-sided, picked up in the middle, with data in the SYN, and those that decoys disturb.
import NetworkTypes
import Testing

@testable import Streams

struct HandshakeTests {
    @Test func `a handshake makes a connection and its client is who sent the SYN`() {
        let wire = Wire()
        wire.shakeHands()
        #expect(wire.recorder.flows.count == 1)
        #expect(wire.flow?.tcpState == .established)
        #expect(wire.flow?.state == .established)
        #expect(wire.flow?.start.client == IPAddress("192.0.2.7"))
        #expect(wire.flow?.start.serverPort == 80)
        #expect(wire.flow?.isMidstream == false)
        #expect(wire.anomalies.isEmpty)
        #expect(wire.flow?.counts.toServer.packets == 2)
        #expect(wire.flow?.counts.toClient.tcpFlags == [.syn, .ack])
    }

    @Test func `both ends' bytes are told in order`() {
        let wire = Wire()
        var talk = Talk()
        wire.shakeHands(talk)
        wire.send(talk.say("GET / HTTP/1.1\r\n"), talk.say("\r\n"), talk.answer("HTTP/1.1 200 OK\r\n"))
        #expect(wire.request == "GET / HTTP/1.1\r\n\r\n")
        #expect(wire.response == "HTTP/1.1 200 OK\r\n")
        #expect(wire.notes.uses.suffix(3) == [.delivered, .delivered, .delivered])
        #expect(wire.flow?.streamLength(.toServer) == 18)
    }

    @Test func `a SYN alone is a new flow`() {
        let wire = Wire()
        wire.send(Talk().syn)
        #expect(wire.flow?.state == .new)
        #expect(wire.flow?.tcpState == .synSent)
    }

    @Test func `a closed port's reset closes`() {
        let wire = Wire()
        let talk = Talk()
        wire.send(talk.syn, talk.synAck.with { $0.flags = [.rst, .ack] })
        #expect(wire.flow?.tcpState == .closed)
        #expect(wire.flow?.state == .closed)
    }

    @Test func `behind a closed port's reset a SYN begins anew`() {
        let wire = Wire()
        let talk = Talk()
        wire.send(talk.syn, talk.synAck.with { $0.flags = [.rst, .ack] })
        wire.send(talk.syn, talk.synAck, talk.request("GET /"))
        #expect(wire.recorder.flows.count == 2)
        #expect(wire.recorder.flows.first?.attachment.end == .replaced)
        #expect(wire.request == "GET /")
        #expect(wire.anomalies.isEmpty)
    }

    @Test func `a client's reset before the answer ends nothing that an answer follows`() {
        let wire = Wire()
        let talk = Talk()
        wire.send(talk.syn, talk.request("").with { $0.flags = [.rst] }, talk.syn.with { $0.sequence = 9 })
        wire.send(talk.synAck, talk.request("GET /"))
        #expect(wire.recorder.flows.count == 1)
        #expect(wire.request == "GET /")
    }

    @Test func `a reset that does not acknowledge the SYN is refused`() {
        let wire = Wire()
        let talk = Talk()
        wire.send(
            talk.syn, talk.synAck.with { ($0.flags, $0.acknowledgement) = ([.rst, .ack], 77) },
            talk.synAck)
        #expect(wire.flow?.tcpState == .synReceived)
        #expect(wire.anomalies == [.resetInvalid])
        #expect(wire.counters.resetsRefused == 1)
    }

    @Test func `what a client sends before the answer waits for it`() {
        let wire = Wire()
        let talk = Talk()
        wire.send(talk.syn, talk.request("GET /"))
        #expect(wire.request.isEmpty)
        #expect(wire.notes.uses.last == .held)
        wire.send(talk.synAck)
        #expect(wire.request == "GET /")
    }

    @Test func `data that acknowledges another answer than the server's is thrown away`() {
        let wire = Wire()
        let talk = Talk()
        wire.send(talk.syn, talk.request("decoy").with { $0.acknowledgement = 99 }, talk.synAck)
        wire.send(talk.request("GET /"))
        #expect(wire.request == "GET /")
        #expect(wire.anomalies == [.handshakeDataInjected])
    }

    @Test func `data whose acknowledgement does not fit the answer is refused`() {
        let wire = Wire()
        let talk = Talk()
        wire.send(talk.syn, talk.synAck, talk.request("decoy").with { $0.acknowledgement &+= 1000 })
        wire.send(talk.request("GET /"))
        #expect(wire.request == "GET /")
        #expect(wire.anomalies == [.handshakeWrongAck])
    }

    @Test func `one-sided: data counts without an answer`() {
        let wire = Wire { $0.isOneSided = true }
        let talk = Talk()
        wire.send(talk.syn, talk.request("GET /"))
        #expect(wire.request == "GET /")
        #expect(wire.flow?.tcpState == .established)
    }

    @Test func `one-sided: the client's number says which of two SYNs was taken`() {
        let wire = Wire { $0.isOneSided = true }
        let talk = Talk()
        wire.send(talk.syn.with { $0.sequence = 77 }, talk.syn, talk.request("GET /"))
        #expect(wire.request == "GET /")
    }

    @Test func `the server's answer says which of two SYNs was taken`() {
        let wire = Wire()
        let talk = Talk()
        wire.send(talk.syn.with { $0.sequence = 77 }, talk.syn, talk.synAck, talk.request("GET /"))
        #expect(wire.request == "GET /")
        #expect(wire.anomalies == [.synDifferentSequence])
    }

    @Test func `the client's acknowledgement says which of two answers it took`() {
        let wire = Wire()
        let talk = Talk()
        wire.send(talk.syn, talk.synAck.with { $0.sequence = 77 }, talk.synAck, talk.request("GET /"))
        wire.send(talk.response("200", acknowledging: 5))
        #expect(wire.request == "GET /")
        #expect(wire.response == "200")
        #expect(wire.anomalies == [.synAckDifferentSequence])
    }

    @Test func `a SYN+ACK that answers no SYN is refused`() {
        let wire = Wire()
        let talk = Talk()
        wire.send(talk.syn, talk.synAck.with { $0.acknowledgement = 4 })
        #expect(wire.flow?.tcpState == .synSent)
        #expect(wire.anomalies == [.synAckWrongAck])
    }

    @Test func `a client's own SYN+ACK is refused`() {
        let wire = Wire()
        let talk = Talk()
        wire.send(talk.syn, talk.syn.with { $0.flags = [.syn, .ack] })
        #expect(wire.anomalies == [.synAckWrongDirection])
        wire.send(talk.synAck, talk.syn.with { $0.flags = [.syn, .ack] }, talk.request("GET /"))
        wire.send(talk.syn.with { $0.flags = [.syn, .ack] })
        #expect(wire.anomalies.count == 3)
        #expect(wire.anomalies.last == .establishedSYNACKToServer)
        #expect(wire.request == "GET /")
    }

    @Test func `a lost SYN+ACK does not lose the connection`() {
        let wire = Wire()
        var talk = Talk()
        wire.send(talk.syn, talk.say("GET /"), talk.answer("200"), talk.say(" more"))
        #expect(wire.request == "GET / more")
        #expect(wire.response == "200")
        #expect(wire.flow?.tcpState == .established)
    }

    @Test func `SYN and FIN in one segment begin nothing`() {
        let wire = Wire()
        wire.send(Talk().syn.with { $0.flags = [.syn, .fin] })
        #expect(wire.flow?.tcpState == TCPState.none)
        #expect(wire.anomalies == [.finWithSYN])
    }
}

/// The server answers another way, where nothing of it is sampled.
struct UnseenAnswerTests {
    private var talk = Talk()

    @Test mutating func `a client that acknowledges more and more is answered unseen`() {
        let wire = Wire()
        wire.send(talk.syn, talk.clientAck, talk.say("GET / HTTP/1.1\r\n\r\n"))
        #expect(wire.request.isEmpty)
        talk.answered = 2000
        wire.send(talk.clientAck)
        #expect(wire.request == "GET / HTTP/1.1\r\n\r\n")
        #expect(wire.flow?.tcpState == .established)
        talk.answered = 60_000
        wire.send(talk.say("GET /2"))
        #expect(wire.request.hasSuffix("GET /2"))
        #expect(wire.anomalies.isEmpty)
    }

    @Test mutating func `a client that sends more than may wait is answered unseen`() {
        let wire = Wire()
        wire.send(talk.syn, talk.clientAck)
        let piece = String(repeating: "a", count: 1000)
        for _ in 0..<600 { wire.send(talk.say(piece)) }
        #expect(wire.request.utf8.count == 600_000)
    }

    @Test mutating func `what was lost of it is lost`() {
        let wire = Wire()
        wire.send(talk.syn, talk.say("GET /"))
        _ = talk.say("lost")
        wire.send(talk.say(" late"))
        talk.answered = 100
        wire.send(talk.clientAck)
        #expect(wire.request == "GET /")
        wire.tracker.finish()
        #expect(wire.notes.gaps.toServer == [4])
        #expect(wire.request == "GET / late")
    }

    @Test(arguments: [1, 300]) mutating func `the server's answer shows that it was none`(_ pieces: Int) {
        let wire = Wire()
        wire.send(talk.syn)
        for number in 0...pieces {
            let decoy = talk.request([UInt8](repeating: 0x44, count: 1000), at: number * 1000)
            wire.send(decoy.with { $0.acknowledgement = 99 + UInt32(number) })
        }
        #expect(!wire.request.isEmpty)
        wire.send(talk.synAck, talk.clientAck, talk.say("GET /"), talk.answer("200"))
        #expect(wire.recorder.flows.count == 2)
        #expect(wire.recorder.flows.first?.attachment.end == .replaced)
        #expect(wire.request == "GET /")
        #expect(wire.response == "200")
    }

    @Test mutating func `an answer that is seen too late, and fits, changes nothing`() {
        let wire = Wire()
        let answer = talk.synAck
        wire.send(talk.syn, talk.say("GET /"))
        talk.answered = 100
        wire.send(talk.clientAck, answer, talk.say("more"))
        #expect(wire.recorder.flows.count == 1)
        #expect(wire.request == "GET /more")
    }
}

struct MidstreamTests {
    @Test func `a connection is picked up in its middle`() {
        let wire = Wire()
        var talk = Talk()
        wire.send(talk.say("GET /"), talk.answer("200"), talk.say(" again"))
        #expect(wire.flow?.isMidstream == true)
        #expect(wire.flow?.state == .established)
        #expect(wire.request == "GET / again")
        #expect(wire.response == "200")
        #expect(wire.counters.tcpMidstream == 1)
    }

    @Test func `without the option a connection is not picked up`() {
        let wire = Wire { $0.midstream = false }
        var talk = Talk()
        wire.send(talk.say("GET /"), talk.answer("200"))
        #expect(wire.request.isEmpty)
        #expect(wire.flow?.tcpState == TCPState.none)
        #expect(wire.notes.uses == [.none, .none])
        let next = Talk()
        wire.send(next.syn, next.synAck, next.request("GET /"))
        #expect(wire.request == "GET /")
    }

    @Test func `SYN+ACK comes from the server`() {
        let wire = Wire()
        let talk = Talk(client: .server, server: .client)
        wire.send(talk.synAck, talk.request("GET /"))
        #expect(wire.flow?.start.client == IPAddress("198.51.100.1"))
        #expect(wire.flow?.start.firstDirection == .toClient)
        #expect(wire.request == "GET /")
    }

    struct Ports: Sendable {
        var from: UInt16
        var to: UInt16
        var isFromClient: Bool
    }

    @Test(arguments: [
        Ports(from: 40_000, to: 80, isFromClient: true), Ports(from: 80, to: 40_000, isFromClient: false),
        Ports(from: 8080, to: 40_000, isFromClient: true), Ports(from: 25, to: 80, isFromClient: true),
    ])
    func `of a connection in its middle the end whose port alone is below 1024 is the server`(ports: Ports) {
        let wire = Wire()
        let from = Host(address: "192.0.2.7", port: ports.from)
        let to = Host(address: "198.51.100.1", port: ports.to)
        wire.send(Segment(from: from, to: to, sequence: 9, acknowledgement: 9, payload: [1]))
        #expect((wire.flow?.start.client == IPAddress("192.0.2.7")) == ports.isFromClient)
    }

    struct NoBeginning: Sendable {
        var flags: TCPFlags
        var payload = "x"
        var anomalies: [Anomaly]
    }

    @Test(arguments: [
        NoBeginning(flags: [.rst], anomalies: [.resetWithoutSession]),
        NoBeginning(flags: [.fin, .ack], payload: "", anomalies: [.finWithoutSession]),
        NoBeginning(flags: [.fin], anomalies: [.finWithoutSession]),
        NoBeginning(flags: [], anomalies: []),
        NoBeginning(flags: [.psh, .urg], anomalies: []),
    ])
    func `a segment that no connection can be made of makes none`(segment: NoBeginning) {
        let wire = Wire()
        wire.send(Talk().request(segment.payload).with { $0.flags = segment.flags })
        #expect(wire.flow?.tcpState == TCPState.none)
        #expect(wire.anomalies == segment.anomalies)
        #expect(wire.notes.uses == [.none])
    }

    @Test func `a stray reset of the server's does not make it the client`() {
        let wire = Wire()
        let talk = Talk()
        wire.send(talk.response("").with { ($0.flags, $0.from.port) = ([.rst], 8080) })
        let other = Talk(server: Host(address: "198.51.100.1", port: 8080))
        wire.send(other.syn, other.synAck, other.request("GET /"))
        #expect(wire.recorder.flows.count == 2)
        #expect(wire.recorder.flows.first?.attachment.end == .replaced)
        #expect(wire.flow?.start.client == IPAddress("192.0.2.7"))
        #expect(wire.request == "GET /")
    }
}
