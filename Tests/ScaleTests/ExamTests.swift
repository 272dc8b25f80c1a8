// SPDX-License-Identifier: Apache-2.0
// The exams themselves, on small data of our own: a right engine passes them, a wrong answer fails them.
import NetworkTypes
import TestSupport
import Testing

@testable import scale

/// The engines that this run can ask.
private let examinees = Examinee.allCases.filter { $0 != .kernel || KernelTests.areWanted }

@Suite(.serialized)
struct ExamTests {
    private static let exam = Exam(
        policy: """
            default: pass
            stateful: false
            essential: []
            rules:
              - { name: a, source: 192.0.2.0/24, action: drop }
              - { name: b, source: 192.0.2.0/23, action: drop }
            """,
        questions: [
            question("192.0.2.1", "a"), question("192.0.3.1", "b"), question("198.51.100.7", nil),
        ])

    private static func question(_ source: String, _ rule: String?) -> Question {
        Question(IPAddress(source) ?? IPAddress(v4: 0), IPAddress(v4: 0xcb00_7101), rule: rule)
    }

    @Test(arguments: examinees)
    func `right answers pass`(examinee: Examinee) throws {
        #expect(try examinee.wrongAnswers(Self.exam.load(), Self.exam.questions) == [])
    }

    @Test(arguments: examinees)
    func `another rule, a rule for none and none for a rule are wrong`(examinee: Examinee) throws {
        let questions = [
            Self.question("192.0.2.1", "b"), Self.question("198.51.100.7", "a"),
            Self.question("192.0.3.1", nil),
        ]
        let wrong = try examinee.wrongAnswers(Self.exam.load(), questions)
        #expect(
            wrong == [
                "192.0.2.1 > 203.0.113.1: expected b, got a (rule )",
                "198.51.100.7 > 203.0.113.1: expected a, got no rule (default )",
                "192.0.3.1 > 203.0.113.1: expected no rule, got b (rule )",
            ])
    }

    @Test func `what no rule judged is wrong, though no rule was expected`() throws {
        var exam = Self.exam
        exam.questions = [Self.question("127.0.0.1", nil)]
        let wrong = try Examinee.native.wrongAnswers(exam.load(), exam.questions)
        #expect(
            wrong == ["127.0.0.1 > 203.0.113.1: expected no rule, got no rule (spoofed loopback source)"])
    }

    @Test func `a policy that does not load says why`() {
        let exam = Exam(policy: "default: maybe\n", questions: [])
        #expect { try exam.load() } throws: { "\($0)".contains("exam.conf:1:10: error: ") }
    }

    @Test func `the model is asked a part by the seed, the others everything`() throws {
        let questions = (0..<100).map { Self.question("192.0.2.\($0)", "a") }
        let exam = Exam(policy: Self.exam.policy, questions: questions)
        let policy = try exam.load()
        let part = { exam.questions(for: .model, work: 60, policy, seed: $0).map(\.text) }
        #expect(part(1).count == 30)
        #expect(part(1) == part(1))
        #expect(part(1) != part(2))
        #expect(Set(part(1)).count == 30)
        #expect(exam.questions(for: .native, work: 60, policy, seed: 1).count == 100)
    }

    @Test(arguments: examinees)
    func `of nested prefixes the longest is found`(examinee: Examinee) throws {
        let table = """
            ; comment
            192.0.2.0/24\t64496
            192.0.2.128/25\t64497
            192.0.2.192/26\t64496
            198.51.100.0/24\t64498
            """
        let answers = """
            # ip\tprefix\tvalue
            192.0.2.1\t192.0.2.0/24\t64496
            192.0.2.129\t192.0.2.128/25\t64497
            192.0.2.200\t192.0.2.192/26\t64496
            192.0.3.0\t-\t-
            198.51.100.255\t198.51.100.0/24\t64498
            """
        let routes = try RoutingTable(
            table: Array(table.utf8), answers: Exam.answerLines(Array(answers.utf8)))
        for exam in [routes.byLength(), routes.byValue(2)] {
            #expect(exam.questions.count == 5)
            #expect(try examinee.wrongAnswers(exam.load(), exam.questions) == [])
        }
        #expect(routes.byLength().questions.map(\.rule) == ["l24", "l25", "l26", nil, "l24"])
        #expect(routes.byValue(1).questions.map(\.rule) == ["v64496", nil, "v64496", nil, nil])
        let turned = routes.byLength()
        let rules = turned.policy.split(separator: "\n").filter { $0.contains("action") }.reversed()
        let head = turned.policy.split(separator: "\n").filter { !$0.contains("action") }
        let shortest = Exam(
            policy: (head + rules).joined(separator: "\n"), files: turned.files, questions: turned.questions)
        #expect(try examinee.wrongAnswers(shortest.load(), shortest.questions).count == 2)
    }

    @Test func `answers that contradict the table are not taken`() {
        let answers = [["192.0.2.1", "192.0.2.0/23", "64496"]].map { $0.map { $0[...] } }
        #expect(throws: ExamError.self) {
            try RoutingTable(table: Array("192.0.2.0/24 64496\n".utf8), answers: answers)
        }
    }

    @Test(arguments: [
        ("192.0.2.1", "192.0.2.0/24"), ("192.0.3.0", nil), ("198.51.100.9", "198.51.100.9"),
        ("198.51.100.8", nil), ("2001:db8::1", "2001:db8::/33"), ("2001:db8:8000::", "2001:db8::/32"),
    ])
    func `the naive look-up finds the longest prefix`(address: String, prefix: String?) throws {
        let list = """
            # list
            192.0.2.7/24   masked
            198.51.100.9;one address\r
            2001:db8::/32
            2001:db8::/33#both

            """
        let naive = try NaivePrefixes(list: Array(list.utf8))
        #expect(naive.prefixes.count == 4)
        #expect(try naive.longest(#require(IPAddress(address))).map { "\($0)" } == prefix)
    }
}
