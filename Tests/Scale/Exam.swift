// SPDX-License-Identifier: Apache-2.0
// Packets under one policy with the rule that must decide each, made by others than the evaluators. In: an
// exam and an engine. Out: the answers that are wrong.
import Capture
import Diagnostics
import MapCompiler
import NetworkTypes
import PolicyLanguage
import Replay
import TestSupport

/// A packet and the rule that must decide it.
struct Question: Sendable {
    var frame: [UInt8]
    /// nil: the default.
    var rule: String?
    /// What it is, for a report.
    var text: String
}

/// A policy with its set files, and questions about it.
struct Exam: Sendable {
    var policy: String
    /// Set files by the paths that the policy names.
    var files: [String: [UInt8]] = [:]
    var questions: [Question]

    static let policyPath = "exam.conf"

    /// The policy as the language reads it.
    func load() throws -> CheckedPolicy {
        var files = files
        files[Self.policyPath] = Array(policy.utf8)
        let report = loadPolicy(path: Self.policyPath, reader: MemoryReader(files: files))
        guard let loaded = report.policy else {
            throw ExamError(description: "the policy does not load:\n\(report.rendered())")
        }
        return loaded
    }

    /// What an engine is asked: everything; of the model, which compares each packet with each rule, as much
    /// as makes some `work` comparisons.
    func questions(for examinee: Examinee, work: Int, _ policy: CheckedPolicy, seed: UInt64) -> [Question] {
        examinee == .model ? questions(max(10, work / max(1, policy.rules.count)), seed: seed) : questions
    }

    /// That many of the questions, in their order, by the seed; all where there are no more.
    func questions(_ count: Int, seed: UInt64) -> [Question] {
        guard count < questions.count else { return questions }
        var random = SeededGenerator(seed: seed)
        var missing = count
        return questions.enumerated().filter { index, _ in
            let isTaken = random.below(questions.count - index) < missing
            if isTaken { missing -= 1 }
            return isTaken
        }.map(\.element)
    }
}

/// A policy that cannot be asked.
struct ExamError: Error, CustomStringConvertible { var description: String }

/// Texts in memory as files.
struct MemoryReader: FileReader {
    var files: [String: [UInt8]]

    func read(_ path: String) throws(FileReadError) -> [UInt8] {
        guard let bytes = files[path] else { return try DiskReader().read(path) }
        return bytes
    }
}

/// The evaluators that can be asked.
enum Examinee: String, CaseIterable, Sendable {
    case native, kernel, model

    /// - Throws: also where the policy is too large for it.
    func engine(_ policy: CheckedPolicy) throws -> any ReplayEngine {
        do {
            switch self {
            case .native: return try NativeReplayEngine(policy: policy, bans: [])
            case .kernel: return try KernelReplayEngine(policy: policy, bans: [])
            case .model: return ModelReplayEngine(policy: policy, bans: [])
            }
        } catch let error as CompileError {
            throw ExamError(description: error.diagnostics.map { $0.rendered() }.joined())
        }
    }

    /// The questions that it answers with another rule than the right one, or not by a rule or the default.
    func wrongAnswers(_ policy: CheckedPolicy, _ questions: [Question]) throws -> [String] {
        var engine = try engine(policy)
        return try questions.compactMap { question in
            let answer = try question.frame.withUnsafeBytes { bytes in
                try engine.judge(
                    CapturedFrame(
                        bytes: bytes, originalLength: bytes.count, timeNanoseconds: 0, interface: nil,
                        number: 1))
            }
            let reason: Reason = question.rule == nil ? .default : .rule
            if answer.rule == question.rule, answer.reason == reason { return nil }
            return "\(question.text): expected \(question.rule ?? "no rule"), got "
                + "\(answer.rule ?? "no rule") (\(answer.reason.rawValue) \(answer.detail))"
        }
    }
}
