// SPDX-License-Identifier: Apache-2.0
// The policy that runs is the one that was applied, whatever its files say since: what an inspector that
// starts, or takes over signatures, reads of it.
import Diagnostics
import Foundation
import NetworkTypes
import PolicyLanguage
import Testing

@testable import Service

/// A folder with a policy, a file that it includes, and one of addresses.
private final class Folder {
    let path = NSTemporaryDirectory() + "xdpguard-\(UUID().uuidString)"
    var policy: String { path + "/web.conf" }

    init() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try write("web.conf", Self.text)
        try write("sets.conf", "sets: { HOME_NET: 198.51.100.0/24 }\n")
        try write("friends.txt", "192.0.2.1\n")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    static let text = """
        default: drop
        include: [sets.conf]
        never-ban: [203.0.113.0/24]
        sets: { friends: { file: friends.txt } }
        inspectors:
          api: { sample: { packets: 16 }, on-match: ban 10m, protocols: { forbid: [BitTorrent] } }
        rules:
          - { name: friends, source: $friends, action: pass }
          - { name: web, destination: $HOME_NET, service: tcp/80, inspect: api, action: pass, \
            expires: 2020-01-01T00:00Z }

        """

    func write(_ name: String, _ text: String) throws {
        try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }

    /// What `apply` keeps, as it comes out of the kernel again.
    func applied(keeping most: Int = GenerationInfo.mostKeptBytes) throws -> GenerationInfo {
        let report = loadPolicy(path: policy)
        try #require(report.policy != nil, "\(report.rendered())")
        var info = GenerationInfo(header: header, rules: [])
        info.keep(report.sources, atMost: most)
        return try #require(GenerationInfo.decoded(try info.encoded() + [0, 0, 0]))
    }

    /// As an earlier version described it.
    var header: GenerationInfo.Header {
        GenerationInfo.Header(
            policy: "web", file: policy, mode: "enforce", appliedNanoseconds: 1_577_000_000_000_000_000,
            user: 0, version: "1", tableBytes: 9)
    }
}

/// Edits that nobody applied, with the file and what becomes of it.
private let edits: [(String, String, String)] = [
    ("web.conf", "forbid: [BitTorrent]", "allow-only: [HTTP]"),
    ("web.conf", "default: drop", "default: pass"),
    ("web.conf", "203.0.113.0/24", "203.0.113.0/25"), ("web.conf", "never-ban", "mode: monitor\nnever-ban"),
    ("web.conf", "name: web", "name: other"), ("web.conf", "on-match: ban 10m", "on-match: drop-flow"),
    ("web.conf", "rules:", "rules: ["), ("web.conf", "include: [sets.conf]", "include: [none.conf]"),
    ("sets.conf", "198.51.100.0/24", "198.51.100.0/25"), ("sets.conf", "HOME_NET", "HOME"),
]

private func says(_ policy: CheckedPolicy) -> [String] {
    [
        policy.mode.rawValue, policy.defaultVerdict.rawValue, "\(policy.neverBan)",
        "\(policy.inspectors.map(\.forbidden))", "\(policy.inspectors.map(\.onMatch))",
        "\(policy.rules.map(\.name))", "\(policy.sets.map { ($0.name, $0.addresses) })",
    ]
}

@Test(arguments: edits)
func `a policy that was edited and not applied is read as it was applied`(
    _ file: String, _ old: String, _ new: String
) throws {
    let folder = try Folder()
    let info = try folder.applied()
    let before = says(try appliedPolicy(info, DiskReader()))
    let path = "\(folder.path)/\(file)"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try #require(text.contains(old))
    try folder.write(file, text.replacingOccurrences(of: old, with: new))
    #expect(says(try appliedPolicy(info, DiskReader())) == before)
    try FileManager.default.removeItem(atPath: path)
    #expect(says(try appliedPolicy(info, DiskReader())) == before)
}

@Test func `addresses of a set's file are read as they are now`() throws {
    let folder = try Folder()
    let info = try folder.applied()
    try folder.write("friends.txt", "192.0.2.2\n")
    let policy = try appliedPolicy(info, DiskReader())
    let friends = try #require(policy.sets.first { $0.name == "friends" }?.addresses)
    #expect(friends.contains(try #require(IPAddress("192.0.2.2"))))
    #expect(!friends.contains(try #require(IPAddress("192.0.2.1"))))
    try folder.write("friends.txt", "192.0.2\n")
    let error = #expect(throws: ServiceError.self) { try appliedPolicy(info, DiskReader()) }
    #expect(error?.message.contains("\(folder.path)/friends.txt:1: ") ?? false, "\(error?.message ?? "")")
}

@Test func `of a policy that is too long to keep the file must be the one that was applied`() throws {
    let folder = try Folder()
    let info = try folder.applied(keeping: 100)
    #expect(info.header.policyFiles?.map(\.isKept) == [false, true])
    #expect(try appliedPolicy(info, DiskReader()).name == "web")
    try folder.write("web.conf", Folder.text + "\n")
    let error = #expect(throws: ServiceError.self) { try appliedPolicy(info, DiskReader()) }
    #expect(error?.message == "\(folder.policy) has changed since it was applied: apply it again")
    #expect(error?.status == .wrongInput)
    try FileManager.default.removeItem(atPath: folder.policy)
    let missing = #expect(throws: ServiceError.self) { try appliedPolicy(info, DiskReader()) }
    #expect(missing?.status == .noInput)
    let words = "cannot read \(folder.policy), which was applied: No such file or directory; put it back"
    #expect(missing?.message.hasPrefix(words) == true)
}

@Test func `what an earlier version applied is read from its file`() throws {
    let folder = try Folder()
    let info = GenerationInfo(header: folder.header, rules: [])
    try folder.write("web.conf", Folder.text.replacingOccurrences(of: "default: drop", with: "default: pass"))
    #expect(try appliedPolicy(info, DiskReader()).defaultVerdict == .pass)
    try folder.write("web.conf", "rules: [")
    let error = #expect(throws: ServiceError.self) { try appliedPolicy(info, DiskReader()) }
    let message = error?.message ?? ""
    #expect(message.hasPrefix("\(folder.policy) has errors since it was applied: correct and apply it: "))
}

@Test func `a path is told from the root on, with its links`() {
    #expect(pathFromRoot("/etc/../etc/web.conf") == "/etc/../etc/web.conf")
    let folder = FileManager.default.currentDirectoryPath
    #expect(pathFromRoot("policies/web.conf") == "\(folder)/policies/web.conf")
}
