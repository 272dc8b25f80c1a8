// SPDX-License-Identifier: Apache-2.0
// Every spoofed check of docs/policy.md: sources that fail it, neighbours that do not, exceptions.
import NetworkTypes
import PolicyLanguage
import Testing

@testable import ReferenceFirewall

struct SpoofedCase: Sendable, CustomTestStringConvertible {
    let source: String
    let check: SpoofedCheck?
    init(_ source: String, _ check: SpoofedCheck?) {
        self.source = source
        self.check = check
    }
    var testDescription: String { source }
    var frame: [UInt8] {
        source.contains(":") ? IPv6Bytes(source: source).frame : IPv4Bytes(source: source).frame
    }
}

private let sources = [
    SpoofedCase("126.255.255.255", nil), SpoofedCase("127.0.0.0", .loopback),
    SpoofedCase("127.255.255.255", .loopback), SpoofedCase("128.0.0.0", nil),
    SpoofedCase("0.0.0.0", .thisNetwork), SpoofedCase("0.255.255.255", .thisNetwork),
    SpoofedCase("1.0.0.0", nil),
    SpoofedCase("223.255.255.255", nil), SpoofedCase("224.0.0.0", .multicast),
    SpoofedCase("255.255.255.255", .multicast), SpoofedCase("10.0.0.1", nil), SpoofedCase("192.0.2.1", nil),
    SpoofedCase("198.51.100.1", .same), SpoofedCase("198.51.100.99", .own),
    SpoofedCase("::1", .loopback), SpoofedCase("::2", nil), SpoofedCase("::", .unspecified),
    SpoofedCase("ff00::", .multicast), SpoofedCase("ff02::1", .multicast),
    SpoofedCase("feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nil),
    SpoofedCase("::ffff:192.0.2.1", .mapped), SpoofedCase("::fffe:ffff:ffff", nil),
    SpoofedCase("::1:0:0:0", nil),
    SpoofedCase("fe80::1", nil), SpoofedCase("2001:db8::1", .same), SpoofedCase("2001:db8::99", .own),
]

private func judged(_ frame: [UInt8], on interface: String? = nil, _ policy: CheckedPolicy = policy())
    -> Judgement
{
    let own = Set(["198.51.100.99", "2001:db8::99"].compactMap { IPAddress($0) })
    return ReferenceFirewall(policy: policy, ownAddresses: own)
        .judging(ReferenceFrame(bytes: frame, interface: interface))
}

@Test(arguments: sources)
func `a source that no wire carries is dropped as spoofed`(_ sample: SpoofedCase) {
    let expected =
        sample.check.map { Judgement(.drop, .spoofed, detail: $0.rawValue) } ?? Judgement(.pass, .default)
    #expect(judged(sample.frame) == expected)
}

@Test(arguments: sources)
func `nothing is spoofed on lo`(_ sample: SpoofedCase) {
    #expect(judged(sample.frame, on: "lo") == Judgement(.pass, .default))
}

@Test(arguments: sources)
func `under spoofed pass the packet meets the rules and keeps the check as detail`(_ sample: SpoofedCase) {
    let open = policy([rule("any", .reject)]) { $0.spoofed = .pass }
    let expected = Judgement(.reject, .rule, detail: sample.check?.rawValue ?? "", rule: "any")
    #expect(judged(sample.frame, open) == expected)
}

private func judged(_ frame: [UInt8], _ policy: CheckedPolicy) -> Judgement { judged(frame, on: nil, policy) }

@Test func `a dhcp client without an address is not spoofed, its neighbours are`() {
    func discover(_ source: String, _ ports: (Int, Int), proto: UInt8 = 17) -> String {
        judged(IPv4Bytes(source: source, proto: proto, content: udp(ports.0, ports.1)).frame).detail
    }
    #expect(discover("0.0.0.0", (68, 67)) == "")
    #expect(discover("0.0.0.1", (68, 67)) == "this-network source")
    #expect(discover("0.0.0.0", (67, 68)) == "this-network source")
    #expect(discover("0.0.0.0", (68, 68)) == "this-network source")
    #expect(discover("0.0.0.0", (68, 67), proto: 47) == "this-network source")
    var later = IPv4Bytes(source: "0.0.0.0", proto: 17, content: udp(68, 67), fragment: 5)
    #expect(judged(later.frame).detail == "this-network source")
    later.fragment = 0
    later.destination = "0.0.0.0"
    #expect(judged(later.frame).detail == "source is destination")
}

@Test(arguments: [UInt8(133), 135, 143])
func `an unspecified source may look for its first address`(_ type: UInt8) {
    var packet = IPv6Bytes(source: "::", next: 58, content: icmp(type), hopLimit: 255)
    #expect(judged(packet.frame).reason != .spoofed)
    packet.content = icmp(type - 1)
    #expect(judged(packet.frame).detail == "unspecified source")
    packet.content = Array(icmp(type).prefix(7))
    #expect(judged(packet.frame, policy { $0.malformed = .pass }).reason == .spoofed)
}

@Test func `malformed is judged before spoofed, and names the packet where both were let on`() {
    let both = IPv4Bytes(source: "127.0.0.1", content: tcp(words: 4)).frame
    #expect(judged(both).detail == "tcp header length")
    let open = policy {
        $0.malformed = .pass
        $0.spoofed = .pass
    }
    #expect(judged(both, open) == Judgement(.pass, .default, detail: "tcp header length"))
    let half = policy { $0.malformed = .pass }
    #expect(judged(both, half) == Judgement(.drop, .spoofed, detail: "loopback source"))
}

@Test func `a packet without a readable header is not spoofed`() {
    let frame = IPv4Bytes(source: "127.0.0.1", version: 6).frame
    #expect(
        judged(frame, policy { $0.malformed = .pass }) == Judgement(.pass, .default, detail: "ip version"))
}
