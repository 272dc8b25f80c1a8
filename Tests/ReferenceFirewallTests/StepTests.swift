// SPDX-License-Identifier: Apache-2.0
// The steps between header checks and rules: non-ip, failsafe, bans, fragments, essential; and their order.
import NetworkTypes
import PolicyLanguage
import Testing

@testable import ReferenceFirewall

private let dropAll = [rule("all", .drop)]

@Test(arguments: [0x0806, 0x88cc, 0x0026, 0x86de])
func `what is not IP passes whatever the policy says`(_ etherType: Int) {
    let strict = policy(dropAll) { $0.defaultVerdict = .drop }
    #expect(judge(ethernet(etherType, zeros(28)), strict) == Judgement(.pass, .nonIP))
    #expect(judge(ethernet(etherType, [], tags: [(0x8100, 7)]), strict) == Judgement(.pass, .nonIP))
}

// Failsafe.

struct FailsafeCase: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let service: ServiceSet?
    let frame: [UInt8]
    let holds: Bool
    init(_ name: String, _ service: ServiceSet?, _ frame: [UInt8], _ holds: Bool) {
        testDescription = name
        self.service = service
        self.frame = frame
        self.holds = holds
    }
}

private let ssh = service(.tcp, 22...22)
private let away = "203.0.113.1"

private let failsafeCases: [FailsafeCase] = [
    FailsafeCase("its service", ssh, IPv4Bytes().frame, true),
    FailsafeCase("another port", ssh, IPv4Bytes(content: tcp(40000, 23)).frame, false),
    FailsafeCase("another source", ssh, IPv4Bytes(source: away).frame, false),
    FailsafeCase("a reply", ssh, reply(tcp(22, 40000)), true),
    FailsafeCase("a reply from another port", ssh, reply(tcp(23, 40000)), false),
    FailsafeCase("a request to its source", ssh, reply(tcp(40000, 22)), false),
    FailsafeCase("a reply of another protocol", ssh, reply(udp(22, 40000), 17), false),
    FailsafeCase("a later fragment to a port", ssh, IPv4Bytes(fragment: 9).frame, false),
    FailsafeCase("a later fragment to a protocol", service(.tcp), IPv4Bytes(fragment: 9).frame, true),
    FailsafeCase("a later fragment back", service(.tcp), reply(tcp(), fragment: 9), true),
    FailsafeCase("a later fragment back to a port", ssh, reply(tcp(), fragment: 9), false),
    FailsafeCase("anything without a service", nil, IPv4Bytes(proto: 47).frame, true),
    FailsafeCase("anything back without a service", nil, reply([], 47), true),
    FailsafeCase("gre", service(.gre), reply([], 47), true),
    FailsafeCase("not gre", service(.gre), reply([], 50), false),
    FailsafeCase("ping", service(.icmp, 8...8), IPv4Bytes(proto: 1, content: icmp(8)).frame, true),
    FailsafeCase("pong back", service(.icmp, 8...8), reply(icmp(0), 1), true),
    FailsafeCase("ping back", service(.icmp, 8...8), reply(icmp(8), 1), false),
    FailsafeCase("pong for another type", service(.icmp, 13...13), reply(icmp(0), 1), false),
    FailsafeCase("any icmp back", service(.icmp), reply(icmp(13), 1), true),
    FailsafeCase("pong of IPv6", service(.icmpv6, 128...128), reply6(icmp(129)), true),
    FailsafeCase("pong of IPv4 in IPv6", service(.icmpv6, 8...8), reply6(icmp(0)), false),
]

private func reply(_ content: [UInt8], _ proto: UInt8 = 6, fragment: Int = 0) -> [UInt8] {
    IPv4Bytes(source: away, destination: "192.0.2.7", proto: proto, content: content, fragment: fragment)
        .frame
}

private func reply6(_ content: [UInt8]) -> [UInt8] {
    IPv6Bytes(source: "2001:db8:9::1", destination: "2001:db8::7", next: 58, content: content).frame
}

@Test(arguments: failsafeCases)
func `failsafe passes its sources and the replies to them`(_ sample: FailsafeCase) {
    let office = addresses("192.0.2.0/24", "2001:db8::/64")
    let made = policy(dropAll) {
        $0.failsafe = [FailsafeEntry(source: office, service: sample.service, range: nowhere)]
    }
    let expected = sample.holds ? Judgement(.pass, .failsafe) : Judgement(.drop, .rule, rule: "all")
    #expect(judge(sample.frame, made) == expected)
}

@Test func `without a readable header no failsafe with a source or a service holds`() {
    let unread = IPv4Bytes(version: 9).frame
    for entry in [
        FailsafeEntry(source: .all, service: nil, range: nowhere),
        FailsafeEntry(source: nil, service: ServiceSet(others: true), range: nowhere),
    ] {
        let made = policy(dropAll) {
            $0.failsafe = [entry]
            $0.malformed = .pass
        }
        #expect(judge(unread, made).reason == .rule)
    }
}

// Bans.

private func banned(_ prefix: String, ends: Int64? = nil) -> [ReferenceBan] {
    let parts = prefix.split(separator: "/")
    guard let address = IPAddress(parts[0]), let length = Int(parts[1]) else { return [] }
    return Prefix(masking: address, length: length).map { [ReferenceBan(prefix: $0, endsNanoseconds: ends)] }
        ?? []
}

private func judge(
    _ frame: [UInt8], _ bans: [ReferenceBan], at time: Int64 = 0, _ made: CheckedPolicy = policy()
)
    -> Judgement
{
    ReferenceFirewall(policy: made, bans: bans).judging(ReferenceFrame(bytes: frame, timeNanoseconds: time))
}

@Test func `a banned source is dropped until the ban ends`() {
    let frame = IPv4Bytes().frame
    #expect(judge(frame, banned("192.0.2.0/29")) == Judgement(.drop, .ban))
    #expect(judge(frame, banned("192.0.2.8/29")).reason == .default)
    #expect(judge(frame, banned("198.51.100.1/32")).reason == .default)
    #expect(judge(frame, banned("192.0.2.7/32", ends: 1000), at: 999).reason == .ban)
    #expect(judge(frame, banned("192.0.2.7/32", ends: 1000), at: 1000).reason == .default)
    #expect(judge(frame, banned("::/0")).reason == .default)
    #expect(judge(IPv6Bytes().frame, banned("2001:db8::/32")).reason == .ban)
}

@Test func `of two bans the one that has not ended holds`() {
    let both = banned("192.0.2.7/32", ends: 5) + banned("192.0.2.0/24")
    #expect(judge(IPv4Bytes().frame, both, at: 10).reason == .ban)
}

@Test func `a never-ban address is not held by a ban that covers it`() {
    let made = policy { $0.neverBan = addresses("192.0.2.7") }
    #expect(judge(IPv4Bytes().frame, banned("192.0.2.0/24"), made).reason == .default)
    #expect(judge(IPv4Bytes(source: "192.0.2.8").frame, banned("192.0.2.0/24"), made).reason == .ban)
}

private func judge(_ frame: [UInt8], _ bans: [ReferenceBan], _ made: CheckedPolicy) -> Judgement {
    judge(frame, bans, at: 0, made)
}

// Fragments.

private let fragmentFrames: [(name: String, frame: [UInt8], kind: FragmentKind)] = [
    ("whole", IPv4Bytes().frame, .none),
    ("first", IPv4Bytes(fragment: 0x2000).frame, .first),
    ("later", IPv4Bytes(fragment: 0x2005).frame, .later),
    ("last", IPv4Bytes(fragment: 5).frame, .later),
    ("don't fragment", IPv4Bytes(fragment: 0x4000).frame, .none),
    ("atomic", fragmented(0, false), .none),
    ("first of IPv6", fragmented(0, true), .first),
    ("last of IPv6", fragmented(5, false), .later),
    ("atomic, then later", twice(fragmentHeader(next: 44, offset: 0, more: false), 5), .later),
]

private func fragmented(_ offset: Int, _ more: Bool) -> [UInt8] {
    IPv6Bytes(next: 44, content: fragmentHeader(next: 6, offset: offset, more: more) + tcp()).frame
}

private func twice(_ first: [UInt8], _ offset: Int) -> [UInt8] {
    IPv6Bytes(next: 44, content: first + fragmentHeader(next: 6, offset: offset, more: false) + tcp()).frame
}

@Test func `fragments drop drops every fragment, atomic ones are none`() {
    for (name, frame, kind) in fragmentFrames {
        let judgement = judge(frame, policy { $0.fragments = .drop })
        let expected = kind == .none ? Judgement(.pass, .default) : Judgement(.drop, .fragment)
        #expect(judgement == expected, "\(name)")
    }
}

@Test func `fragments track drops a later fragment whose first was not seen`() {
    for (name, frame, kind) in fragmentFrames {
        let judgement = judge(frame, policy { $0.fragments = .track })
        let expected = kind == .later ? Judgement(.drop, .fragment) : Judgement(.pass, .default)
        #expect(judgement == expected, "\(name)")
    }
}

@Test func `fragments pass lets the rules see which fragment it is`() {
    for (name, frame, kind) in fragmentFrames {
        let rules = FragmentKind.allCases.map { kind in rule(kind.rawValue, .pass) { $0.fragment = [kind] } }
        #expect(judge(frame, policy(rules)).rule == kind.rawValue, "\(name)")
    }
}

@Test func `a chain that breaks before its fragment header leaves open whether it is one`() {
    let open = policy(
        FragmentKind.allCases.map { kind in rule(kind.rawValue, .drop) { $0.fragment = [kind] } }
    ) {
        $0.malformed = .pass
    }
    let broken = IPv6Bytes(next: 60, content: [44, 9] + zeros(14)).frame
    #expect(judge(broken, open) == Judgement(.pass, .default, detail: "truncated extension header"))
    let behindFirst = IPv6Bytes(next: 44, content: fragmentHeader(next: 60, offset: 0, more: true) + [6, 9])
        .frame
    #expect(judge(behindFirst, open).rule == "first")
}

// Essential.

struct EssentialCase: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let frame: [UInt8]
    let name: EssentialTraffic?
    init(_ description: String, _ frame: [UInt8], _ name: EssentialTraffic?) {
        testDescription = description
        self.frame = frame
        self.name = name
    }
}

private func icmp6(_ content: [UInt8], from source: String = "fe80::1", hopLimit: UInt8 = 255) -> [UInt8] {
    IPv6Bytes(source: source, next: 58, content: content, hopLimit: hopLimit).frame
}

private func tooBig4(_ quoted: [UInt8], type: UInt8 = 3, code: UInt8 = 4) -> [UInt8] {
    IPv4Bytes(proto: 1, content: icmp(type, code: code, quoted)).frame
}

private func tooBig6(_ quoted: [UInt8]) -> [UInt8] {
    icmp6(icmp(2, quoted), from: "2001:db8:5::1", hopLimit: 60)
}

private let ours4 = Array(IPv4Bytes(source: "198.51.100.1").packet.prefix(28))
private let ours6 = Array(IPv6Bytes(source: "2001:db8::1").packet.prefix(48))

private let essentialCases: [EssentialCase] = [
    EssentialCase("router solicitation", icmp6(icmp(133)), .nd),
    EssentialCase("router solicitation of ::", icmp6(icmp(133), from: "::"), .nd),
    EssentialCase("neighbour solicitation", icmp6(icmp(135)), .nd),
    EssentialCase("neighbour advertisement from afar", icmp6(icmp(136), from: "2001:db8::9"), .nd),
    EssentialCase("redirect", icmp6(icmp(137)), nil),
    EssentialCase("nd with hop limit 254", icmp6(icmp(135), hopLimit: 254), nil),
    EssentialCase("nd with code 1", icmp6(icmp(135, code: 1)), nil),
    EssentialCase("nd in IPv4", IPv4Bytes(proto: 58, content: icmp(135), ttl: 255).frame, nil),
    EssentialCase("router advertisement", icmp6(icmp(134)), .ra),
    EssentialCase("router advertisement, last link-local", icmp6(icmp(134), from: "febf::1"), .ra),
    EssentialCase("router advertisement, not link-local", icmp6(icmp(134), from: "fec0::1"), nil),
    EssentialCase("router advertisement, hop limit 254", icmp6(icmp(134), hopLimit: 254), nil),
    EssentialCase("fragmentation needed", tooBig4(ours4), .pmtu),
    EssentialCase("fragmentation needed, 20 bytes quoted", tooBig4(Array(ours4.prefix(20))), .pmtu),
    EssentialCase("fragmentation needed, 19 bytes quoted", tooBig4(Array(ours4.prefix(19))), nil),
    EssentialCase("fragmentation needed for another", tooBig4(IPv4Bytes().packet), nil),
    EssentialCase("port unreachable", tooBig4(ours4, code: 3), nil),
    EssentialCase("time exceeded", tooBig4(ours4, type: 11), nil),
    EssentialCase("IPv6 quoted in ICMP", tooBig4([0x60] + ours4.dropFirst()), nil),
    EssentialCase("packet too big", tooBig6(ours6), .pmtu),
    EssentialCase("packet too big, 40 bytes quoted", tooBig6(Array(ours6.prefix(40))), .pmtu),
    EssentialCase("packet too big, 39 bytes quoted", tooBig6(Array(ours6.prefix(39))), nil),
    EssentialCase("packet too big for another", tooBig6(IPv6Bytes().packet), nil),
    EssentialCase("dhcp offer", IPv4Bytes(proto: 17, content: udp(67, 68)).frame, .dhcp),
    EssentialCase("dhcp discover", IPv4Bytes(proto: 17, content: udp(68, 67)).frame, nil),
    EssentialCase("dhcpv6 reply", IPv6Bytes(next: 17, content: udp(547, 546)).frame, .dhcp),
    EssentialCase("dhcp ports of tcp", IPv4Bytes(content: tcp(67, 68)).frame, nil),
    EssentialCase("dhcp, one port", IPv4Bytes(proto: 17, content: udp(67, 546)).frame, nil),
]

@Test(arguments: essentialCases)
func `essential traffic passes before any rule`(_ sample: EssentialCase) {
    let expected =
        sample.name.map { Judgement(.pass, .essential, detail: $0.rawValue) }
        ?? Judgement(.drop, .rule, rule: "all")
    #expect(judge(sample.frame, policy(dropAll)) == expected)
}

@Test(arguments: essentialCases)
func `a name left out of essential lets the rules decide`(_ sample: EssentialCase) {
    guard let name = sample.name else { return }
    let made = policy(dropAll) { $0.essential.remove(name) }
    #expect(judge(sample.frame, made).reason == .rule)
}

@Test func `essential traffic that was let on keeps the check as detail`() {
    let made = policy(dropAll) { $0.malformed = .pass }
    let cut = Array(icmp6(icmp(135) + zeros(16)).dropLast())
    #expect(judge(cut, made) == Judgement(.pass, .essential, detail: "truncated packet"))
}

// The order.

@Test func `each step comes before the next`() {
    var made = policy(dropAll) { $0.fragments = .drop }
    let offer = IPv4Bytes(source: "127.0.0.1", proto: 17, content: udp(67, 68, length: 9), fragment: 0).frame
    let ban = banned("127.0.0.0/8")
    let steps: [(Reason, (inout CheckedPolicy) -> Void)] = [
        (.malformed, { $0.malformed = .pass }), (.spoofed, { $0.spoofed = .pass }),
        (.failsafe, { $0.failsafe = [] }),
    ]
    made.failsafe = [FailsafeEntry(source: .all, service: service(.udp), range: nowhere)]
    for (reason, remove) in steps {
        #expect(judge(offer, ban, made).reason == reason)
        remove(&made)
    }
    #expect(judge(offer, ban, made).reason == .ban)
    #expect(judge(offer, [], made).reason == .essential)
    let first = IPv4Bytes(proto: 17, content: udp(67, 68), fragment: 0x2000).frame
    #expect(judge(first, banned("192.0.2.0/24"), made).reason == .ban)
    #expect(judge(first, [], made).reason == .fragment)
    made.fragments = .pass
    #expect(judge(first, [], made).reason == .essential)
    made.essential = []
    #expect(judge(first, [], made).reason == .rule)
    made.rules = []
    #expect(judge(first, [], made) == Judgement(.pass, .default))
}
