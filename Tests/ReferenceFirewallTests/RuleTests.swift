// SPDX-License-Identifier: Apache-2.0
// Every key of a rule: what it holds for, its negation, and fields that were not read; then the rules' order.
import NetworkTypes
import PolicyLanguage
import Testing

@testable import ReferenceFirewall

/// A key, frames that it holds for, frames that it does not, and frames in which it could not be read.
struct KeyCase: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let key: @Sendable (inout RuleMatch) -> Void
    /// The key with "!" before its values.
    let negated: @Sendable (inout RuleMatch) -> Void
    var holds: [[UInt8]] = []
    var not: [[UInt8]] = []
    var unread: [[UInt8]] = []
}

private let noHeader = IPv4Bytes(version: 7).frame
private let noL4 = IPv4Bytes(content: zeros(3)).frame
private let later = IPv4Bytes(content: zeros(40), fragment: 8).frame
private let noOptions = IPv4Bytes(totalLength: 0).frame
private let brokenChain = IPv6Bytes(next: 60, content: [6, 20] + zeros(6)).frame

private let addressCases: [KeyCase] = [
    KeyCase(
        testDescription: "source", key: { $0.source = addresses("192.0.2.0/25", "2001:db8::/64") },
        negated: { $0.source = AddressSet.all.subtracting(addresses("192.0.2.0/25", "2001:db8::/64")) },
        holds: [IPv4Bytes(source: "192.0.2.127").frame, IPv6Bytes().frame, noL4, later, noOptions],
        not: [IPv4Bytes(source: "192.0.2.128").frame, IPv6Bytes(source: "2001:db8:0:1::").frame],
        unread: [noHeader, zeros(3)]),
    KeyCase(
        testDescription: "destination", key: { $0.destination = addresses("198.51.100.1") },
        negated: { $0.destination = AddressSet.all.subtracting(addresses("198.51.100.1")) },
        holds: [IPv4Bytes().frame, brokenChainTo4],
        not: [IPv4Bytes(destination: "198.51.100.2").frame, IPv6Bytes().frame],
        unread: [noHeader, ethernet(0x8100, [0])]),
    KeyCase(
        testDescription: "family", key: { $0.families = [.ipv6] }, negated: { $0.families = [.ipv4] },
        holds: [IPv6Bytes().frame, brokenChain], not: [IPv4Bytes().frame, noL4], unread: [noHeader]),
]

private let brokenChainTo4 = IPv4Bytes(words: 3).frame

private let l4Cases: [KeyCase] = [
    KeyCase(
        testDescription: "service with a port", key: { $0.service = service(.tcp, 22...22) },
        negated: {
            let rest = IntervalSet<UInt16>(22...22).complement()
            $0.service = ServiceSet(others: true, exceptions: [.tcp: .init(values: rest, unread: false)])
        },
        holds: [IPv4Bytes().frame, IPv6Bytes().frame],
        not: [IPv4Bytes(content: tcp(22, 23)).frame, IPv4Bytes(proto: 17, content: udp(22, 22)).frame],
        unread: [noL4, later, noHeader, brokenChain]),
    KeyCase(
        testDescription: "service of a protocol", key: { $0.service = service(.tcp) },
        negated: { $0.service = ServiceSet(others: true, exceptions: [.tcp: .none]) },
        holds: [IPv4Bytes().frame, noL4, later, noOptions], not: [IPv4Bytes(proto: 47).frame],
        unread: [noHeader, brokenChain, IPv6Bytes(next: 0, payloadLength: 0).frame]),
    KeyCase(
        testDescription: "service of an ICMP type", key: { $0.service = service(.icmp, 8...8) },
        negated: {
            let rest = IntervalSet<UInt16>(8...8).complement()
            $0.service = ServiceSet(others: true, exceptions: [.icmp: .init(values: rest, unread: false)])
        },
        holds: [IPv4Bytes(proto: 1, content: icmp(8)).frame, IPv6Bytes(next: 1, content: icmp(8)).frame],
        not: [IPv4Bytes(proto: 1, content: icmp(0)).frame, IPv6Bytes(next: 58, content: icmp(8)).frame],
        unread: [IPv4Bytes(proto: 1, content: zeros(7)).frame, noHeader]),
    KeyCase(
        testDescription: "source-port", key: { $0.sourcePort = .init(40000...40001) },
        negated: { $0.sourcePort = IntervalSet<UInt16>(40000...40001).complement() },
        holds: [IPv4Bytes().frame, IPv4Bytes(proto: 132, content: sctp(40001)).frame],
        not: [IPv4Bytes(content: tcp(39999)).frame, IPv6Bytes(next: 17, content: udp(40002)).frame],
        unread: [noL4, later, IPv4Bytes(proto: 1, content: icmp(8)).frame, IPv4Bytes(proto: 47).frame]),
    KeyCase(
        testDescription: "tcp-flags",
        key: { $0.tcpFlags = TCPFlagsMatch(mustBeSet: .syn, mustBeClear: .ack) },
        negated: { $0.tcpFlags = TCPFlagsMatch(mustBeSet: .ack, mustBeClear: []) },
        holds: [IPv4Bytes().frame, IPv4Bytes(content: tcp(flags: [.syn, .ece])).frame],
        not: [IPv4Bytes(content: tcp(flags: [.syn, .ack])).frame],
        unread: [noL4, later, IPv4Bytes(proto: 17, content: udp()).frame]),
    KeyCase(
        testDescription: "payload",
        key: { $0.payload = [PayloadPattern(offset: 1, bytes: [0xab, 0xff], mask: [0xff, 0x0f])] },
        negated: { $0.payload = [PayloadPattern(offset: 0, bytes: [0], mask: [0])] },
        holds: [
            IPv4Bytes(proto: 17, content: udp(1, 2, [0, 0xab, 0x3f])).frame,
            IPv4Bytes(content: tcp(words: 6) + zeros(5) + [0xab, 0x0f]).frame,
            IPv4Bytes(proto: 47, content: [9, 0xab, 0xef]).frame,
            IPv4Bytes(proto: 1, content: icmp(8, [0, 0xab, 15])).frame,
        ],
        not: [
            IPv4Bytes(proto: 17, content: udp(1, 2, [0, 0xab, 0x3e])).frame,
            IPv4Bytes(proto: 17, content: udp(1, 2, [0, 0xab])).frame,
            IPv4Bytes(proto: 17, content: udp(1, 2, [0, 0xab, 0x3f], length: 10)).frame,
        ],
        unread: [noL4, later, noHeader, IPv4Bytes(content: tcp(words: 4) + [0, 0xab, 0x3f]).frame]),
]

private let headerCases: [KeyCase] = [
    KeyCase(
        testDescription: "length", key: { $0.length = .init(40...44) },
        negated: { $0.length = IntervalSet<UInt16>(40...44).complement() },
        holds: [IPv4Bytes().frame + zeros(20), IPv6Bytes(next: 59, content: zeros(4)).frame],
        not: [IPv4Bytes(content: tcp() + zeros(5)).frame, IPv4Bytes(totalLength: 39).frame, noOptions],
        unread: [noHeader]),
    KeyCase(
        testDescription: "ttl", key: { $0.ttl = .init(0...64) }, negated: { $0.ttl = .init(65...255) },
        holds: [IPv4Bytes().frame, IPv6Bytes().frame, brokenChain],
        not: [IPv4Bytes(ttl: 65).frame, IPv6Bytes(hopLimit: 255).frame], unread: [noHeader]),
    KeyCase(
        testDescription: "dscp", key: { $0.dscp = .init(46...46) },
        negated: { $0.dscp = IntervalSet<UInt8>(46...46).complement() },
        holds: [IPv4Bytes(dscp: 46).frame, IPv6Bytes(dscp: 46).frame],
        not: [IPv4Bytes(dscp: 47).frame, IPv6Bytes(dscp: 45).frame], unread: [noHeader]),
    KeyCase(
        testDescription: "fragment", key: { $0.fragment = [.first, .later] },
        negated: { $0.fragment = [.none] },
        holds: [later, IPv4Bytes(fragment: 0x2000).frame], not: [IPv4Bytes().frame, noL4],
        unread: [noHeader, noOptions, brokenChain]),
    KeyCase(
        testDescription: "ip-options", key: { $0.ipOptions = true }, negated: { $0.ipOptions = false },
        holds: [
            IPv4Bytes(options: zeros(4)).frame,
            IPv6Bytes(next: 0, content: extensionHeader(next: 6) + tcp()).frame,
            IPv6Bytes(next: 43, content: extensionHeader(next: 6) + tcp()).frame,
            IPv6Bytes(
                next: 60, content: extensionHeader(next: 44) + fragmentHeader(next: 6, offset: 4, more: true)
            ).frame,
        ],
        not: [
            IPv4Bytes().frame, IPv6Bytes().frame,
            IPv6Bytes(next: 135, content: extensionHeader(next: 59)).frame,
            IPv6Bytes(next: 51, content: extensionHeader(next: 59)).frame,
        ],
        unread: [noHeader, noOptions, brokenChain, IPv4Bytes(content: [], words: 15, totalLength: 60).frame]),
]

private func tagged(_ ids: [Int]) -> [UInt8] {
    ethernet(0x0800, IPv4Bytes().packet, tags: ids.map { (0x8100, $0) })
}

private let tagCases: [KeyCase] = [
    KeyCase(
        testDescription: "vlan", key: { $0.vlan = TagMatch(none: false, ids: .init(5...6)) },
        negated: { $0.vlan = TagMatch(none: true, ids: IntervalSet<UInt16>(5...6).complement()) },
        holds: [tagged([5]), tagged([0, 6]), tagged([5, 9]), tagged([5, 6, 7]), tagged([0xe005])],
        not: [tagged([]), tagged([0]), tagged([7, 5])],
        unread: [zeros(13), tagged([0, 0, 5]), ethernet(0x8100, [0, 5])]),
    KeyCase(
        testDescription: "vlan none", key: { $0.vlan = TagMatch(none: true, ids: .init()) },
        negated: { $0.vlan = TagMatch(none: false, ids: .all) },
        holds: [tagged([]), tagged([0]), tagged([0, 0])],
        not: [tagged([5]), ethernet(0x8100, [0], tags: [(0x8100, 5)])],
        unread: [zeros(13), tagged([0, 0, 0])]),
    KeyCase(
        testDescription: "inner-vlan", key: { $0.innerVLAN = TagMatch(none: false, ids: .init(5...6)) },
        negated: { $0.innerVLAN = TagMatch(none: true, ids: IntervalSet<UInt16>(5...6).complement()) },
        holds: [tagged([9, 5]), tagged([5, 6, 7])],
        not: [tagged([5]), tagged([0, 5]), tagged([5, 7]), tagged([])],
        unread: [tagged([5, 0, 5]), ethernet(0x8100, [0], tags: [(0x8100, 5)])]),
]

private let keyCases = addressCases + l4Cases + headerCases + tagCases

private func matches(_ frame: [UInt8], _ key: (inout RuleMatch) -> Void) -> Bool {
    let open = policy([rule("key", .drop, key)]) {
        $0.malformed = .pass
        $0.essential = []
    }
    return judge(frame, open).rule == "key"
}

@Test(arguments: keyCases)
func `a key holds for what it names and its negation for the rest`(_ sample: KeyCase) {
    for (index, frame) in sample.holds.enumerated() {
        #expect(matches(frame, sample.key), "holds \(index)")
        if sample.testDescription != "payload" { #expect(!matches(frame, sample.negated), "holds \(index)") }
    }
    for (index, frame) in sample.not.enumerated() {
        #expect(!matches(frame, sample.key), "not \(index)")
        #expect(matches(frame, sample.negated), "not \(index)")
    }
}

@Test(arguments: keyCases)
func `a key whose field could not be read matches nothing, negated or not`(_ sample: KeyCase) {
    for (index, frame) in sample.unread.enumerated() {
        #expect(!matches(frame, sample.key), "unread \(index)")
        #expect(!matches(frame, sample.negated), "unread \(index)")
    }
}

@Test func `interface compares names, and a frame without one is named by no glob but all`() {
    func holds(_ included: [String]?, _ excluded: [String], _ interface: String?) -> Bool {
        let named = rule("named", .drop) { $0.interface = NameMatch(included: included, excluded: excluded) }
        return judge(IPv4Bytes().frame, policy([named]), interface: interface).rule != nil
    }
    #expect(holds(["wan*"], [], "wan0"))
    #expect(!holds(["wan*"], [], "lan0"))
    #expect(!holds(["wan*"], ["wan1"], "wan1"))
    #expect(holds(nil, ["wan*"], "lan0"))
    #expect(!holds(["wan*"], [], nil))
    #expect(holds(nil, ["wan*"], nil))
    #expect(holds(["*"], [], nil))
}

@Test func `an interface matches also where not even the Ethernet header was read`() {
    let named = rule("named", .reject) { $0.interface = NameMatch(included: ["wan0"], excluded: []) }
    let open = policy([named]) { $0.malformed = .pass }
    let expected = Judgement(.reject, .rule, detail: "truncated ethernet header", rule: "named")
    #expect(judge([], open, interface: "wan0") == expected)
}

@Test func `the largest IPv6 packet counts as 65535 bytes long`() {
    let huge = IPv6Bytes(next: 59, content: zeros(65535)).frame
    #expect(matches(huge) { $0.length = .init(1400...65535) })
    #expect(!matches(huge) { $0.length = .init(0...100) })
}

@Test func `all keys of a rule must hold`() {
    let both: (inout RuleMatch) -> Void = {
        $0.source = addresses("192.0.2.0/24")
        $0.service = service(.tcp, 22...22)
    }
    #expect(matches(IPv4Bytes().frame, both))
    #expect(!matches(IPv4Bytes(source: "203.0.113.1").frame, both))
    #expect(!matches(IPv4Bytes(content: tcp(1, 2)).frame, both))
}

@Test func `the first matching rule decides`() {
    let rules = [
        rule("a", .pass) { $0.source = addresses("203.0.113.0/24") }, rule("b", .drop), rule("c", .pass),
    ]
    #expect(judge(IPv4Bytes().frame, policy(rules)) == Judgement(.drop, .rule, rule: "b"))
    #expect(
        judge(IPv4Bytes(source: "203.0.113.9").frame, policy(rules)) == Judgement(.pass, .rule, rule: "a"))
}

@Test func `without a rule the default decides`() {
    let other = rule("other", .reject) { $0.families = [.ipv6] }
    #expect(judge(IPv4Bytes().frame, policy([other])) == Judgement(.pass, .default))
    #expect(
        judge(IPv4Bytes().frame, policy([other]) { $0.defaultVerdict = .drop }) == Judgement(.drop, .default))
}

@Test func `continue goes on to the next rules`() {
    let rules = [rule("log", .continue), rule("no", .reject)]
    #expect(judge(IPv4Bytes().frame, policy(rules)) == Judgement(.reject, .rule, rule: "no"))
    #expect(judge(IPv4Bytes().frame, policy([rule("log", .continue)])) == Judgement(.pass, .default))
}

@Test(arguments: [(Int64(99_999_999_999), true), (100_000_000_000, false), (Int64.max, false), (0, true)])
func `a rule ends with the second that expires names`(_ time: Int64, _ holds: Bool) {
    var ending = rule("ending", .drop)
    ending.expires = 100
    let judgement = ReferenceFirewall(policy: policy([ending]))
        .judging(ReferenceFrame(bytes: IPv4Bytes().frame, timeNanoseconds: time))
    #expect((judgement.rule == "ending") == holds)
}

@Test func `an expiry beyond the clock's reach never comes`() {
    var ending = rule("ending", .drop)
    ending.expires = Int64.max
    let last = ReferenceFrame(bytes: IPv4Bytes().frame, timeNanoseconds: Int64.max)
    #expect(ReferenceFirewall(policy: policy([ending])).judging(last).rule == "ending")
}

// Monitor.

private func watching(_ name: String, _ action: RuleAction) -> Rule {
    var made = rule(name, action)
    made.monitor = true
    return made
}

@Test func `a rule in monitor mode is reported and the packet goes on`() {
    let rules = [watching("watch", .drop), watching("second", .reject), rule("yes", .pass)]
    let judgement = judge(IPv4Bytes().frame, policy(rules))
    #expect(judgement == Judgement(.pass, .rule, rule: "yes", wouldDrop: "watch"))
    let alone = judge(IPv4Bytes().frame, policy([watching("watch", .reject)]))
    #expect(alone == Judgement(.pass, .default, wouldDrop: "watch"))
}

@Test func `a rule in monitor mode behind the deciding one is not asked`() {
    let judgement = judge(IPv4Bytes().frame, policy([rule("yes", .pass), watching("watch", .drop)]))
    #expect(judgement == Judgement(.pass, .rule, rule: "yes"))
}

@Test func `monitor on a rule that passes changes nothing`() {
    #expect(
        judge(IPv4Bytes().frame, policy([watching("yes", .pass)])) == Judgement(.pass, .rule, rule: "yes"))
}

@Test func `a policy in monitor mode passes all and says what would have decided`() {
    func watched(_ rules: [Rule], _ frame: [UInt8] = IPv4Bytes().frame) -> Judgement {
        judge(
            frame,
            policy(rules) {
                $0.mode = .monitor
                $0.defaultVerdict = .drop
            })
    }
    #expect(watched([rule("no", .reject)]) == Judgement(.pass, .rule, rule: "no", wouldDrop: "no"))
    #expect(watched([rule("yes", .pass)]) == Judgement(.pass, .rule, rule: "yes"))
    #expect(watched([]) == Judgement(.pass, .default, wouldDrop: "default"))
    let both = [watching("watch", .drop), rule("no", .drop)]
    #expect(watched(both) == Judgement(.pass, .rule, rule: "no", wouldDrop: "no"))
    let one = [watching("watch", .drop), rule("yes", .pass)]
    #expect(watched(one) == Judgement(.pass, .rule, rule: "yes", wouldDrop: "watch"))
    let broken = watched([], IPv4Bytes(words: 1).frame)
    #expect(broken == Judgement(.pass, .malformed, detail: "ip header length", wouldDrop: "malformed"))
    let spoofed = watched([], IPv4Bytes(source: "127.0.0.1").frame)
    #expect(spoofed == Judgement(.pass, .spoofed, detail: "loopback source", wouldDrop: "spoofed"))
}
