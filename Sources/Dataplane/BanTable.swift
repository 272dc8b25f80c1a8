// SPDX-License-Identifier: Apache-2.0
// Bans in the kernel: added, removed, listed, while the program adds those of limits and clears ended ones
// away. Whoever changes anything here holds the lock, so that only the program comes in between.
import CBPF
import Glibc
import GuardABI
import NetworkTypes

/// What the ban table has room for, and how it is kept.
public struct BanRoom: Sendable {
    /// Bans in the table, those that have ended included.
    public var used: Int
    /// Those that hold.
    public var held: Int
    public var capacity: Int
    /// Bans that found no room: each packet over a limit that asked for one, and each ban by hand.
    public var lost: UInt64
}

extension SharedState {
    /// All bans, also those that have ended and were not yet cleared away, by prefix.
    public func bans() throws(KernelError) -> [Ban] {
        let map = try descriptor(.bans)
        var found: [Prefix: Ban] = [:]
        for var key in try mapKeys(map, room: Int(entries(ofMap: map)), from: guard_ban_key()) {
            var value = guard_ban()
            guard bpf_map_lookup_elem(map, &key, &value) == 0, let ban = Ban(key, value) else { continue }
            found[ban.prefix] = ban
        }
        return found.values.sorted {
            ($0.prefix.address, $0.prefix.length) < ($1.prefix.address, $1.prefix.length)
        }
    }

    /// The bans of all prefixes that have an address, the widest first.
    public func bans(covering address: IPAddress) throws(KernelError) -> [Ban] {
        var found: [Ban] = []
        for length in 0...address.family.bitWidth {
            guard let prefix = Prefix(masking: address, length: length) else { continue }
            if let ban = try ban(of: prefix) { found.append(ban) }
        }
        return found
    }

    /// The ban of exactly this prefix, also one that has ended.
    public func ban(of prefix: Prefix) throws(KernelError) -> Ban? {
        var (key, value) = (guard_ban_key(prefix), guard_ban())
        let result = bpf_map_lookup_elem(try descriptor(.bans), &key, &value)
        if result == -ENOENT { return nil }
        try check(result, "look for the ban of \(prefix)")
        return Ban(key, value)
    }

    public func banRoom(now: UInt64) throws(KernelError) -> BanRoom {
        let map = try descriptor(.bans)
        let capacity = Int(try entries(ofMap: map))
        let bans = try bans()
        let held = bans.count { $0.holds(at: now) }
        return BanRoom(used: bans.count, held: held, capacity: capacity, lost: try upkeep().lost)
    }

    /// Adds a ban. Where the prefix has one already the longer life wins; its counters stay. Ended bans are
    /// cleared away first when the table is full.
    /// - Parameter pace: how often that clearing may be; nil: each time.
    /// - Returns: the ban that holds now.
    public func add(_ ban: Ban, now: UInt64, pace: ClearingPace? = nil) throws(KernelError) -> Ban {
        // The length first: a ban whose length the program does not look for would not hold.
        try lengths().set(ban.prefix)
        for _ in 0..<100 {
            guard try place(ban, now, pace) else { continue }
            try waitForClearing()
            // Taken for the ended one that stood here before, it may have been cleared away.
            if let kept = try self.ban(of: ban.prefix), kept.outlives(ban) { return kept }
        }
        throw KernelError("ban \(ban.prefix)", code: EBUSY, help: "its entry changes all the time: try again")
    }

    /// - Returns: false where the program came in between.
    private func place(_ ban: Ban, _ now: UInt64, _ pace: ClearingPace?) throws(KernelError) -> Bool {
        let map = try descriptor(.bans)
        var (key, value) = (guard_ban_key(ban.prefix), guard_ban(ban))
        if let running = try self.ban(of: ban.prefix) {
            if running.holds(at: now) {
                if running.outlives(ban) { return true }
                value.since_ns = running.sinceNanoseconds
                value.packets = running.dropped.packets
                value.bytes = running.dropped.bytes
                return try put(&key, &value, BPF_EXIST)
            }
            var ended = guard_ban()
            let result = bpf_map_lookup_and_delete_elem(map, &key, &ended)
            if result != -ENOENT { try check(result, "clear the ended ban of \(ban.prefix)") }
            // A limit may have given it a new life meanwhile.
            if result == 0, ended.ends_ns > value.ends_ns { value = ended }
        }
        return try put(&key, &value, BPF_NOEXIST, clearing: (now, pace))
    }

    /// - Returns: false where the entry is not there any more, or is there by now.
    private func put(
        _ key: inout guard_ban_key, _ value: inout guard_ban, _ flags: some BinaryInteger,
        clearing: (now: UInt64, pace: ClearingPace?)? = nil
    ) throws(KernelError) -> Bool {
        let map = try descriptor(.bans)
        let result = bpf_map_update_elem(map, &key, &value, UInt64(flags))
        switch -result {
        case 0: return true
        case ENOENT, EEXIST: return false
        case E2BIG, ENOMEM, ENOSPC:
            if let clearing, clearing.pace?.take(at: clearing.now) ?? true {
                try clearEndedBans(now: clearing.now)
                return try put(&key, &value, flags)
            }
            try countLost()
            let prefix = Ban(key, value).map { " \($0.prefix)" } ?? ""
            throw KernelError(
                "ban\(prefix)", code: 0,
                help: "the table is full with \(try entries(ofMap: map)) bans: remove some with "
                    + "'xdpguard unban', or apply with a larger '--max-bans'")
        default: try check(result, "change a ban")
        }
        return false
    }

    /// - Returns: the prefixes of `prefixes` that were banned: one whose ban has ended was not.
    public func remove(_ prefixes: [Prefix], now: UInt64) throws(KernelError) -> [Prefix] {
        var removed: [Prefix] = []
        for prefix in prefixes {
            var (key, value) = (guard_ban_key(prefix), guard_ban())
            let result = bpf_map_lookup_and_delete_elem(try descriptor(.bans), &key, &value)
            if result == -ENOENT { continue }
            try check(result, "remove the ban of \(prefix)")
            if Ban(key, value)?.holds(at: now) ?? false { removed.append(prefix) }
        }
        try refreshLengths()
        return removed
    }

    public func clearEndedBans(now: UInt64) throws(KernelError) {
        let map = try descriptor(.bans)
        for ban in try bans() where !ban.holds(at: now) {
            var (key, value) = (guard_ban_key(ban.prefix), guard_ban())
            let result = bpf_map_lookup_and_delete_elem(map, &key, &value)
            if result == -ENOENT { continue }
            try check(result, "clear the ended ban of \(ban.prefix)")
            // A limit gave it a new life meanwhile: back again, unless the limit has done that too.
            if value.ends_ns > now { _ = bpf_map_update_elem(map, &key, &value, UInt64(BPF_NOEXIST)) }
        }
        try refreshLengths()
    }

    /// Forgets lengths that have no bans. The program sets a bit once its ban stands in the table: what
    /// appears between the first look and the clearing is found by the second.
    /// - Parameter pause: called between the looks, for tests.
    func refreshLengths(pause: () -> Void = {}) throws(KernelError) {
        let lengths = try lengths()
        let inUse = try lengthsInUse()
        pause()
        guard lengths.clear(except: inUse) else { return }
        lengths.set(try lengthsInUse())
    }

    private func lengthsInUse() throws(KernelError) -> guard_ban_lengths {
        var lengths = guard_ban_lengths()
        for ban in try bans() { lengths.insert(ban.prefix) }
        return lengths
    }
}
