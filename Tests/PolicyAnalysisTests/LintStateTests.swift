// SPDX-License-Identifier: Apache-2.0
// What lint reports of rules by what is not in headers: states, limits, inspectors.
import PolicyLanguage
import Testing

@testable import PolicyAnalysis

private let stateCases: [LintCase] = [
    LintCase(
        "a state hides only the same",
        [
            Draft("new", .drop) { $0.service = ssh }.with { $0.state = [.new] },
            Draft("any", .pass) { $0.service = ssh },
        ], []),
    LintCase(
        "both states are not all packets",
        [
            Draft("both", .drop) { $0.service = ssh }.with { $0.state = [.new, .established] },
            Draft("new", .drop) { $0.service = ssh }.with { $0.state = [.new] },
            Draft("any", .drop) { $0.service = ssh },
        ], ["redundant-rule new"], change: passing),
    LintCase(
        "a rule that inspects or answers does not restate the default",
        [
            Draft("inspects", .pass) { $0.service = ssh }.with { $0.inspect = "i" },
            Draft("answers", .pass) { $0.source = ten }
                .with { $0.synCookies = .packets(100, perSeconds: 1) },
        ], [], change: passing),
]

/// Limits `a` to `c` by these keys and rates, each with a burst of ten packets.
private func limits(
    _ keys: LimitKey..., rates: [UInt64] = [], change: @escaping @Sendable (inout [Limit]) -> Void = { _ in }
) -> (inout CheckedPolicy) -> Void {
    { made in
        let range = made.rules[0].range
        made.limits = zip(["a", "b", "c"], keys).enumerated().map { index, named in
            let rate = Rate.packets(index < rates.count ? rates[index] : 10, perSeconds: 1)
            var limit = Limit(name: named.0, rate: rate, key: named.1, range: range)
            limit.burst = .packets(10)
            return limit
        }
        change(&made.limits)
    }
}

private let source = LimitKey.source(ipv4Prefix: 32)
private let limited = Draft("goes on", .continue) { $0.source = ten }.with { $0.limit = "a" }
private let behind = Draft("behind", .pass) { $0.source = hosts(1...2) }.with { $0.limit = "b" }
/// The place of a limit is that of the first rule.
private let idle = ["idle-limit goes on"]

private let limitCases: [LintCase] = [
    LintCase("behind one for the same bucket", [limited, behind], idle, change: limits(source, source)),
    LintCase(
        "behind a slower one", [limited, behind], idle, change: limits(source, source, rates: [9, 10])),
    LintCase(
        "behind a faster one", [limited, behind], [], change: limits(source, source, rates: [11, 10])),
    LintCase(
        "behind one with a larger burst", [limited, behind], [],
        change: limits(source, source) { $0[1].burst = .packets(9) }),
    LintCase(
        "behind one of fewer clients", [limited, behind], [],
        change: limits(source, source) { $0[1].ipv6Prefix = 56 }),
    LintCase(
        "behind one of networks", [limited, behind], idle,
        change: limits(.source(ipv4Prefix: 24), source)),
    LintCase(
        "networks behind one of clients", [limited, behind], [],
        change: limits(source, .source(ipv4Prefix: 24))),
    LintCase("connections behind clients", [limited, behind], idle, change: limits(source, .connection)),
    LintCase("clients behind a rule's", [limited, behind], idle, change: limits(.rule, source)),
    LintCase("a rule's behind clients", [limited, behind], [], change: limits(source, .rule)),
    LintCase("clients behind hosts", [limited, behind], [], change: limits(.destination, source)),
    LintCase(
        "behind one that only watches", [limited, behind], [],
        change: limits(source, source) { $0[0].monitor = true }),
    LintCase(
        "behind one whose rule ends", [limited.with { $0.expires = 5 }, behind], [],
        change: limits(source, source)),
    LintCase(
        "behind one of some of its packets", [limited, behind.with { $0.match.source = hosts(5...10) }], [],
        change: limits(source, source)),
    LintCase(
        "with two rules", [limited, behind, behind.with { $0.name = "again" }],
        ["redundant-rule again"] + idle, change: limits(source, source)),
    LintCase(
        "with two rules that match",
        [limited, behind.with { $0.action = .continue }, behind.with { $0.name = "again" }], [],
        change: limits(source, source)),
    LintCase(
        "of a rule that never matches", [Draft("all", .drop), behind],
        ["shadowed-rule behind", "idle-limit all"], change: limits(source, source)),
]

@Test(arguments: stateCases + limitCases)
func `lint reports these states and limits and no other`(_ sample: LintCase) { sample.holds() }
