// SPDX-License-Identifier: Apache-2.0
// The file of bans: what is written is read, through a reboot; files that are not ours are refused with
// words.
import Dataplane
import Foundation
import GuardABI
import NetworkTypes
import Testing

@testable import Service

private let second: Int64 = 1_000_000_000

private func entry(_ address: String, ends: Int64?, reason: String = "") throws -> BanEntry {
    BanEntry(
        prefix: Prefix(try #require(IPAddress(address))), sinceNanoseconds: 1000 * second,
        endsNanoseconds: ends, reason: reason)
}

/// A folder that goes with this object.
private final class Folder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "xdpguard-bans-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var store: BanStore { BanStore(folder: path + "/state") }

    /// A file with this text, as ours are.
    func write(_ text: String) throws {
        try store.write([], at: 0)
        try Data(text.utf8).write(to: URL(fileURLWithPath: store.path))
        chmod(store.path, 0o600)
    }
}

@Suite struct BanStoreTests {
    @Test func `what is written is read again, by its owner alone`() throws {
        let folder = try Folder()
        var limited = try entry("2001:db8::", ends: 2000 * second)
        limited.origin = .limit("up\"link")
        limited.dropped = Count(packets: .max, bytes: 7)
        var found = try entry("192.0.2.8", ends: .max, reason: "a\u{1b}\u{e9}\n")
        found.origin = .inspector
        let entries = [try entry("192.0.2.7", ends: nil, reason: "too loud"), found, limited]
        #expect(try folder.store.read() == nil)
        try folder.store.write(entries, at: 1500 * second)
        #expect(try folder.store.read() == entries)
        let status = try FileManager.default.attributesOfItem(atPath: folder.store.path)
        #expect(status[.posixPermissions] as? Int == 0o600)
        try folder.store.write([], at: 1500 * second)
        #expect(try folder.store.read() == [])
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/state")
        #expect(names == ["bans.json"])
        try folder.store.remove()
        #expect(try folder.store.read() == nil)
        try folder.store.remove()
    }

    @Test(arguments: [64, 127])
    func `a limit's name may be as long as names may be`(bytes: Int) throws {
        let folder = try Folder()
        var limited = try entry("192.0.2.7", ends: 2000 * second)
        limited.origin = .limit(String(repeating: "\u{e9}", count: bytes / 2) + (bytes % 2 == 1 ? "x" : ""))
        let entries = [limited, try entry("192.0.2.8", ends: nil, reason: "by hand")]
        try folder.store.write(entries, at: 1500 * second)
        #expect(try folder.store.read() == entries)
    }

    @Test(arguments: [
        line("192.0.2.7/24", "manual"), line("192.0.2.7/33", "manual"), line("192.0.2.7", "manual"),
        line("192.0.2.7/32", "limit"), line("192.0.2.7/32", "foe"), line("x/1", "manual"),
        "{\"prefix\":\"192.0.2.7/32\"}", "7",
    ])
    func `an entry that is no ban is told, and the others hold again`(bad: String) throws {
        let folder = try Folder()
        let good = Self.line("192.0.2.8/32", "manual")
        try folder.write(Self.one("\(good),\(bad),\(bad)"))
        var told: [String] = []
        let read = try folder.store.read { told.append($0) }
        #expect(read?.map(\.prefix.description) == ["192.0.2.8"])
        #expect(told.count == 1)
        #expect(told.first?.hasPrefix("entry 2 ") == true && told.first?.contains("1 more") == true)
        #expect(folder.store.keepCopy(".broken") == folder.store.path + ".broken")
        #expect(try folder.store.read()?.count == 1, "the file stays")
        try folder.store.write([], at: 0)
        let aside = try String(contentsOfFile: folder.store.path + ".broken", encoding: .utf8)
        #expect(aside.contains(bad), "with what it was")
    }

    @Test func `what was set aside before stays, and one file gets one name`() throws {
        let folder = try Folder()
        for number in 1...3 {
            try folder.write("broken \(number)")
            let name = folder.store.path + ".broken" + (number == 1 ? "" : ".\(number)")
            #expect(folder.store.keepCopy(".broken") == name && folder.store.keepCopy(".broken") == name)
            #expect(folder.store.setAside() == name)
            #expect(try String(contentsOfFile: name, encoding: .utf8) == "broken \(number)")
        }
    }

    @Test func `a file that stays is told of: its bans would come back`() throws {
        let folder = try Folder()
        // Nobody can unlink a folder.
        try FileManager.default.createDirectory(atPath: folder.store.path, withIntermediateDirectories: true)
        #expect(throws: ServiceError.self) { try folder.store.remove() }
    }

    struct BadFile: Sendable, CustomTestStringConvertible {
        var testDescription: String { why }
        var text: String
        var why: String
    }

    private static func one(_ ban: String) -> String { "{\"version\":1,\"bans\":[\(ban)]}" }

    @Test(arguments: [
        BadFile(text: "", why: "it is not the JSON"), BadFile(text: "[]", why: "it is not the JSON"),
        BadFile(text: "{\"version\":1", why: "it is not the JSON"),
        BadFile(text: "\u{0}\u{0}", why: "it is not the JSON"),
        BadFile(text: "{\"version\":2,\"bans\":[]}", why: "it has version 2, and this xdpguard knows 1"),
        BadFile(text: "{\"version\":1}", why: "it lacks what version 1 has"),
    ])
    func `a file that is not ours is refused with what is wrong`(_ bad: BadFile) throws {
        let folder = try Folder()
        try folder.write(bad.text)
        let error = try #require(throws: ServiceError.self) { try folder.store.read() }
        #expect(error.status == .wrongInput)
        #expect(error.message.hasPrefix("\(folder.store.path) is no list of bans of ours: \(bad.why)"))
        #expect(folder.store.setAside() == folder.store.path + ".broken")
        #expect(try folder.store.read() == nil)
    }

    private static func line(_ prefix: String, _ origin: String) -> String {
        """
        {"prefix":"\(prefix)","origin":"\(origin)","since_ns":1,"reason":"","packets":0,"bytes":0}
        """
    }

    @Test func `a file that others can write, a link and a folder are refused`() throws {
        let folder = try Folder()
        let path = folder.store.path
        try folder.store.write([], at: 0)
        chmod(path, 0o620)
        #expect(throws: ServiceError.self) { try folder.store.read() }
        try FileManager.default.moveItem(atPath: path, toPath: path + "2")
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: path + "2")
        #expect(throws: ServiceError.self) { try folder.store.read() }
        unlink(path)
        mkdir(path, 0o700)
        #expect(throws: ServiceError.self) { try folder.store.read() }
        #expect(throws: ServiceError.self) { try folder.store.write([], at: 0) }
    }

    @Test func `a folder that cannot be had is told, and an old file stays when the new one fails`() throws {
        let nowhere = BanStore(folder: "/proc/1/none")
        let error = try #require(throws: ServiceError.self) { try nowhere.write([], at: 0) }
        #expect(error.status == .unavailable)
        #expect(error.message.hasPrefix("cannot write /proc/1/none/bans.json.next: "))
        let folder = try Folder()
        let entries = [try entry("192.0.2.7", ends: nil)]
        try folder.store.write(entries, at: 0)
        mkdir(folder.store.path + ".next", 0o700)
        #expect(throws: ServiceError.self) { try folder.store.write([], at: 0) }
        #expect(try folder.store.read() == entries)
    }

    @Test func `through a reboot a ban keeps its dates, and one that ended meanwhile is gone`() throws {
        let before = BanTranslation(now: 500_000 * 1_000_000_000, wall: 9000 * second, limits: [3: "uplink"])
        var ban = Ban(
            Prefix(IPAddress(v4: 0xc000_0207)), since: 499_000 * 1_000_000_000,
            ends: 500_100 * 1_000_000_000, reason: "")
        ban.origin = .limit(slot: 3)
        let entry = before.entry(ban)
        #expect(entry.sinceNanoseconds == 8000 * second && entry.endsNanoseconds == 9100 * second)
        #expect(entry.origin == .limit("uplink"))
        let after = BanTranslation(now: 10 * 1_000_000_000, wall: 9050 * second, limits: [8: "uplink"])
        let restored = try #require(after.ban(entry))
        #expect(restored.endsNanoseconds == 60 * 1_000_000_000)
        #expect(restored.origin == .limit(slot: 8))
        #expect(after.entry(restored) == entry)
        let nameless = BanTranslation(now: 10, wall: 9050 * second, limits: [:])
        #expect(nameless.entry(try #require(nameless.ban(entry))) == entry)
        #expect(BanTranslation(now: 10, wall: 9100 * second, limits: [:]).ban(entry) == nil)
    }

    @Test(arguments: ["yesterday", "", "2026-13-01T00:00:00Z"])
    func `a moment of saving that is none is told, and the bans hold by their dates`(saved: String) throws {
        let folder = try Folder()
        let ban = Self.line("192.0.2.8/32", "manual")
        try folder.write("{\"version\":1,\"saved\":\"\(saved)\",\"bans\":[\(ban)]}")
        var told: [String] = []
        #expect(try folder.store.readToRestore(at: 0) { told.append($0) }?.count == 1)
        #expect(told.count == 1 && told[0].hasPrefix("'saved' of \(folder.store.path) is no point in time"))
    }

    @Test func `where the clock is behind the file a ban lasts as long as it had left, and that is told`()
        throws
    {
        let folder = try Folder()
        let entries = [
            try entry("192.0.2.7", ends: 1_000_600 * second), try entry("192.0.2.8", ends: nil),
            try entry("192.0.2.9", ends: 1_000_000 * second),
        ]
        try folder.store.write(entries, at: 1_000_000 * second)
        let left = { (wall: Int64) throws -> ([UInt64?], [String]) in
            var warnings: [String] = []
            let times = BanTranslation(now: 5_000_000 * 1_000_000_000, wall: wall, limits: [:])
            let read = try folder.store.readToRestore(at: wall) { warnings.append($0) }
            let bans = try #require(read).compactMap(times.ban)
            return (bans.map { $0.endsNanoseconds.map { $0 - times.now } }, warnings)
        }
        // A clock that starts at the epoch's first second.
        let behind = try left(second)
        #expect(behind.0 == [600 * 1_000_000_000, nil])
        #expect(
            behind.1 == [
                "this host's clock (1970-01-01T00:00:01.000000Z) is behind \(folder.store.path), which was "
                    + "saved at 1970-01-12T13:46:40.000000Z: its bans hold for as long as they had left then"
            ])
        for wall in [1_000_000, 1_000_100] as [Int64] {
            let right = try left(wall * second)
            #expect(right.0 == [UInt64(1_000_600 - wall) * 1_000_000_000, nil] && right.1.isEmpty)
        }
        let prefix = Set([entries[0].prefix, entries[2].prefix])
        let mayRestore = { (wall: Int64) in
            folder.store.mayRestore(prefix, BanTranslation(now: 5, wall: wall, limits: [:]))
        }
        #expect(mayRestore(second) && !mayRestore(1_000_600 * second))
        #expect(
            !folder.store.mayRestore(
                [entries[2].prefix], BanTranslation(now: 5, wall: second, limits: [:])))
    }

    @Test(arguments: [Int64.min, -1, 0, 1, Int64.max])
    func `dates at the ends of their range trap nowhere`(_ date: Int64) throws {
        for wall in [Int64.min, 0, Int64.max] {
            let times = BanTranslation(now: 5, wall: wall, limits: [:])
            var entry = try entry("192.0.2.7", ends: date)
            entry.sinceNanoseconds = date
            let ban = times.ban(entry)
            #expect((ban == nil) == (date <= wall))
            if let ban { _ = times.entry(ban) }
        }
    }
}
