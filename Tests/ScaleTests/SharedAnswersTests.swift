// SPDX-License-Identifier: Apache-2.0
// Rule sets and lists that others made: the answers that came with them hold on every engine.
// This is a debug build's share: sets of some 1,000 rules, lists, few packets for the model. scripts/scale,
// which scripts/test runs, asks all of it of a release build.
import TestSupport
import Testing

@testable import scale

/// Chooses the model's packets and the addresses that are tried in lists; printed with each failure.
private let seed: UInt64 = 20
/// Comparisons of a packet with a rule that the model makes for one exam.
private let modelWork = 100_000

@Suite(.serialized, .enabled(if: SharedData.folder != nil, "no ../shared/data beside the checkout"))
struct SharedAnswersTests {
    @Test func `every kind of data is found in the folder`() {
        #expect(Catalogue.ruleSets.contains { $0.place.hasSuffix("_1k") })
        #expect(Catalogue.ruleSets.contains { $0.place.hasSuffix("_100k.v6") })
        #expect(Catalogue.lists.contains { $0.answers != nil })
        #expect(Catalogue.lists.contains { $0.answers == nil })
        #expect(!Catalogue.tables.isEmpty)
    }

    @Test(arguments: Catalogue.ruleSets.filter { $0.place.contains("_1k") })
    func `each header of a trace meets the rule that its answer names`(set: AnsweredFile) throws {
        try sit(try Exam(classBench: set.path))
    }

    @Test(arguments: Catalogue.lists)
    func `a list used as a set holds its members and nothing else`(list: AnsweredFile) throws {
        try sit(try Exam(list: list, seed: seed))
    }

    @Test(arguments: [GeneratedList(family: .ipv4, count: 5000), .init(family: .ipv6, count: 5000)])
    func `a generated list holds what a naive look-up finds`(list: GeneratedList) throws {
        try sit(try Exam(list, seed: seed))
    }

    /// Every engine that can be asked; one that cannot load the policy does not spare the others.
    private func sit(_ exam: Exam) throws {
        let policy = try exam.load()
        for examinee in Examinee.allCases where examinee != .kernel || KernelTests.areWanted {
            let questions = exam.questions(for: examinee, work: modelWork, policy, seed: seed)
            do {
                let wrong = try examinee.wrongAnswers(policy, questions)
                let count = "\(wrong.count) of \(questions.count)"
                #expect(wrong.isEmpty, "\(examinee), seed \(seed): \(count) wrong")
                for answer in wrong.prefix(5) { Issue.record("\(examinee): \(answer)") }
            } catch { Issue.record("\(examinee): \(error)") }
        }
    }
}
