// SPDX-License-Identifier: Apache-2.0
// Checked policies for the tests, with a text in which each rule stands on a line of its own.
import Diagnostics
import NetworkTypes
import PolicyLanguage

/// A rule before it has a place in a text.
struct Draft: Sendable {
    var name: String
    var action: RuleAction
    var match = RuleMatch()
    var monitor = false
    var expires: Int64?
    var logEvery: UInt32?
    var limit: String?
    var inspect: String?
    var state: Set<ConnectionState>?
    var synCookies: Rate?

    init(_ name: String, _ action: RuleAction, _ fill: (inout RuleMatch) -> Void = { _ in }) {
        self.name = name
        self.action = action
        fill(&match)
    }

    func with(_ change: (inout Draft) -> Void) -> Draft {
        var changed = self
        change(&changed)
        return changed
    }
}

func policy(_ drafts: [Draft], change: (inout CheckedPolicy) -> Void = { _ in }) -> CheckedPolicy {
    let lines = drafts.map { "  - name: \($0.name)" }
    let source = SourceText(path: "policy.conf", text: lines.joined(separator: "\n") + "\n")
    var made = CheckedPolicy(name: "test")
    var start = 0
    for (draft, line) in zip(drafts, lines) {
        let range = SourceRange(source, start + 10, start + line.utf8.count)
        var rule = Rule(name: draft.name, action: draft.action, range: range)
        rule.match = draft.match
        rule.monitor = draft.monitor
        rule.expires = draft.expires
        rule.logEvery = draft.logEvery
        rule.limit = draft.limit
        rule.inspect = draft.inspect
        rule.state = draft.state
        rule.synCookiesAbove = draft.synCookies
        made.rules.append(rule)
        start += line.utf8.count + 1
    }
    change(&made)
    return made
}

/// IPv4 addresses by the last byte of 192.0.2.0/24.
func hosts(_ range: ClosedRange<UInt32>) -> AddressSet {
    AddressSet(v4: .init((0xc000_0200 + range.lowerBound)...(0xc000_0200 + range.upperBound)))
}

/// IPv6 addresses by the last number of 2001:db8::/32.
func hosts6(_ range: ClosedRange<UInt128>) -> AddressSet {
    let base = UInt128(0x2001_0db8) << 96
    return AddressSet(v6: .init((base + range.lowerBound)...(base + range.upperBound)))
}

func service(_ proto: IPProtocol, _ values: ClosedRange<UInt16>) -> ServiceSet {
    ServiceSet(others: false, exceptions: [proto: .init(values: .init(values), unread: false)])
}

func service(_ proto: IPProtocol) -> ServiceSet { ServiceSet(others: false, exceptions: [proto: .all]) }

/// Everything but some values of a protocol, as "!tcp/22" gives it.
func service(but proto: IPProtocol, _ values: ClosedRange<UInt16>) -> ServiceSet {
    let rest = IntervalSet<UInt16>(values).complement()
    return ServiceSet(others: true, exceptions: [proto: .init(values: rest, unread: false)])
}

func flags(_ set: TCPFlags, clear: TCPFlags = []) -> TCPFlagsMatch {
    TCPFlagsMatch(mustBeSet: set, mustBeClear: clear)
}
