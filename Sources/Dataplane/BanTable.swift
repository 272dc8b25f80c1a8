// SPDX-License-Identifier: Apache-2.0
// Bans in the kernel: added, removed, listed. Ended by the program's own clock.
import CBPF
import Glibc
import GuardABI
import NetworkTypes

/// One banned prefix.
public struct Ban: Sendable, Hashable {
    public var prefix: Prefix
    /// CLOCK_MONOTONIC nanoseconds; nil: for ever.
    public var endsNanoseconds: UInt64?
    public var sinceNanoseconds: UInt64
    public var dropped: Count
    /// At most 63 bytes of UTF-8 are kept.
    public var reason: String

    public init(_ prefix: Prefix, since: UInt64, ends: UInt64?, reason: String) {
        self.prefix = prefix
        self.sinceNanoseconds = since
        self.endsNanoseconds = ends
        self.reason = reason
        self.dropped = Count()
    }
}

/// The clock of bans and of rules that expire: CLOCK_MONOTONIC, nanoseconds.
public func programClock() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

extension SharedState {
    /// All bans, also those that have ended and were not yet cleared away, by prefix.
    public func bans() throws(KernelError) -> [Ban] {
        let map = try descriptor(.bans)
        var found: [Prefix: Ban] = [:]
        for var key in try mapKeys(map, room: Int(GUARD_BANS_MAX), from: guard_ban_key()) {
            var value = guard_ban()
            guard bpf_map_lookup_elem(map, &key, &value) == 0, let ban = Ban(key, value) else { continue }
            found[ban.prefix] = ban
        }
        return found.values.sorted {
            ($0.prefix.address, $0.prefix.length) < ($1.prefix.address, $1.prefix.length)
        }
    }

    /// Adds a ban. Where the prefix has one already the longer life wins; its counters stay. Ended bans are
    /// cleared away first when
    /// the table is full.
    /// - Returns: the ban that holds now.
    public func add(_ ban: Ban, now: UInt64) throws(KernelError) -> Ban {
        let map = try descriptor(.bans)
        var key = guard_ban_key(ban.prefix)
        var value = guard_ban(ban)
        var running = guard_ban()
        if bpf_map_lookup_elem(map, &key, &running) == 0, running.ends_ns > now {
            if running.ends_ns > value.ends_ns { value = running }
            value.since_ns = running.since_ns
            value.packets = running.packets
            value.bytes = running.bytes
        }
        // The length first: a ban whose length the program does not look for would not hold.
        try noteLength(of: ban.prefix)
        var result = bpf_map_update_elem(map, &key, &value, 0)
        if result == -E2BIG || result == -ENOMEM || result == -ENOSPC {
            try clearEndedBans(now: now)
            result = bpf_map_update_elem(map, &key, &value, 0)
        }
        if result < 0 {
            let isFull = result == -E2BIG
            throw KernelError(
                "ban \(ban.prefix)", code: isFull ? 0 : -result,
                help: isFull
                    ? "the table is full with \(GUARD_BANS_MAX) bans: remove some with 'xdpguard unban'" : "")
        }
        return Ban(key, value) ?? ban
    }

    /// - Returns: the prefixes of `prefixes` that were banned.
    public func remove(_ prefixes: [Prefix]) throws(KernelError) -> [Prefix] {
        var removed: [Prefix] = []
        for prefix in prefixes {
            var key = guard_ban_key(prefix)
            let result = bpf_map_delete_elem(try descriptor(.bans), &key)
            if result == -ENOENT { continue }
            try check(result, "remove the ban of \(prefix)")
            removed.append(prefix)
        }
        try refreshLengths()
        return removed
    }

    public func clearEndedBans(now: UInt64) throws(KernelError) {
        for ban in try bans() {
            guard let ends = ban.endsNanoseconds, ends <= now else { continue }
            var key = guard_ban_key(ban.prefix)
            try check(
                bpf_map_delete_elem(try descriptor(.bans), &key), "clear the ended ban of \(ban.prefix)")
        }
        try refreshLengths()
    }

    private func noteLength(of prefix: Prefix) throws(KernelError) {
        var lengths = try readLengths()
        lengths.insert(prefix)
        try write(lengths)
    }

    private func refreshLengths() throws(KernelError) {
        var lengths = guard_ban_lengths()
        for ban in try bans() { lengths.insert(ban.prefix) }
        try write(lengths)
    }

    private func readLengths() throws(KernelError) -> guard_ban_lengths {
        var key: UInt32 = 0
        var lengths = guard_ban_lengths()
        try check(bpf_map_lookup_elem(descriptor(.banLengths), &key, &lengths), "read the ban lengths")
        return lengths
    }

    private func write(_ lengths: guard_ban_lengths) throws(KernelError) {
        var key: UInt32 = 0
        var lengths = lengths
        try check(bpf_map_update_elem(descriptor(.banLengths), &key, &lengths, 0), "write the ban lengths")
    }
}

extension guard_ban_lengths {
    mutating func insert(_ prefix: Prefix) {
        let bit = UInt64(1) << UInt64(prefix.length % 64)
        if prefix.address.family == .ipv4 {
            ipv4 |= bit
        } else {
            withUnsafeMutableBytes(of: &ipv6) { $0.bindMemory(to: UInt64.self)[prefix.length / 64] |= bit }
        }
    }
}

extension guard_ban_key {
    /// The prefix as the program looks it up.
    public init(_ prefix: Prefix) {
        self.init()
        family = prefix.address.family == .ipv4 ? 4 : 6
        length = UInt32(prefix.length)
        high = UInt64(truncatingIfNeeded: prefix.address.bits >> 64)
        low = UInt64(truncatingIfNeeded: prefix.address.bits)
    }
}

extension guard_ban {
    /// A ban that has dropped nothing yet.
    public init(_ ban: Ban) {
        self.init()
        ends_ns = ban.endsNanoseconds ?? GUARD_FOREVER
        since_ns = ban.sinceNanoseconds
        origin = GUARD_BAN_MANUAL.rawValue
        // Whole characters only: a cut one would not be text any more.
        var text = ban.reason
        while text.utf8.count > Int(GUARD_BAN_REASON_SIZE) - 1 { text.removeLast() }
        withUnsafeMutableBytes(of: &reason) { $0.copyBytes(from: text.utf8) }
    }
}

extension Ban {
    init?(_ key: guard_ban_key, _ value: guard_ban) {
        guard
            let address = IPAddress(
                family: UInt8(truncatingIfNeeded: key.family), high: key.high, low: key.low),
            let prefix = Prefix(masking: address, length: Int(key.length))
        else { return nil }
        let reason = withUnsafeBytes(of: value.reason) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        self.init(
            prefix, since: value.since_ns, ends: value.ends_ns == GUARD_FOREVER ? nil : value.ends_ns,
            reason: reason)
        dropped = Count(packets: value.packets, bytes: value.bytes)
    }
}
