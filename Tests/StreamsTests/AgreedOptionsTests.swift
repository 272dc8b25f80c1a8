// SPDX-License-Identifier: Apache-2.0
// Segments that a receiver discards for their options: timestamps of old duplicates, signatures that nobody
// asked for. And the byte of a keep-alive where a connection is picked up.
import NetworkTypes
import Testing

@testable import Streams

extension Segment {
    /// With a timestamp and an echo of the other side's.
    fileprivate func at(_ time: UInt32, echo: UInt32 = 0) -> Segment {
        with {
            $0.options += [1, 1, 8, 10]
            $0.options.add32(time)
            $0.options.add32(echo)
        }
    }

    fileprivate var signed: Segment {
        with { $0.options = [1, 1, 19, 18] + [UInt8](repeating: 7, count: 16) + $0.options }
    }
}

struct TimestampTests {
    private let talk = Talk()

    /// A connection whose sides agreed on timestamps, and its first bytes at 1,000.
    private func connected(server: Bool = true, _ change: (inout StreamOptions) -> Void = { _ in }) -> Wire {
        let wire = Wire(change)
        wire.send(talk.syn.at(900), server ? talk.synAck.at(50, echo: 900) : talk.synAck)
        wire.send(talk.request("", at: 0).at(901, echo: 50), talk.request("GET ").at(1000, echo: 50))
        return wire
    }

    @Test func `a segment older than the last one is not taken`() {
        let wire = connected()
        wire.send(talk.request("XXXXX", at: 4).at(998), talk.request("/real", at: 4).at(1001))
        #expect(wire.request == "GET /real")
        #expect(wire.anomalies == [.timestampOld])
        #expect(wire.notes.uses.suffix(2) == [.refused, .delivered])
        #expect(wire.counters.segmentsRefused == 1)
    }

    @Test(arguments: [1000, 999, 1001, 1000 &+ 0x7fff_ffff] as [UInt32])
    func `a segment of the same tick, one before it, or later is taken`(_ time: UInt32) {
        let wire = connected()
        wire.send(talk.request("/real", at: 4).at(time))
        #expect(wire.request == "GET /real" && wire.anomalies.isEmpty)
    }

    @Test func `timestamps wrap`() {
        let wire = Wire()
        wire.send(talk.syn.at(0xffff_fff0), talk.synAck.at(50, echo: 0xffff_fff0))
        wire.send(talk.request("GET ").at(0xffff_fff8), talk.request("/re", at: 4).at(3))
        wire.send(talk.response("", acknowledging: 7).at(51), talk.request("", at: 7).at(3, echo: 51))
        wire.send(talk.request("XX", at: 7).at(0xffff_fffa), talk.request("al", at: 7).at(4))
        #expect(wire.request == "GET /real" && wire.anomalies == [.timestampOld])
    }

    /// Linux discards it (tcp_check_req); what it brings moves nothing.
    @Test(arguments: [901, 70_000] as [UInt32], ["XXXXX", ""])
    func `a handshake's end that echoes no time of the server's is none`(_ time: UInt32, _ text: String) {
        let wire = Wire()
        wire.send(talk.syn.at(900), talk.synAck.at(50, echo: 900), talk.synAck.at(55, echo: 900))
        wire.send(talk.request(text).at(time, echo: 49), talk.request(text).at(time, echo: 56))
        wire.send(
            talk.request("GET /").at(902, echo: 55), talk.response("", acknowledging: 5).at(60, echo: 902))
        wire.send(talk.request("evil", at: 5).at(903, echo: 60))
        #expect(wire.request == "GET /evil")
        #expect(wire.anomalies == [.timestampOld, .timestampOld])
    }

    @Test func `what the server acknowledges was not too old`() {
        let wire = connected()
        wire.send(talk.request("/real", at: 4).at(998, echo: 50), talk.response("", acknowledging: 9).at(60))
        #expect(wire.request == "GET /real")
    }

    @Test func `a server without timestamps takes any`() {
        let wire = connected(server: false)
        wire.send(talk.request("/real", at: 4).at(3))
        #expect(wire.request == "GET /real" && wire.anomalies.isEmpty)
    }

    @Test func `a segment without one is taken, as Linux does`() {
        let wire = connected()
        wire.send(talk.request("/real", at: 4))
        #expect(wire.request == "GET /real" && wire.anomalies.isEmpty)
    }

    @Test func `what is not taken moves no clock`() {
        let wire = connected()
        // Behind the window, with a wrong acknowledgement, behind a hole, all sent "later".
        wire.send(
            talk.request("X", at: 70_000).at(9000),
            talk.request("X", at: 4).at(9000).with { $0.acknowledgement &+= 100_000 },
            talk.request("!", at: 20).at(9000), talk.request("/real", at: 4).at(1001))
        #expect(wire.request == "GET /real")
        #expect(wire.anomalies == [.outOfWindow, .invalidAck])
    }

    @Test func `which of two SYNs counts the answer says`() {
        let wire = Wire()
        wire.send(talk.syn.at(90_000), talk.syn.at(900), talk.synAck.at(50, echo: 900))
        wire.send(talk.request("GET /real").at(901, echo: 50))
        #expect(wire.request == "GET /real" && wire.anomalies.isEmpty)
    }

    @Test func `a reset is taken whatever its timestamp`() {
        let wire = connected()
        wire.send(talk.request("", at: 4).at(3).with { $0.flags = [.rst] })
        #expect(wire.flow?.state == .closed && wire.anomalies.isEmpty)
    }

    @Test func `the server's segments are judged alike`() {
        let wire = connected()
        wire.send(talk.response("200 ", acknowledging: 4).at(60), talk.response("XX", at: 4).at(40))
        wire.send(talk.response("OK", at: 4, acknowledging: 4).at(61))
        #expect(wire.response == "200 OK" && wire.anomalies == [.timestampOld])
    }

    @Test(arguments: [500, -1] as [Int32])
    func `an acknowledgement of what was never sent, or of less than before, moves no clock`(
        _ wrong: Int32
    ) {
        func request(_ text: String, _ time: UInt32, by wrong: Int32 = 0) -> Segment {
            talk.request(text, at: 4).at(time).with {
                $0.acknowledgement &+= UInt32(bitPattern: 4 + wrong)
            }
        }
        let wire = connected()
        wire.send(talk.response("200 ", acknowledging: 4).at(60), request("", 1001))
        wire.send(request("", 0x4000_0000, by: wrong), request("/real", 1002))
        #expect(wire.request == "GET /real")
        #expect(!wire.anomalies.contains(.timestampOld))
    }

    @Test func `what its receiver has not come to moves no clock`() {
        let wire = connected()
        // Linux remembers a timestamp only of what begins where it last acknowledged.
        wire.send(talk.request("/r", at: 4).at(0x4000_0000), talk.request("eal", at: 6).at(1002))
        #expect(wire.request == "GET /real" && wire.anomalies.isEmpty)
    }

    @Test func `where one side alone is sampled no timestamp is refused`() {
        let wire = Wire { $0.isOneSided = true }
        wire.send(talk.syn.at(900), talk.request("GET ").at(1000))
        wire.send(talk.request("XXXXX", at: 4).at(900), talk.request("/real", at: 4).at(1001))
        #expect(wire.request == "GET XXXXX" && !wire.anomalies.contains(.timestampOld))
    }

    @Test func `in a connection that was picked up both sides must have shown theirs`() {
        for isShown in [true, false] {
            let wire = Wire()
            wire.send(talk.request("GET ").at(1000))
            let answer = talk.response("", acknowledging: 4)
            wire.send(isShown ? answer.at(50) : answer)
            wire.send(talk.request("12345", at: 4).at(900), talk.request("/real", at: 4).at(1001))
            #expect(wire.request == (isShown ? "GET /real" : "GET 12345"))
        }
    }

    @Test(
        arguments: [
            ([8, 10, 0, 0, 0, 9, 0, 0, 0, 0], nil), ([1, 1, 8, 10, 0, 0], nil),
            ([8, 9, 0, 0, 0, 9, 0, 0, 0], nil),
            ([8, 0], nil), ([8], nil), ([0, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0], nil),
        ] as [([UInt8], UInt32?)])
    func `options are read as far as they can be`(_ options: [UInt8], _ cut: UInt32?) {
        options.withUnsafeBytes { bytes in
            let marks = SegmentMarks(bytes)
            #expect(marks.timestamp == (options.count == 10 && options[1] == 10 ? 9 : cut))
            #expect(!marks.isSigned)
        }
    }
}

struct SignedSegmentTests {
    private let talk = Talk()

    @Test func `a signature that nobody asked for keeps a segment from the stream`() {
        let wire = Wire()
        wire.shakeHands(talk)
        wire.send(talk.request("XXXX").signed, talk.request("GET "))
        wire.send(talk.request("", at: 4).signed.with { $0.flags = [.rst] }, talk.request("/real", at: 4))
        #expect(wire.request == "GET /real")
        #expect(wire.anomalies == [.signatureUnexpected, .signatureUnexpected])
        #expect(wire.flow?.state == .established)
    }

    @Test func `where the server signs, a segment without signature is not taken`() {
        let wire = Wire()
        wire.send(talk.syn.signed, talk.synAck.signed, talk.request("").signed)
        wire.send(talk.request("XXXX"), talk.request("BGP!").signed)
        #expect(wire.request == "BGP!" && wire.anomalies == [.signatureUnexpected])
    }

    @Test func `a SYN with a signature that the server has no key for changes nothing`() {
        let wire = Wire()
        let decoy = talk.syn.at(90_000).signed.with { $0.payload = Array("XXXX".utf8) }
        let syn = talk.syn.at(900).with { $0.payload = Array("GET ".utf8) }
        wire.send(decoy, syn, talk.synAck.at(50, echo: 900).with { $0.acknowledgement &+= 4 })
        wire.send(talk.request("/real", at: 4).at(901, echo: 50))
        #expect(wire.request == "GET /real" && wire.anomalies.isEmpty)
    }

    @Test func `what a SYN with a signature carried is not the stream of the one without`() {
        let wire = Wire()
        let signed = talk.syn.at(900).signed.with { $0.payload = Array("XXXX".utf8) }
        let plain = talk.syn.at(900).with { $0.payload = Array("GET ".utf8) }
        wire.send(signed, plain, talk.synAck.at(50, echo: 900).with { $0.acknowledgement &+= 4 })
        wire.send(talk.request("/real", at: 4).at(901, echo: 50))
        #expect(wire.request == "GET /real" && wire.anomalies.isEmpty)
    }

    @Test func `a signature in the middle of what was picked up teaches nothing`() {
        let wire = Wire()
        wire.send(talk.request("XXXX").signed, talk.request("GET ", at: 4), talk.request("/real", at: 8))
        #expect(wire.request == "XXXXGET /real" && wire.anomalies.isEmpty)
    }

    @Test func `a connection whose sides both sign is read where one side alone is sampled`() {
        let wire = Wire { $0.isOneSided = true }
        wire.send(talk.syn.signed, talk.request("XXXX"), talk.request("BGP!").signed)
        #expect(wire.request == "BGP!" && wire.anomalies == [.signatureUnexpected])
    }
}

struct KeepAliveTests {
    private let talk = Talk()

    private func probe(_ byte: UInt8 = 0) -> Segment {
        talk.request([byte], at: 9).with { $0.flags = [.ack] }
    }

    @Test func `the zero of a keep-alive with which a connection is picked up is no data`() {
        let wire = Wire()
        wire.send(probe(), talk.response("", acknowledging: 10), probe())
        wire.send(talk.response("", acknowledging: 10), talk.request("GET /", at: 10))
        wire.send(talk.response("", acknowledging: 15), talk.request("real", at: 15))
        #expect(wire.request == "GET /real" && wire.anomalies.isEmpty)
        #expect(wire.notes.gaps.toServer.isEmpty)
    }

    @Test func `any other byte without PSH is data`() {
        let wire = Wire()
        wire.send(probe(UInt8(ascii: "G")), talk.request("ET /", at: 10))
        #expect(wire.request == "GET /" && wire.anomalies.isEmpty)
    }

    @Test func `bytes that come one by one are data from the first on`() {
        let wire = Wire()
        for (index, byte) in "GET /".utf8.enumerated() {
            wire.send(talk.request([byte], at: index).with { $0.flags = [.ack] })
        }
        #expect(wire.request == "GET /" && wire.anomalies.isEmpty)
    }

    @Test func `a first byte with PSH is data`() {
        let wire = Wire()
        wire.send(talk.request("G"), talk.request("ET /", at: 1))
        #expect(wire.request == "GET /")
    }

    @Test func `a keep-alive alone leaves nothing behind`() {
        let wire = Wire()
        wire.send(probe())
        wire.tracker.finish()
        #expect(wire.request.isEmpty && wire.tracker.streamBytesHeld == 0)
    }
}
