// SPDX-License-Identifier: Apache-2.0
// The sources that top estimates, rows by CPU, and readings that do not fit together.
import Dataplane
import NetworkTypes
import Testing

@testable import Service

private func noted(_ last: UInt32, bytes: UInt32 = 100, dropped: Bool = false) -> NotedPacket {
    NotedPacket(source: IPAddress(v4: 0xc000_0200 + last), bytes: bytes, dropped: dropped)
}

private func packets(_ pass: UInt64, drop: UInt64 = 0) -> ReasonCount {
    var count = ReasonCount()
    (count.pass, count.drop) = (
        Count(packets: pass, bytes: pass * 64), Count(packets: drop, bytes: drop * 64)
    )
    return count
}

private func reading(
    _ seconds: UInt64, _ cpus: [[String: ReasonCount]], rules: [CounterReading.RuleReading] = [],
    noted: [(cursor: UInt64, packets: [NotedPacket])] = []
) -> CounterReading {
    CounterReading(
        nanoseconds: seconds * 1_000_000_000, policy: "edge", cpus: cpus, rules: rules, noted: noted)
}

@Test func `each CPU has its row, one that came later grows from nothing`() {
    let report = TopReport(
        from: reading(0, [["default": packets(10)]]),
        to: reading(2, [["default": packets(30)], ["rule": packets(8, drop: 4)]]), sourceLimit: 1)
    #expect(report.cpus.map(\.name) == ["cpu0", "cpu1"])
    #expect(report.cpus.map(\.perSecond.packets) == [10, 6])
    #expect(report.cpus.map(\.perSecond.drops) == [0, 2])
    #expect(report.cpus[1].perSecond.bits == 12 * 64 * 8 / 2)
    #expect(report.policy == "edge" && report.reasons.map(\.name) == ["rule", "default"])
}

@Test func `a reason that had no packets before grows from nothing`() {
    let report = TopReport(
        from: reading(0, [[:]]), to: reading(1, [["ban": packets(0, drop: 9)]]), sourceLimit: 1)
    #expect(report.reasons.count == 1 && report.reasons[0].perSecond.drops == 9)
    #expect(report.reasons[0].total == packets(0, drop: 9))
}

@Test func `a rule that an apply brought shows its total and no rate, a growing one both`() {
    func rule(_ name: String, _ packets: UInt64) -> CounterReading.RuleReading {
        .init(
            name: name, decided: Count(packets: packets, bytes: packets * 10),
            wouldDrop: Count(packets: 1, bytes: 2))
    }
    let report = TopReport(
        from: reading(0, [[:]], rules: [rule("old", 5), rule("gone", 1)]),
        to: reading(4, [[:]], rules: [rule("new", 100), rule("old", 25)]), sourceLimit: 1)
    #expect(report.rules.map(\.name) == ["new", "old"], "in the policy's order")
    #expect(report.rules.map(\.packetsPerSecond) == [0, 5])
    #expect(report.rules.map(\.total.packets) == [100, 25] && report.rules[1].bitsPerSecond == 400)
    #expect(report.rules[0].wouldDrop == Count(packets: 1, bytes: 2))
}

@Test func `two readings of one moment give no division by zero`() {
    let now = reading(1, [["rule": packets(5)]])
    let report = TopReport(from: now, to: now, sourceLimit: 1)
    #expect(report.interval > 0 && report.all.perSecond.packets == 0)
}

@Test func `sources are the busiest first, equals by address, at most as many as asked for`() {
    let before = reading(0, [[:]], noted: [(cursor: 0, packets: [])])
    let now = reading(
        1, [["rule": packets(60)]],
        noted: [
            (cursor: 6, packets: [noted(3), noted(2), noted(2, bytes: 300), noted(9), noted(1), noted(2)])
        ])
    let report = TopReport(from: before, to: now, sourceLimit: 3)
    #expect(report.sources.map(\.source.description) == ["192.0.2.2", "192.0.2.1", "192.0.2.3"])
    #expect(report.sources.map(\.packetsPerSecond) == [30, 10, 10])
    #expect(report.sources[0].bitsPerSecond == 10.0 * 8 * (100 + 300 + 100))
    #expect(TopReport(from: before, to: now, sourceLimit: 0).sources.isEmpty)
}

@Test func `packets without a source count for the share and have no row`() {
    let nameless = NotedPacket(source: nil, bytes: 60, dropped: false)
    let now = reading(
        1, [["non-ip": packets(100)]], noted: [(cursor: 2, packets: [nameless, noted(1)])])
    let report = TopReport(
        from: reading(0, [[:]], noted: [(cursor: 0, packets: [])]), to: now, sourceLimit: 5)
    #expect(report.sources.count == 1 && report.sources.first?.packetsPerSecond == 50)
}

@Test func `a ring that went round gives what it still holds, counters that began anew all of theirs`() {
    let ring = (0..<4).map { noted(UInt32($0)) }
    let round = TopReport(
        from: reading(0, [[:]], noted: [(cursor: 10, packets: [])]),
        to: reading(1, [["rule": packets(400)]], noted: [(cursor: 1000, packets: ring)]), sourceLimit: 9)
    #expect(round.sources.count == 4 && round.sources.allSatisfy { $0.packetsPerSecond == 100 })
    let anew = TopReport(
        from: reading(0, [[:]], noted: [(cursor: 900, packets: [])]),
        to: reading(1, [["rule": packets(4)]], noted: [(cursor: 2, packets: Array(ring.prefix(2)))]),
        sourceLimit: 9)
    #expect(anew.sources.isEmpty, "nothing is known to be new")
}
