// SPDX-License-Identifier: Apache-2.0
// Large policies: lint stays bounded, says where it stopped, and what it reports stays certain.
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

@Test func `of a very large policy the broadest rules are asked, and a note says so`() {
    let found = lint(large(HiddenRuleSearch.mostCandidates.all + 1))
    #expect(found.map(\.id) == ["lint-bounded"])
    #expect(found.first?.severity == .note)
}

@Test func `a broad rule is found to hide others in a very large policy too`() {
    var made = large(HiddenRuleSearch.mostCandidates.all + 1)
    var broad = made.rules[0]
    broad.name = "broad"
    broad.match.source = AddressSet(v4: .init(0xcb00_7100...0xcb00_7103))
    broad.match.service = nil
    made.rules.insert(broad, at: 0)
    let hidden = lint(made).filter { $0.id == "redundant-rule" }
    #expect(hidden.count == 400)
}

@Test func `a rule cut into too many pieces is given up, unless one rule hides it alone`() {
    var drafts = (0..<400).map { index in
        Draft("cell\(index)", .pass) {
            let (source, destination) = (UInt32(2 * (index % 20)), UInt32(2 * (index / 20)))
            $0.source = hosts(source...source)
            $0.destination = hosts(destination...destination)
            $0.length = .init(100...UInt16(200 + index))
        }
    }
    drafts.append(Draft("all", .drop) { $0.source = hosts(0...99) })
    drafts.append(Draft("inner", .drop) { $0.source = hosts(0...50) })
    let found = lint(policy(drafts) { $0.defaultVerdict = .pass })
    #expect(
        found.map(\.id) == ["shadowed-rule", "lint-bounded"]
            || found.map(\.id) == ["redundant-rule", "lint-bounded"])
    #expect(found.first?.range.line == 402)
}
