// SPDX-License-Identifier: Apache-2.0
// Limits that never bite: a checked policy in, warnings out. Only what is certain is said: a limit whose
// rules no packet comes to, and one whose packets an earlier limit has let through no faster than it would.
import Diagnostics
import PolicyLanguage

/// - Parameter idleRules: indices of rules that no packet comes to.
func idleLimits(_ policy: CheckedPolicy, _ spaces: [RuleSpace], idleRules: Set<Int>) -> [Diagnostic] {
    let limits = Dictionary(policy.limits.map { ($0.name, $0) }) { first, _ in first }
    var users: [String: [Int]] = [:]
    for (index, rule) in policy.rules.enumerated() {
        if let name = rule.limit { users[name, default: []].append(index) }
    }
    return policy.limits.compactMap { limit in
        guard let all = users[limit.name] else { return nil }
        let live = all.filter { !idleRules.contains($0) }
        guard let only = live.first else {
            return LintWording.limitWithoutPackets(limit, of: all.map { policy.rules[$0] })
        }
        // Rules that go on could charge one packet to the limit twice.
        guard live.count == 1 else { return nil }
        let earlier = policy.rules[..<only].indices.first { index in
            guard let name = policy.rules[index].limit, let first = limits[name] else { return false }
            return policy.rules[index].alwaysCharges && first.bounds(limit)
                && policy.rules[index].isNoNarrowerOutside(policy.rules[only])
                && spaces[only].isWithin(spaces[index])
        }
        return earlier.map {
            LintWording.limitBehindAnother(limit, of: policy.rules[only], behind: policy.rules[$0])
        }
    }
}

extension Rule {
    /// Whether every packet that its keys hold for is charged to its limit, and dropped where it is over.
    fileprivate var alwaysCharges: Bool { limit != nil && !monitor && expires == nil }
}

extension Limit {
    /// Whether no packets that this limit let through can be over `other`: a bucket of this one holds all
    /// packets of one of the other's, and is neither larger nor filled faster.
    fileprivate func bounds(_ other: Limit) -> Bool {
        !monitor && isNoFiner(than: other) && rate.isAtMost(other.rate) && isNoLarger(than: other)
    }

    /// Whether what shares a bucket of `other` shares one of this.
    private func isNoFiner(than other: Limit) -> Bool {
        switch (key, other.key) {
        case (.rule, _), (.destination, .destination), (.destination, .connection): true
        case (_, .connection): true
        case (.source(let mine), .source(let theirs)): mine <= theirs && ipv6Prefix <= other.ipv6Prefix
        case (.source, .sourceAndService), (.sourceAndService, .sourceAndService):
            ipv6Prefix <= other.ipv6Prefix
        default: false
        }
    }

    /// Of two limits in the same unit.
    private func isNoLarger(than other: Limit) -> Bool {
        switch (burst, other.burst) {
        case (.packets(let mine), .packets(let theirs)), (.bytes(let mine), .bytes(let theirs)):
            mine <= theirs
        // One second's worth each, of rates that are compared already.
        case (nil, nil): true
        case (.packets(let mine), nil): other.rate.packetsInSecond.map { mine <= max($0, 1) } ?? false
        case (.bytes(let mine), nil): other.rate.bytesInSecond.map { mine <= $0 } ?? false
        case (nil, .packets(let theirs)): rate.packetsInSecond.map { $0 < theirs } ?? false
        default: false
        }
    }
}

extension Rate {
    fileprivate func isAtMost(_ other: Rate) -> Bool {
        switch (self, other) {
        case (.packets(let mine, let seconds), .packets(let theirs, let otherSeconds)):
            mine.multipliedFullWidth(by: otherSeconds) <= theirs.multipliedFullWidth(by: seconds)
        case (.bits(let mine), .bits(let theirs)): mine <= theirs
        default: false
        }
    }

    /// Whole ones.
    fileprivate var packetsInSecond: UInt64? {
        if case .packets(let count, let seconds) = self { count / seconds } else { nil }
    }

    fileprivate var bytesInSecond: UInt64? {
        if case .bits(let bits) = self { bits / 8 } else { nil }
    }
}
