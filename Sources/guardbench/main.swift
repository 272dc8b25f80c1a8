// SPDX-License-Identifier: Apache-2.0
// What scripts/bench measures from inside: JSON lines of nanoseconds.
//   guardbench native POLICY...          the native engine on varied packets
//   guardbench front POLICY              the policy language and lint: seconds and MiB of each step
//   guardbench stages FOLDER ROUNDS      the kernel program's stages; FOLDER holds builds of xdp/bench
// And what it measures on: ClassBench sets as policies and captures.
//   guardbench classbench policy NAME.rules
//   guardbench classbench frames NAME.headers [--count N] --write FILE.pcap
import Glibc
import PolicyLanguage
import TestSupport

func fail(_ message: String, _ code: Int32) -> Never {
    let text = Array("guardbench: error: \(message)\n".utf8)
    _ = write(STDERR_FILENO, text, text.count)
    exit(code)
}

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

func runnablePolicy(_ path: String) throws -> CheckedPolicy {
    let report = loadPolicy(path: path)
    guard let policy = report.policy else { fail(report.rendered(), report.exitCode) }
    return policy
}

let words = CommandLine.arguments.dropFirst()
do {
    switch (words.first, words.count) {
    case ("native", 2...): try measureNative(Array(words.dropFirst()))
    case ("front", 2): try measureFront(words[words.startIndex + 1])
    case ("stages", 3):
        guard let rounds = Int(words[words.endIndex - 1]), rounds > 0 else {
            fail("'\(words[words.endIndex - 1])' is no number of rounds", 64)
        }
        try measureStages(words[words.startIndex + 1], rounds: rounds)
    case ("classbench", 2...): try runClassBench(Array(words.dropFirst()))
    default: fail("expected 'native ...', 'front POLICY', 'stages FOLDER ROUNDS' or 'classbench ...'", 64)
    }
} catch let error as SharedDataError {
    fail("\(error)", 66)
} catch {
    fail("\(error)", 70)
}
