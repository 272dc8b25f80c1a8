// SPDX-License-Identifier: Apache-2.0
// Every folder of cases/ is one behaviour: its frames under its policy must give its lines, whole, by every
// engine. With XDPGUARD_TEST_RECORD=1 the model writes the lines, to be read before they are committed.
import Foundation
import Replay
import TestSupport
import Testing

private let isRecording = ProcessInfo.processInfo.environment["XDPGUARD_TEST_RECORD"] == "1"

@Suite struct ReplayCaseTests {
    @Test func `there are cases`() { #expect(ReplayCase.names.count >= 27) }

    @Test(arguments: ReplayCase.names)
    func `the model prints a case's lines`(name: String) throws {
        let replayed = try ReplayCase(name)
        let engine = ModelReplayEngine(
            policy: replayed.policy, bans: replayed.bans, ownAddresses: replayed.ownAddresses,
            options: replayed.options)
        let output = try replayed.output(of: engine)
        if isRecording { try output.write(to: replayed.expectedFile, atomically: true, encoding: .utf8) }
        try expectLines(output, of: replayed)
    }

    @Test(arguments: ReplayCase.names)
    func `the native engine prints a case's lines`(name: String) throws {
        let replayed = try ReplayCase(name)
        let engine = try NativeReplayEngine(
            policy: replayed.policy, bans: replayed.bans, ownAddresses: replayed.ownAddresses,
            options: replayed.options)
        try expectLines(try replayed.output(of: engine), of: replayed)
    }

    @Test(.enabled(if: KernelTests.areWanted), arguments: ReplayCase.names)
    func `the XDP program prints a case's lines`(name: String) throws {
        let replayed = try ReplayCase(name)
        let engine = try KernelReplayEngine(
            policy: replayed.policy, bans: replayed.bans, ownAddresses: replayed.ownAddresses,
            options: replayed.options)
        try expectLines(try replayed.output(of: engine), of: replayed)
    }

    /// Line by line first, as a difference in a long text is hard to find.
    private func expectLines(_ output: String, of replayed: ReplayCase) throws {
        let expected = try String(contentsOf: replayed.expectedFile, encoding: .utf8)
        for (got, wanted) in zip(output.split(separator: "\n"), expected.split(separator: "\n")) {
            #expect(got == wanted)
        }
        #expect(output == expected)
    }
}
