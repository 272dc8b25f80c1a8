// SPDX-License-Identifier: Apache-2.0
// Situations that engines see differently become small, and can be kept as a replay case.
import Foundation
import NetworkTypes
import Replay
import TestSupport
import Testing

@testable import differential

struct ShrinkerTests {
    /// Stands for engines that differ about the last frame wherever `holds`.
    private func smallest(
        _ situation: RandomSituation, where holds: @escaping (RandomSituation) -> Bool
    ) -> RandomSituation? {
        var shrinker = Shrinker(situation, allowed: .seconds(20)) { candidate in
            guard holds(candidate), !candidate.frames.isEmpty else { return nil }
            return Mismatch(
                frame: candidate.frames.count - 1, pair: [.model, .native(linearBytes: nil)], answers: [])
        }
        shrinker?.shrink()
        return shrinker?.best
    }

    @Test func `what the mismatch does not need is taken away`() throws {
        let situation = RandomSituation(seed: 7, frames: 50)
        let small = try #require(
            smallest(situation) { candidate in
                candidate.frames.contains { $0.bytes.count > 20 && $0.bytes[3] == 0 }
            })
        #expect(small.frames.map(\.bytes) == [[UInt8](repeating: 0, count: 21)])
        #expect(small.frames.map(\.timeNanoseconds) == [0])
        #expect(small.frames.map(\.interface) == [nil])
        #expect(small.draft == PolicyDraft())
        #expect(small.bans == [] && small.ownAddresses == [])
    }

    @Test func `keys and values of rules that the mismatch needs stay`() throws {
        var situation = RandomSituation(seed: 8, frames: 3)
        let rule: [PolicyDraft.Entry] = [
            .init("name", "r77"), .init("service", ["\"udp/53\"", "\"tcp/80\""]), .init("ttl", ["64", "1"]),
            .init("action", "drop"),
        ]
        situation.draft.rules.append(rule)
        let small = try #require(
            smallest(situation) { candidate in
                candidate.draft.rules.contains { rule in
                    rule.contains { $0.key == "ttl" && $0.values.contains("64") }
                }
            })
        #expect(small.draft.rules == [[.init("ttl", "64")]])
        #expect(small.frames.count == 1)
    }

    @Test func `frames that matter together stay together, in their order`() throws {
        let situation = RandomSituation(seed: 9, frames: 40)
        let (first, last) = (situation.frames[11], situation.frames[31])
        let small = try #require(
            smallest(situation) { candidate in
                guard let index = candidate.frames.firstIndex(of: first) else { return false }
                return candidate.frames[index...].contains(last)
            })
        #expect(small.frames == [first, last])
    }

    @Test func `a situation in which the engines agree is not shrunk`() {
        #expect(smallest(RandomSituation(seed: 3, frames: 5), where: { _ in false }) == nil)
        #expect(throws: DifferentialError.self) {
            try Small(RandomSituation(seed: 3, frames: 50), [.model, .native(linearBytes: nil)])
        }
    }
}

/// Folders that `--write` makes.
struct CaseFolderTests {
    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func `a situation that was written reads back as a case, with the lines of every engine`(seed: UInt64)
        throws
    {
        var situation = RandomSituation(seed: seed, frames: 40)
        situation.sampleScopes = []
        let folder = FileManager.default.temporaryDirectory.appending(path: "case-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try CaseFolder(situation, title: "A situation of seed \(seed).").write(to: folder.path)
        let read = try ReplayCase(folder: folder)
        #expect(read.frames.map(\.bytes) == situation.frames.map(\.bytes))
        #expect(read.frames.map(\.timeNanoseconds) == situation.frames.map(\.timeNanoseconds))
        #expect(read.frames.map(\.interface) == situation.frames.map(\.interface))
        #expect(read.bans == situation.bans)
        #expect(read.ownAddresses == situation.ownAddresses)
        let native = try NativeReplayEngine(
            policy: read.policy, bans: read.bans, ownAddresses: read.ownAddresses)
        let expected = try String(contentsOf: read.expectedFile, encoding: .utf8)
        #expect(try read.output(of: native) == expected)
    }

    @Test func `a situation with header conditions is not written, as a case has none`() {
        var situation = RandomSituation(seed: 1, frames: 1)
        situation.sampleScopes = [FlowScope.none]
        #expect(throws: DifferentialError.self) { try CaseFolder(situation, title: "None.") }
    }

    @Test func `a folder that cannot be made is told with its path`() throws {
        var situation = RandomSituation(seed: 1, frames: 1)
        situation.sampleScopes = []
        let folder = try CaseFolder(situation, title: "None.")
        let error = #expect(throws: CaseFolderError.self) { try folder.write(to: "/proc/none/case") }
        #expect(error?.description == "cannot write '/proc/none/case': No such file or directory")
    }

    @Test(
        arguments: [
            (0, "0"), (1_000_000_000, "1"), (1, "0.000000001"), (990_500_000_000, "990.5"),
            (1_000_000_000_010, "1000.00000001"),
        ] as [(Int64, String)])
    func `times are written with the decimals that they need`(nanoseconds: Int64, text: String) {
        #expect(seconds(nanoseconds) == text)
    }
}
