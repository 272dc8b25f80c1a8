// SPDX-License-Identifier: Apache-2.0
// Claim: limits that ban a new source with each packet push no ban out, and what finds no room is counted.
// A hundred thousand packets a virtual second, each longer than its limit's burst.
import Glibc
import GuardABI
import NativeDatapath
import TestSupport

enum BansClaim {
    static func run(_ size: FloodSize) throws -> Outcome {
        var run = try BansRun(seed: size.seed)
        try run.ban()
        run.flood(size.packets(10_000_000))
        return run.outcome()
    }
}

private struct BansRun {
    private static let policy = """
        default: drop
        limits: { strict: { rate: 100 kbit/s, burst: 600 B, per: source, over: ban 5s } }
        rules: [{ name: all, service: udp, limit: strict, action: pass }]
        """
    private static let start: UInt64 = 1_767_225_600_000_000_000
    private static let banCount = 10_000
    /// 10.192.0.0 and /64s of 2001:db8:ac0::/48; the flood's are below.
    private static let base: UInt32 = 0x0ac0_0000

    private let engine: FloodEngine
    private let frame = FloodFrame(.udp, packetLength: 1000)
    private let frame6 = FloodFrame(.udp, isIPv6: true, packetLength: 1000)
    private var random: SeededGenerator
    private var now = start
    private var (asked, without, dropped, passed, freed) = (0, 0, 0, 0, 0)
    private var (mostBans, fed, refused) = (UInt32(0), [guard_ban_key](), 0)
    private var memory = MemoryWatch()

    init(seed: UInt64) throws {
        engine = try FloodEngine(Self.policy)
        frame.setPorts(remote: 4000, local: 53)
        frame6.setPorts(remote: 4000, local: 53)
        random = SeededGenerator(seed: seed)
    }

    /// Every fifth is a /64, every second ends long after the flood.
    private static func key(_ number: Int) -> guard_ban_key {
        var key = guard_ban_key()
        if number % 5 == 0 {
            (key.family, key.length) = (6, 64)
            key.high = 0x2001_0db8 << 32 | UInt64(base + UInt32(number))
        } else {
            (key.family, key.length) = (4, 32)
            key.low = UInt64(base + UInt32(number))
        }
        return key
    }

    private static func end(_ number: Int) -> UInt64 {
        number % 2 == 0 ? GUARD_FOREVER : start + 3_600_000_000_000
    }

    mutating func ban() throws {
        for number in 0..<Self.banCount {
            let result = put(Self.key(number), end: Self.end(number))
            guard result == 0 else { throw FloodError(description: "ban \(number) was refused: \(result)") }
        }
    }

    private func put(_ key: guard_ban_key, end: UInt64) -> Int32 {
        var (key, ban) = (key, guard_ban())
        (ban.ends_ns, ban.since_ns) = (end, now)
        return native_datapath_ban(engine.datapath, &key, &ban)
    }

    /// The end of a prefix's ban; nil where it has none.
    private func end(of key: guard_ban_key) -> UInt64? {
        var key = key
        return native_datapath_find_ban(engine.datapath, &key)?.pointee.ends_ns
    }

    mutating func flood(_ count: Int) {
        for number in 0..<count {
            attack(0x0a00_0000 + UInt32(random.below(10_000_000)))
            if number % 100 == 0, !isDropped(random.below(Self.banCount)) { freed += 1 }
            if number % 1000 == 0 { feed(number / 1000) }
            mostBans = max(mostBans, native_datapath_ban_count(engine.datapath))
            memory.step(number, of: count)
            now += 10_000
        }
    }

    /// A packet over the limit of a source that is banned for it where there is room.
    private mutating func attack(_ source: UInt32) {
        frame.setRemote(source)
        let answer = engine.receive(frame, at: now)
        if answer.passes { passed += 1 }
        guard answer.isFor(GUARD_REASON_LIMIT) else {
            dropped += 1
            return
        }
        asked += 1
        var key = guard_ban_key()
        (key.family, key.length, key.low) = (4, 32, UInt64(source))
        if (end(of: key) ?? 0) <= now { without += 1 }
    }

    /// A ban by hand of somebody new, at 10.224.0.0 and on.
    private mutating func feed(_ number: Int) {
        var key = guard_ban_key()
        (key.family, key.length, key.low) = (4, 32, 0x0ae0_0000 + UInt64(number))
        switch put(key, end: GUARD_FOREVER) {
        case 0: fed.append(key)
        case -E2BIG: refused += 1
        default: freed += 1
        }
    }

    /// Whether a packet of one of the banned is dropped for its ban.
    private func isDropped(_ number: Int) -> Bool {
        let frame = number % 5 == 0 ? frame6 : frame
        frame.setRemote(Self.base + UInt32(number))
        return engine.receive(frame, at: now).isFor(GUARD_REASON_BAN)
    }

    mutating func outcome() -> Outcome {
        let lost = (0..<Self.banCount).count { end(of: Self.key($0)) != Self.end($0) || !isDropped($0) }
        let fedLost = fed.count { end(of: $0) != GUARD_FOREVER }
        let counted = Int(native_datapath_ban_upkeep(engine.datapath).pointee.lost)
        let cleared = Int(native_datapath_ban_upkeep(engine.datapath).pointee.cleared)
        let figures =
            "\(grouped(asked + dropped)) packets of 10,000,000 sources: \(lost) of "
            + "\(grouped(Self.banCount)) bans lost; the limit asked for \(grouped(asked)), of which "
            + "\(grouped(without)) found no room, counted \(grouped(counted)); at most "
            + "\(grouped(Int(mostBans))) bans at once, \(grouped(cleared)) ended ones cleared away; of "
            + "\(grouped(fed.count + refused)) by hand \(grouped(refused)) were refused and \(fedLost) lost"
        let isRight = lost + fedLost + freed + passed == 0 && counted == without
        let isFull = without > 0 && refused > 0 && mostBans == UInt32(GUARD_BANS_MAX)
        return Outcome(holds: isRight && isFull, figures: figures, memory: memory)
    }
}
