// SPDX-License-Identifier: Apache-2.0
// Situation after situation on several threads, until packets or time are used up or two engines differ. In:
// what to run. Out: what was met, and the first failure.
import Glibc
import MapCompiler
import PolicyLanguage
import Synchronization
import TestSupport

/// What a run is to do.
struct RunPlan: Sendable {
    var seed: UInt64
    /// Ends once this many packets were compared, or at the deadline.
    var packets = Int.max
    var deadline: ContinuousClock.Instant?
    var framesPerSituation = 2000
    /// The first is the one that the others are compared with.
    var engines: [EngineChoice]
    var jobs = 1
    var captured: [[UInt8]] = []
    /// What the engines were forced to; frames that come in pieces are judged likewise.
    var classifier = ClassifierChoice.automatic
}

/// A situation that two engines see differently, or that cannot be run.
struct Failure: Sendable {
    var seed: UInt64
    var situation: RandomSituation
    /// Nil: `description` says why it could not be run.
    var engines: [EngineChoice]?
    var description = ""
}

/// What a run has met.
struct RunResult: Sendable {
    var coverage = Coverage()
    var situations = 0
    var failure: Failure?
}

/// Shared by the threads of a run.
final class Run: Sendable {
    private let plan: RunPlan
    private let next = Atomic<Int>(0)
    private let result = Mutex(RunResult())
    private let started = ContinuousClock.now
    /// Whole minutes of which was told.
    private let minutes = Atomic<Int>(0)

    /// Where a frame's first buffer ends: in and between headers.
    private static let linearBytes: [UInt32] = [0, 1, 13, 14, 18, 33, 34, 41, 54, 62, 64, 100]

    init(_ plan: RunPlan) { self.plan = plan }

    func run() async -> RunResult {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<max(1, plan.jobs) { group.addTask { self.work() } }
        }
        return result.withLock { $0 }
    }

    private func work() {
        while true {
            let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
            let (before, _) = number.multipliedReportingOverflow(by: plan.framesPerSituation)
            let isOver = before >= plan.packets || plan.deadline.map { ContinuousClock.now > $0 } ?? false
            if isOver || result.withLock({ $0.failure != nil }) { return }
            compare(number)
            tellProgress()
        }
    }

    /// Once a minute: after a crash, what came before is known to be good.
    private func tellProgress() {
        let now = Int((ContinuousClock.now - started) / .seconds(60))
        let told = minutes.load(ordering: .relaxed)
        guard now > told,
            minutes.compareExchange(expected: told, desired: now, ordering: .relaxed).exchanged
        else { return }
        let (situations, packets) = result.withLock { ($0.situations, $0.coverage.packets) }
        print("\(now) min: \(packets) packets agree, seeds from \(plan.seed) on, about \(situations) of them")
        fflush(nil)
    }

    private func compare(_ number: Int) {
        let seed = plan.seed &+ UInt64(number)
        let situation = RandomSituation(
            seed: seed, frames: plan.framesPerSituation, captured: plan.captured)
        var engines = plan.engines
        if number % 4 == 0, engines.contains(EngineChoice.native(linearBytes: nil).with(plan.classifier)) {
            let split = Self.linearBytes[number / 4 % Self.linearBytes.count]
            engines.append(EngineChoice.native(linearBytes: split).with(plan.classifier))
        }
        do {
            var tally = Coverage.Tally(situation.draft)
            let policy = try situation.draft.load()
            let mismatch = try situation.firstMismatch(of: engines, policy) { tally.add($0) }
            let sum = tally.sum(situation.draft)
            result.withLock {
                $0.situations += 1
                $0.coverage.add(sum)
            }
            if let mismatch { fail(Failure(seed: seed, situation: situation, engines: mismatch.pair)) }
        } catch {
            fail(Failure(seed: seed, situation: situation, engines: nil, description: "\(error)"))
        }
    }

    private func fail(_ failure: Failure) {
        result.withLock { if $0.failure == nil { $0.failure = failure } }
    }
}
