// SPDX-License-Identifier: Apache-2.0
// Tunnel headers and what stands in them: every option, every length, every kind of content.
import NetworkTypes
import PolicyLanguage
import Testing

@testable import ReferenceFirewall

private let inner4 = IPv4Bytes().packet
private let inner6 = IPv6Bytes().packet

private func around4(_ proto: UInt8, _ content: [UInt8]) -> [UInt8] {
    IPv4Bytes(source: "203.0.113.1", proto: proto, content: content).frame
}

private func around6(_ next: UInt8, _ content: [UInt8]) -> [UInt8] {
    IPv6Bytes(source: "2001:db8:1::1", next: next, content: content).frame
}

/// Port 22 passes by a rule, the rest is dropped by default.
private func opening(_ names: [Encapsulation], _ change: (inout CheckedPolicy) -> Void = { _ in })
    -> CheckedPolicy
{
    policy([rule("ssh", .pass) { $0.service = service(.tcp, 22...22) }]) {
        $0.defaultVerdict = .drop
        $0.decapsulate = Set(names)
        change(&$0)
    }
}

private let everything = opening(Encapsulation.allCases)
private let byRule = Judgement(.pass, .rule, rule: "ssh")
private let byDefault = Judgement(.drop, .default)

private func malformed(_ check: MalformedCheck) -> Judgement {
    Judgement(.drop, .malformed, detail: check.rawValue)
}

/// A tunnel header by itself and what may stand behind it.
private struct Header: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var name: Encapsulation
    var bytes: [UInt8]
    var content: [UInt8] = inner4

    func frames(_ carried: [UInt8]) -> [[UInt8]] {
        switch name {
        case .vxlan: [around4(17, udp(5, 4789, carried)), around6(17, udp(5, 4789, carried))]
        case .geneve: [around4(17, udp(5, 6081, carried)), around6(17, udp(5, 6081, carried))]
        default: [around4(47, carried), around6(47, carried)]
        }
    }
}

private let contents: [(String, Int, [UInt8])] = [
    ("IPv4", 0x0800, inner4), ("IPv6", 0x86dd, inner6), ("Ethernet", 0x6558, IPv4Bytes().frame),
]

private let greHeaders: [Header] = contents.flatMap { name, type, content in
    (0..<8).map { options in
        let flags = (options & 4) << 13 | (options & 3) << 12
        let words = options.nonzeroBitCount
        return Header(
            testDescription: "GRE \(String(flags, radix: 16)) \(name)", name: .gre,
            bytes: be16(flags) + be16(type) + zeros(4 * words), content: content)
    }
}

private let geneveHeaders: [Header] = contents.flatMap { name, type, content in
    [0, 1, 63].map { words in
        Header(
            testDescription: "GENEVE \(words) \(name)", name: .geneve,
            bytes: [UInt8(words), 0] + be16(type) + zeros(4 + 4 * words), content: content)
    }
}

private let vxlanHeader = Header(
    testDescription: "VXLAN", name: .vxlan, bytes: [8] + zeros(7), content: IPv6Bytes().frame)
private let headers = greHeaders + geneveHeaders + [vxlanHeader]

@Test(arguments: headers)
private func `a header with any options is opened where its name stands`(_ header: Header) {
    for frame in header.frames(header.bytes + header.content) {
        #expect(judge(frame, opening([header.name])) == byRule)
        #expect(judge(frame, opening(Encapsulation.allCases.filter { $0 != header.name })) == byDefault)
    }
}

@Test(arguments: headers)
private func `a header cut at any length is a truncated tunnel header, but only where it is named`(
    _ header: Header
) {
    for length in 0..<header.bytes.count {
        for frame in header.frames(Array(header.bytes.prefix(length))) {
            #expect(judge(frame, opening([header.name])) == malformed(.truncatedTunnel), "\(length)")
            #expect(judge(frame, opening([])) == byDefault, "\(length)")
        }
    }
}

@Test(arguments: headers)
private func `under malformed pass the layer around a truncated header is judged`(_ header: Header) {
    let lenient = opening([header.name]) {
        $0.malformed = .pass
        $0.rules = [rule("outer", .pass) { $0.source = addresses("203.0.113.1", "2001:db8:1::1") }]
    }
    let expected = Judgement(.pass, .rule, detail: "truncated tunnel header", rule: "outer")
    for frame in header.frames(Array(header.bytes.dropLast())) { #expect(judge(frame, lenient) == expected) }
}

@Test(arguments: headers)
private func `content cut at any length is malformed by its own check`(_ header: Header) {
    let isEthernet = header.content.starts(with: ethernet(0, []).prefix(12))
    let ip = isEthernet ? 14 : 0
    let fixed = header.content.count - ip == 40 ? 20 : 40
    for length in 0..<header.content.count {
        let expected: MalformedCheck =
            length < ip ? .truncatedEthernet : length < ip + fixed ? .truncatedIP : .truncatedPacket
        for frame in header.frames(header.bytes + header.content.prefix(length)) {
            #expect(judge(frame, opening([header.name])) == malformed(expected), "\(length)")
        }
    }
}

/// IP directly in IP: there is no tunnel header to cut.
private let directTunnels: [(Encapsulation, [UInt8], [UInt8])] = [
    (.ipip, around4(4, []), inner4), (.ipip, around6(41, []), inner6),
    (.ipv4InIPv6, around6(4, []), inner4), (.ipv6InIPv4, around4(41, []), inner6),
]

@Test(arguments: directTunnels)
private func `an inner IP header cut at any length is malformed, but only where it is named`(
    _ name: Encapsulation, _ outer: [UInt8], _ inner: [UInt8]
) {
    let fixed = inner == inner4 ? 20 : 40
    for length in 0...inner.count {
        let content = Array(inner.prefix(length))
        let isIPv4Outside = outer.count == 34
        let frame =
            isIPv4Outside ? around4(outer[23], content) : around6(outer[20], content)
        let expected =
            length == inner.count
            ? byRule : malformed(length < fixed ? .truncatedIP : .truncatedPacket)
        #expect(judge(frame, opening([name])) == expected, "\(name) of \(length)")
        #expect(judge(frame, opening([])) == byDefault)
    }
}

/// (what it is, protocol, what is carried): tunnels that are not read, or not of that kind.
private let strangers: [(String, UInt8, [UInt8])] = [
    ("GRE version 1", 47, [0, 1, 8, 0] + inner4), ("GRE version 7", 47, [0, 7, 8, 0] + inner4),
    ("GRE with routing", 47, [0x40, 0, 8, 0] + zeros(4) + inner4),
    ("GRE with routing, cut options", 47, [0xf0, 0, 8, 0]), ("GRE of ARP", 47, [0, 0, 8, 6] + zeros(28)),
    ("GRE of MPLS, cut options", 47, [0x80, 0, 0x88, 0x47]),
    ("VXLAN without I", 17, udp(5, 4789, [0xf7] + zeros(7) + IPv4Bytes().frame)),
    ("GENEVE version 1", 17, udp(5, 6081, [0x40, 0, 8, 0] + zeros(4) + inner4)),
    ("GENEVE version 3, cut options", 17, udp(5, 6081, [0xff, 0, 8, 0] + zeros(4))),
    ("GENEVE of PPP", 17, udp(5, 6081, [0, 0, 0x88, 0x0b] + zeros(4) + inner4)),
    ("ports the other way", 17, udp(4789, 5, [8] + zeros(7) + IPv4Bytes().frame)),
    ("ARP in VXLAN", 17, udp(5, 4789, [8] + zeros(7) + ethernet(0x0806, zeros(28)))),
    ("two tags and ARP in VXLAN", 17, udp(5, 4789, [8] + zeros(7) + tagged(0x0806, zeros(28)))),
    ("ESP", 50, inner4), ("no next header", 59, inner4), ("L2TP", 115, inner4),
]

private func tagged(_ type: Int, _ content: [UInt8]) -> [UInt8] {
    ethernet(type, content, tags: [(0x88a8, 5), (0x8100, 6)])
}

@Test(arguments: strangers)
private func `what is no tunnel that is read is judged by the header around it, well-formed`(
    _ name: String, _ proto: UInt8, _ carried: [UInt8]
) {
    #expect(judge(around4(proto, carried), everything) == byDefault, "\(name)")
    #expect(judge(around6(proto, carried), everything) == byDefault, "\(name)")
}

@Test func `GRE of neither version looks no further, so that nothing of it is truncated`() {
    #expect(judge(around4(47, [0xb0, 1, 8, 0]), everything) == byDefault)
    #expect(judge(around4(47, [0xb0, 0, 8, 0]), everything) == malformed(.truncatedTunnel))
}

/// Faults of an inner header whose addresses cannot be read: (carried in VXLAN, check).
private let unreadable: [([UInt8], MalformedCheck)] = [
    (IPv4Bytes(version: 5).frame, .ipVersion), (IPv6Bytes(version: 4).frame, .ipVersion),
    (ethernet(0x8100, zeros(3)), .truncatedTag),
    (ethernet(0x0800, inner4, tags: [(0x8100, 1), (0x8100, 2), (0x8100, 3)]), .tooManyTags),
    (ethernet(0x86dd, inner4), .ipVersion),
]

@Test(arguments: unreadable)
private func `an unreadable inner header is malformed, and let on the outer one is judged`(
    _ carried: [UInt8], _ check: MalformedCheck
) {
    let frame = around4(17, udp(5, 4789, [8] + zeros(7) + carried))
    #expect(judge(frame, opening([.vxlan])) == malformed(check))
    let lenient = opening([.vxlan]) {
        $0.malformed = .pass
        $0.rules = [rule("tunnel", .pass) { $0.service = service(.udp, 4789...4789) }]
    }
    #expect(judge(frame, lenient) == Judgement(.pass, .rule, detail: check.rawValue, rule: "tunnel"))
}

@Test func `an inner header whose addresses were read is judged for all its faults`() {
    let frame = around4(4, IPv4Bytes(words: 4).packet)
    #expect(judge(frame, everything) == malformed(.ipHeaderLength))
    let lenient = opening([.ipip]) {
        $0.malformed = .pass
        $0.rules = [rule("inner", .pass) { $0.source = addresses("192.0.2.7") }]
    }
    #expect(judge(frame, lenient) == Judgement(.pass, .rule, detail: "ip header length", rule: "inner"))
}

@Test func `the outer layer's fault is the detail, and the inner one is still judged`() {
    let carried = [8] + zeros(7) + IPv4Bytes(content: tcp(flags: [])).frame
    let frame = around4(17, udp(5, 4789, carried, length: 7))
    #expect(judge(frame, everything) == malformed(.udpLength))
    let lenient = opening([.vxlan]) { $0.malformed = .pass }
    #expect(judge(frame, lenient) == Judgement(.pass, .rule, detail: "udp length", rule: "ssh"))
}

@Test func `a tunnel in a UDP datagram ends with it`() {
    let carried = [8] + zeros(7) + IPv4Bytes().frame
    let short = udp(5, 4789, carried, length: 8 + carried.count - 1)
    #expect(judge(around4(17, short), everything) == malformed(.truncatedPacket))
}
