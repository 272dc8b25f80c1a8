// SPDX-License-Identifier: Apache-2.0
// Which packets a finding may come from, and whom it is about: not those that their host drops, and of what a
// tunnel carries the flow that the firewall judges.
import NetworkTypes
import PolicyLanguage
import ProtocolDetection
import TestSupport
import Testing

@testable import Inspection

private let rules = #"""
    drop tcp any any -> any any (msg:"segment"; content:"evil"; sid:1;)
    drop udp any any -> any any (msg:"datagram"; content:"evil"; sid:2;)
    drop icmp any any -> any any (msg:"ping"; itype:8; sid:3;)
    drop dns any any -> any any (msg:"query"; dns.query; content:"evil"; sid:4;)
    """#

/// A packet whose host drops it, once its checksum is spoilt at a place of the frame.
private struct Spoilt: Sendable, CustomTestStringConvertible {
    let text: String
    let place: Int
    let sids: [Int]
    let anomaly: String
    var testDescription: String { "\(text), \(anomaly)" }

    func frame(isSpoilt: Bool) throws -> [UInt8] {
        var bytes = try PacketBuilder(text).bytes
        if isSpoilt { bytes[place] ^= 0x55 }
        return bytes
    }
}

@Test(arguments: [
    Spoilt(
        text: "udp 203.0.113.7:4000 > 198.51.100.1:9 payload 6576696c", place: 40, sids: [2],
        anomaly: "decoder.udp.invalid_checksum"),
    Spoilt(
        text: "udp 203.0.113.7:4000 > 198.51.100.1:9 payload 6576696c", place: 24, sids: [2],
        anomaly: "decoder.ipv4.invalid_checksum"),
    Spoilt(
        text: "tcp 203.0.113.7:4000 > 198.51.100.1:9 ack payload 6576696c", place: 50, sids: [1],
        anomaly: "decoder.tcp.invalid_checksum"),
    Spoilt(
        text: "icmp 203.0.113.7 > 198.51.100.1 echo-request", place: 36, sids: [3],
        anomaly: "decoder.icmp.invalid_checksum"),
    Spoilt(
        text: "udp [2001:db8:7::7]:4000 > [2001:db8::1]:53 payload "
            + "1234010000010000000000000465 76696c0000010001".replacing(" ", with: ""),
        place: 60, sids: [2, 4], anomaly: "decoder.udp.invalid_checksum"),
]) private func `a packet that its host drops for its checksum is told, and bans nobody`(_ packet: Spoilt)
    throws
{
    for onMatch in [MatchResponse.ban(nanoseconds: 60), .dropFlow] {
        let bench = try Bench(rules, onMatch: onMatch, verifyChecksums: true)
        bench.feed(try packet.frame(isSpoilt: true))
        #expect(bench.responses.allSatisfy { $0 == .alert })
        let actions = try bench.events(.alert).map { ($0["alert"] as? [String: Any])?["action"] as? String }
        #expect(actions.allSatisfy { $0 == "allowed" })
        #expect(try bench.events(.drop).isEmpty)
        let names = try bench.events(.anomaly).map { ($0["anomaly"] as? [String: Any])?["event"] as? String }
        #expect(names == [packet.anomaly])
        let before = bench.responses.count
        bench.feed(try packet.frame(isSpoilt: false))
        #expect(try bench.alerts().suffix(packet.sids.count) == packet.sids[...])
        #expect(bench.responses.dropFirst(before).count == packet.sids.count)
        #expect(!bench.responses.dropFirst(before).contains(.alert))
    }
}

/// A frame of a conversation with right checksums (RFC 1071), IPv4 and TCP.
private func sealed(_ frame: [UInt8]) -> [UInt8] {
    func sum(_ bytes: [UInt8]) -> UInt32 {
        let words = stride(from: 0, to: bytes.count, by: 2).map { index in
            UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
        }
        var total = words.reduce(0, +)
        while total >> 16 != 0 { total = total & 0xffff + total >> 16 }
        return total ^ 0xffff
    }
    var frame = frame
    frame.replaceSubrange(24..<26, with: number(Int(sum(Array(frame[14..<34])))))
    let pseudo = Array(frame[26..<34]) + [0, 6] + number(frame.count - 34)
    frame.replaceSubrange(50..<52, with: number(Int(sum(pseudo + frame[34...]))))
    return frame
}

/// A frame of a conversation, its sequence number moved out of its connection's window.
private func farOff(_ frame: [UInt8]) -> [UInt8] {
    var frame = frame
    frame[38] &+= 0x40
    return frame
}

/// What a connection does not take although its checksums are right.
struct RefusedSegmentTests {
    @Test(arguments: [MatchResponse.ban(nanoseconds: 60), .dropFlow])
    func `a segment out of its connection's window is told, and bans nobody`(_ onMatch: MatchResponse) throws
    {
        let bench = try Bench(rules, onMatch: onMatch)
        var talk = Conversation(serverPort: 9)
        bench.feed(talk.open())
        let frame = talk.say(.toServer, "evil")
        bench.feed(farOff(frame))
        #expect(try bench.alerts() == [1])
        #expect(bench.responses == [.alert])
        #expect(try bench.events(.drop).isEmpty)
        bench.feed(frame)
        #expect(bench.responses.count == 2 && bench.responses.last != .alert)
    }

    @Test func `one without payload neither, nor sets it bits`() throws {
        let rules = #"""
            drop tcp any any -> any any (msg:"reset"; flags:R; flowbits:set,reset; sid:1;)
            drop tcp any any -> any any (msg:"reader"; content:"good"; flowbits:isset,reset; sid:2;)
            """#
        let bench = try Bench(rules, onMatch: .dropFlow)
        var talk = Conversation(serverPort: 9)
        bench.feed(talk.open())
        var reset = farOff(talk.say(.toServer, ""))
        reset[47] = 0x04
        bench.feed(reset)
        #expect(try bench.alerts() == [1] && bench.responses == [.alert])
        bench.feed(talk.say(.toServer, "good"))
        #expect(try bench.alerts() == [1])
    }

    @Test func `one of which all was acknowledged neither`() throws {
        let rules = #"drop tcp any any -> any any (msg:"flags"; flags:PAU+; sid:1;)"#
        let bench = try Bench(rules, onMatch: .ban(nanoseconds: 60))
        var talk = Conversation(serverPort: 9)
        bench.feed(talk.open())
        let segment = talk.say(.toServer, "good")
        bench.feed([segment, talk.say(.toServer, "more"), talk.say(.toClient, "thanks")])
        #expect(bench.responses.isEmpty)
        for place in [38, 40] {
            var old = segment
            old[place] &-= 0x10
            old[47] |= 0x20
            bench.feed(old)
        }
        #expect(bench.responses == [.alert, .alert])
    }

    /// Before the server's answer, and once more in the stream behind it: one match.
    @Test func `what a client says before the answer is looked at and counts once`() throws {
        let rules = """
            alert tcp any any -> any any (content:"evil"; sid:1;)
            alert tcp any any -> any any (content:"evil"; \
            detection_filter:track by_src,count 1,seconds 60; sid:2;)
            """
        let bench = try Bench(rules)
        var talk = Conversation(serverPort: 9)
        let handshake = talk.open()
        let early = talk.say(.toServer, "evil")
        bench.feed([handshake[0], early])
        #expect(try bench.alerts() == [1])
        bench.feed([handshake[1], handshake[2], talk.say(.toServer, "more"), talk.say(.toClient, "yes")])
        bench.finish()
        #expect(try bench.alerts() == [1])
    }

    @Test func `a SYN is judged as it stands, whatever came before it`() throws {
        let rules = #"drop tcp any any -> any any (msg:"syn"; flags:S; sid:1;)"#
        let bench = try Bench(rules, onMatch: .ban(nanoseconds: 60))
        var stray = Conversation(serverPort: 9)
        bench.feed(farOff(stray.say(.toServer, "x")))
        var talk = Conversation(serverPort: 9)
        bench.feed(talk.open()[0])
        #expect(bench.responses.count == 1 && bench.responses.first != .alert)
    }

    @Test func `one of no connection is what it is: a scan`() throws {
        let rules = #"drop tcp any any -> any any (msg:"null scan"; flags:0; sid:1;)"#
        let bench = try Bench(rules, onMatch: .ban(nanoseconds: 60))
        var talk = Conversation(serverPort: 9)
        var scan = talk.say(.toServer, "")
        scan[47] = 0
        bench.feed(scan)
        #expect(bench.responses.count == 1 && bench.responses.first != .alert)
    }

    @Test func `what it says does not name the flow's protocol`() throws {
        var bounds = ProtocolBounds()
        bounds.forbidden = [try ProtocolDetector().names.id(named: "ssh").rawValue]
        let bench = try Bench(onMatch: .dropFlow, protocols: bounds)
        var talk = Conversation(serverPort: 9)
        bench.feed(talk.open())
        var decoy = talk
        for way in [FlowDirection.toClient, .toServer] {
            bench.feed(farOff(decoy.say(way, "SSH-2.0-OpenSSH_9.2\r\n")))
        }
        #expect(bench.responses.isEmpty)
        for way in [FlowDirection.toClient, .toServer] {
            bench.feed(talk.say(way, "SSH-2.0-OpenSSH_9.2\r\n"))
        }
        #expect(bench.responses.count == 1 && bench.responses.first != .alert)
    }
}

@Test func `what a SYN carries that its host drops takes no match from the stream`() throws {
    let bench = try Bench(rules, onMatch: .dropFlow, verifyChecksums: true)
    var decoy = Conversation(serverPort: 9)
    var syn = sealed(decoy.open(saying: "evil")[0])
    syn[50] ^= 0x55
    bench.feed(syn)
    #expect(bench.responses == [.alert])
    var talk = Conversation(serverPort: 9)
    bench.feed(talk.open().map(sealed))
    bench.feed(sealed(talk.say(.toServer, "evil")))
    #expect(bench.responses.count == 2 && bench.responses.last != .alert)
}

@Test func `a packet that its host drops is not the first of its flow, and sets no bits`() throws {
    let rules = #"""
        drop udp any any -> any 9 (msg:"addresses alone"; sid:1;)
        alert udp any any -> any any (msg:"setter"; content:"evil"; flowbits:set,x; sid:2;)
        drop udp any any -> any any (msg:"reader"; content:"good"; flowbits:isset,x; sid:3;)
        """#
    let bench = try Bench(rules, onMatch: .dropFlow, verifyChecksums: true)
    func feed(_ payload: String, isSpoilt: Bool) throws {
        var bytes = try PacketBuilder("udp 203.0.113.7:4000 > 198.51.100.1:9 payload \(payload)").bytes
        if isSpoilt { bytes[40] ^= 0x55 }
        bench.feed(bytes)
    }
    try feed("6576696c", isSpoilt: true)
    try feed("676f6f64", isSpoilt: true)
    let dropped = try bench.alerts()
    #expect(dropped == [1, 2, 3, 1])
    #expect(bench.responses.allSatisfy { $0 == .alert })
    try feed("676f6f64", isSpoilt: false)
    let all = try bench.alerts()
    #expect(all == [1, 2, 3, 1, 1])
    #expect(bench.responses.last != .alert)
}

@Test func `without verification any checksum is taken`() throws {
    let bench = try Bench(rules, onMatch: .ban(nanoseconds: 60), verifyChecksums: false)
    var bytes = try PacketBuilder("udp 203.0.113.7:4000 > 198.51.100.1:9 payload 6576696c").bytes
    bytes[40] ^= 0x55
    bench.feed(bytes)
    #expect(try bench.alerts() == [2] && bench.responses.count == 1)
}

// MARK: Tunnels

private let client = IPAddress(v4: 0xcb00_7107)
private let server = IPAddress(v4: 0xc633_6401)
private let carrying = IPAddress(v4: 0xc000_0201)
private let carried = IPAddress(v4: 0xc000_0202)

/// A conversation in IP in IP whose request, or whose answer, is evil.
private func frames(evil way: FlowDirection) -> [[UInt8]] {
    var talk = Conversation()
    var frames = talk.open().map(wrapped)
    frames.append(wrapped(talk.say(.toServer, way == .toServer ? "evil" : "good")))
    if way == .toClient {
        // Around the answer the tunnel's ends change places.
        var answer = wrapped(talk.say(.toClient, "evil"))
        answer.swapAt(29, 33)
        frames.append(answer)
    }
    return frames
}

struct TunnelFindingTests {
    private static let inner = FlowTuple(
        proto: .tcp, source: client, sourcePort: 40_000, destination: server, destinationPort: 80)
    private static let outer = FlowTuple(
        proto: IPProtocol(rawValue: 4), source: carrying, sourcePort: 0, destination: carried,
        destinationPort: 0)

    @Test(arguments: [
        (true, FlowDirection.toServer), (true, .toClient), (false, .toServer), (false, .toClient),
    ])
    func `a finding is about the flow that the policy judges`(_ isOpen: Bool, _ way: FlowDirection) throws {
        for onMatch in [MatchResponse.ban(nanoseconds: 60), .dropFlow] {
            let bench = try Bench(rules, onMatch: onMatch, decapsulate: isOpen ? [.ipip] : [.gre])
            bench.feed(frames(evil: way))
            let flow = isOpen ? Self.inner : Self.outer
            let ends = isOpen ? (client, server) : (carrying, carried)
            let sender = way == .toServer ? ends.0 : ends.1
            let expected: Finding.Response =
                onMatch == .dropFlow
                ? .dropFlow(flow, nanoseconds: Finding.flowDropNanoseconds) : .ban(sender, nanoseconds: 60)
            #expect(bench.responses == [expected])
            #expect(bench.outcome.findings.map(\.flow) == [flow])
            #expect(
                try bench.events(.alert).first?["src_ip"] as? String
                    == (way == .toServer ? client : server).description)
        }
    }

    @Test func `in a tunnel that this host sends, its far end is banned`() throws {
        let bench = try Bench(rules, onMatch: .ban(nanoseconds: 60))
        for frame in frames(evil: .toServer) { bench.feed(frame, isOutbound: true) }
        #expect(bench.responses == [.ban(carried, nanoseconds: 60)])
    }

    @Test func `a tunnel whose answers go without it is read`() throws {
        let rules =
            #"drop tcp any any -> any any (msg:"split"; flow:established; content:"goodness"; sid:1;)"#
        let bench = try Bench(rules, onMatch: .dropFlow)
        var talk = Conversation(serverPort: 9)
        let shaken = talk.open()
        bench.feed([wrapped(shaken[0]), shaken[1], wrapped(shaken[2])])
        bench.feed([wrapped(talk.say(.toServer, "good")), wrapped(talk.say(.toServer, "ness"))])
        #expect(bench.responses == [.dropFlow(Self.outer, nanoseconds: Finding.flowDropNanoseconds)])
    }

    @Test func `a tunnel that is not opened writes into no other flow`() throws {
        let rules = #"drop tcp any any -> any any (msg:"split"; content:"goodness"; sid:1;)"#
        let bench = try Bench(rules, onMatch: .dropFlow)
        var talk = Conversation(serverPort: 9)
        bench.feed(talk.open() + [talk.say(.toServer, "good")])
        var inserted = talk
        bench.feed(wrapped(inserted.say(.toServer, "XXXX")))
        bench.feed(talk.say(.toServer, "ness"))
        let flow = FlowTuple(
            proto: .tcp, source: client, sourcePort: 40_000, destination: server, destinationPort: 9)
        #expect(bench.responses == [.dropFlow(flow, nanoseconds: Finding.flowDropNanoseconds)])
    }

    @Test func `what an opened tunnel carries in one that is not opened is the latter's`() throws {
        let twice = frames(evil: .toServer).map { wrapped($0) }
        for (opened, isOuter) in [([], true), ([.ipip], false)] as [(Set<Encapsulation>, Bool)] {
            let bench = try Bench(rules, onMatch: .dropFlow, decapsulate: opened)
            bench.feed(twice)
            let flow = isOuter ? Self.outer : Self.inner
            #expect(bench.responses == [.dropFlow(flow, nanoseconds: Finding.flowDropNanoseconds)])
        }
    }
}

/// What is of no flow: nobody's connection shows that its source is who it says.
struct StrayTests {
    /// A first fragment of a datagram, whose rest never comes.
    private func fragment() throws -> [UInt8] {
        var frame = try PacketBuilder("udp 203.0.113.7:4000 > 198.51.100.1:9 payload 6576696c").bytes
        frame[20] = 0x20
        return frame
    }

    @Test(arguments: [MatchResponse.ban(nanoseconds: 60), .dropFlow])
    func `a fragment that matches by itself is told, and nothing comes of it`(_ onMatch: MatchResponse) throws
    {
        let bench = try Bench(
            #"drop ip any any -> any any (msg:"x"; fragbits:M; sid:1;)"#, onMatch: onMatch)
        bench.feed(try fragment())
        let alert = try #require(try bench.events(.alert).first)
        #expect((alert["alert"] as? [String: Any])?["action"] as? String == "allowed")
        #expect((alert["verdict"] as? [String: Any])?["action"] as? String == "alert")
        #expect(bench.outcome.findings.isEmpty)
        #expect(try bench.events(.drop).isEmpty)
    }
}
