// SPDX-License-Identifier: Apache-2.0
// The bans in force and those that limits make; docs/policy.md, "Bans". One prefix has one ban: the longest
// life wins.
import NetworkTypes
import PolicyLanguage

/// How many prefixes can have a ban.
private let mostBans = 65_536

/// How long after it was looked for ended bans they are not looked for again.
private let clearingPause: UInt64 = 1_000_000_000

struct BanMemory: Sendable {
    /// When a prefix's ban ends; nil: never.
    private var ends: [Prefix: UInt64?] = [:]
    private var nextClearing: UInt64 = 0

    init(_ bans: [ReferenceBan] = []) {
        for ban in bans { keep(ban.prefix, until: ban.endsNanoseconds.map { UInt64(max(0, $0)) }) }
    }

    var count: Int { ends.count }

    /// Whether the ban of some prefix that has the address has not ended.
    func hold(for address: IPAddress, at time: UInt64) -> Bool {
        guard !ends.isEmpty else { return false }
        return (0...address.family.bitWidth).contains { length in
            guard let prefix = Prefix(masking: address, length: length), let end = ends[prefix] else {
                return false
            }
            return end.map { time < $0 } ?? true
        }
    }

    /// - Returns: false where there is no room, though ended bans were looked for as often as they may be.
    mutating func ban(_ prefix: Prefix, until end: UInt64?, at time: UInt64) -> Bool {
        if ends[prefix] == nil, ends.count >= mostBans, time >= nextClearing {
            let next = time.addingReportingOverflow(clearingPause)
            nextClearing = next.overflow ? UInt64.max : next.partialValue
            ends = ends.filter { $0.value.map { time < $0 } ?? true }
        }
        guard ends[prefix] != nil || ends.count < mostBans else { return false }
        keep(prefix, until: end)
        return true
    }

    private mutating func keep(_ prefix: Prefix, until end: UInt64?) {
        guard let running = ends[prefix] else { return ends[prefix] = .some(end) }
        guard let running, let end else { return ends[prefix] = .some(nil) }
        ends[prefix] = .some(max(running, end))
    }
}

extension ReferenceFirewall {
    /// Bans a client from the next packet on, unless a longer ban of the prefix runs.
    /// - Parameter end: on the clock; that of a limit is never "for ever".
    mutating func ban(_ client: Prefix, until end: UInt64) {
        _ = bans.ban(client, until: end, at: clock.nanoseconds)
    }

    /// What `over: ban` does to the source of a packet that went over the limit: its aggregate is banned for
    /// the limit's time, but not for a source in `never-ban`.
    mutating func ban(source: IPAddress, by limit: Limit) {
        guard case .ban(let duration) = limit.over, !policy.neverBan.contains(source) else { return }
        let end = clock.nanoseconds.addingReportingOverflow(UInt64(max(0, duration)))
        // The last two times stand for each other: the very last is "never".
        ban(
            limit.aggregate(of: source),
            until: end.overflow ? UInt64.max - 1 : min(end.partialValue, UInt64.max - 1))
    }
}
