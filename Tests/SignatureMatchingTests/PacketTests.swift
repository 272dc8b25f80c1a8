// SPDX-License-Identifier: Apache-2.0
// Packets and streams: header conditions, tests of packets, where payload signatures look, once-a-flow
// ones.

import NetworkTypes
import Signatures
import Testing

@testable import SignatureMatching

struct PacketCase: Sendable, CustomTestStringConvertible {
    var rule: String
    var matches: Bool
    var testDescription: String { rule }
}

/// udp 192.0.2.7:40000 > 198.51.100.1:80, to the server, established, with payload "x".
@Test(arguments: [
    PacketCase(rule: "alert udp any any -> any any", matches: true),
    PacketCase(rule: "alert ip any any -> any any", matches: true),
    PacketCase(rule: "alert tcp any any -> any any", matches: false),
    PacketCase(rule: "alert udp 192.0.2.0/24 any -> 198.51.100.1 80", matches: true),
    PacketCase(rule: "alert udp 192.0.2.0/24 any -> 198.51.100.1 81", matches: false),
    PacketCase(rule: "alert udp !192.0.2.0/24 any -> any any", matches: false),
    PacketCase(rule: "alert udp any [1:1024,40000] -> any [!81,1:100]", matches: true),
    PacketCase(rule: "alert udp any 1:1024 -> any any", matches: false),
    PacketCase(rule: "alert udp 198.51.100.1 80 -> 192.0.2.7 any", matches: false),
    PacketCase(rule: "alert udp 198.51.100.1 80 <> 192.0.2.7 any", matches: true),
    PacketCase(rule: "alert udp 2001:db8::/32 any -> any any", matches: false),
])
func `a header admits the packets that it names`(_ given: PacketCase) throws {
    let found = try matcher("\(given.rule) (msg:\"m\"; content:\"x\"; sid:1;)").sids("x", header(.udp))
    #expect(found == (given.matches ? [1] : []))
    let bare = try matcher("\(given.rule) (msg:\"m\"; dsize:1; sid:1;)").sids("x", header(.udp))
    #expect(bare == (given.matches ? [1] : []), "also without a literal")
}

@Test(arguments: [
    PacketCase(rule: "ttl:64;", matches: true), PacketCase(rule: "ttl:>64;", matches: false),
    PacketCase(rule: "tos:8;", matches: true), PacketCase(rule: "id:7;", matches: true),
    PacketCase(rule: "flags:S;", matches: false), PacketCase(rule: "flags:SA;", matches: true),
    PacketCase(rule: "flags:S+;", matches: true), PacketCase(rule: "flags:*SF;", matches: true),
    PacketCase(rule: "flags:!F;", matches: true), PacketCase(rule: "flags:S,A;", matches: true),
    PacketCase(rule: "flags:!SA;", matches: false), PacketCase(rule: "flags:!SF;", matches: true),
    PacketCase(rule: "flags:!FP;", matches: true), PacketCase(rule: "flags:!0;", matches: true),
    PacketCase(rule: "fragbits:!D;", matches: false), PacketCase(rule: "fragbits:!MD;", matches: true),
    PacketCase(rule: "seq:1000;", matches: true), PacketCase(rule: "ack:1;", matches: false),
    PacketCase(rule: "window:512;", matches: true), PacketCase(rule: "window:!512;", matches: false),
    PacketCase(rule: "fragbits:D;", matches: true), PacketCase(rule: "fragbits:M;", matches: false),
    PacketCase(rule: "fragoffset:0;", matches: true), PacketCase(rule: "ipopts:rr;", matches: true),
    PacketCase(rule: "ipopts:ts;", matches: false), PacketCase(rule: "sameip;", matches: false),
    PacketCase(rule: "dsize:!9;", matches: false), PacketCase(rule: "dsize:<10;", matches: true),
    PacketCase(rule: "dsize:0;", matches: true), PacketCase(rule: "itype:8;", matches: false),
    PacketCase(rule: "flow:established,to_server;", matches: true),
    PacketCase(rule: "flow:to_client;", matches: false),
    PacketCase(rule: "flow:not_established;", matches: false),
    PacketCase(rule: "flow:stateless;", matches: true),
])
func `packet tests look at the packet's fields`(_ given: PacketCase) throws {
    var fields = PacketFields()
    fields.ttl = 64
    fields.typeOfService = 8
    fields.ipID = 7
    fields.tcpFlags = [.syn, .ack]
    fields.tcpSequence = 1000
    fields.tcpAcknowledgement = 2
    fields.tcpWindow = 512
    fields.fragmentBits = 2
    fields.fragmentOffset = 0
    fields.ipOptions = [0x07]
    let matcher = try matcher("alert tcp any any -> any 80 (msg:\"m\"; \(given.rule) sid:1;)")
    #expect(matcher.sids([], header(), fields: fields) == (given.matches ? [1] : []))
}

@Test func `a stream signature looks at the stream, and at packets that no stream took`() throws {
    let matcher = try matcher(
        """
        alert tcp any any -> any any (msg:"m"; content:"anywhere"; sid:1;)
        alert tcp any any -> any any (msg:"m"; content:"start"; depth:5; sid:2;)
        alert tcp any any -> any any (msg:"m"; content:"sized"; dsize:5; sid:3;)
        """)
    #expect(matcher.sids(stream: "x anywhere sized") == [1])
    #expect(matcher.sids("x anywhere") == [1])
    #expect(matcher.sids(stream: "start") == [2])
    #expect(matcher.sids(stream: "start", at: 100) == [], "depth counts from the stream's start")
    #expect(matcher.sids("sized") == [3])
    let payload = Array("anywhere sized".utf8)
    let found = payload.withUnsafeBytes { bytes in
        var packet = InspectedPacket(header: header())
        packet.payload = bytes
        packet.isInStream = true
        return matcher.sids(packet, FlowMatchState())
    }
    #expect(found == [])
}

@Test func `a match in the stream and in the packet is one`() throws {
    let matcher = try matcher("alert tcp any any -> any any (msg:\"m\"; content:\"ab\"; depth:2; sid:1;)")
    let places = Array("ab".utf8).withUnsafeBytes { bytes in
        var packet = InspectedPacket(header: header())
        packet.payload = bytes
        packet.isInStream = true
        packet.stream = StreamChunk(bytes: bytes, streamOffset: 0)
        return matcher.inspect(packet, flow: FlowMatchState()).map(\.place)
    }
    #expect(places == [.stream])
}

@Test func `chunks that overlap report once, later ones again`() throws {
    let matcher = try matcher("alert tcp any any -> any any (msg:\"m\"; content:\"evil\"; sid:1;)")
    let flow = FlowMatchState()
    #expect(matcher.sids(stream: "ev", at: 0, flow: flow) == [])
    #expect(matcher.sids(stream: "evil", at: 0, flow: flow) == [1], "split over two segments")
    #expect(matcher.sids(stream: "vil evil", at: 1, flow: flow) == [], "overlaps what was reported")
    #expect(matcher.sids(stream: "evil", at: 40, flow: flow) == [1])
}

@Test func `signatures on addresses alone report once for each direction`() throws {
    let matcher = try matcher(
        """
        alert ip any any -> any any (msg:"m"; sid:1;)
        alert ip 203.0.113.0/24 any -> any any (msg:"m"; sid:2;)
        """)
    let flow = FlowMatchState()
    #expect(matcher.sids("a", header(.udp), flow: flow) == [1])
    #expect(matcher.sids("b", header(.udp), flow: flow) == [])
    #expect(matcher.sids("c", header(.udp, .toClient), flow: flow) == [1])
    #expect(matcher.sids("d", header(.udp), flow: nil) == [1])
}

@Test func `signatures for a protocol alone match each packet from its recognition on`() throws {
    let matcher = try matcher(
        """
        alert http any any -> any any (msg:"m"; sid:1;)
        alert dcerpc any any -> any any (msg:"m"; sid:2;)
        """)
    let flow = FlowMatchState()
    #expect(matcher.sids("GET", flow: flow) == [])
    var recognised = header()
    recognised.applicationToServer = .http1
    for payload in ["GET", "", "more"] { #expect(matcher.sids(payload, recognised, flow: flow) == [1]) }
    var answer = header(.tcp, .toClient)
    answer.applicationToServer = .http1
    #expect(matcher.sids("HTTP", answer, flow: flow) == [1])
    recognised.applicationToServer = .smb
    #expect(matcher.sids("x", recognised, flow: flow) == [2], "SMB carries DCERPC")
}

@Test func `a test of the protocol alone reports when it is recognised`() throws {
    let matcher = try matcher(
        """
        alert tcp any any -> any any (msg:"m"; app-layer-protocol:http; sid:1;)
        alert tcp any any -> any any (msg:"m"; app-layer-protocol:ssh; sid:2;)
        """)
    let flow = FlowMatchState()
    #expect(matcher.sids("GET", flow: flow) == [])
    var recognised = header()
    recognised.applicationToServer = .http1
    #expect(matcher.sids("GET", recognised, flow: flow) == [1])
    #expect(matcher.sids("GET", recognised, flow: flow) == [])
    recognised.applicationToServer = .ssh
    #expect(matcher.sids("SSH", recognised) == [2])
}

@Test func `an expression of exponential time is bounded and counted by its signature`() throws {
    let matcher = try matcher(
        """
        alert udp any any -> any any (msg:"m"; content:"aaaa"; pcre:"/^(a+)+$/"; sid:1;)
        alert udp any any -> any any (msg:"m"; content:"aaaa"; sid:2;)
        """)
    #expect(matcher.sids(String(repeating: "a", count: 3_000) + "b", header(.udp)) == [2])
    let limited = matcher.counters.regexLimits.map { (matcher.engine.signatures[$0.key].sid, $0.value) }
    #expect(limited.count == 1 && limited[0] == (1, 1))
}

@Test func `cost is counted by signature only when asked for`() throws {
    let rules = """
        alert udp any any -> any any (msg:"m"; content:"x"; content:"y"; sid:1;)
        alert udp any any -> any any (msg:"m"; content:"z"; sid:2;)
        """
    var settings = SignatureEngine.Settings()
    let plain = try matcher(rules)
    _ = plain.sids("xyz", header(.udp))
    #expect(plain.profile.isEmpty)
    settings.isProfiled = true
    let profiled = try matcher(rules, settings: settings)
    for text in ["xy", "x", "longer"] { _ = profiled.sids(text, header(.udp)) }
    let costs = profiled.profile
    #expect(costs.map(\.matches).reduce(0, +) == 1)
    #expect(costs.allSatisfy { $0.count >= $0.matches })
    #expect(costs.contains { $0.nanoseconds > 0 })
}

@Test func `more matches than a call may give are counted`() throws {
    let rules = (1...100).map { "alert udp any any -> any any (msg:\"m\"; content:\"x\"; sid:\($0);)" }
    let matcher = try matcher(rules.joined(separator: "\n"))
    #expect(matcher.sids("x", header(.udp)).count == SignatureMatcher.mostMatches)
    #expect(matcher.counters.matchesRefused == UInt64(100 - SignatureMatcher.mostMatches))
}
