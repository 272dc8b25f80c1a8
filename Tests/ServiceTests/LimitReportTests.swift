// SPDX-License-Identifier: Apache-2.0
// The model of `limits`: tokens of a bucket's time, who is limited, how an address stands.
import Foundation
import NetworkTypes
import Testing

@testable import Dataplane
@testable import Service

private let second: UInt64 = 1_000_000_000
/// A second of the buckets' time.
private let bucketSecond = second << 8

/// A limit of 10 a second with a burst of 20; `key` is the number of `enum guard_limit_key`.
private func limit(
    _ name: String, slot: Int = 1, key: Int = 0, prefix4: Int = 32, bytes: Bool = false
) throws -> GenerationInfo.LimitInfo {
    let text = """
        {"name":"\(name)","slot":\(slot),"rate":"10 pps","burst":"20","per":"source","over":"drop",
        "monitor":false,"seed":\(slot * 77),"cost":\(bucketSecond / 10),"costShift":0,"countsBytes":\(bytes),
        "tolerance":\(bucketSecond * 2),"key":\(key),"ipv4Prefix":\(prefix4),"ipv6Prefix":64}
        """
    return try JSONDecoder().decode(GenerationInfo.LimitInfo.self, from: Data(text.utf8))
}

private func client(
    _ tag: UInt64, slot: UInt32 = 1, packets: UInt64 = 1, since: UInt64 = 100 * second,
    last: UInt64 = 110 * second
) -> LimitedClient {
    LimitedClient(
        tag: tag, slot: slot, sinceNanoseconds: since, lastNanoseconds: last,
        dropped: Count(packets: packets, bytes: packets * 60), source: IPAddress("203.0.113.7"),
        destination: nil, ipProtocol: nil, port: nil, sourcePort: nil, isWatched: false)
}

private func reading(
    _ limits: [GenerationInfo.LimitInfo], _ clients: [LimitedClient], times: [UInt64: UInt64] = [:]
) -> LimitReading {
    var header = GenerationInfo.Header(
        policy: "p", file: "/p.conf", mode: "enforce", appliedNanoseconds: 0, user: 0, version: "1",
        tableBytes: 0)
    header.limits = limits
    return LimitReading(
        info: GenerationInfo(header: header, rules: []), now: 120 * second, wall: 1_000_000_000_000_000_000,
        clients: clients, time: { times[$0] })
}

private let now = 50 * second

/// How far a bucket's time is ahead of now, in seconds, and the tokens that are left of 20 at 10 a second.
private let buckets: [(ahead: Double?, left: UInt64, toFull: Double)] = [
    (nil, 20, 0), (0, 20, 0), (-5, 20, 0), (0.1, 19, 0.1), (1, 10, 1), (1.95, 0, 1.95), (2, 0, 2),
    // Other CPUs' clocks may be a tick ahead; what is further ahead is past: times go round.
    (2.5, 0, 2.5), (4, 20, 0),
]

@Test(arguments: buckets)
func `tokens are the burst less what the bucket's time is ahead`(
    ahead: Double?, left: UInt64, toFull: Double
) throws {
    let time = ahead.map { UInt64(bitPattern: Int64(50 * Double(bucketSecond) + $0 * Double(bucketSecond))) }
    let tokens = try limit("a").tokens(time: time, now: now)
    #expect(tokens.left == left && tokens.burst == 20)
    #expect(abs(Double(tokens.nanosecondsToFull) - toFull * 1e9) < 1000)
}

@Test func `tokens of a limit in bits are bytes, whose cost may be a fraction`() throws {
    var limit = try limit("a", bytes: true)
    (limit.cost, limit.costShift, limit.tolerance) = (2048 << 4 | 3, 4, 2048 * 262_144)
    #expect(limit.tokens(time: nil, now: now).burst == 262_120)
    #expect(limit.unit == "bytes")
    limit.cost = 0
    #expect(limit.tokens(time: 5, now: now).left == 0, "a cost that cannot be divides nothing")
}

@Test func `a policy's clock that has gone round has the same tokens`() throws {
    let limit = try limit("a")
    let late = UInt64.max >> 8
    let tokens = limit.tokens(time: (late << 8) &+ bucketSecond, now: late)
    #expect(tokens.left == 10 && tokens.nanosecondsToFull == second)
}

@Test func `who is limited stands by dropped packets, and not beyond its spell`() throws {
    let clients = [
        client(1, packets: 5), client(2, packets: 70), client(3, packets: 7),
        client(4, packets: 900, since: 10 * second, last: 60 * second), client(5, slot: 9, packets: 1),
    ]
    let reading = reading([try limit("a")], clients)
    let rows = try reading.rows()
    #expect(rows.map(\.client.tag) == [2, 3, 1], "the fourth's spell is over, the fifth's limit is gone")
    #expect(reading.clientCount(of: try limit("a")) == 3)
    #expect(rows.first?.dropsPerSecond == 7)
    #expect(rows.first?.sinceNanoseconds == 1_000_000_000_000_000_000 - 20 * Int64(second))
    #expect(rows.first?.lastNanoseconds == 1_000_000_000_000_000_000 - 10 * Int64(second))
    #expect(rows.first?.spanNanoseconds == 20 * second)
}

@Test func `drops within less than a second are no rate of more`() throws {
    let short = client(1, packets: 3, since: 110 * second, last: 110 * second + 5)
    #expect(try reading([limit("a")], [short]).rows().first?.dropsPerSecond == 3)
}

private func row(_ change: (inout LimitedClient) -> Void, prefix4: Int = 32) throws -> LimitedRow {
    var noted = client(1)
    change(&noted)
    return try #require(reading([limit("a", prefix4: prefix4)], [noted]).rows().first)
}

@Test func `a client's text says what is part of its key`() throws {
    #expect(try row { _ in }.text == "203.0.113.7")
    let aggregate = try row({ $0.source = IPAddress("203.0.113.0") }, prefix4: 24)
    #expect(aggregate.text == "203.0.113.0/24")
    #expect(try row { $0.source = IPAddress("2001:db8:0:1::") }.text == "2001:db8:0:1::/64")
    #expect(try row { ($0.source, $0.destination) = (nil, IPAddress("198.51.100.1")) }.text == "198.51.100.1")
    #expect(try row { $0.source = nil }.text == "all packets")
    let service = try row { ($0.ipProtocol, $0.port) = (.udp, 53) }
    #expect(service.text == "203.0.113.7 udp/53" && service.service == "udp/53")
    #expect(try row { ($0.ipProtocol, $0.port) = (.icmp, 8) }.text == "203.0.113.7 icmp/echo-request")
    #expect(try row { $0.ipProtocol = .tcp }.text == "203.0.113.7 tcp")
    #expect(try row { ($0.ipProtocol, $0.port) = (.gre, 0) }.text == "203.0.113.7 gre")
    let connection = try row {
        ($0.destination, $0.ipProtocol) = (IPAddress("198.51.100.1"), .tcp)
        ($0.sourcePort, $0.port) = (40000, 443)
    }
    #expect(connection.text == "tcp 203.0.113.7:40000 > 198.51.100.1:443")
    #expect(connection.source?.description == "203.0.113.7")
}

@Test func `an address is looked up in every limit whose key it is alone`() throws {
    let limits = [
        try limit("source", slot: 1), try limit("lan", slot: 2, prefix4: 24),
        try limit("destination", slot: 3, key: 1), try limit("service", slot: 4, key: 2),
        try limit("connection", slot: 5, key: 3), try limit("rule", slot: 6, key: 4),
    ]
    var service = client(44, slot: 4, packets: 8)
    (service.ipProtocol, service.port) = (.tcp, 443)
    var elsewhere = service
    (elsewhere.tag, elsewhere.source) = (45, IPAddress("203.0.113.8"))
    let reading = reading(
        limits, [client(2, slot: 2, packets: 3), service, elsewhere],
        times: [2: 120 * bucketSecond + bucketSecond])
    let address = try #require(IPAddress("203.0.113.7"))
    var asked: [String] = []
    let report = try reading.report(on: address, bans: []) { limit, prefix in
        asked.append("\(limit.name) \(prefix)")
        return UInt64(limit.slot)
    }
    #expect(asked == ["source 203.0.113.7", "lan 203.0.113.0/24", "destination 203.0.113.7"])
    #expect(report.rows.map(\.tokens.left) == [20, 10, 20])
    #expect(report.rows.map(\.isSource) == [true, true, false])
    #expect(report.rows.map { $0.limited?.client.dropped.packets } == [nil, 3, nil])
    #expect(report.clients.map(\.client.tag) == [44], "of the others, those that mention the address")
}

@Test func `bans that hold for the address are told, the narrowest last`() throws {
    func ban(_ prefix: Prefix?) throws -> Prefix { try #require(prefix) }
    let address = try #require(IPAddress("203.0.113.7"))
    let other = try #require(IPAddress("203.0.113.8"))
    let prefixes = [Prefix(address), Prefix(other), try ban(Prefix(masking: address, length: 24))]
    let report = try reading([], []).report(on: address, bans: prefixes.map(entry)) { _, _ in 0 }
    #expect(report.bans.map(\.prefix.description) == ["203.0.113.0/24", "203.0.113.7"])
    #expect(report.rows.isEmpty && report.clients.isEmpty)
}

private func entry(_ prefix: Prefix) -> BanEntry {
    BanEntry(prefix: prefix, sinceNanoseconds: 0, endsNanoseconds: nil, reason: "")
}

@Test func `top shows a limit's packets and drops a second`() {
    func reading(_ seconds: UInt64, passed: UInt64, dropped: UInt64) -> CounterReading {
        var count = LimitCount()
        (count.passed.packets, count.dropped.packets) = (passed, dropped)
        var reading = CounterReading(
            nanoseconds: seconds * second, policy: "p", cpus: [], rules: [], noted: [])
        reading.limits = [.init(name: "a", count: count)]
        return reading
    }
    let report = TopReport(
        from: reading(10, passed: 100, dropped: 10), to: reading(12, passed: 300, dropped: 50), sourceLimit: 1
    )
    #expect(report.limits.map(\.packetsPerSecond) == [120] && report.limits.map(\.dropsPerSecond) == [20])
    #expect(report.limits.map(\.total.dropped.packets) == [50])
}
