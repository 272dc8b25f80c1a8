// SPDX-License-Identifier: Apache-2.0
// The model of top, and the session that the lock-out guard asks for.
import Dataplane
import NetworkTypes
import Testing

@testable import Service

private func reading(_ seconds: UInt64, pass: UInt64, drop: UInt64, rule: UInt64) -> CounterReading {
    var count = ReasonCount()
    count.pass = Count(packets: pass, bytes: pass * 100)
    count.drop = Count(packets: drop, bytes: drop * 100)
    return CounterReading(
        nanoseconds: seconds * 1_000_000_000, policy: "p", cpus: [["rule": count], ["default": count]],
        rules: [.init(name: "r", decided: Count(packets: rule, bytes: rule * 50), wouldDrop: Count())],
        noted: [])
}

@Test func `rates are growth over the interval, totals are sums over CPUs`() {
    let report = TopReport(
        from: reading(10, pass: 100, drop: 10, rule: 5), to: reading(12, pass: 300, drop: 50, rule: 45),
        sourceLimit: 5)
    #expect(report.interval == 2)
    #expect(report.all.total.total.packets == 700)
    #expect(report.all.perSecond.packets == 240 && report.all.perSecond.drops == 40)
    #expect(report.rules.first?.packetsPerSecond == 20 && report.rules.first?.bitsPerSecond == 8000)
    #expect(report.reasons.map(\.name) == ["rule", "default"])
}

@Test func `drops of a rule are what it drops itself, or the limit that it alone names`() {
    func reading(_ seconds: UInt64, decided: UInt64, limited: UInt64) -> CounterReading {
        func rule(_ name: String, drops: Bool, limit: String? = nil) -> CounterReading.RuleReading {
            let count = Count(packets: decided, bytes: 0)
            return .init(name: name, decided: count, wouldDrop: Count(), drops: drops, ownLimit: limit)
        }
        var made = CounterReading(
            nanoseconds: seconds * 1_000_000_000, policy: "p", cpus: [],
            rules: [
                // The first reading may be of the policy before, under which the rule let packets on.
                rule("drops", drops: seconds > 10), rule("passes", drops: false),
                rule("limits", drops: false, limit: "own"), rule("gone", drops: false, limit: "none"),
            ], noted: [])
        var count = LimitCount()
        count.dropped = Count(packets: limited, bytes: 0)
        made.limits = [.init(name: "own", count: count)]
        return made
    }
    let report = TopReport(
        from: reading(10, decided: 100, limited: 7), to: reading(12, decided: 300, limited: 17),
        sourceLimit: 5)
    #expect(report.rules.map(\.dropsPerSecond) == [100, 0, 5, 0])
    #expect(report.rules.map(\.packetsPerSecond) == [100, 100, 100, 100])
}

@Test func `counters that began anew show no growth, and a new rule none either`() {
    let report = TopReport(
        from: reading(1, pass: 100, drop: 10, rule: 50), to: reading(2, pass: 5, drop: 1, rule: 3),
        sourceLimit: 5)
    #expect(report.all.perSecond.packets == 0 && report.rules.first?.packetsPerSecond == 0)
}

@Test func `a source's share of the noted packets is its share of all`() throws {
    func noted(_ last: UInt32) -> NotedPacket {
        NotedPacket(source: IPAddress(v4: 0xc000_0200 + last), bytes: 100, dropped: last == 1)
    }
    var before = reading(0, pass: 0, drop: 0, rule: 0)
    before.noted = [(cursor: 7, packets: [])]
    var now = reading(1, pass: 200, drop: 200, rule: 0)
    now.noted = [(cursor: 11, packets: [noted(9), noted(1), noted(1), noted(1), noted(2)])]
    let sources = TopReport(from: before, to: now, sourceLimit: 5).sources
    #expect(
        sources.map(\.source.description) == ["192.0.2.1", "192.0.2.2"], "the one noted before does not count"
    )
    #expect(sources.first?.packetsPerSecond == 600 && sources.first?.dropsPerSecond == 600)
}

private let sessions: [(String, String?)] = [
    ("192.0.2.1 50000 198.51.100.1 22", "tcp 192.0.2.1:50000 > 198.51.100.1:22 ack"),
    ("fe80::1%eth0 50000 fe80::2%eth0 22", "tcp [fe80::1]:50000 > [fe80::2]:22 ack"),
    ("192.0.2.1 50000", nil), ("here 1 there 2", nil), ("192.0.2.1 70000 198.51.100.1 22", nil),
]

@Test(arguments: sessions)
func `SSH_CONNECTION is read as the session's packet`(text: String, flow: String?) {
    #expect(SSHSession(text)?.packet.flowText == flow)
}

@Test func `a description survives its bytes, rules with it`() throws {
    var header = GenerationInfo.Header(
        policy: "p", file: "/p", mode: "enforce", appliedNanoseconds: 1, user: 0, version: "0",
        tableBytes: 9)
    header.classifiers = [
        .init(
            family: "ipv6", engine: "tuple-space", rules: 9, bitRules: 1, entries: 10, tuples: 2,
            longestList: 3, bytes: 4096)
    ]
    let info = GenerationInfo(
        header: header,
        rules: [.init(name: "r \"x\"", slot: 3, drops: true), .init(name: "ünïcode\n", slot: 16_384)])
    let bytes = try info.encoded()
    let back = try #require(GenerationInfo.decoded(bytes))
    #expect(back.rules == info.rules && back.header.policy == "p")
    #expect(back.header.classifiers == header.classifiers)
    // As the kernel keeps it: padded to eight bytes.
    #expect(GenerationInfo.decoded(bytes + [0, 0, 0])?.rules == info.rules)
    for length in 0..<bytes.count {
        #expect(GenerationInfo.decoded(Array(bytes.prefix(length))) == nil, "cut after \(length) bytes")
    }
}

@Test func `a description of many rules says of each whether it drops`() throws {
    let header = GenerationInfo.Header(
        policy: "p", file: "/p", mode: "enforce", appliedNanoseconds: 1, user: 0, version: "0", tableBytes: 9)
    for count in [0, 1, 7, 8, 9, 100] {
        let rules = (0..<UInt32(count)).map {
            GenerationInfo.RuleSlot(name: "\($0)", slot: $0, drops: $0 % 3 == 1 || $0 % 8 == 7)
        }
        let bytes = try GenerationInfo(header: header, rules: rules).encoded()
        #expect(GenerationInfo.decoded(bytes)?.rules == rules)
    }
}

private let touching: [(String, Int, Bool)] = [
    ("192.0.0.0", 16, true), ("192.0.3.0", 24, false), ("192.0.2.255", 32, true), ("192.0.1.255", 32, false),
    ("0.0.0.0", 0, true), ("2001:db8::", 32, true), ("2001:db8::a", 128, false), ("::", 0, true),
]

@Test(arguments: touching)
func `a prefix touches a set where one address is in both`(first: String, length: Int, touches: Bool) throws {
    let base = try #require(IPAddress("2001:db8::")).bits
    let address = try #require(IPAddress(first))
    let set = AddressSet(v4: IntervalSet(0xc000_0200...0xc000_02ff), v6: IntervalSet(base...base + 9))
    let prefix = try #require(Prefix(masking: address, length: length))
    #expect(set.touches(prefix) == touches)
}
