// SPDX-License-Identifier: Apache-2.0
// `scale`: large rule sets, lists and tables that others made, through the evaluators, against the answers
// that came with them. A line for each; exit 1 where an answer is wrong or a policy does not load.
import ArgumentParser
import Glibc
import PolicyLanguage
import TestSupport

@main
struct Scale: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scale", abstract: "Compare the evaluators with answers that others made.")

    @Argument(help: "Only those whose names hold one of these words, as in acl1_10k or firehol.")
    var names: [String] = []

    @Option(help: "None of what names hold this word, as in _1k or generated/1000000.")
    var except: [String] = []

    @Option(help: "Engines to ask, with commas: native, kernel, model.")
    var engines = "native,kernel,model"

    @Option(help: "The model compares each packet with each rule: at most this many comparisons an exam.")
    var modelWork = 20_000_000

    @Option(help: "Chooses the model's packets and the addresses tried in lists.")
    var seed: UInt64 = 4

    func validate() throws {
        if modelWork < 1 { throw ValidationError("--model-work is above zero") }
    }

    func run() throws {
        if SharedData.folder == nil { print("only generated lists: \(SharedData.absence)") }
        let examinees = try chosen()
        print("scale: seed \(seed), engines \(examinees.map(\.rawValue).joined(separator: ", "))")
        var failed = 0
        for (name, make) in exams() where isWanted(name) {
            let lines = report(name, make, examinees)
            failed += lines.contains { $0.isFailure } ? 1 : 0
            for line in lines { print(line.text) }
            fflush(nil)
        }
        print(failed == 0 ? "no wrong answer" : "\(failed) failed")
        if failed > 0 { throw ExitCode(1) }
    }

    private func isWanted(_ name: String) -> Bool {
        (names.isEmpty || names.contains { name.contains($0) }) && !except.contains { name.contains($0) }
    }

    private func chosen() throws -> [Examinee] {
        try engines.split(separator: ",").compactMap { name in
            guard let examinee = Examinee(rawValue: String(name)) else {
                throw ValidationError("--engines names '\(name)': write native, kernel or model, with commas")
            }
            return examinee == .kernel && !KernelTests.areWanted ? nil : examinee
        }
    }

    /// The names of all exams, and what makes them.
    private func exams() -> [(String, () throws -> Exam)] {
        var all: [(String, () throws -> Exam)] = []
        for set in Catalogue.ruleSets { all.append((set.place, { try Exam(classBench: set.path) })) }
        for list in Catalogue.lists {
            all.append((list.place, { [seed] in try Exam(list: list, seed: seed) }))
        }
        for table in Catalogue.tables {
            all.append(("\(table.place) by length", { try RoutingTable(table).byLength() }))
            all.append(("\(table.place) by value", { try RoutingTable(table).byValue(1000) }))
        }
        for list in GeneratedList.all { all.append(("\(list)", { [seed] in try Exam(list, seed: seed) })) }
        return all
    }

    private func report(
        _ name: String, _ make: () throws -> Exam, _ examinees: [Examinee]
    ) -> [(text: String, isFailure: Bool)] {
        do {
            let exam = try make()
            let start = ContinuousClock.now
            let policy = try exam.load()
            let rules = "\(name): \(policy.rules.count) rules loaded in \(seconds(since: start)) s"
            return [(rules, false)] + examinees.map { answers(of: $0, policy, exam) }
        } catch { return [("\(name): FAILED: \(error)", true)] }
    }

    private func answers(
        of examinee: Examinee, _ policy: CheckedPolicy, _ exam: Exam
    ) -> (text: String, isFailure: Bool) {
        let questions = exam.questions(for: examinee, work: modelWork, policy, seed: seed)
        let start = ContinuousClock.now
        do {
            let wrong = try examinee.wrongAnswers(policy, questions)
            let sum =
                "  \(examinee.rawValue): \(questions.count) of \(exam.questions.count) packets in "
                + "\(seconds(since: start)) s, \(wrong.count) wrong"
            let examples = wrong.prefix(5).map { "\n    \($0)" }.joined()
            return (sum + examples, !wrong.isEmpty)
        } catch { return ("  \(examinee.rawValue): FAILED: \(error)", true) }
    }

    private func seconds(since start: ContinuousClock.Instant) -> Double {
        ((ContinuousClock.now - start) / .milliseconds(1)).rounded() / 1000
    }
}
