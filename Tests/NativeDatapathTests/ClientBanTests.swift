// SPDX-License-Identifier: Apache-2.0
// Bans that the program makes for limits, in its build for the host: whom they hold for, which life wins, and
// a full table.
import Dataplane
import GuardABI
import NativeDatapath
import NetworkTypes
import TestSupport
import Testing

private let second: UInt64 = 1_000_000_000
/// The source of `udp(port:)`.
private let source: UInt32 = 0xc000_024d

private func limit(prefix4: UInt8 = 32, prefix6: UInt8 = 64, ban: UInt64 = 1000, slot: UInt32 = 3)
    -> guard_limit
{
    var limit = guard_limit()
    limit.prefix4 = prefix4
    limit.prefix6 = prefix6
    limit.ban_ns = ban
    limit.slot = slot
    return limit
}

extension NativeEngine {
    @discardableResult
    fileprivate func ban(client: UInt32, by limit: guard_limit, at clock: UInt64) -> Bool {
        var key = guard_ban_key(Prefix(IPAddress(v4: client)))
        var limit = limit
        return native_datapath_ban_client(datapath, &key, &limit, clock) != 0
    }

    fileprivate func found(_ prefix: Prefix) -> guard_ban? {
        var key = guard_ban_key(prefix)
        return native_datapath_find_ban(datapath, &key)?.pointee
    }

    fileprivate var upkeep: guard_ban_upkeep { native_datapath_ban_upkeep(datapath).pointee }

    fileprivate func isBanned(at clock: UInt64) -> Bool {
        run(udp(port: 53), now: clock).answer.reason == UInt8(GUARD_REASON_BAN.rawValue)
    }
}

@Suite struct ClientBanTests {
    let engine: NativeEngine

    init() throws { engine = try NativeEngine(image(rules: [rule("dns", port: 53, .pass)])) }

    @Test(arguments: [(UInt8(32), UInt32(0)), (24, 0xff), (1, 0x7fff_ffff)])
    func `a limit's ban holds for its aggregate to the exact end`(_ length: UInt8, _ hosts: UInt32) throws {
        #expect(engine.ban(client: source ^ hosts, by: limit(prefix4: length), at: 50))
        #expect(engine.isBanned(at: 50))
        #expect(engine.isBanned(at: 1049))
        #expect(!engine.isBanned(at: 1050))
        let prefix = try #require(Prefix(masking: IPAddress(v4: source), length: Int(length)))
        let ban = try #require(engine.found(prefix))
        #expect(ban.origin == GUARD_BAN_LIMIT.rawValue && ban.limit_slot == 3)
        #expect(ban.since_ns == 50 && ban.ends_ns == 1050 && ban.packets == 2)
    }

    @Test(arguments: [UInt8(1), 48, 63, 64, 65, 127, 128])
    func `an IPv6 client is its leading bits, of any number`(length: UInt8) throws {
        let address = try #require(IPAddress("2001:db8:1:2:3:4:5:7"))
        var key = guard_ban_key(Prefix(address))
        var limit = limit(prefix6: length)
        #expect(native_datapath_ban_client(engine.datapath, &key, &limit, 5) == 1)
        #expect(engine.found(try #require(Prefix(masking: address, length: Int(length))))?.ends_ns == 1005)
        let frame = try PacketBuilder("udp [2001:db8:1:2:3:4:5:7]:1 > [2001:db8::2]:53").bytes
        #expect(engine.run(frame, now: 1004).answer.reason == UInt8(GUARD_REASON_BAN.rawValue))
    }

    @Test func `a second ban counts on where the first runs, and begins anew where it has ended`() throws {
        let prefix = Prefix(IPAddress(v4: source))
        engine.ban(client: source, by: limit(), at: 0)
        #expect(engine.isBanned(at: 1))
        engine.ban(client: source, by: limit(ban: 5000, slot: 4), at: 500)
        var ban = try #require(engine.found(prefix))
        #expect(ban.ends_ns == 5500 && ban.limit_slot == 4 && ban.since_ns == 0 && ban.packets == 1)
        engine.ban(client: source, by: limit(ban: 10, slot: 5), at: 600)
        ban = try #require(engine.found(prefix))
        #expect(ban.ends_ns == 5500 && ban.limit_slot == 4)
        engine.ban(client: source, by: limit(ban: 10, slot: 5), at: 5500)
        ban = try #require(engine.found(prefix))
        #expect(ban.ends_ns == 5510 && ban.limit_slot == 5 && ban.since_ns == 5500 && ban.packets == 0)
    }

    @Test func `a ban by hand without an end stays one`() throws {
        let prefix = Prefix(IPAddress(v4: source))
        #expect(engine.ban(guard_ban_key(prefix)) == 0)
        engine.ban(client: source, by: limit(ban: .max), at: 5)
        #expect(engine.found(prefix)?.ends_ns == GUARD_FOREVER)
        #expect(engine.found(prefix)?.origin == GUARD_BAN_MANUAL.rawValue)
    }

    @Test func `a ban that would end beyond the clock ends with it, not never`() throws {
        engine.ban(client: source, by: limit(ban: .max - 3), at: 10)
        #expect(engine.found(Prefix(IPAddress(v4: source)))?.ends_ns == GUARD_FOREVER - 1)
        #expect(engine.isBanned(at: .max - 2))
    }

    @Test(arguments: 0..<10)
    func `of all bans of a client the longest life holds`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var ends: [UInt32: UInt64] = [:]
        var clock: UInt64 = 0
        for _ in 0..<500 {
            clock += UInt64(random.below(20))
            let client = source &+ UInt32(random.below(4))
            let life = UInt64(random.below(100))
            engine.ban(client: client, by: limit(ban: life), at: clock)
            ends[client] = max(ends[client] ?? 0, clock + life)
            for (client, end) in ends {
                #expect(engine.found(Prefix(IPAddress(v4: client)))?.ends_ns == end, "seed \(seed)")
            }
            #expect(engine.isBanned(at: clock) == (clock < ends[source] ?? 0), "seed \(seed)")
        }
    }

    @Test func `a full table loses no ban to new ones, and ended ones make room once a second`() throws {
        let kept = 10_000
        for number in 0..<UInt32(kept) {
            #expect(engine.ban(guard_ban_key(Prefix(IPAddress(v4: 0x0a00_0000 | number)))) == 0)
        }
        for number in 0..<UInt32(Int(GUARD_BANS_MAX) - kept) {
            #expect(engine.ban(client: 0x0b00_0000 | number, by: limit(ban: second / 2), at: 0))
        }
        // A feed of random ones into the full table.
        var random = SeededGenerator(seed: 5)
        for _ in 0..<50_000 {
            let client = 0x0c00_0000 | UInt32(random.below(1 << 24))
            #expect(!engine.ban(client: client, by: limit(ban: 1), at: second / 4))
        }
        #expect(native_datapath_ban_count(engine.datapath) == UInt32(GUARD_BANS_MAX))
        #expect(engine.upkeep.lost == 50_000 && engine.upkeep.cleared == 0)
        #expect(engine.upkeep.clearings_begun == 1 && engine.upkeep.clearings_done == 1)
        // All but those by hand have ended, but that was looked for less than a second ago.
        #expect(!engine.ban(client: source, by: limit(), at: second))
        #expect(engine.ban(client: source, by: limit(), at: second + second / 4))
        #expect(native_datapath_ban_count(engine.datapath) == UInt32(kept) + 1)
        #expect(engine.upkeep.cleared == UInt64(Int(GUARD_BANS_MAX) - kept))
        for number in 0..<UInt32(kept) {
            let ban = engine.found(Prefix(IPAddress(v4: 0x0a00_0000 | number)))
            #expect(ban?.ends_ns == GUARD_FOREVER)
        }
    }

    @Test(arguments: [0, 1, 2])
    func `clearing takes out the ended ones and leaves all others where they are found`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var ends: [UInt32: UInt64] = [:]
        while ends.count < Int(GUARD_BANS_MAX) {
            let client = UInt32(truncatingIfNeeded: random.next())
            let end = UInt64(random.below(1000)) + 1
            if ends[client] == nil {
                ends[client] = end
                engine.ban(client: client, by: limit(ban: end), at: 0)
            }
        }
        let extra = try #require((0...UInt32.max).first { ends[$0] == nil })
        #expect(engine.ban(client: extra, by: limit(), at: 500))
        for (client, end) in ends {
            let ban = engine.found(Prefix(IPAddress(v4: client)))
            #expect((ban?.ends_ns ?? 0) == (end > 500 ? end : 0), "seed \(seed)")
        }
    }
}
