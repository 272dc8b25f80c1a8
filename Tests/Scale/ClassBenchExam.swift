// SPDX-License-Identifier: Apache-2.0
// A ClassBench set as an exam: for every header of its trace the first rule that matches.
import TestSupport

extension Exam {
    /// - Parameter path: any file of the set, or its stem.
    init(classBench path: String) throws {
        let set = try ClassBenchSet(path: path)
        let translation = ClassBenchTranslation(set.rules)
        let (headers, answers) = (try set.headers(), try set.answers())
        guard headers.count == answers.count, !headers.isEmpty else {
            throw ExamError(description: "\(path): \(headers.count) headers, \(answers.count) answers")
        }
        policy = translation.policy(set.rules, named: set.name)
        questions = zip(headers, answers).enumerated().map { index, pair in
            let header = pair.0
            return Question(
                frame: translation.frame(header), rule: pair.1.map { "r\($0)" }, text: "header \(index + 1)")
        }
    }
}
