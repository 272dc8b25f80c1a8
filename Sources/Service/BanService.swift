// SPDX-License-Identifier: Apache-2.0
// `ban`, `unban`, `bans`: what an operator asks, as changes of the pinned ban table.
import Dataplane
import GuardABI
import MapCompiler
import NetworkTypes

/// The instance whose bans are asked about.
public struct BanService {
    let datapath: Datapath
    let state: SharedState
    private let times: BanTranslation

    public init(for command: String) throws {
        (datapath, state) = try openInstance(for: command)
        times = try BanTranslation(state)
    }

    /// Bans a prefix, or lengthens the life of the ban that it has.
    /// - Parameters:
    ///   - durationNanoseconds: nil: for ever.
    ///   - warn: takes what went wrong with keeping the bans for the next boot, which undoes no ban.
    /// - Returns: the ban that holds now.
    public func ban(
        _ prefix: Prefix, durationNanoseconds: Int64?, reason: String, warn: (String) -> Void
    ) throws -> BanEntry {
        let entry = try locked { service in
            let ends = durationNanoseconds.map { times.now &+ UInt64(max(0, $0)) }
            let ban = Ban(prefix, since: times.now, ends: ends, reason: reason)
            return times.entry(try service.state.add(ban, now: times.now))
        }
        keep(warn)
        return entry
    }

    /// - Parameters:
    ///   - prefixes: nil: all that are banned.
    ///   - warn: as for `ban`.
    /// - Returns: the prefixes whose bans were lifted.
    /// - Throws: where the file has such a ban and cannot be written; then none is lifted.
    public func unban(_ prefixes: [Prefix]?, warn: (String) -> Void) throws -> [Prefix] {
        let chosen = try prefixes ?? locked { try $0.state.bans().map(\.prefix) }
        // The file first: what is lifted does not come back with the next boot, or is not lifted. Until then
        // nobody else writes the file.
        var writing = try forget(Set(chosen), warn)
        do {
            let removed = try locked { try $0.state.remove(chosen, now: times.now) }
            withExtendedLifetime(writing) {}
            return removed
        } catch {
            writing = nil
            keep(warn)
            throw error
        }
    }

    /// Those that hold now, by prefix.
    public func list() throws -> [BanEntry] {
        try state.bans().filter { $0.holds(at: times.now) }.map(times.entry)
    }

    /// Of all prefixes that have the address, the widest first.
    func list(covering address: IPAddress) throws -> [BanEntry] {
        try state.bans(covering: address).filter { $0.holds(at: times.now) }.map(times.entry)
    }

    /// How full the table is.
    public func room() throws -> BanRoom { try state.banRoom(now: times.now) }

    /// Writes the bans that hold to their file.
    /// - Returns: their number, and the file's path.
    public func save() throws -> (count: Int, path: String) {
        let store = try BanStore.ofThisNamespace()
        return (try write(to: store), store.path)
    }

    /// The bans are read under the lock of all changes, and written without it: nobody's ban waits for a
    /// disk. Of several that write each waits for the one before, and has the bans of behind that.
    private func write(to store: BanStore) throws -> Int {
        let writing = try store.lock()
        defer { withExtendedLifetime(writing) {} }
        let entries = try locked { try $0.list() }
        try store.write(entries, at: times.wall)
        return entries.count
    }

    /// Bans what the file has and has not ended. Of two bans of a prefix the longer life wins.
    /// - Parameter warn: takes what is wrong with entries that are no bans.
    /// - Returns: how many of the file's bans have not ended, and the file's path.
    public func restore(_ warn: (String) -> Void) throws -> (count: Int, path: String) {
        let store = try BanStore.ofThisNamespace()
        guard let entries = try store.readToRestore(at: times.wall, warn) else {
            throw ServiceError(.noInput, "there is no \(store.path): 'xdpguard bans --save' writes it")
        }
        return try locked { service in (try service.state.restore(entries, times), store.path) }
    }

    /// As a first apply does: where something is wrong with the file that is told, and it gets another name.
    func restoreKept(_ warn: (String) -> Void) throws {
        try locked { restoreBans($0.state, note: { _ in }, warn: warn) }
    }

    /// Writes the file where this namespace has one.
    private func keep(_ warn: (String) -> Void) {
        do {
            guard let store = BanStore.kept() else { return }
            _ = try write(to: store)
        } catch {
            warn("\(ServiceError(wrapping: error).message); what is banned would not survive a reboot")
        }
    }

    /// Writes the file without some bans, where this namespace has one.
    /// - Returns: the lock of the file, where that could be had.
    private func forget(_ lifted: Set<Prefix>, _ warn: (String) -> Void) throws -> FileDescriptor? {
        guard let store = BanStore.kept() else { return nil }
        do {
            let writing = try store.lock()
            let entries = try locked { try $0.list() }.filter { !lifted.contains($0.prefix) }
            try store.write(entries, at: times.wall)
            return writing
        } catch {
            let failure = ServiceError(wrapping: error)
            guard store.mayRestore(lifted, times) else {
                warn("\(failure.message); what is banned would not survive a reboot")
                return nil
            }
            throw ServiceError(
                .unavailable,
                "\(failure.message); no ban was lifted, as \(store.path) would bring it back with the next "
                    + "boot: make room, or remove that file, without which no ban survives a reboot")
        }
    }

    /// Whether some address of a prefix is in the running policy's `never-ban`, where a ban does not hold: as
    /// the named sets are now.
    public func touchesNeverBan(_ prefix: Prefix) throws -> Bool {
        try withAddresses { $0.neverBan.touches(prefix) } ?? false
    }

    /// Reads the running tables of addresses, which are mapped for as long as that takes.
    func withAddresses<Result>(_ read: (AddressMemory) throws -> Result) throws -> Result? {
        guard let map = try datapath.addresses()?.current, let base = map.value.baseAddress else {
            return nil
        }
        let used = Int(map.value.loadUnaligned(as: guard_addresses_header.self).used)
        return try withExtendedLifetime(map) {
            try read(AddressMemory(base, used: used, capacity: map.size))
        }
    }

    /// Gives a change the tables as they are under the lock: an apply that ran until then may have put others
    /// in their place.
    private func locked<Result>(_ change: (BanService) throws -> Result) throws -> Result {
        let lock = try PinDirectory.lock()
        defer { _ = lock }
        guard let state = try SharedState.open(datapath.pins) else {
            throw ServiceError(.unavailable, "no policy runs here any more: apply one first")
        }
        return try change(BanService(datapath, state, times))
    }

    private init(_ datapath: Datapath, _ state: SharedState, _ times: BanTranslation) {
        (self.datapath, self.state, self.times) = (datapath, state, times)
    }
}

extension SharedState {
    /// Bans as many of the entries as there is room for: the longest first.
    /// - Returns: how many of them have not ended, how many of those are banned, and why not all.
    func restoreThatFit(
        _ entries: [BanEntry], _ times: BanTranslation
    ) throws(KernelError) -> (count: Int, restored: Int, failure: KernelError?) {
        let bans = entries.compactMap(times.ban).sorted {
            $1.endsNanoseconds ?? .max < $0.endsNanoseconds ?? .max
        }
        for (restored, ban) in bans.enumerated() {
            do throws(KernelError) {
                _ = try add(ban, now: times.now)
            } catch {
                let room = try banRoom(now: times.now)
                guard room.used >= room.capacity else { throw error }
                return (bans.count, restored, error)
            }
        }
        return (bans.count, bans.count, nil)
    }

    /// - Returns: how many of the entries have not ended, which are all banned.
    func restore(_ entries: [BanEntry], _ times: BanTranslation) throws(KernelError) -> Int {
        let (count, _, failure) = try restoreThatFit(entries, times)
        if let failure { throw failure }
        return count
    }
}
