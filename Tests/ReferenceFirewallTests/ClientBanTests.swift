// SPDX-License-Identifier: Apache-2.0
// Bans that limits make, in the model: whom they hold for, which life wins, the full table, and the clock.
import Diagnostics
import NetworkTypes
import PolicyLanguage
import Testing

@testable import ReferenceFirewall

private func prefix(_ text: String) throws -> Prefix {
    let parts = text.split(separator: "/")
    let address = try #require(IPAddress(parts[0]))
    return try #require(Prefix(masking: address, length: Int(parts[1]) ?? -1))
}

private func limit(_ key: LimitKey, ban: Int64 = 1000, ipv6Prefix: UInt8 = 64) -> Limit {
    var limit = Limit(name: "l", rate: .packets(1, perSeconds: 1), key: key, range: nowhere)
    limit.over = .ban(nanoseconds: ban)
    limit.ipv6Prefix = ipv6Prefix
    return limit
}

/// A firewall whose clock stands at a time.
private func firewall(at time: Int64, _ policy: CheckedPolicy = policy()) -> ReferenceFirewall {
    var made = ReferenceFirewall(policy: policy)
    _ = made.judge(ReferenceFrame(bytes: IPv4Bytes(source: "203.0.113.1").frame, timeNanoseconds: time))
    return made
}

extension ReferenceFirewall {
    fileprivate mutating func expect(
        _ reason: Reason, _ source: String, at time: Int64, _ place: SourceLocation = #_sourceLocation
    ) {
        let frame =
            source.contains(":") ? IPv6Bytes(source: source).frame : IPv4Bytes(source: source).frame
        let judgement = judge(ReferenceFrame(bytes: frame, timeNanoseconds: time))
        #expect(judgement.reason == reason, sourceLocation: place)
    }
}

extension BanMemory {
    fileprivate mutating func expect(
        _ hasRoom: Bool, _ prefix: Prefix, until end: UInt64, at time: UInt64,
        _ place: SourceLocation = #_sourceLocation
    ) {
        let isBanned = ban(prefix, until: end, at: time)
        #expect(isBanned == hasRoom, sourceLocation: place)
    }
}

private struct ClientCase: Sendable {
    var key: LimitKey
    var ipv6Prefix: UInt8 = 64
    var source: String
    /// In the aggregate, and just outside of it.
    var fellow: String
    var neighbour: String
}

@Test(arguments: [
    ClientCase(
        key: .source(ipv4Prefix: 24), source: "192.0.2.7", fellow: "192.0.2.255", neighbour: "192.0.3.7"),
    ClientCase(
        key: .source(ipv4Prefix: 32), source: "192.0.2.7", fellow: "192.0.2.7", neighbour: "192.0.2.6"),
    ClientCase(key: .sourceAndService, source: "192.0.2.7", fellow: "192.0.2.7", neighbour: "192.0.2.6"),
    ClientCase(key: .connection, source: "192.0.2.7", fellow: "192.0.2.7", neighbour: "192.0.2.6"),
    ClientCase(
        key: .source(ipv4Prefix: 8), source: "2001:db8::7", fellow: "2001:db8::ffff:0:0:1",
        neighbour: "2001:db8:0:1::7"),
    ClientCase(
        key: .source(ipv4Prefix: 8), ipv6Prefix: 128, source: "2001:db8::7", fellow: "2001:db8::7",
        neighbour: "2001:db8::6"),
])
private func `a limit's ban holds for its aggregate from the next packet to the exact end`(
    _ sample: ClientCase
)
    throws
{
    var made = firewall(at: 50)
    made.ban(
        source: try #require(IPAddress(sample.source)),
        by: limit(sample.key, ipv6Prefix: sample.ipv6Prefix))
    made.expect(.ban, sample.source, at: 50)
    made.expect(.ban, sample.fellow, at: 1049)
    made.expect(.default, sample.neighbour, at: 1049)
    made.expect(.default, sample.fellow, at: 1050)
}

@Test func `a source in never-ban is not banned, and its aggregate neither`() throws {
    var made = firewall(at: 0, policy { $0.neverBan = addresses("192.0.2.7") })
    made.ban(source: IPAddress(v4: 0xc000_0207), by: limit(.source(ipv4Prefix: 24)))
    made.expect(.default, "192.0.2.8", at: 1)
    made.ban(source: IPAddress(v4: 0xc000_0208), by: limit(.source(ipv4Prefix: 24)))
    made.expect(.ban, "192.0.2.8", at: 1)
    made.expect(.default, "192.0.2.7", at: 1)
}

@Test func `a limit that only drops bans nobody`() throws {
    var made = firewall(at: 0)
    var dropping = limit(.source(ipv4Prefix: 32))
    dropping.over = .drop
    made.ban(source: IPAddress(v4: 0xc000_0207), by: dropping)
    made.expect(.default, "192.0.2.7", at: 0)
}

@Test func `time that goes back lengthens a ban by what went by, and shortens none`() throws {
    var made = firewall(at: 10_000)
    made.ban(try prefix("192.0.2.7/32"), until: 11_000)
    made.expect(.ban, "192.0.2.7", at: 5_000)
    made.expect(.ban, "192.0.2.7", at: 5_999)
    made.expect(.default, "192.0.2.7", at: 6_000)
}

@Test func `a ban that would end beyond the clock ends with it`() throws {
    var made = firewall(at: .max)
    made.ban(source: IPAddress(v4: 0xc000_0207), by: limit(.source(ipv4Prefix: 32), ban: .max))
    made.expect(.ban, "192.0.2.7", at: .max)
}

@Test(arguments: 0..<20)
private func `of all bans of a prefix the longest life holds`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let prefixes = try (0..<4).map { try prefix("192.0.2.\($0)/32") }
    var memory = BanMemory()
    var longest: [Prefix: UInt64] = [:]
    var time: UInt64 = 0
    for _ in 0..<400 {
        time += .random(in: 0..<20, using: &random)
        let chosen = prefixes[.random(in: 0..<4, using: &random)]
        let end = time + .random(in: 0..<100, using: &random)
        memory.expect(true, chosen, until: end, at: time)
        longest[chosen] = max(longest[chosen] ?? 0, end)
        for prefix in prefixes {
            let expected = longest[prefix].map { time < $0 } ?? false
            #expect(memory.hold(for: prefix.address, at: time) == expected, "seed \(seed), \(prefix)")
        }
    }
}

@Test func `a full table takes no further prefix until bans have ended, looked for once a second`() throws {
    var memory = BanMemory([ReferenceBan(prefix: try prefix("203.0.113.0/24"))])
    for number in 1..<UInt32(65_536) {
        memory.expect(true, Prefix(IPAddress(v4: number)), until: 100, at: 0)
    }
    let late = try prefix("192.0.2.7/32")
    memory.expect(false, late, until: 2_000_000_000, at: 99)
    // What is known is lengthened all the same.
    memory.expect(true, Prefix(IPAddress(v4: 1)), until: 5_000_000_000, at: 99)
    memory.expect(false, late, until: 2_000_000_000, at: 1_000_000_098)
    memory.expect(true, late, until: 2_000_000_000, at: 1_000_000_099)
    #expect(memory.count == 3)
    #expect(memory.hold(for: IPAddress(v4: 1), at: 1_000_000_099))
    #expect(memory.hold(for: IPAddress(v4: 0xcb00_7101), at: .max))
}
