// SPDX-License-Identifier: Apache-2.0
// What scripts/bench measures from inside: JSON lines of nanoseconds.
//   guardbench native POLICY...          the native engine on varied packets
//   guardbench stages FOLDER ROUNDS      the kernel program's stages; FOLDER holds builds of xdp/bench
//   guardbench classbench FOLDER ENGINE RULES HEADERS    a ClassBench set
import Glibc
import MapCompiler
import PolicyLanguage

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
    case ("stages", 3):
        guard let rounds = Int(words[words.endIndex - 1]), rounds > 0 else {
            fail("'\(words[words.endIndex - 1])' is no number of rounds", 64)
        }
        try measureStages(words[words.startIndex + 1], rounds: rounds)
    case ("classbench", 5):
        guard let choice = ClassifierChoice(rawValue: words[words.startIndex + 2]) else {
            fail("'\(words[words.startIndex + 2])' is no engine", 64)
        }
        try measureClassBench(
            words[words.startIndex + 1], words[words.startIndex + 3], words[words.startIndex + 4], choice)
    default: fail("expected 'native POLICY...' or 'stages FOLDER ROUNDS'", 64)
    }
} catch {
    fail("\(error)", 70)
}
