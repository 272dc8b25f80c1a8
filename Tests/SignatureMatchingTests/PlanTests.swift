// SPDX-License-Identifier: Apache-2.0
// How a plan is made: the order of trials, lists by port, required literals, and what a candidate packs.

import NetworkTypes
import Signatures
import Testing

@testable import SignatureMatching

@Test func `signatures are tried by action, then setters before readers, then by priority`() throws {
    let engine = try matcher(
        """
        alert udp any any -> any any (msg:"m"; content:"a"; priority:3; sid:1;)
        alert udp any any -> any any (msg:"m"; content:"a"; priority:1; sid:2;)
        alert udp any any -> any any (msg:"m"; content:"a"; flowbits:isset,x; priority:9; sid:3;)
        alert udp any any -> any any (msg:"m"; content:"a"; flowbits:set,x; priority:9; sid:4;)
        alert udp any any -> any any (msg:"m"; content:"a"; flowbits:isset,x; flowbits:set,y; sid:5;)
        reject udp any any -> any any (msg:"m"; content:"a"; sid:6;)
        drop udp any any -> any any (msg:"m"; content:"a"; sid:7;)
        pass udp any any -> any any (msg:"m"; content:"a"; sid:8;)
        alert udp any any -> any any (msg:"m"; content:"a"; priority:1; sid:9;)
        """
    ).engine
    #expect(engine.signatures.map(\.sid) == [8, 7, 6, 4, 5, 3, 2, 9, 1])
}

@Test func `signatures without a literal are listed by the ports that tell them apart`() throws {
    let plan = try matcher(
        """
        alert udp any any -> any 53 (msg:"m"; dsize:1; sid:1;)
        alert udp any 53 -> any any (msg:"m"; dsize:1; sid:2;)
        alert udp any any -> any 1024: (msg:"m"; dsize:1; sid:3;)
        alert udp any any <> any 53 (msg:"m"; dsize:1; sid:4;)
        alert udp any any -> any [53,54] (msg:"m"; dsize:1; sid:5;)
        alert udp any any -> any 53 (msg:"m"; content:"x"; sid:6;)
        alert udp any 54 <> any any (msg:"m"; dsize:1; sid:7;)
        """
    ).plan
    let lists = plan.packetLists[MatchPlan.slot(.udp, .toServer)]
    func sids(_ numbers: [UInt32]?) -> [UInt32] {
        (numbers ?? []).map { plan.signatures[Int($0)].signature.sid }
    }
    #expect(sids(lists.byDestination.list(of: 53)) == [1, 4, 5])
    #expect(sids(lists.byDestination.list(of: 54)) == [5, 7])
    #expect(sids(lists.bySource.list(of: 53)) == [2, 4])
    #expect(sids(lists.bySource.list(of: 54)) == [7])
    #expect(sids(lists.anyPort) == [3])
    #expect(plan.packetLists[MatchPlan.slot(.icmp, .toServer)].anyPort.isEmpty)
}

@Test func `a signature of one IP protocol is listed for packets of its kind alone`() throws {
    let matcher = try matcher(
        """
        alert ip any any -> any any (msg:"m"; ip_proto:41; sid:1;)
        alert ip any any -> any any (msg:"m"; ip_proto:17; sid:2;)
        alert ip any any -> any any (msg:"m"; ip_proto:!6; sid:3;)
        """)
    func listed(_ kind: PayloadKind) -> [UInt32] {
        matcher.plan.packetLists[MatchPlan.slot(kind, .toServer)].anyPort
            .map { matcher.plan.signatures[Int($0)].signature.sid }
    }
    #expect(listed(.tcpPacket) == [])
    #expect(listed(.udp) == [2, 3])
    #expect(listed(.other) == [1, 3])
    #expect(matcher.sids("x", header(IPProtocol(rawValue: 41))) == [1, 3])
    #expect(matcher.sids("x", header(.udp)) == [2, 3])
    #expect(matcher.sids("x", header(.tcp)) == [])
}

struct PatternCase: Sendable, CustomTestStringConvertible {
    var options: String
    var literal: String?
    var mostEnd: UInt32 = .max
    var testDescription: String { options }
}

@Test(arguments: [
    PatternCase(options: #"content:"abcde";"#, literal: "abcde"),
    PatternCase(options: #"content:"abcde"; depth:7;"#, literal: "abcde", mostEnd: 7),
    PatternCase(options: #"content:"abcde"; offset:2; depth:7;"#, literal: "abcde", mostEnd: 9),
    PatternCase(options: #"content:"abcde"; startswith;"#, literal: "abcde", mostEnd: 5),
    PatternCase(options: #"content:"abcde"; offset:4;"#, literal: "abcde"),
    PatternCase(options: #"content:"ab"; content:"cdefg"; distance:1; within:9;"#, literal: "cdefg"),
    PatternCase(options: #"content:"abcdefgh"; content:"xyz1"; fast_pattern;"#, literal: "xyz1"),
    PatternCase(options: #"content:!"abc";"#, literal: nil),
    PatternCase(options: #"pcre:"/abc/";"#, literal: nil),
])
func `the literal that must be there, and where it ends at the latest`(_ given: PatternCase) throws {
    let engine = try matcher("alert udp any any -> any any (msg:\"m\"; \(given.options) sid:1;)").engine
    let pattern = RequiredPattern(of: engine.signatures[0]) { $0 == .payload }
    #expect(pattern.map { String(decoding: $0.literal.bytes, as: UTF8.self) } == given.literal)
    if let pattern { #expect(pattern.mostEnd == given.mostEnd) }
}

@Test func `signatures that share a literal share its place in the database`() throws {
    let rules = (1...50).map { "alert udp any any -> any \($0) (msg:\"m\"; content:\"shared\"; sid:\($0);)" }
    let plan = try matcher(rules.joined(separator: "\n")).plan
    #expect(plan.prefilters.allSatisfy { $0.database?.count == 1 && $0.uses.count == 50 })
}

@Test func `a database is made for each way and kind of bytes`() throws {
    let plan = try matcher(
        """
        alert udp any any -> any any (msg:"m"; flow:to_server; content:"abc"; sid:1;)
        alert tcp any any -> any any (msg:"m"; flow:to_client; content:"abc"; sid:2;)
        alert http any any -> any any (msg:"m"; http.uri; content:"abc"; sid:3;)
        """
    ).plan
    #expect(plan.prefilters.count == 3)
    #expect(plan.payloadPrefilters[MatchPlan.slot(.udp, .toServer)].count == 1)
    #expect(plan.payloadPrefilters[MatchPlan.slot(.udp, .toClient)].isEmpty)
    #expect(plan.payloadPrefilters[MatchPlan.slot(.tcpStream, .toClient)].count == 1)
    #expect(plan.bufferPrefilters[MatchPlan.slot(Buffer.httpURI, .toServer)].count == 1)
}

@Test(arguments: [
    SignatureMatch.Place.packet, .stream, .transaction(0), .transaction(7), .transaction(100_000),
])
func `a candidate keeps its signature and its place`(_ place: SignatureMatch.Place) {
    for signature in [0, 1, 17_000, UInt32.max] {
        let candidate = Candidate(signature, place)
        #expect(candidate.signature == Int(signature))
        #expect(candidate.place == place)
    }
    #expect(Candidate(1, place).order < Candidate(2, .stream).order)
}

@Test func `an engine without signatures finds nothing`() throws {
    let matcher = try matcher("")
    #expect(matcher.sids("anything") == [])
    #expect(matcher.sids(stream: "anything") == [])
    #expect(matcher.sids(transaction([(.httpURI, "/")])) == [])
    #expect(matcher.engine.databaseByteCount == 0)
}

/// Protocol tests by who recognised what.
@Test(arguments: [
    ("app-layer-protocol:http;", ApplicationProtocol?.some(.http1), ApplicationProtocol?.none, true),
    ("app-layer-protocol:http;", nil, nil, false),
    ("app-layer-protocol:!http;", .ssh, nil, true),
    ("app-layer-protocol:!http;", nil, nil, false),
    ("app-layer-protocol:!http;", .http1, nil, false),
    ("app-layer-protocol:tls,to_client;", .http1, .tls, true),
    ("app-layer-protocol:tls,to_server;", .http1, .tls, false),
    ("app-layer-protocol:tls,either;", .http1, .tls, true),
    ("app-layer-protocol:tls,both;", .http1, .tls, false),
])
func `a protocol test asks the way that it names`(
    _ option: String, _ toServer: ApplicationProtocol?, _ toClient: ApplicationProtocol?, _ matches: Bool
) throws {
    let matcher = try matcher("alert tcp any any -> any any (msg:\"m\"; \(option) dsize:>0; sid:1;)")
    var header = header()
    header.applicationToServer = toServer
    header.applicationToClient = toClient
    #expect(matcher.sids("x", header) == (matches ? [1] : []))
}

@Test(arguments: [
    ("client,>,10", true), ("client,<,10", false), ("server,=,5", true), ("both,>,5", false),
    ("either,>,10", true),
])
func `stream sizes count each way`(_ option: String, _ matches: Bool) throws {
    let matcher = try matcher("alert tcp any any -> any any (msg:\"m\"; stream_size:\(option); sid:1;)")
    var header = header()
    header.streamBytesToServer = 20
    header.streamBytesToClient = 5
    #expect(matcher.sids("x", header) == (matches ? [1] : []))
}
