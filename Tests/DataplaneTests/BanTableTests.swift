// SPDX-License-Identifier: Apache-2.0
// The ban table through the kernel, on maps of its own: which life wins, room, and what the program changes
// while the controller does.
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

@testable import Dataplane

private func prefix(_ text: String) throws -> Prefix {
    let parts = text.split(separator: "/")
    let address = try #require(IPAddress(parts[0]))
    return try #require(Prefix(masking: address, length: Int(parts[1]) ?? -1))
}

/// New state with room for so many bans.
private func state(_ room: UInt32 = 1000) throws -> SharedState {
    var policy = CheckedPolicy(name: "bans")
    policy.defaultVerdict = .pass
    var target = CompileTarget()
    target.isReplay = true
    let compiled = try compile(policy, for: target)
    var image = GenerationImage(
        config: compiled.config, tables: compiled.tables, addresses: compiled.addresses, info: [])
    image.maxBans = room
    return try ReplayProgram(image).state
}

@Suite(.enabled(if: KernelTests.areWanted))
struct BanTableTests {
    @Test(arguments: [UInt64(1), 2, 3])
    func `of all bans of a prefix the longest life holds, with its reason`(seed: UInt64) throws {
        let state = try state()
        var random = SeededGenerator(seed: seed)
        let prefixes = try ["192.0.2.0/24", "192.0.2.7/32", "2001:db8::/48", "0.0.0.0/0"].map(prefix)
        var model: [Prefix: Ban] = [:]
        var now: UInt64 = 1
        for round in 0..<400 {
            now += UInt64(random.below(30))
            let ends = random.chance(2) ? nil : now + 1 + UInt64(random.below(100))
            let ban = Ban(random.pick(prefixes), since: now, ends: ends, reason: "r\(round)")
            let held = try state.add(ban, now: now)
            var expected = ban
            if let running = model[ban.prefix], running.holds(at: now) {
                expected.sinceNanoseconds = running.sinceNanoseconds
                if running.outlives(ban) { expected = running }
            }
            model[ban.prefix] = expected
            #expect(held == expected, "seed \(seed), round \(round)")
            let covering = try state.bans(covering: IPAddress(v4: 0xc000_0207))
            let all = model.values.filter { $0.prefix.contains(IPAddress(v4: 0xc000_0207)) }
            #expect(covering == all.sorted { $0.prefix.length < $1.prefix.length }, "seed \(seed)")
        }
        #expect(Set(try state.bans()) == Set(model.values))
    }

    @Test func `a full table refuses a ban with words, counts it, and keeps all others`() throws {
        let state = try state(100)
        for number in 0..<UInt32(100) {
            let ends = number < 90 ? nil : UInt64(50)
            _ = try state.add(
                Ban(Prefix(IPAddress(v4: 0xc633_6400 | number)), since: 1, ends: ends, reason: ""), now: 1)
        }
        let late = Ban(try prefix("192.0.2.7/32"), since: 49, ends: nil, reason: "")
        var random = SeededGenerator(seed: 9)
        for _ in 0..<1000 {
            let feed = Prefix(IPAddress(v4: 0x0a00_0000 | UInt32(random.below(1 << 24))))
            #expect(throws: KernelError.self) {
                try state.add(Ban(feed, since: 49, ends: nil, reason: ""), now: 49)
            }
        }
        do {
            _ = try state.add(late, now: 49)
            Issue.record("there was room")
        } catch {
            let text = error.description
            #expect(text.hasPrefix("cannot ban 192.0.2.7; the table is full with 100 bans: "))
            #expect(text.contains("--max-bans"))
        }
        let room = try state.banRoom(now: 50)
        #expect(room.used == 100 && room.held == 90 && room.capacity == 100 && room.lost == 1001)
        // A ban that is there can be lengthened all the same, and ended ones make room.
        let known = Ban(Prefix(IPAddress(v4: 0xc633_645f)), since: 49, ends: nil, reason: "on")
        #expect(try state.add(known, now: 49).reason == "on")
        _ = try state.add(late, now: 50)
        #expect(try state.bans().count == 92)
    }

    @Test func `a full table is searched for ended bans once a second at most where that is asked for`()
        throws
    {
        let state = try state(100)
        let second: UInt64 = 1_000_000_000
        for number in 0..<UInt32(100) {
            let ends = number < 10 ? 2 * second : 60 * second
            _ = try state.add(
                Ban(Prefix(IPAddress(v4: 0xc633_6400 | number)), since: 1, ends: ends, reason: ""), now: 1)
        }
        let pace = ClearingPace()
        func add(_ number: UInt32, at now: UInt64) throws {
            let ban = Ban(
                Prefix(IPAddress(v4: 0xc000_0200 | number)), since: now, ends: nil, reason: "")
            _ = try state.add(ban, now: now, pace: pace)
        }
        #expect(throws: KernelError.self) { try add(1, at: 2 * second - 1) }
        // Ten have ended by now, but it was searched a moment ago.
        #expect(throws: KernelError.self) { try add(1, at: 2 * second) }
        for number in 1...10 { try add(UInt32(number), at: 3 * second) }
        #expect(throws: KernelError.self) { try add(11, at: 3 * second) }
        #expect(try state.bans().count == 100)
    }

    @Test func `a ban that has ended is removed as if it were not there`() throws {
        let state = try state()
        let (ended, running) = (try prefix("192.0.2.7/32"), try prefix("192.0.2.8/32"))
        _ = try state.add(Ban(ended, since: 1, ends: 10, reason: ""), now: 1)
        _ = try state.add(Ban(running, since: 1, ends: 11, reason: ""), now: 1)
        #expect(try state.banRoom(now: 10).held == 1)
        #expect(try state.remove([ended, running], now: 10) == [running])
        #expect(try state.bans().isEmpty)
        #expect(try state.banRoom(now: 10).held == 0)
    }

    @Test func `a length that comes while lengths are cleared stays`() throws {
        let state = try state()
        _ = try state.add(Ban(try prefix("192.0.2.0/24"), since: 1, ends: nil, reason: ""), now: 1)
        _ = try state.add(Ban(try prefix("2001:db8::/48"), since: 1, ends: nil, reason: ""), now: 1)
        let coming = try ["203.0.113.7/32", "2001:db8::7/128"].map(prefix)
        try state.refreshLengths {
            for prefix in coming {
                _ = try? state.add(Ban(prefix, since: 2, ends: nil, reason: ""), now: 2)
            }
        }
        let lengths = try state.lengths().value
        #expect(lengths.ipv4 == 1 << 24 | 1 << 32)
        #expect(lengths.ipv6.0 == 1 << 48 && lengths.ipv6.1 == 0 && lengths.ipv6.2 == 1)
        #expect(try state.remove([prefix("192.0.2.0/24")] + coming, now: 2).count == 3)
        #expect(try state.lengths().value.ipv4 == 0)
        #expect(try state.lengths().value.ipv6.0 == 1 << 48)
    }

    @Test func `a ban that a limit made anew while ended ones were cleared is put back`() throws {
        let state = try state()
        var revived = Ban(try prefix("192.0.2.7/32"), since: 1, ends: 10, reason: "")
        revived.origin = .limit(slot: 4)
        _ = try state.add(revived, now: 1)
        try state.clearEndedBans(now: 9)
        #expect(try state.bans() == [revived])
        try state.clearEndedBans(now: 10)
        #expect(try state.bans().isEmpty)
        #expect(try state.lengths().value.ipv4 == 0)
    }

    @Test func `ten thousand bans stand while others come and go`() throws {
        let state = try state(10_100)
        for number in 0..<UInt32(10_000) {
            _ = try state.add(
                Ban(Prefix(IPAddress(v4: 0xc612_0000 + number)), since: 1, ends: nil, reason: ""), now: 1)
        }
        var random = SeededGenerator(seed: 11)
        var now: UInt64 = 1
        for _ in 0..<300 {
            now += 1
            let feed = Prefix(IPAddress(v4: 0x0a00_0000 | UInt32(random.below(1 << 24))))
            _ = try? state.add(Ban(feed, since: now, ends: now + 150, reason: ""), now: now)
        }
        let kept = try state.bans().filter { $0.endsNanoseconds == nil }
        #expect(kept.map(\.prefix) == (0..<10_000).map { Prefix(IPAddress(v4: 0xc612_0000 + $0)) })
    }
}
