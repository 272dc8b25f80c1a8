// SPDX-License-Identifier: Apache-2.0
// Interfaces that hide VLAN tags, and the rules that this is told of.
import Diagnostics
import NetworkTypes
import PolicyLanguage
import Testing

@testable import Service

private func policy(_ change: (inout CheckedPolicy) -> Void = { _ in }) -> CheckedPolicy {
    var policy = CheckedPolicy(name: "tags")
    let range = SourceRange(SourceText(path: "t", text: "t\n"), 0, 1)
    policy.rules = [
        Rule(name: "plain", action: .pass, range: range), Rule(name: "last", action: .pass, range: range),
    ]
    change(&policy)
    return policy
}

private func view(hides: Bool = true, carries: Bool = true, isGeneric: Bool = false) -> TagView {
    TagView(name: "uplink", hidesTags: hides, carriesVLANs: carries, isGeneric: isGeneric)
}

@Suite struct HiddenTagTests {
    private let rejecting = policy { $0.rules[1].action = .reject }
    private let told = [
        "rule 'last' sends answers, to which uplink may give no VLAN tag, as it takes those of frames out "
            + "before XDP sees them; to stop it: ethtool -K uplink rxvlan off (on a veth, txvlan at its "
            + "peer), or attach anew with --attach generic"
    ]

    @Test func `answers without tags are told where VLANs stand on an interface that hides them`() {
        #expect(hiddenTagWarnings(rejecting, [view()]) == told)
        let cookies = policy { $0.rules[1].synCookiesAbove = .packets(1, perSeconds: 60) }
        #expect(hiddenTagWarnings(cookies, [view()]) == told)
        #expect(hiddenTagWarnings(rejecting, [view(), view()]).count == 2)
    }

    @Test func `nothing is told where tags are seen, no VLAN is there, or the program is behind the driver`()
    {
        for view in [view(hides: false), view(carries: false), view(isGeneric: true)] {
            #expect(hiddenTagWarnings(rejecting, [view]) == [])
        }
        #expect(hiddenTagWarnings(policy(), [view()]) == [])
        #expect(hiddenTagWarnings(policy { $0.rules[1].action = .drop }, [view()]) == [])
    }

    @Test func `nothing is told of answers where the policy or the rule only watches`() {
        var watching = rejecting
        watching.mode = .monitor
        #expect(hiddenTagWarnings(watching, [view()]) == [])
        watching = rejecting
        watching.rules[1].monitor = true
        #expect(hiddenTagWarnings(watching, [view()]) == [])
    }

    @Test func `rules for tags are told wherever tags are hidden`() {
        let asking = policy { $0.rules[0].match.vlan = TagMatch(none: false, ids: IntervalSet(5...5)) }
        for view in [view(), view(carries: false), view(isGeneric: true)] {
            #expect(
                hiddenTagWarnings(asking, [view]) == [
                    "rule 'plain' asks for VLAN tags, which uplink may take out of frames before XDP sees "
                        + "them; to stop it: ethtool -K uplink rxvlan off (on a veth, txvlan at its peer)"
                ])
        }
    }
}
