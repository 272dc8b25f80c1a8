// SPDX-License-Identifier: Apache-2.0
// Packets without payload: which are passed over, and that nothing is lost by it.

import NetworkTypes
import Signatures
import Testing

@testable import SignatureMatching

struct EmptyPacketCase: Sendable, CustomTestStringConvertible {
    var rule: String
    /// Whether an empty TCP packet to port 80 is looked at: the first one of its flow, a later one.
    var first: Bool
    var later: Bool
    var testDescription: String { rule }
}

private let emptyPackets = [
    EmptyPacketCase(rule: #"tcp any any -> any any (content:"x";"#, first: false, later: false),
    EmptyPacketCase(rule: "tcp any any -> any any (dsize:0;", first: true, later: true),
    EmptyPacketCase(rule: "tcp any any -> any 80 (flags:A;", first: true, later: true),
    EmptyPacketCase(rule: "tcp any any -> any 81 (flags:A;", first: false, later: false),
    EmptyPacketCase(rule: "tcp any any <> any 40000 (flags:A;", first: true, later: true),
    EmptyPacketCase(rule: "tcp any any -> any any (flow:to_client; dsize:0;", first: false, later: false),
    EmptyPacketCase(rule: "ip any any -> any any (ip_proto:41;", first: false, later: false),
    EmptyPacketCase(rule: "ip 192.0.2.0/24 any -> any any (", first: true, later: false),
    EmptyPacketCase(rule: "tcp any any -> any any (app-layer-protocol:http;", first: true, later: false),
    EmptyPacketCase(rule: "http any any -> any any (", first: true, later: true),
    EmptyPacketCase(rule: "tls any any -> any any (", first: false, later: false),
    EmptyPacketCase(rule: #"tcp any any -> any any (content:!"x";"#, first: true, later: true),
]

@Test(arguments: emptyPackets)
func `an empty packet is passed over where no signature can look at it`(_ given: EmptyPacketCase) throws {
    let matcher = try matcher("alert \(given.rule) msg:\"m\"; sid:1;)")
    let flow = FlowMatchState()
    // A flow that the signatures have not seen is looked at in any case.
    flow.meet(matcher.engine.number)
    for isLooked in [given.first, given.later] {
        var packet = InspectedPacket(header: header())
        packet.header.applicationToServer = .http1
        packet.payload = UnsafeRawBufferPointer(start: nil, count: 0)
        let before = matcher.counters.inspections
        #expect(matcher.passesOver(packet.header, isTaken: true, flow: flow) != isLooked)
        #expect(matcher.counters.inspections - before == (isLooked ? 0 : 1))
        let tried = matcher.counters.candidates
        let found = matcher.inspect(packet, flow: flow)
        // What is passed over would have had no candidate.
        if !isLooked { #expect(found.isEmpty && matcher.counters.candidates == tried) }
    }
}

@Test func `an empty packet is looked at by signatures that came with a reload`() throws {
    let rule = #"alert ip 192.0.2.0/24 any -> any any (msg:"m"; sid:1;)"#
    let flow = FlowMatchState()
    let old = try matcher(rule)
    #expect(old.sids("", flow: flow) == [1])
    #expect(old.passesOver(header(), isTaken: true, flow: flow))
    let new = try matcher(rule)
    #expect(!new.passesOver(header(), isTaken: true, flow: flow))
}
