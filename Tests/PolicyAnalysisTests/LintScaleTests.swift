// SPDX-License-Identifier: Apache-2.0
// Large policies: lint stays bounded, says where it stopped, and what it reports stays certain.
import Diagnostics
import NetworkTypes
import PolicyLanguage
import Testing

@testable import PolicyAnalysis

/// Rules for one host and port each, all different; with `hidden`, one more that a hundred of them hide.
private func large(_ count: Int, hidden: Bool = false) -> CheckedPolicy {
    var drafts = (0..<count).map { index in
        Draft("r\(index)", .pass) {
            let address = 0xcb00_7100 &+ UInt32(index / 100)
            $0.source = AddressSet(v4: .init(address...address))
            $0.service = service(.tcp, UInt16(index % 100)...UInt16(index % 100))
        }
    }
    if hidden {
        drafts.append(
            Draft("last", .drop) {
                $0.source = AddressSet(v4: .init(0xcb00_7100...0xcb00_7100))
                $0.service = service(.tcp, 0...99)
            })
    }
    return policy(drafts)
}

@Test func `a thousand rules are compared exactly`() {
    #expect(lint(large(1000)).isEmpty)
    #expect(lint(large(1000, hidden: true)).map(\.id) == ["shadowed-rule"])
}

@Test func `a very large policy is compared exactly`() {
    let count = HiddenRuleSearch.mostCompared + 1
    #expect(lint(large(count)).isEmpty)
    #expect(lint(large(count, hidden: true)).map(\.id) == ["shadowed-rule"])
}

@Test func `a broad rule is found to hide others in a very large policy too`() {
    var made = large(HiddenRuleSearch.mostCompared + 1)
    var broad = made.rules[0]
    broad.name = "broad"
    broad.match.source = AddressSet(v4: .init(0xcb00_7100...0xcb00_7103))
    broad.match.service = nil
    made.rules.insert(broad, at: 0)
    let hidden = lint(made).filter { $0.id == "redundant-rule" }
    #expect(hidden.count == 400)
    #expect(hidden.allSatisfy { $0.related.count == 1 && $0.related[0].range == broad.range })
}

@Test func `lint's work grows with the rules, not with their square`() {
    func work(_ count: Int) -> Int {
        var search = HiddenRuleSearch(large(count))
        for index in 0..<count { #expect(search.hiders(of: index) == nil) }
        return search.work
    }
    let (few, many) = (work(1000), work(10_000))
    #expect(many < 20 * few, "\(few) and \(many)")
}

@Test func `where the work runs out a note says from which rule on`() {
    // No packet of a rule is free, and no rule alone hides it: each takes a look at all earlier ones.
    let drafts = (0..<20_000).map { index in
        Draft("r\(index)", index % 3 == 2 ? .pass : .drop) {
            let block = UInt32(index / 3) << 8
            let (low, high) = [(0, 127), (128, 255), (64, 191)][index % 3]
            $0.source = hosts((block + UInt32(low))...(block + UInt32(high)))
        }
    }
    let found = lint(policy(drafts) { $0.defaultVerdict = .drop })
    let hidden = found.filter { $0.id == "shadowed-rule" }
    #expect(hidden.allSatisfy { $0.related.count == 2 })
    #expect(hidden.count + undecidedCount(found) == 6666)
}

/// The number that the note begins with; 0 without one.
private func undecidedCount(_ found: [Diagnostic]) -> Int {
    let note = found.first { $0.id == "lint-bounded" }
    return note.flatMap { $0.message.split(separator: " ").first.flatMap { Int($0) } } ?? 0
}

@Test func `a rule cut into too many pieces is given up, unless one rule hides it alone`() {
    var drafts = (0..<400).map { index in
        Draft("cell\(index)", .pass) {
            let (source, destination) = (UInt32(index % 20), UInt32(index / 20))
            $0.source = hosts(source...source)
            $0.destination = hosts(destination...destination)
            $0.length = .init(100...UInt16(200 + index))
        }
    }
    // Together these two leave nothing of 'all'.
    for (name, length) in [("short", UInt16(0)...120), ("long", 121...UInt16.max)] {
        drafts.append(
            Draft(name, .pass) {
                $0.source = hosts(0...19)
                $0.length = .init(length)
            })
    }
    drafts.append(Draft("all", .drop) { $0.source = hosts(0...19) })
    drafts.append(Draft("inner", .drop) { $0.source = hosts(0...9) })
    let found = lint(policy(drafts) { $0.defaultVerdict = .pass })
    #expect(
        found.map(\.id) == ["shadowed-rule", "lint-bounded"]
            || found.map(\.id) == ["redundant-rule", "lint-bounded"])
    #expect(found.first?.range.line == 404)
}
