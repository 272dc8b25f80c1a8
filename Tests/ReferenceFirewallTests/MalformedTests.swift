// SPDX-License-Identifier: Apache-2.0
// Every malformed check of docs/policy.md: a packet that fails it, and one that only just does not.
import NetworkTypes
import PolicyLanguage
import Testing

@testable import ReferenceFirewall

struct MalformedCase: Sendable, CustomTestStringConvertible {
    let name: String
    let frame: [UInt8]
    /// Nil: well-formed.
    let check: MalformedCheck?
    init(_ name: String, _ frame: [UInt8], _ check: MalformedCheck?) {
        self.name = name
        self.frame = frame
        self.check = check
    }
    var testDescription: String { name }
}

private let tagged = IPv4Bytes().packet
private let eight =
    [UInt8](repeating: 60, count: 7).flatMap { extensionHeader(next: $0) } + extensionHeader(next: 6)

private let linkCases: [MalformedCase] = [
    MalformedCase("no bytes", [], .truncatedEthernet),
    MalformedCase("13 bytes", zeros(13), .truncatedEthernet),
    MalformedCase("14 bytes of another ethertype", zeros(14), nil),
    MalformedCase("two tags", ethernet(0x0800, tagged, tags: [(0x88a8, 5), (0x8100, 6)]), nil),
    MalformedCase(
        "three tags",
        ethernet(0x0800, tagged, tags: [(0x88a8, 5), (0x8100, 6), (0x8100, 7)]), .tooManyTags),
    MalformedCase(
        "three priority tags",
        ethernet(0x0800, tagged, tags: [(0x8100, 0), (0x8100, 0), (0x8100, 0)]), .tooManyTags),
    MalformedCase(
        "third tag without its bytes",
        ethernet(0x8100, [], tags: [(0x8100, 5), (0x8100, 6)]), .tooManyTags),
    MalformedCase("tag of 3 bytes", ethernet(0x8100, zeros(3)), .truncatedTag),
    MalformedCase("tag of 4 bytes, non-ip", ethernet(0x8100, zeros(4)), nil),
]

private let ipv4Cases: [MalformedCase] = [
    MalformedCase("19 bytes of IPv4", ethernet(0x0800, Array(tagged.prefix(19))), .truncatedIP),
    MalformedCase("20 bytes of IPv4, no L4", IPv4Bytes(proto: 47, content: []).frame, nil),
    MalformedCase("version 5 under IPv4's ethertype", IPv4Bytes(version: 5).frame, .ipVersion),
    MalformedCase("short and of another version", ethernet(0x0800, [0x55]), .truncatedIP),
    MalformedCase("header of 4 words", IPv4Bytes(words: 4).frame, .ipHeaderLength),
    MalformedCase("header of 6 words", IPv4Bytes(options: zeros(4)).frame, nil),
    MalformedCase("total length 0", IPv4Bytes(totalLength: 0).frame, .ipLengthZero),
    MalformedCase(
        "header length before length 0",
        IPv4Bytes(words: 4, totalLength: 0).frame, .ipHeaderLength),
    MalformedCase("total length 19", IPv4Bytes(totalLength: 19).frame, .ipLength),
    MalformedCase(
        "total length below a long header",
        IPv4Bytes(options: zeros(4), totalLength: 23).frame, .ipLength),
    MalformedCase("total length 20 of GRE", IPv4Bytes(proto: 47, totalLength: 20).frame, nil),
    MalformedCase("one byte missing", Array(IPv4Bytes().frame.dropLast()), .truncatedPacket),
    MalformedCase("padding behind the packet", IPv4Bytes().frame + zeros(6), nil),
    MalformedCase(
        "options beyond the frame",
        IPv4Bytes(content: [], words: 15, totalLength: 60).frame, .truncatedPacket),
    MalformedCase("TCP at offset 1", IPv4Bytes(fragment: 1).frame, .fragmentOffset1),
    MalformedCase("TCP at offset 2", IPv4Bytes(fragment: 2).frame, nil),
    MalformedCase("UDP at offset 1", IPv4Bytes(proto: 17, fragment: 1).frame, nil),
    MalformedCase("a later fragment of 1 byte", IPv4Bytes(content: [0], fragment: 0x2003).frame, nil),
]

private let ipv6Cases: [MalformedCase] = [
    MalformedCase("39 bytes of IPv6", ethernet(0x86dd, Array(IPv6Bytes().packet.prefix(39))), .truncatedIP),
    MalformedCase("40 bytes of IPv6", IPv6Bytes(next: 59, content: []).frame, nil),
    MalformedCase("version 4 under IPv6's ethertype", IPv6Bytes(version: 4).frame, .ipVersion),
    MalformedCase("jumbogram", IPv6Bytes(next: 0, payloadLength: 0).frame, .jumbogram),
    MalformedCase("length 0 without hop-by-hop", IPv6Bytes(next: 59, payloadLength: 0).frame, nil),
    MalformedCase("one byte missing", Array(IPv6Bytes().frame.dropLast()), .truncatedPacket),
    MalformedCase("padding behind the packet", IPv6Bytes().frame + zeros(6), nil),
    MalformedCase(
        "two fragment headers",
        IPv6Bytes(
            next: 44,
            content: fragmentHeader(next: 44, offset: 0, more: true)
                + fragmentHeader(next: 6, offset: 5, more: false) + tcp()
        ).frame, .secondFragmentHeader),
    MalformedCase(
        "an atomic fragment header behind a first one",
        IPv6Bytes(
            next: 44,
            content: fragmentHeader(next: 44, offset: 0, more: true)
                + fragmentHeader(next: 6, offset: 0, more: false) + tcp()
        ).frame, nil),
    MalformedCase("eight extension headers", IPv6Bytes(next: 60, content: eight + tcp()).frame, nil),
    MalformedCase(
        "nine extension headers",
        IPv6Bytes(next: 43, content: extensionHeader(next: 60) + eight + tcp()).frame, .tooManyExtensions),
    MalformedCase(
        "a ninth that is hop-by-hop",
        IPv6Bytes(
            next: 60,
            content: Array(eight.dropLast(8)) + extensionHeader(next: 0) + zeros(8)
        ).frame, .tooManyExtensions),
    MalformedCase(
        "hop-by-hop first",
        IPv6Bytes(next: 0, content: extensionHeader(next: 6) + tcp()).frame, nil),
    MalformedCase(
        "hop-by-hop second",
        IPv6Bytes(
            next: 60,
            content: extensionHeader(next: 0) + extensionHeader(next: 6) + tcp()
        ).frame, .hopByHopNotFirst),
    MalformedCase(
        "hop-by-hop second and truncated",
        IPv6Bytes(next: 60, content: extensionHeader(next: 0)).frame, .hopByHopNotFirst),
    MalformedCase("7 bytes of extension", IPv6Bytes(next: 60, content: zeros(7)).frame, .truncatedExtension),
    MalformedCase(
        "extension longer than the packet",
        IPv6Bytes(next: 60, content: [59, 1] + zeros(13)).frame, .truncatedExtension),
    MalformedCase(
        "extension as long as the packet",
        IPv6Bytes(next: 60, content: [59, 1] + zeros(14)).frame, nil),
    MalformedCase("AH of 12 bytes in 12", IPv6Bytes(next: 51, content: [59, 1] + zeros(10)).frame, nil),
    MalformedCase(
        "AH of 12 bytes in 11",
        IPv6Bytes(next: 51, content: [59, 1] + zeros(9)).frame, .truncatedExtension),
    MalformedCase(
        "fragment header whose second byte is no length",
        IPv6Bytes(next: 44, content: [59, 200] + zeros(6)).frame, nil),
    MalformedCase(
        "routing type 0",
        IPv6Bytes(next: 43, content: extensionHeader(next: 6, third: 0) + tcp()).frame, .routingType0),
    MalformedCase(
        "routing type 2",
        IPv6Bytes(next: 43, content: extensionHeader(next: 6, third: 2) + tcp()).frame, nil),
    MalformedCase(
        "routing type 0 and truncated",
        IPv6Bytes(next: 43, content: [6, 9, 0] + zeros(5)).frame, .routingType0),
    MalformedCase(
        "mobility, HIP and shim6",
        IPv6Bytes(
            next: 135,
            content: extensionHeader(next: 139) + extensionHeader(next: 140) + extensionHeader(next: 59)
        ).frame, nil),
    MalformedCase(
        "a later fragment ends the chain",
        IPv6Bytes(next: 44, content: fragmentHeader(next: 60, offset: 1, more: true)).frame, nil),
]

private let l4Cases: [MalformedCase] = [
    MalformedCase("TCP of 19 bytes", IPv4Bytes(content: Array(tcp().prefix(19))).frame, .truncatedL4),
    MalformedCase("UDP of 7 bytes", IPv4Bytes(proto: 17, content: zeros(7)).frame, .truncatedL4),
    MalformedCase("SCTP of 11 bytes", IPv6Bytes(next: 132, content: zeros(11)).frame, .truncatedL4),
    MalformedCase("SCTP of 12 bytes", IPv6Bytes(next: 132, content: zeros(12)).frame, nil),
    MalformedCase("ICMP of 7 bytes", IPv4Bytes(proto: 1, content: zeros(7)).frame, .truncatedL4),
    MalformedCase("ICMPv6 of 8 bytes", IPv6Bytes(next: 58, content: icmp(128)).frame, nil),
    MalformedCase(
        "first fragment with 19 bytes of TCP",
        IPv4Bytes(content: Array(tcp().prefix(19)), fragment: 0x2000).frame, .tinyFragment),
    MalformedCase("first fragment with 20 bytes of TCP", IPv4Bytes(fragment: 0x2000).frame, nil),
    MalformedCase(
        "first IPv6 fragment with 7 bytes of UDP",
        IPv6Bytes(
            next: 44,
            content: fragmentHeader(next: 17, offset: 0, more: true) + zeros(7)
        ).frame, .tinyFragment),
    MalformedCase(
        "atomic fragment with 7 bytes of UDP",
        IPv6Bytes(
            next: 44,
            content: fragmentHeader(next: 17, offset: 0, more: false) + zeros(7)
        ).frame, .truncatedL4),
    MalformedCase("TCP header of 4 words", IPv4Bytes(content: tcp(words: 4)).frame, .tcpHeaderLength),
    MalformedCase(
        "TCP header of 6 words in 20 bytes",
        IPv4Bytes(content: tcp(words: 6)).frame, .tcpHeaderLength),
    MalformedCase(
        "TCP header of 6 words in 24 bytes",
        IPv4Bytes(content: tcp(words: 6) + zeros(4)).frame, nil),
    MalformedCase(
        "TCP header of 15 words in a first fragment",
        IPv4Bytes(content: tcp(words: 15), fragment: 0x2000).frame, nil),
    MalformedCase(
        "TCP length before TCP flags",
        IPv4Bytes(content: tcp(flags: [], words: 4)).frame, .tcpHeaderLength),
    MalformedCase(
        "no flags in a first fragment",
        IPv4Bytes(content: tcp(flags: []), fragment: 0x2000).frame, .tcpFlags),
    MalformedCase("UDP length 7", IPv4Bytes(proto: 17, content: udp(length: 7)).frame, .udpLength),
    MalformedCase("UDP length 8", IPv4Bytes(proto: 17, content: udp(1, 2, zeros(4), length: 8)).frame, nil),
    MalformedCase("UDP length one above", IPv4Bytes(proto: 17, content: udp(length: 9)).frame, .udpLength),
    MalformedCase(
        "UDP length above in a first fragment",
        IPv4Bytes(proto: 17, content: udp(length: 900), fragment: 0x2000).frame, nil),
    MalformedCase(
        "UDP truncated names the packet",
        Array(IPv4Bytes(proto: 17, content: udp(1, 2, [0])).frame.dropLast()), .truncatedPacket),
]

@Test(arguments: linkCases + ipv4Cases + ipv6Cases + l4Cases)
func `the first check that fails is the detail`(_ sample: MalformedCase) {
    let judgement = judge(sample.frame, policy())
    #expect(judgement.detail == sample.check?.rawValue ?? "")
    #expect((judgement.reason == .malformed) == (sample.check != nil))
    #expect(judgement.verdict == (sample.check == nil ? .pass : .drop))
}

@Test func `every malformed check is met by the table`() {
    // FragmentTests and TunnelTests have the last two.
    let elsewhere: [MalformedCheck] = [.tcpFlags, .overlappingFragment, .truncatedTunnel]
    let met = Set((linkCases + ipv4Cases + ipv6Cases + l4Cases).compactMap(\.check) + elsewhere)
    #expect(met == Set(MalformedCheck.allCases))
}

@Test func `tcp flags that no stack sends are malformed, all others are not`() {
    let judged: [TCPFlags] = [.fin, .syn, .rst, .psh, .ack, .urg]
    for raw in UInt8.min...UInt8.max {
        let flags = TCPFlags(rawValue: raw)
        let six = judged.filter(flags.contains)
        let impossible =
            six.isEmpty || six.count == 6
            || (six.contains(.syn) && (six.contains(.fin) || six.contains(.rst)))
            || (six.contains(.fin) && !six.contains(.ack))
        let judgement = judge(IPv4Bytes(content: tcp(flags: flags)).frame, policy())
        #expect((judgement.detail == "tcp flags") == impossible, "flags \(flags.setNames)")
    }
}

@Test(arguments: linkCases + ipv4Cases + ipv6Cases + l4Cases)
func `under malformed pass the packet meets the rules and keeps the check as detail`(_ sample: MalformedCase)
{
    guard let check = sample.check else { return }
    let open = policy([rule("any", .drop)]) { $0.malformed = .pass }
    #expect(judge(sample.frame, open) == Judgement(.drop, .rule, detail: check.rawValue, rule: "any"))
}

@Test(arguments: linkCases + ipv4Cases + ipv6Cases + l4Cases)
func `no frame cut short anywhere traps, nor is one without its headers well-formed`(_ sample: MalformedCase)
{
    let open = policy { $0.malformed = .pass }
    for length in 0..<sample.frame.count {
        let cut = Array(sample.frame.prefix(length))
        _ = judge(cut, open)
        if length < 14 { #expect(judge(cut, policy()).detail == "truncated ethernet header") }
    }
}
