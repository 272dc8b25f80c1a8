// SPDX-License-Identifier: Apache-2.0
// One situation through several engines, each begun anew. In: the situation. Out: the first frame of which
// they say different things, or nil.
import Capture
import MapCompiler
import NetworkTypes
import PolicyLanguage
import Replay
import TestSupport

/// An engine as the comparison makes it.
enum EngineChoice: Hashable, Sendable {
    case model, kernel
    /// With so many bytes of a frame in its first buffer; nil: all of them.
    case native(linearBytes: UInt32?)
    /// With this classifier, whatever the number of rules.
    indirect case forced(EngineChoice, ClassifierChoice)

    var name: String {
        switch self {
        case .model: "model"
        case .kernel: "kernel"
        case .native(nil): "native"
        case .native(let linear?): "native, frames split behind \(linear) bytes"
        case .forced(let engine, let classifier): "\(engine.name) (\(classifier.rawValue))"
        }
    }

    func engine(_ policy: CheckedPolicy, _ situation: RandomSituation) throws -> any ReplayEngine {
        let (bans, own) = (situation.bans, situation.ownAddresses)
        var options = EngineOptions()
        options.bucketLines = situation.bucketLines
        options.sampleLines = situation.sampleLines
        options.sampleScopes = situation.sampleScopes
        var choice = self
        while case .forced(let inner, let classifier) = choice {
            options.classifier = classifier
            choice = inner
        }
        switch choice {
        case .native(let linear):
            options.linearBytes = linear ?? .max
            return try NativeReplayEngine(policy: policy, bans: bans, ownAddresses: own, options: options)
        case .kernel:
            return try KernelReplayEngine(policy: policy, bans: bans, ownAddresses: own, options: options)
        default:
            return ModelReplayEngine(policy: policy, bans: bans, ownAddresses: own, options: options)
        }
    }

    /// Itself with a classifier forced; the model has none.
    func with(_ classifier: ClassifierChoice) -> EngineChoice {
        self == .model || classifier == .automatic ? self : .forced(self, classifier)
    }
}

/// What an engine says of a frame, or why it says nothing.
enum Answer: Equatable {
    case judged(Judgement)
    case failed(String)
}

/// Engines that do not agree.
struct Mismatch {
    /// The frame's position.
    var frame: Int
    /// The engine that the others are compared with, and the first that differs.
    var pair: [EngineChoice]
    var answers: [Answer]
}

extension RandomSituation {
    /// The first frame of which two engines say different things; the first engine is right by definition.
    /// - Parameter tally: takes the first engine's judgements.
    func firstMismatch(
        of choices: [EngineChoice], _ policy: CheckedPolicy, into tally: ((Judgement) -> Void)? = nil
    ) throws -> Mismatch? {
        var engines = try choices.map { try $0.engine(policy, self) }
        for (number, frame) in frames.enumerated() {
            let expected = frame.answer(of: &engines[0])
            for index in engines.indices.dropFirst() {
                let got = frame.answer(of: &engines[index])
                guard got != expected else { continue }
                return Mismatch(
                    frame: number, pair: [choices[0], choices[index]], answers: [expected, got])
            }
            if let tally, case .judged(let judgement) = expected { tally(judgement) }
        }
        return nil
    }
}

extension RandomFrame {
    func judged(by engine: inout some ReplayEngine) throws -> Judgement {
        try bytes.withUnsafeBytes {
            let frame = CapturedFrame(
                bytes: $0, originalLength: bytes.count, timeNanoseconds: timeNanoseconds,
                interface: interface, number: 1)
            var judgement = Judgement(.pass, .outbound)
            if isSent {
                judgement.sample = try engine.send(frame)
            } else {
                judgement = try engine.judge(frame)
            }
            try order?.carryOut(for: frame.bytes, by: &engine)
            return judgement
        }
    }

    fileprivate func answer(of engine: inout any ReplayEngine) -> Answer {
        do { return .judged(try judged(by: &engine)) } catch { return .failed("\(error)") }
    }
}

extension FlowOrder {
    /// - Parameter frame: of its outer header, which rules mostly judge.
    func carryOut(for frame: UnsafeRawBufferPointer, by engine: inout some FlowActions) throws {
        guard let packet = PacketDecoder().describe(frame) else { return }
        switch self {
        case .ban(let duration): try engine.ban(Prefix(packet.source), for: duration)
        case .drop(let duration): try engine.dropFlow(FlowEnds(packet), for: duration)
        }
    }
}

extension Answer: CustomStringConvertible {
    var description: String {
        switch self {
        case .failed(let why): return "failed: \(why)"
        case .judged(let judgement):
            var text = "\(judgement.verdict.rawValue), reason \(judgement.reason.rawValue)"
            if !judgement.detail.isEmpty { text += ", detail '\(judgement.detail)'" }
            if let rule = judgement.rule { text += ", rule '\(rule)'" }
            if let wouldDrop = judgement.wouldDrop { text += ", would drop '\(wouldDrop)'" }
            if let sample = judgement.sample {
                text += ", sampled for '\(sample.inspector)' by '\(sample.rule)'"
            }
            return text
        }
    }
}
