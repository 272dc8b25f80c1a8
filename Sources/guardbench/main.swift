// SPDX-License-Identifier: Apache-2.0
// What scripts/bench measures from inside: JSON lines of nanoseconds.
//   guardbench native POLICY...          the native engine on varied packets
//   guardbench front POLICY              the policy language and lint: seconds and MiB of each step
//   guardbench stages FOLDER ROUNDS [NAME...]
//                                        the kernel program's stages, of all or of those whose names begin
//                                        so; FOLDER holds builds of xdp/bench
//   guardbench classify PROGRAM POLICY CAPTURE ROUNDS [CLASSIFIER]
//                                        what a policy's rules and sets cost; PROGRAM is a build of
//                                        xdp/bench, CLASSIFIER bit-vectors or tuple-space
// And what it measures on: ClassBench sets as policies and captures.
//   guardbench classbench policy NAME.rules
//   guardbench classbench frames NAME.headers [--count N] --write FILE.pcap
import Glibc
import MapCompiler
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

/// The rounds that a word asks for.
func roundCount(_ word: String) -> Int {
    guard let rounds = Int(word), rounds > 0 else { fail("'\(word)' is no number of rounds", 64) }
    return rounds
}

let words = CommandLine.arguments.dropFirst()
let arguments = Array(words.dropFirst())
do {
    switch (words.first, words.count) {
    case ("native", 2...): try measureNative(arguments)
    case ("front", 2): try measureFront(arguments[0])
    case ("stages", 3...):
        try measureStages(
            arguments[0], rounds: roundCount(arguments[1]), named: arguments.dropFirst(2))
    case ("classify", 5), ("classify", 6):
        guard let classifier = ClassifierChoice(rawValue: arguments.count > 4 ? arguments[4] : "automatic")
        else {
            fail("'\(arguments[4])' is no classifier", 64)
        }
        try measureClassify(
            arguments[0], policy: arguments[1], capture: arguments[2],
            (roundCount(arguments[3]), classifier))
    case ("classbench", 2...): try runClassBench(arguments)
    default:
        fail("expected 'native', 'front', 'stages', 'classify' or 'classbench' and what the source says", 64)
    }
} catch let error as CompileError {
    fail(error.diagnostics.map(\.message).joined(separator: "; "), 69)
} catch let error as SharedDataError {
    fail("\(error)", 66)
} catch {
    fail("\(error)", 70)
}
