// SPDX-License-Identifier: Apache-2.0
// Published lists as set files: the answers that came with them, by both evaluators.
import Capture
import Foundation
import NetworkTypes
import PolicyLanguage
import Replay
import TestSupport
import Testing

@testable import differential

/// Lists with their answers, beside the checkout.
private let lists = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../shared/data/blocklists").standardizedFileURL
private let areThere = FileManager.default.fileExists(atPath: lists.path())

private let names = [
    "firehol-2021/firehol_level1.netset", "firehol-2021/firehol_level2.netset",
    "firehol-2021/firehol_level3.netset", "firehol-2021/spamhaus_drop.netset", "bogons/fullbogons-ipv4.txt",
]

@Suite(.serialized)
struct BlocklistTests {
    @Test(.enabled(if: areThere, "no ../shared/data/blocklists beside the checkout"), arguments: names)
    func `a list used as a set drops its members and nothing else`(name: String) throws {
        let answers = try String(contentsOf: lists.appending(path: name + ".membership.tsv"), encoding: .utf8)
        let file = ["", ".txt"].map { lists.appending(path: name + $0).path() }
            .first { FileManager.default.fileExists(atPath: $0) }
        let path = try #require(file)
        let policy = try #require(Self.policy(listing: path))
        var model = ModelReplayEngine(policy: policy, bans: [])
        var kernel = KernelTests.areWanted ? try KernelReplayEngine(policy: policy, bans: []) : nil
        for line in answers.split(separator: "\n") where !line.hasPrefix("#") {
            let words = line.split(separator: "\t")
            let source = try #require(IPAddress(words[0]))
            let expected = words[1] == "1" ? Verdict.drop : .pass
            var packet = PacketDescription(
                proto: .gre, source: source, destination: IPAddress(v4: 0xc633_6401))
            packet.ttl = 9
            let frame = RandomFrame(bytes: packet.frame(), timeNanoseconds: 0, interface: nil)
            #expect(try frame.judged(by: &model).verdict == expected, "model: \(line)")
            if kernel != nil {
                #expect(try frame.judged(by: &kernel!).verdict == expected, "kernel: \(line)")
            }
        }
    }

    private static func policy(listing file: String) -> CheckedPolicy? {
        let text = """
            policy: list
            default: pass
            stateful: false
            fragments: drop
            spoofed: pass
            sets:
              list: { file: \(file) }
            rules:
              - { name: listed, source: $list, action: drop }
            """
        return loadPolicy(path: "list.conf", reader: TextAndDisk(path: "list.conf", text: text)).policy
    }
}

/// A policy in memory whose set files lie on the disk.
struct TextAndDisk: FileReader {
    let path: String
    let text: String

    func read(_ wanted: String) throws(FileReadError) -> [UInt8] {
        wanted == path ? Array(text.utf8) : try DiskReader().read(wanted)
    }
}
