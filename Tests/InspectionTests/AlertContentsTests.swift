// SPDX-License-Identifier: Apache-2.0
// What an alert repeats of its packet, and what is around a packet: link headers, tunnels, mirrors.
import NetworkTypes
import Testing

@testable import Inspection

private let udpNeedle = #"alert udp any any -> any any (msg:"x"; content:"needle"; sid:2;)"#

@Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy"),
])
func `base64 is that of RFC 4648`(text: String, encoded: String) {
    #expect(base64(Array(text.utf8)) == encoded)
}

@Test func `an alert repeats packet and payload only where it is asked to`() throws {
    let frame = Conversation().datagram(.toServer, Array("a needle\n\u{1}".utf8))
    let plain = try Bench(udpNeedle)
    plain.feed(frame)
    let short = try #require(try plain.events(.alert).first)
    #expect(short["packet"] == nil && short["payload"] == nil && short["flow"] != nil)
    let bench = try Bench(udpNeedle) { $0.alertContents = [.packet, .payload] }
    bench.feed(frame)
    let event = try #require(try bench.events(.alert).first)
    #expect(event["flow"] == nil && event["direction"] == nil)
    #expect(event["packet"] as? String == base64(frame))
    #expect((event["packet_info"] as? [String: Any])?["linktype"] as? Int == 1)
    #expect((event["packet_info"] as? [String: Any])?["linktype_name"] as? String == "EN10MB")
    #expect(event["payload"] as? String == "YSBuZWVkbGUKAQ==")
    #expect(event["payload_printable"] as? String == "a needle\n." && event["stream"] as? Int == 0)
}

@Test func `a match in a stream repeats the stream's bytes`() throws {
    let rule = #"alert tcp any any -> any any (msg:"x"; content:"needle"; sid:2;)"#
    let bench = try Bench(rule) { $0.alertContents = .payload }
    var talk = Conversation(serverPort: 9000)
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "a needle"))
    let event = try #require(try bench.events(.alert).first)
    #expect(event["payload_printable"] as? String == "a needle" && event["stream"] as? Int == 1)
}

@Test func `a payload is repeated up to 4 KiB`() throws {
    let bench = try Bench(udpNeedle) { $0.alertContents = .payload }
    let long = String(repeating: "A", count: 8000)
    bench.feed(Conversation().datagram(.toServer, Array("needle \(long)".utf8)))
    let event = try #require(try bench.events(.alert).first)
    #expect((event["payload_printable"] as? String)?.count == 4096)
}

@Test func `a mirrored frame is in the VLAN that the mirror names, and counts with its header`() throws {
    let bench = try Bench(udpNeedle)
    let frame = Conversation().datagram(.toServer, Array("needle".utf8))
    let gre: [UInt8] = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 23, 0, 1, 0, 0, 0, 0]
    bench.feed(inner(47, gre + frame))
    let event = try #require(try bench.events(.alert).first)
    #expect(event["vlan"] as? [Int] == [23] && event["src_ip"] as? String == "203.0.113.7")
    let flow = try #require(event["flow"] as? [String: Any])
    #expect(flow["bytes_toserver"] as? Int == frame.count + 8)
}

struct TeredoCase: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let before: [UInt8]
    var behind: [UInt8] = []
    let isFound: Bool
}

@Test(arguments: [
    TeredoCase(testDescription: "bare", before: [], isFound: true),
    TeredoCase(testDescription: "origin", before: [0, 0, 1, 2, 3, 4, 5, 6], isFound: true),
    TeredoCase(
        testDescription: "authentication", before: [0, 1, 0, 0] + [UInt8](repeating: 0, count: 9),
        isFound: false),
    TeredoCase(testDescription: "more than the packet", before: [], behind: [0], isFound: false),
])
func `what Teredo carries is inspected`(_ given: TeredoCase) throws {
    let bench = try Bench("alert icmp any any -> any any (msg:\"x\"; itype:128; sid:2;)")
    let header: [UInt8] = [0x60, 0, 0, 0, 0, 8, 58, 64]
    let host: [UInt8] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]
    let echo: [UInt8] = [128, 0, 0, 0, 0, 1, 0, 1]
    let packet = header + host + host + echo
    bench.feed(
        Conversation(serverPort: 3544).datagram(.toServer, given.before + packet + given.behind))
    #expect(try bench.alerts() == (given.isFound ? [2] : []))
}

@Test func `a packet behind a network service header is read, a header that lies is not`() throws {
    let packet = Conversation().datagram(.toServer, Array("needle".utf8))[14...]
    for (length, isFound) in [(UInt8(2), true), (1, false), (63, false)] {
        let bench = try Bench(udpNeedle)
        let service: [UInt8] = [0x89, 0x4f, 0, length, 2, 1, 0, 0, 1, 2]
        bench.feed(Array(ethernet[..<12]) + service + Array(packet))
        #expect(try bench.alerts() == (isFound ? [2] : []))
    }
}

@Test func `a flow of ICMP tells the types of question and answer`() throws {
    let bench = try Bench()
    bench.feed(inner(1, [8, 0, 0, 0, 0, 1, 0, 1]))
    bench.feed(inner(1, [0, 0, 0, 0, 0, 1, 0, 1], isAnswer: true))
    bench.finish()
    let flow = try #require(try bench.events(.flow).first)
    #expect(flow["icmp_type"] as? Int == 8 && flow["icmp_code"] as? Int == 0)
    #expect(flow["response_icmp_type"] as? Int == 0 && flow["response_icmp_code"] as? Int == 0)
}

@Test(arguments: [0, 3, 5, 8, 13, 14, 15, 16, 17, 18, 19] as [UInt8])
func `identifier and number are those of the types of ICMP that have them`(_ type: UInt8) throws {
    let bench = try Bench(
        """
        alert icmp any any -> any any (msg:"x"; icmp_id:7; sid:1;)
        alert icmp any any -> any any (msg:"x"; icmp_seq:9; sid:2;)
        """)
    bench.feed(inner(1, [type, 0, 0, 0, 0, 7, 0, 9] + [UInt8](repeating: 0, count: 12)))
    #expect(try bench.alerts() == ([3, 5, 19].contains(type) ? [] : [1, 2]))
}

@Test func `the last segment of a handshake is not established, unless it brings data`() throws {
    let rules = """
        alert tcp any any -> any 80 (msg:"x"; flow:not_established; flags:A; sid:1;)
        alert tcp any any -> any 80 (msg:"x"; flow:established; flags:A+; sid:2;)
        """
    let bench = try Bench(rules)
    var talk = Conversation()
    bench.feed(talk.open())
    #expect(try bench.alerts() == [1])
    bench.feed(talk.say(.toServer, "GET"))
    #expect(try bench.alerts() == [1, 2])
    let eager = try Bench(rules)
    var other = Conversation()
    for frame in other.open().prefix(2) { eager.feed(frame) }
    eager.feed(other.say(.toServer, "GET"))
    #expect(try eager.alerts() == [2])
}

@Test func `an alert on DHCP tells who asks and what is given`() throws {
    let bench = try Bench("alert dhcp any any -> any any (msg:\"x\"; sid:2;)")
    let client: [UInt8] = [0, 0x11, 0x32, 0x17, 0x49, 0xf0]
    func message(_ kind: UInt8, _ given: [UInt8]) -> [UInt8] {
        let head: [UInt8] = [kind, 1, 6, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0]
        let servers = [UInt8](repeating: 0, count: 8)
        let names = [UInt8](repeating: 0, count: 202)
        let options: [UInt8] = [0x63, 0x82, 0x53, 0x63, 53, 1, kind == 1 ? 3 : 5, 0xff]
        return head + given + servers + client + names + options + [UInt8](repeating: 0, count: 60)
    }
    let talk = Conversation(serverPort: 67, clientPort: 68)
    bench.feed(talk.datagram(.toServer, message(1, [0, 0, 0, 0])))
    bench.feed(talk.datagram(.toClient, message(2, [192, 0, 2, 9])))
    let told = try bench.events(.alert).compactMap { $0["dhcp"] as? [String: Any] }
    #expect(told.map { $0["type"] as? String } == ["request", "reply"])
    #expect(told.first?["client_mac"] as? String == "00:11:32:17:49:f0" && told.first?["id"] as? Int == 258)
    #expect(told.first?["assigned_ip"] == nil && told.last?["assigned_ip"] as? String == "192.0.2.9")
    #expect(Array("no DHCP".utf8).withUnsafeBytes { DHCPMessage($0) == nil })
}

/// An IPv4 packet between two hosts.
private func inner(_ proto: UInt8, _ content: [UInt8], isAnswer: Bool = false) -> [UInt8] {
    let header: [UInt8] = [0x45, 0] + number(20 + content.count) + [0, 2, 0, 0, 64, proto, 0, 0]
    let hosts: [[UInt8]] = [[192, 0, 2, 1], [192, 0, 2, 2]]
    return ethernet + header + (isAnswer ? hosts[1] + hosts[0] : hosts[0] + hosts[1]) + content
}
