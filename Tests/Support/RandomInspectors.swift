// SPDX-License-Identifier: Apache-2.0
// Random inspectors, whose budgets are mostly used up soon, and the rules that ask for them.

extension SeededGenerator {
    /// In half of the policies some rules inspect.
    mutating func addInspectors(to draft: inout PolicyDraft) {
        guard chance(50) else { return }
        draft.inspectors = (0...below(3)).map { Entry("i\($0)", inspector()) }
        for number in draft.rules.indices {
            let action = draft.rules[number].last?.values.first
            guard action == "pass" || action == "continue", chance(60) else { continue }
            let entry = Entry("inspect", pick(draft.inspectors).key)
            draft.rules[number].insert(entry, at: draft.rules[number].count - 1)
        }
    }

    private mutating func inspector() -> String {
        var sample: [String] = []
        if chance(70) { sample.append("packets: \(pick([1, 2, 3, 16, 1000]))") }
        if chance(50) { sample.append("bytes: \(pick(["1 B", "40 B", "200 B", "4 KiB", "1 TiB"]))") }
        var parts = ["every: \(pick([1, 1, 1, 2, 3, 1000]))"]
        if !sample.isEmpty { parts.append("sample: { " + sample.joined(separator: ", ") + " }") }
        return "{ " + parts.joined(separator: ", ") + " }"
    }

    /// The lines of budgets that all engines have: mostly so few that flows push each other out.
    mutating func sampleLines() -> UInt32 { pick([1, 1, 2, 16, 1 << 16]) }

    /// What an inspector might want after a frame; nil: nothing.
    mutating func verdictOnFlow() -> FlowOrder? {
        // Seldom, as what is dropped or banned meets no rule any more.
        guard below(1000) < 4 else { return nil }
        let seconds = pick([nil, 0, 1, 30, 3600]) as UInt64?
        let duration = seconds.map { $0 * 1_000_000_000 }
        return chance(90) ? .drop(nanoseconds: duration) : .ban(nanoseconds: duration)
    }
}

/// What is done with a frame's flow, or its source, once it was judged.
public enum FlowOrder: Sendable, Hashable {
    /// Nil: without end.
    case drop(nanoseconds: UInt64?)
    case ban(nanoseconds: UInt64?)
}
