// SPDX-License-Identifier: Apache-2.0
// The host's build of the XDP program: engines beside each other, its maps, and what it refuses.
import Dataplane
import Glibc
import GuardABI
import MapCompiler
import NativeDatapath
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

private let source = Prefix(IPAddress(v4: 0xc000_024d))

struct NativeDatapathTests {
    @Test func `the deciding rule's slot, verdict and reason are answered and counted`() throws {
        let engine = try NativeEngine(
            image(rules: [rule("web", port: 80, .pass), rule("dns", port: 53, .drop)]))
        let (action, answer) = engine.run(udp(port: 53))
        #expect(action == 1)  // XDP_DROP
        #expect(answer.rule_slot == 1)
        #expect(answer.reason == UInt8(GUARD_REASON_RULE.rawValue))
        #expect(answer.verdict == UInt8(GUARD_DROP.rawValue))
        #expect(engine.counter(GUARD_REASON_RULE, GUARD_DROP).packets == 1)
        #expect(engine.counter(GUARD_REASON_RULE, GUARD_DROP).bytes == 52)
        #expect(native_datapath_rule(engine.datapath, 1).decided.packets == 1)
        #expect(native_datapath_rule(engine.datapath, 0).decided.packets == 0)
    }

    @Test func `engines of different policies do not know of each other`() throws {
        let drops = try NativeEngine(image(rules: [rule("a", port: 53, .drop)]))
        let passes = try NativeEngine(image(rules: [rule("a", port: 53, .pass)]))
        for _ in 1...3 {
            #expect(drops.run(udp(port: 53)).action == 1)
            #expect(passes.run(udp(port: 53)).action == 2)
        }
        #expect(drops.counter(GUARD_REASON_RULE, GUARD_DROP).packets == 3)
        #expect(passes.counter(GUARD_REASON_RULE, GUARD_DROP).packets == 0)
    }

    @Test func `engines on several threads answer by their own policies`() async throws {
        let wrong = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<4 {
                let image = try image(rules: [rule("a", port: 53, number % 2 == 0 ? .drop : .pass)])
                group.addTask {
                    let engine = try NativeEngine(image)
                    let frame = udp(port: 53)
                    return (0..<20_000).count { _ in engine.run(frame).action != (number % 2 == 0 ? 1 : 2) }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(wrong == 0)
    }

    @Test func `a policy loaded into an engine finds the bans and counters of the one before`() throws {
        let engine = try NativeEngine(image(rules: [rule("a", port: 53, .pass)]))
        #expect(engine.ban(guard_ban_key(source)) == 0)
        #expect(engine.run(udp(port: 53)).action == 1)
        let next = try image(rules: [rule("b", port: 54, .pass)])
        #expect(next.withNative { native_datapath_load(engine.datapath, $0) } == 0)
        #expect(engine.run(udp(port: 54)).action == 1)
        #expect(engine.bannedPackets(source) == 2)
        #expect(engine.counter(GUARD_REASON_BAN, GUARD_DROP).packets == 2)
    }

    @Test func `tables that do not belong to the configuration are refused`() throws {
        let image = try image(rules: [])
        let engine = try NativeEngine(image)
        let damages: [(inout MapImage) -> Void] = [
            { $0.tables.removeLast(8) },
            {
                $0.tables.removeSubrange(8...)
                $0.config.tables_size = 8
            },
            { $0.config.abi_version += 1 },
            { $0.addresses.append(0) },
            { $0.addresses.removeSubrange(64...) },
        ]
        for damage in damages {
            var wrong = image
            damage(&wrong)
            #expect(wrong.withNative { native_datapath_create($0) } == nil)
            #expect(wrong.withNative { native_datapath_load(engine.datapath, $0) } == -EINVAL)
        }
        #expect(engine.run(udp(port: 53)).action == 2)
    }

    @Test func `without a virtual clock the host's interface and clock count and nothing is answered`() throws
    {
        let engine = try NativeEngine(image(rules: [rule("a", port: 53, .drop)], log: 1, isReplay: false))
        let (action, answer) = engine.run(udp(port: 53), now: 7)
        #expect(action == 1)
        #expect(answer.reason == 0 && answer.rule_slot == 0)
        var count: UInt64 = 0
        let event = try #require(native_datapath_logged(engine.datapath, &count))
        #expect(event.pointee.time_ns > 7)
    }

    @Test func `a logged packet's event has its fields`() throws {
        let engine = try NativeEngine(image(rules: [rule("a", port: 53, .drop)], log: 1))
        var count: UInt64 = 0
        #expect(native_datapath_logged(engine.datapath, &count) == nil)
        _ = engine.run(udp(port: 53), now: 42)
        _ = engine.run(udp(port: 54), now: 43)
        let event = try #require(native_datapath_logged(engine.datapath, &count)).pointee
        #expect(count == 1)
        #expect(event.time_ns == 42)
        #expect(event.source_low == 0xc000_024d && event.key == 53 && event.family == 4)
    }

    @Test func `sampled logs are the same in every run`() throws {
        let image = try image(rules: [rule("a", port: 53, .drop)], log: 10)
        let counts = try (1...2).map { _ in
            let engine = try NativeEngine(image)
            for _ in 0..<1000 { _ = engine.run(udp(port: 53)) }
            var count: UInt64 = 0
            _ = native_datapath_logged(engine.datapath, &count)
            return count
        }
        #expect(counts[0] == counts[1])
        #expect((50...200).contains(counts[0]))
    }

    @Test(arguments: [0, 1, 14, 33, 41, 60] as [UInt32])
    func `an empty frame and a split one are read within their bounds and counted whole`(linear: UInt32)
        throws
    {
        let engine = try NativeEngine(image(rules: [rule("a", port: 53, .drop)]))
        #expect(
            engine.run([], linear: linear).answer.detail == UInt8(GUARD_DETAIL_TRUNCATED_ETHERNET.rawValue))
        #expect(engine.run(udp(port: 53), linear: linear).answer.rule_slot == 0)
        var arp = udp(port: 53)
        arp[13] = 6
        _ = engine.run(arp, linear: linear)
        #expect(engine.counter(GUARD_REASON_NON_IP, GUARD_PASS).bytes == 52)
    }
}

struct NativeBanTests {
    @Test func `a ban holds until its end and counts what it dropped`() throws {
        let engine = try NativeEngine(image(rules: []))
        #expect(engine.ban(guard_ban_key(source), ends: 100) == 0)
        #expect(engine.run(udp(port: 53), now: 99).action == 1)
        #expect(engine.run(udp(port: 53), now: 100).action == 2)
        #expect(engine.bannedPackets(source) == 1)
        #expect(engine.bannedPackets(Prefix(IPAddress(v4: 0xc000_024e))) == nil)
    }

    @Test(arguments: [(4, 33), (6, 129), (5, 32), (0, 0), (4, UInt32.max)] as [(UInt32, UInt32)])
    func `a prefix that cannot be is refused`(family: UInt32, length: UInt32) throws {
        let engine = try NativeEngine(image(rules: []))
        var key = guard_ban_key()
        key.family = family
        key.length = length
        #expect(engine.ban(key) == -EINVAL)
    }

    @Test func `every ban of a full table is found and one more is refused`() throws {
        let engine = try NativeEngine(image(rules: []))
        func key(_ number: UInt32) -> guard_ban_key {
            guard_ban_key(Prefix(IPAddress(v4: number &* 0x9e37_79b1)))
        }
        let results = (0..<UInt32(GUARD_BANS_MAX)).map { engine.ban(key($0)) }
        #expect(results.allSatisfy { $0 == 0 })
        #expect(engine.ban(key(UInt32(GUARD_BANS_MAX))) == -E2BIG)
        #expect(engine.ban(key(7)) == 0)  // one that is there already
        let missing = (0..<UInt32(GUARD_BANS_MAX)).count { number in
            var key = key(number)
            return native_datapath_find_ban(engine.datapath, &key) == nil
        }
        #expect(missing == 0)
    }

    @Test(arguments: [0, 1, 8, 24, 31, 32])
    func `a ban of any IPv4 length holds for the addresses of its prefix`(length: Int) throws {
        let engine = try NativeEngine(image(rules: []))
        let prefix = try #require(Prefix(masking: IPAddress(v4: 0xc000_024d), length: length))
        #expect(engine.ban(guard_ban_key(prefix)) == 0)
        #expect(engine.run(udp(port: 53)).action == 1)
        #expect(engine.bannedPackets(prefix) == 1)
    }
}
