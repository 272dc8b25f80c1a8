// SPDX-License-Identifier: Apache-2.0
// Both directions of a flow are one key, and no other flow's.
import NetworkTypes
import Testing

private func ends(_ text: String) throws -> FlowEnds { FlowEnds(try PacketDescription(parsing: text)) }

@Test(arguments: [
    ("tcp 192.0.2.1:1000 > 198.51.100.1:80 syn", "tcp 198.51.100.1:80 > 192.0.2.1:1000 ack"),
    ("udp 192.0.2.1:9 > 192.0.2.1:8", "udp 192.0.2.1:8 > 192.0.2.1:9"),
    ("udp [2001:db8::2]:9 > [2001:db8::1]:9", "udp [2001:db8::1]:9 > [2001:db8::2]:9"),
    ("icmp 192.0.2.1 > 192.0.2.2 echo-request", "icmp 192.0.2.2 > 192.0.2.1 echo-reply"),
    ("ip 192.0.2.1 > 192.0.2.2 proto 47", "ip 192.0.2.2 > 192.0.2.1 proto 47"),
])
func `both directions have the same ends, the lower first`(there: String, back: String) throws {
    let (one, other) = (try ends(there), try ends(back))
    #expect(one == other && one.hashValue == other.hashValue)
    #expect(!(one.upper < one.lower))
}

@Test func `flows that differ in one thing have other ends`() throws {
    let texts = [
        "tcp 192.0.2.1:1000 > 198.51.100.1:80 syn", "udp 192.0.2.1:1000 > 198.51.100.1:80",
        "tcp 192.0.2.2:1000 > 198.51.100.1:80 syn", "tcp 192.0.2.1:1001 > 198.51.100.1:80 syn",
        "tcp 192.0.2.1:80 > 198.51.100.1:1000 syn", "tcp 192.0.2.1:1000 > 198.51.100.2:80 syn",
    ]
    #expect(try Set(texts.map(ends)).count == texts.count)
}

@Test func `protocols without ports have none`() throws {
    let flow = try ends("icmp 198.51.100.1 > 192.0.2.2 echo-request")
    #expect(flow.proto == .icmp && flow.lower.port == 0 && flow.upper.port == 0)
    #expect("\(flow.lower.address)" == "192.0.2.2" && "\(flow.upper.address)" == "198.51.100.1")
}
