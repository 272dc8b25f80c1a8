// SPDX-License-Identifier: Apache-2.0
// `ban`, `unban`, `bans`: what an operator asks, as changes of the pinned ban table.
import Dataplane
import GuardABI
import MapCompiler
import NetworkTypes

/// A ban as it is shown: times on the wall clock.
public struct BanEntry: Sendable {
    public var prefix: Prefix
    /// Nanoseconds since 1970-01-01T00:00Z.
    public var sinceNanoseconds: Int64
    /// Nil: for ever.
    public var endsNanoseconds: Int64?
    public var reason: String
    public var dropped: Count
}

/// The instance whose bans are asked about.
public struct BanService {
    private let datapath: Datapath
    private let state: SharedState
    private let now: UInt64
    private let wall: Int64

    public init(for command: String) throws {
        try requirePrivileges(for: command)
        datapath = try Datapath()
        guard let state = try SharedState.open(datapath.pins) else {
            throw ServiceError(.unavailable, "no policy runs here: apply one first, then \(command)")
        }
        self.state = state
        now = programClock()
        wall = wallClock()
    }

    /// - Parameter durationNanoseconds: nil: for ever.
    public func ban(_ prefix: Prefix, durationNanoseconds: Int64?, reason: String) throws -> BanEntry {
        try locked {
            let ends = durationNanoseconds.map { now &+ UInt64(max(0, $0)) }
            return entry(try state.add(Ban(prefix, since: now, ends: ends, reason: reason), now: now))
        }
    }

    /// - Returns: the prefixes whose bans were lifted; of `prefixes`, or all for nil.
    public func unban(_ prefixes: [Prefix]?) throws -> [Prefix] {
        try locked {
            let chosen = try prefixes ?? state.bans().map(\.prefix)
            return try state.remove(chosen)
        }
    }

    /// Those that hold now, by prefix.
    public func list() throws -> [BanEntry] {
        try state.bans().filter { $0.endsNanoseconds.map { $0 > now } ?? true }.map(entry)
    }

    /// Whether some address of a prefix is in the running policy's `never-ban`, where a ban does not hold: as
    /// the named sets are now.
    public func touchesNeverBan(_ prefix: Prefix) throws -> Bool {
        guard let map = try datapath.addresses()?.current, let base = map.value.baseAddress else {
            return false
        }
        let used = Int(map.value.loadUnaligned(as: guard_addresses_header.self).used)
        return AddressMemory(base, used: used, capacity: map.size).neverBan.touches(prefix)
    }

    private func locked<Result>(_ change: () throws -> Result) throws -> Result {
        let lock = try PinDirectory.lock()
        defer { _ = lock }
        return try change()
    }

    private func entry(_ ban: Ban) -> BanEntry {
        let offset = wall - Int64(clamping: now)
        return BanEntry(
            prefix: ban.prefix, sinceNanoseconds: Int64(clamping: ban.sinceNanoseconds) &+ offset,
            endsNanoseconds: ban.endsNanoseconds.map { Int64(clamping: $0) &+ offset }, reason: ban.reason,
            dropped: ban.dropped)
    }
}

/// The description of the generation that runs; nil where nothing is attached.
func runningInfo(_ datapath: Datapath) throws -> GenerationInfo? {
    guard try !datapath.attachments().isEmpty else { return nil }
    return try datapath.description().flatMap(GenerationInfo.decoded)
}

/// Throws where an interface has a program of xdpguard that cannot be reached from here.
func requireNoStrangers(_ datapath: Datapath) throws {
    let names = try datapath.strangers()
    guard !names.isEmpty else { return }
    throw ServiceError(
        .unavailable,
        "xdpguard's program on \(names.joined(separator: ", ")) is not pinned here: "
            + "it was applied where another bpffs is mounted (as 'ip netns exec' does); "
            + "run this there, or with 'nsenter --net='"
    )
}
