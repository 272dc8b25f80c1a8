// SPDX-License-Identifier: Apache-2.0
// Who is limited, as the XDP program notes it: which record a client has, what it tells, when it gives way.
import Dataplane
import GuardABI
import MapCompiler
import NativeDatapath
import NetworkTypes
import Testing

private let millisecond: UInt64 = 1_000_000
private let second: UInt64 = 1_000_000_000

/// A limit by its key, with the prefixes that are one client.
private func limit(_ key: guard_limit_key, prefix4: UInt8 = 32, prefix6: UInt8 = 64) -> guard_limit {
    var limit = guard_limit()
    limit.slot = 3
    limit.key = UInt8(key.rawValue)
    limit.prefix4 = prefix4
    limit.prefix6 = prefix6
    return limit
}

/// TCP from 192.0.2.77 port 40000 to 198.51.100.1 port 443.
private func packet() -> guard_limited_client {
    var client = guard_limited_client()
    client.family = 4
    client.protocol = 6
    client.source.low = 0xc000_024d
    client.destination.low = 0xc633_6401
    client.source_port = 40000
    client.port = 443
    client.fields = UInt8(GUARD_LIMITED_PORT)
    return client
}

private func packet6() -> guard_limited_client {
    var client = packet()
    client.family = 6
    client.source = guard_address6(high: 0x2001_0db8_0001_0002, low: 0x77)
    client.destination = guard_address6(high: 0x2001_0db8_0000_0000, low: 1)
    return client
}

/// A client's record with its counts.
private struct Noted {
    var tag, since, last, packets, bytes: UInt64
    var client: guard_limited_client
}

/// An engine whose limits drop.
private final class Limiter {
    private let engine: NativeEngine

    init(monitors: Bool = false) throws {
        var image = try image(rules: [])
        if monitors { image.config.flags |= UInt32(GUARD_CFG_MONITOR.rawValue) }
        engine = try NativeEngine(image)
    }

    func drop(
        _ tag: UInt64, at time: UInt64, _ limit: guard_limit = limit(GUARD_LIMIT_SOURCE),
        of client: guard_limited_client = packet()
    ) {
        var excess = native_excess(limit: limit, client: client, tag: tag, bytes: 100)
        native_datapath_note_limited(engine.datapath, &excess, time)
    }

    var groups: UnsafeBufferPointer<guard_limited_group> {
        UnsafeBufferPointer(
            start: native_datapath_limited(engine.datapath), count: Int(GUARD_LIMITED_GROUPS))
    }

    /// All records, in the table's order.
    var noted: [Noted] {
        groups.flatMap { group in
            withUnsafeBytes(of: group) { bytes in
                (0..<Int(GUARD_LIMITED_WAYS)).compactMap { record($0, in: bytes) }
            }
        }
    }

    private func record(_ way: Int, in group: UnsafeRawBufferPointer) -> Noted? {
        func word(_ row: Int) -> UInt64 {
            group.load(fromByteOffset: (row * Int(GUARD_LIMITED_WAYS) + way) * 8, as: UInt64.self)
        }
        guard word(0) != 0 else { return nil }
        let at = 4 * Int(GUARD_LIMITED_WAYS) * 8 + way * MemoryLayout<guard_limited_client>.stride
        let client = group.load(fromByteOffset: at, as: guard_limited_client.self)
        return Noted(
            tag: word(0), since: client.since_ns, last: word(1), packets: word(2), bytes: word(3),
            client: client)
    }
}

@Test func `drops of one client are counted in one record`() throws {
    let limiter = try Limiter()
    for number in 0..<5 { limiter.drop(77, at: second + UInt64(number) * millisecond) }
    let noted = try #require(limiter.noted.first)
    #expect(limiter.noted.count == 1)
    #expect(noted.tag == 77 && noted.packets == 5 && noted.bytes == 500)
    #expect(noted.since == second && noted.last == second + 4 * millisecond)
    #expect(noted.client.slot == 3 && noted.client.version == 2)
}

@Test func `nothing is noted where nothing was dropped`() throws {
    #expect(try Limiter().noted.isEmpty)
}

@Test func `a spell ends when nothing was dropped for a minute`() throws {
    let limiter = try Limiter()
    limiter.drop(77, at: second)
    limiter.drop(77, at: 60 * second)
    #expect(limiter.noted.map(\.packets) == [2] && limiter.noted.map(\.since) == [second])
    limiter.drop(77, at: 120 * second)
    limiter.drop(77, at: 121 * second)
    #expect(limiter.noted.map(\.packets) == [2] && limiter.noted.map(\.since) == [120 * second])
    #expect(limiter.noted.map(\.bytes) == [200])
}

@Test func `a time that goes back counts as none`() throws {
    let limiter = try Limiter()
    limiter.drop(77, at: 100 * second)
    limiter.drop(77, at: second)
    #expect(limiter.noted.map(\.last) == [100 * second] && limiter.noted.map(\.packets) == [2])
}

/// Tags of one group.
private func tag(_ number: UInt64) -> UInt64 { number * UInt64(GUARD_LIMITED_GROUPS) + 9 }

@Test func `a full group gives the record whose last drop is the longest ago`() throws {
    let limiter = try Limiter()
    for number in 1...4 as ClosedRange<UInt64> { limiter.drop(tag(number), at: number * second) }
    limiter.drop(tag(1), at: 5 * second)
    limiter.drop(tag(5), at: 6 * second)
    #expect(Set(limiter.noted.map(\.tag)) == Set([1, 5, 3, 4].map(tag)))
    let fifth = try #require(limiter.noted.first { $0.tag == tag(5) })
    #expect(fifth.packets == 1 && fifth.bytes == 100 && fifth.since == 6 * second)
    #expect(fifth.client.version == 4)
}

@Test func `a record whose client is being dropped stays`() throws {
    let limiter = try Limiter()
    let now = 10 * second
    for number in 1...4 as ClosedRange<UInt64> { limiter.drop(tag(number), at: now) }
    limiter.drop(tag(5), at: now + 19 * millisecond)
    #expect(Set(limiter.noted.map(\.tag)) == Set([1, 2, 3, 4].map(tag)))
    limiter.drop(tag(5), at: now + 20 * millisecond)
    #expect(limiter.noted.contains { $0.tag == tag(5) } && limiter.noted.count == 4)
}

@Test func `more clients than there is room for leave the table as large as it is`() throws {
    let limiter = try Limiter()
    let room = Int(GUARD_LIMITED_GROUPS * GUARD_LIMITED_WAYS)
    for number in 1...UInt64(2 * room) { limiter.drop(guard_mix(0, number), at: number * millisecond) }
    #expect(limiter.noted.count > room * 8 / 10 && limiter.noted.count <= room)
    #expect(Set(limiter.noted.map(\.tag)).count == limiter.noted.count)
}

@Test(
    arguments: [
        (GUARD_LIMIT_SOURCE, 0xc000_0200, 0, 0, 0), (GUARD_LIMIT_DESTINATION, 0, 0xc633_6401, 0, 0),
        (GUARD_LIMIT_SOURCE_SERVICE, 0xc000_0200, 0, 0, 443),
        (GUARD_LIMIT_CONNECTION, 0xc000_024d, 0xc633_6401, 40000, 443), (GUARD_LIMIT_RULE, 0, 0, 0, 0),
    ] as [(guard_limit_key, UInt64, UInt64, UInt16, UInt16)])
func `a record has what is part of the limit's key`(
    key: guard_limit_key, source: UInt64, destination: UInt64, sourcePort: UInt16, port: UInt16
) throws {
    let limiter = try Limiter()
    limiter.drop(1, at: second, limit(key, prefix4: 24))
    let client = try #require(limiter.noted.first?.client)
    #expect(client.source.low == source && client.destination.low == destination)
    #expect(client.source_port == sourcePort && client.port == port)
    #expect(client.family == (key == GUARD_LIMIT_RULE ? 0 : 4) && client.key == UInt8(key.rawValue))
    #expect(client.protocol == (port == 0 ? 0 : 6))
}

@Test func `an IPv6 source is masked to the limit's prefix`() throws {
    let limiter = try Limiter()
    limiter.drop(1, at: second, limit(GUARD_LIMIT_SOURCE), of: packet6())
    limiter.drop(2, at: second, limit(GUARD_LIMIT_SOURCE, prefix6: 48), of: packet6())
    limiter.drop(3, at: second, limit(GUARD_LIMIT_SOURCE, prefix6: 128), of: packet6())
    limiter.drop(4, at: second, limit(GUARD_LIMIT_CONNECTION), of: packet6())
    let sources = limiter.noted.map { [$0.client.source.high, $0.client.source.low] }
    #expect(
        sources == [
            [0x2001_0db8_0001_0002, 0], [0x2001_0db8_0001_0000, 0], [0x2001_0db8_0001_0002, 0x77],
            [0x2001_0db8_0001_0002, 0x77],
        ])
    #expect(limiter.noted.map(\.client.destination.high) == [0, 0, 0, 0x2001_0db8_0000_0000])
}

@Test func `ports that could not be read are told as such`() throws {
    let limiter = try Limiter()
    var unread = packet()
    unread.fields = 0
    limiter.drop(1, at: second, limit(GUARD_LIMIT_CONNECTION), of: unread)
    limiter.drop(2, at: second, limit(GUARD_LIMIT_CONNECTION))
    var ping = packet()
    (ping.protocol, ping.port) = (1, 8)
    limiter.drop(3, at: second, limit(GUARD_LIMIT_CONNECTION), of: ping)
    let all = GUARD_LIMITED_PROTOCOL | GUARD_LIMITED_PORT | GUARD_LIMITED_SOURCE_PORT
    #expect(
        limiter.noted.map { Int32($0.client.fields) }
            == [0, all, GUARD_LIMITED_PROTOCOL | GUARD_LIMITED_PORT])
    #expect(limiter.noted.map(\.client.source_port) == [0, 40000, 0])
}

@Test func `what monitor mode lets pass is marked, by the limit's and the policy's`() throws {
    var watched = limit(GUARD_LIMIT_SOURCE)
    watched.flags = UInt8(GUARD_LIMIT_MONITOR)
    for (limiter, limit, expected) in [
        (try Limiter(), watched, true), (try Limiter(monitors: true), limit(GUARD_LIMIT_SOURCE), true),
        (try Limiter(), limit(GUARD_LIMIT_SOURCE), false),
    ] {
        limiter.drop(1, at: second, limit)
        let fields = try #require(limiter.noted.first?.client.fields)
        #expect((fields & UInt8(GUARD_LIMITED_WATCHED) != 0) == expected)
    }
}

@Test func `the controller reads what the program noted`() throws {
    let limiter = try Limiter()
    for number in 1...3 as ClosedRange<UInt64> {
        limiter.drop(tag(1), at: number * second, limit(GUARD_LIMIT_CONNECTION))
    }
    limiter.drop(tag(2), at: second, limit(GUARD_LIMIT_SOURCE, prefix4: 24))
    limiter.drop(tag(3), at: second, limit(GUARD_LIMIT_DESTINATION), of: packet6())
    limiter.drop(tag(4), at: second, limit(GUARD_LIMIT_RULE))
    let read = LimitedClient.all(in: UnsafeRawBufferPointer(limiter.groups))
    #expect(read.map(\.tag) == [1, 2, 3, 4].map(tag) && read.map(\.slot) == [3, 3, 3, 3])
    #expect(read.map(\.source) == [IPAddress("192.0.2.77"), IPAddress("192.0.2.0"), nil, nil])
    #expect(read.map(\.destination) == [IPAddress("198.51.100.1"), nil, IPAddress("2001:db8::1"), nil])
    let first = try #require(read.first)
    #expect(first.ipProtocol == .tcp && first.sourcePort == 40000 && first.port == 443)
    #expect(first.dropped == Count(packets: 3, bytes: 300) && !first.isWatched)
    #expect(first.sinceNanoseconds == second && first.lastNanoseconds == 3 * second)
}

@Test func `a record that is being written is not read`() throws {
    let limiter = try Limiter()
    limiter.drop(tag(1), at: second)
    var group = try #require(limiter.groups.first { $0.tags.0 == tag(1) })
    #expect(withUnsafeBytes(of: group) { LimitedClient.all(in: $0).count } == 1)
    group.clients.0.version += 1
    #expect(withUnsafeBytes(of: group) { LimitedClient.all(in: $0).isEmpty })
}
