// SPDX-License-Identifier: Apache-2.0
// Real captures under every shipped policy: kernel and model agree on every packet, and the sums are whole.
import Capture
import Foundation
import NetworkTypes
import PolicyLanguage
import Replay
import TestSupport
import Testing

private let root = URL(filePath: #filePath).appending(path: "../../..").standardizedFileURL
private let data = root.appending(path: "../shared/data").standardizedFileURL
private let areThere = FileManager.default.fileExists(atPath: data.path())
private let policies = ["bastion", "ddos-edge", "demo", "dns-server", "web-server"]

/// The captures below a folder of the data, by name.
private func captures(_ folder: String) -> [String] {
    let all = FileManager.default.enumerator(atPath: data.appending(path: folder).path())
    let names = all?.compactMap { $0 as? String } ?? []
    return names.filter { $0.hasSuffix(".pcap") || $0.hasSuffix(".pcapng") }.sorted().map {
        "\(folder)/\($0)"
    }
}

@Suite(.serialized, .enabled(if: KernelTests.areWanted))
struct SharedCapturesTests {
    @Test(.enabled(if: areThere, "no ../shared/data beside the checkout"), arguments: policies)
    func `kernel and model agree on every packet of real captures`(name: String) throws {
        let path = root.appending(path: "policies/\(name).conf").path()
        let policy = try #require(loadPolicy(path: path).policy)
        let bans = [try #require(Prefix(masking: IPAddress(v4: 0xac10_0000), length: 28))]
        var kernel = ReplayRun(engine: try KernelReplayEngine(policy: policy, bans: bans))
        var model = ReplayRun(engine: ModelReplayEngine(policy: policy, bans: bans))
        for capture in captures("ddos") + captures("http-api") {
            try compare(capture, &kernel, &model)
        }
        #expect(kernel.summary == model.summary)
        #expect(kernel.summary.packets > 60_000)
        #expect(kernel.summary.verdicts.values.reduce(0, +) == kernel.summary.packets)
        #expect(kernel.summary.reasons.values.reduce(0, +) == kernel.summary.packets)
    }

    private func compare(
        _ capture: String, _ kernel: inout ReplayRun<KernelReplayEngine>,
        _ model: inout ReplayRun<ModelReplayEngine>
    ) throws {
        do {
            var reader = try CaptureReader(path: data.appending(path: capture).path())
            while let frame = try reader.next() {
                let expected = try model.judge(frame).judgement
                let got = try kernel.judge(frame).judgement
                try #require(got == expected, "\(capture) packet \(frame.number)")
            }
        } catch let error as CaptureError {
            // Captures of link layers that are not read end here, and broken ones at their last good packet.
            if case .missing = error { throw error }
        }
    }
}
