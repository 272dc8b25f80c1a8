// SPDX-License-Identifier: Apache-2.0
// Makes a failing situation small: parts are taken away for as long as two engines still differ. In: a
// situation and what tells whether they do. Out: one that can lose no further part, or the smallest when time
// was up.
import TestSupport

struct Shrinker {
    private let find: (RandomSituation) -> Mismatch?
    private let deadline: ContinuousClock.Instant
    private(set) var best: RandomSituation
    private(set) var mismatch: Mismatch
    /// The shortest run of a frame's bytes that is tried: long ones first, as the kernel takes its time.
    private var finestRun = 16
    /// A part was taken away since this was last cleared.
    private var isSmaller = false

    /// Nil where there is no mismatch in this situation.
    /// - Parameter find: the first mismatch in a situation; nil where there is none or it cannot be run.
    init?(_ situation: RandomSituation, allowed: Duration, find: @escaping (RandomSituation) -> Mismatch?) {
        guard let found = find(situation) else { return nil }
        deadline = ContinuousClock.now + allowed
        best = situation
        mismatch = found
        self.find = find
    }

    mutating func shrink() {
        cutBehindMismatch()
        repeat {
            isSmaller = false
            removeRuns(of: \.frames)
            removeRuns(of: \.draft.rules)
            removeRuns(of: \.bans)
            removeRuns(of: \.ownAddresses)
            removeScopes()
            shrinkPolicy()
            for index in best.frames.indices { shrinkFrame(index) }
            cutBehindMismatch()
            if !isSmaller, finestRun > 1 { (isSmaller, finestRun) = (true, 1) }
        } while isSmaller && !isLate
    }

    private var isLate: Bool { ContinuousClock.now > deadline }

    /// Keeps the smaller situation where the engines still differ.
    private mutating func keep(_ candidate: RandomSituation) {
        guard !isLate, let found = find(candidate) else { return }
        best = candidate
        mismatch = found
        isSmaller = true
    }

    /// Without them the situation can be written as a replay case.
    private mutating func removeScopes() {
        guard !best.sampleScopes.isEmpty else { return }
        var candidate = best
        candidate.sampleScopes = []
        keep(candidate)
    }

    private mutating func cutBehindMismatch() {
        guard mismatch.frame + 1 < best.frames.count else { return }
        best.frames.removeLast(best.frames.count - mismatch.frame - 1)
    }

    /// Takes out runs of elements, long ones first.
    private mutating func removeRuns<Part>(
        of list: WritableKeyPath<RandomSituation, [Part]>, keepingOne: Bool = false, finest: Int = 1
    ) {
        var length = best[keyPath: list].count
        while length >= finest {
            var end = best[keyPath: list].count
            while end > 0 {
                let start = max(0, end - length)
                var candidate = best
                candidate[keyPath: list].removeSubrange(start..<end)
                if !(keepingOne && candidate[keyPath: list].isEmpty) { keep(candidate) }
                end = start
            }
            length /= 2
        }
    }

    /// Bytes of a header's size from any place, which halves of a frame do not hit.
    private mutating func removeHeaders(_ index: Int) {
        for size in [40, 20, 8, 4] {
            var start = best.frames[index].bytes.count - size
            while start >= 0 {
                var candidate = best
                candidate.frames[index].bytes.removeSubrange(start..<start + size)
                keep(candidate)
                start = min(start, best.frames[index].bytes.count - size + 1) - 1
            }
        }
    }

    private mutating func shrinkPolicy() {
        removeRuns(of: \.draft.failsafe)
        for index in best.draft.rules.indices { shrinkBlock(\.draft.rules[index]) }
        for index in best.draft.failsafe.indices { shrinkBlock(\.draft.failsafe[index]) }
        shrinkBlock(\.draft.header)
        shrinkBlock(\.draft.sets)
        shrinkBlock(\.draft.services)
        shrinkBlock(\.draft.limits)
        shrinkBlock(\.draft.inspectors)
    }

    /// Keys, then values of the keys that are left. What the language cannot do without does not load.
    private mutating func shrinkBlock(_ block: WritableKeyPath<RandomSituation, [PolicyDraft.Entry]>) {
        removeRuns(of: block)
        for index in best[keyPath: block].indices {
            removeRuns(of: block.appending(path: \.[index].values), keepingOne: true)
        }
    }

    /// Shorter, of zeros, at the time of the frame before it, on no interface.
    private mutating func shrinkFrame(_ index: Int) {
        removeRuns(of: \.frames[index].bytes, finest: finestRun)
        var candidate = best
        candidate.frames[index].interface = nil
        if best.frames[index].interface != nil { keep(candidate) }
        let earlier = index > 0 ? best.frames[index - 1].timeNanoseconds : 0
        candidate = best
        candidate.frames[index].timeNanoseconds = earlier
        if best.frames[index].timeNanoseconds != earlier { keep(candidate) }
        candidate = best
        candidate.frames[index].order = nil
        if best.frames[index].order != nil { keep(candidate) }
        zeroRuns(index)
        if finestRun == 1 { removeHeaders(index) }
    }

    private mutating func zeroRuns(_ index: Int) {
        let count = best.frames[index].bytes.count
        var length = count
        while length >= finestRun {
            for start in stride(from: 0, to: count, by: length) {
                let run = start..<min(count, start + length)
                guard best.frames[index].bytes[run].contains(where: { $0 != 0 }) else { continue }
                var candidate = best
                for position in run { candidate.frames[index].bytes[position] = 0 }
                keep(candidate)
            }
            length /= 2
        }
    }
}
