// SPDX-License-Identifier: Apache-2.0
// The file that bans survive a reboot in: entries in and out, by wall clock. It never decides whether a
// policy is applied.
import Dataplane
import Foundation
import JSONOutput
import NetworkTypes
import PolicyLanguage

/// `bans.json` of a folder.
struct BanStore {
    static let version = 1
    private static let defaultFolder = "/var/lib/xdpguard"
    /// A million bans take 200 MB.
    private static let mostBytes = 512 << 20

    let folder: String
    var path: String { folder + "/bans.json" }

    init(folder: String) { self.folder = folder }

    /// The file of this network namespace; nil where its bans are not kept. XDPGUARD_STATE_DIR names the
    /// folder; without it only the initial namespace, that of process 1, has one.
    static func kept() -> BanStore? {
        if let folder = getenv("XDPGUARD_STATE_DIR").map({ String(cString: $0) }), !folder.isEmpty {
            return BanStore(folder: folder)
        }
        var mine = stat()
        var first = stat()
        guard stat("/proc/self/ns/net", &mine) == 0, stat("/proc/1/ns/net", &first) == 0,
            mine.st_ino == first.st_ino, mine.st_dev == first.st_dev
        else { return nil }
        return BanStore(folder: defaultFolder)
    }

    static func ofThisNamespace() throws -> BanStore {
        guard let store = kept() else {
            throw ServiceError(
                .unavailable,
                "bans are kept for the initial network namespace alone; for this one name a folder in "
                    + "XDPGUARD_STATE_DIR")
        }
        return store
    }

    /// Has the file to itself. It is taken before the bans are looked at, so that of two that write the later
    /// one has the later bans; and before the lock of all changes, so that a ban waits for no disk.
    func lock() throws -> FileDescriptor {
        mkdir(folder, 0o700)
        do {
            return try PinDirectory.lock(folder: folder)
        } catch is KernelError {
            throw failure("write \(path).next")
        }
    }

    /// Puts a new file in the old one's place in one step. Only root may read it. For whoever has `lock`.
    func write(_ entries: [BanEntry], at wall: Int64) throws {
        let next = path + ".next"
        mkdir(folder, 0o700)
        unlink(next)
        let file = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw failure("write \(next)") }
        do {
            defer { close(file) }
            try writeAll(Array((Self.text(entries, at: wall) + "\n").utf8), to: file)
            guard fsync(file) == 0 else { throw failure("write \(next)") }
            guard rename(next, path) == 0 else { throw failure("put \(path) in its place") }
        } catch {
            unlink(next)
            throw error
        }
    }

    /// Behind whoever writes it now. No file is fine.
    func remove() throws {
        guard access(path, F_OK) == 0 else { return }
        let writing = try lock()
        let isGone = unlink(path) == 0 || errno == ENOENT
        guard isGone else { throw failure("remove \(path)") }
        withExtendedLifetime(writing) {}
    }

    /// - Parameter skip: takes what is wrong with the entries that are no bans, if any, in one sentence.
    /// - Returns: the others; nil where there is no file.
    func read(_ skip: (String) -> Void = { _ in }) throws -> [BanEntry]? { try readFile(skip)?.entries }

    private func readFile(_ skip: (String) -> Void) throws -> SavedBans? {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        if file < 0, errno == ENOENT || errno == ENOTDIR { return nil }
        guard file >= 0 else { throw failure("read \(path)") }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failure("read \(path)") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw broken("it is no regular file") }
        guard status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
            throw broken("others than user \(geteuid()) can write it")
        }
        guard status.st_size <= Self.mostBytes else { throw broken("it is larger than 512 MiB") }
        return try decoded(try readAll(file), skip)
    }

    /// Whether the file may bring back a ban of one of these prefixes: it has one, or cannot be read now. One
    /// that is broken is never restored.
    func mayRestore(_ prefixes: Set<Prefix>, _ times: BanTranslation) -> Bool {
        do {
            let saved = try readFile { _ in }?.asOf(times.wall)
            return saved?.entries.contains { prefixes.contains($0.prefix) && times.ban($0) != nil } ?? false
        } catch {
            return ServiceError(wrapping: error).status != .wrongInput
        }
    }

    /// Gives the file a second name that the next ban does not write over, unless it has one: `bans.json.all`
    /// where there is no room for all of it, `bans.json.broken` where a part cannot be read; numbered where
    /// another file has the name.
    /// - Returns: that path; nil where none can be had.
    func keepCopy(_ suffix: String) -> String? {
        var mine = stat()
        guard stat(path, &mine) == 0 else { return nil }
        for number in 1...9 {
            let kept = path + suffix + (number == 1 ? "" : ".\(number)")
            if link(path, kept) == 0 { return kept }
            guard errno == EEXIST else { return nil }
            var other = stat()
            if stat(kept, &other) == 0, other.st_ino == mine.st_ino, other.st_dev == mine.st_dev {
                return kept
            }
        }
        return nil
    }

    /// Sets a file aside that cannot be read, so that the next ban does not write over it.
    /// - Returns: its new path; nil where that fails.
    func setAside() -> String? {
        if let aside = keepCopy(".broken") { return unlink(path) == 0 ? aside : nil }
        // No file: a folder has one name.
        let aside = path + ".broken"
        return rename(path, aside) == 0 ? aside : nil
    }

    /// The file's bans, to be restored. Entries that are none are told, and the file stays as it is under a
    /// second name. Where the clock is behind the file, that is told.
    func readToRestore(at wall: Int64, _ warn: (String) -> Void) throws -> [BanEntry]? {
        let file = try readFile { skipped in
            let aside = keepCopy(".broken").map { "; the file as it is was kept as \($0)" } ?? ""
            warn("\(skipped); the rest is restored\(aside)")
        }
        guard let file else { return nil }
        let saved = file.asOf(wall)
        if saved.isBehind, let time = file.savedNanoseconds {
            warn(
                "this host's clock (\(timestamp(nanoseconds: wall))) is behind \(path), which was saved at "
                    + "\(timestamp(nanoseconds: time)): its bans hold for as long as they had left then")
        }
        return saved.entries
    }

    private func writeAll(_ bytes: [UInt8], to file: Int32) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("write \(path).next") }
            rest = rest.dropFirst(count)
        }
    }

    private func readAll(_ file: Int32) throws -> Data {
        var data = Data()
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(file, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read \(path)") }
            if count == 0 { return data }
            data.append(contentsOf: buffer[..<count])
            guard data.count <= Self.mostBytes else { throw broken("it is larger than 512 MiB") }
        }
    }

    private func failure(_ operation: String) -> ServiceError {
        ServiceError(.unavailable, "cannot \(operation): \(String(cString: strerror(errno)))")
    }

    func broken(_ why: String) -> ServiceError {
        ServiceError(.wrongInput, "\(path) is no list of bans of ours: \(why)")
    }
}

// The text.
extension BanStore {
    private struct File: Decodable {
        var version: Int
        var saved: String?
        var bans: [Readable]
    }

    /// One entry that is not as ours are takes no other with it.
    private struct Readable: Decodable {
        var entry: Entry?
        init(from decoder: any Decoder) { entry = try? Entry(from: decoder) }
    }

    private struct Version: Decodable { var version: Int }

    /// Times are nanoseconds since 1970-01-01T00:00Z.
    private struct Entry: Decodable {
        var prefix: String
        var origin: String
        var limit: String?
        var since_ns: Int64
        var ends_ns: Int64?
        var reason: String
        var packets: UInt64
        var bytes: UInt64
    }

    static func text(_ entries: [BanEntry], at wall: Int64) -> String {
        let bans = entries.map { entry -> JSONValue in
            var limit = JSONValue.null
            if case .limit(let name) = entry.origin { limit = .string(name) }
            return .object([
                ("prefix", .string("\(entry.prefix.address)/\(entry.prefix.length)")),
                ("origin", .string(entry.origin.word)), ("limit", limit),
                ("since_ns", .integer(entry.sinceNanoseconds)),
                ("ends_ns", entry.endsNanoseconds.map(JSONValue.integer) ?? .null),
                ("reason", .string(entry.reason)), ("packets", .unsigned(entry.dropped.packets)),
                ("bytes", .unsigned(entry.dropped.bytes)),
            ])
        }
        return JSONValue.object([
            ("version", .integer(Int64(version))), ("saved", .string(timestamp(nanoseconds: wall))),
            ("bans", .array(bans)),
        ]).text
    }

    private func decoded(_ data: Data, _ skip: (String) -> Void) throws -> SavedBans {
        let decoder = JSONDecoder()
        guard let version = (try? decoder.decode(Version.self, from: data))?.version else {
            throw broken("it is not the JSON that 'xdpguard bans --save' writes")
        }
        guard version == Self.version else {
            throw broken("it has version \(version), and this xdpguard knows \(Self.version)")
        }
        guard let file = try? decoder.decode(File.self, from: data) else {
            throw broken("it lacks what version \(Self.version) has")
        }
        let entries = file.bans.map { $0.entry.flatMap(Self.entry) }
        if let first = entries.firstIndex(where: { $0 == nil }) {
            let others = entries[(first + 1)...].count { $0 == nil }
            let prefix = file.bans[first].entry.map { " (\"\($0.prefix.prefix(60))\")" } ?? ""
            let rest = others > 0 ? " and \(others) more of \(path) are no bans" : " of \(path) is no ban"
            skip("entry \(first + 1)\(prefix)\(rest)")
        }
        var saved: Int64?
        do throws(ValueError) {
            if let text = file.saved { saved = try SavedBans.nanoseconds(text) }
        } catch {
            skip("'saved' of \(path) is no point in time, so its dates are taken as they stand")
        }
        return SavedBans(entries: entries.compactMap(\.self), savedNanoseconds: saved)
    }

    /// Bytes: what a limit's name may have. `guard_ban` keeps less of a reason, and cuts it by itself.
    private static let longestText = 127

    /// Nil for what no ban can be.
    private static func entry(_ entry: Entry) -> BanEntry? {
        let parts = entry.prefix.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(parts[0]), let length = Int(parts[1]),
            let prefix = Prefix(masking: address, length: length), prefix.address == address,
            entry.reason.utf8.count <= longestText
        else { return nil }
        var made = BanEntry(
            prefix: prefix, sinceNanoseconds: entry.since_ns, endsNanoseconds: entry.ends_ns,
            reason: entry.reason)
        made.dropped = Count(packets: entry.packets, bytes: entry.bytes)
        switch (entry.origin, entry.limit) {
        case ("manual", _): made.origin = .manual
        case ("inspector", _): made.origin = .inspector
        case ("limit", let name?) where name.utf8.count <= longestText: made.origin = .limit(name)
        default: return nil
        }
        return made
    }
}

/// The bans of before the boot, where a first apply finds their file, or `run`. Whatever is wrong with it,
/// the policy runs; and what is not restored has a name that no later ban writes over.
/// - Parameters:
///   - note: takes how many hold again.
///   - warn: takes what is wrong, a sentence each.
func restoreBans(_ state: SharedState, note: (String) -> Void, warn: (String) -> Void) {
    guard let store = BanStore.kept() else { return }
    do {
        guard let entries = try store.readToRestore(at: wallClock(), warn) else { return }
        let (count, restored, _) = try state.restoreThatFit(entries, try BanTranslation(state))
        guard restored < count else {
            if count > 0 { note("\(count) bans of \(store.path) hold again") }
            return
        }
        let aside = store.keepCopy(".all")
        warn(
            "\(restored) of \(count) bans of \(store.path) hold again, those that last "
                + "longest; there is no room for more"
                + (aside.map {
                    ": they all stand in \($0); apply with a larger '--max-bans', copy that file to "
                        + "bans.json, and run 'xdpguard bans --restore'"
                } ?? ""))
    } catch {
        let failure = ServiceError(wrapping: error)
        let aside = failure.status == .wrongInput ? store.setAside() : nil
        let whereabouts = aside.map { "; it was set aside as \($0)" } ?? ""
        warn("bans were not restored: \(failure.message)\(whereabouts)")
    }
}
