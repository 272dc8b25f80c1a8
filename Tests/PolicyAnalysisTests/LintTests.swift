// SPDX-License-Identifier: Apache-2.0
// What lint reports, rule by rule, and what it must not report.
import Diagnostics
import NetworkTypes
import PolicyLanguage
import Testing

@testable import PolicyAnalysis

struct LintCase: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let policy: CheckedPolicy
    /// "id rule", in order.
    let expected: [String]
    init(
        _ name: String, _ drafts: [Draft], _ expected: [String],
        change: (inout CheckedPolicy) -> Void = { _ in }
    ) {
        testDescription = name
        policy = PolicyAnalysisTests.policy(drafts, change: change)
        self.expected = expected
    }

    func holds() {
        let found = lint(policy).map { "\($0.id) \(name(at: $0.range))" }
        #expect(found == expected)
    }
}

let ssh = service(.tcp, 22...22)
let ten = hosts(0...9)
/// Drops, and so restates no default verdict of `pass`.
func passing(_ made: inout CheckedPolicy) { made.defaultVerdict = .pass }
private func lenient(_ made: inout CheckedPolicy) { made.malformed = .pass }

private let singleCases: [LintCase] = [
    LintCase(
        "an inner prefix with another verdict is shadowed",
        [Draft("outer", .drop) { $0.source = ten }, Draft("inner", .pass) { $0.source = hosts(3...4) }],
        ["shadowed-rule inner"], change: passing),
    LintCase(
        "an inner prefix with the same verdict is redundant",
        [Draft("outer", .pass) { $0.source = ten }, Draft("inner", .pass) { $0.source = hosts(3...4) }],
        ["redundant-rule inner"]),
    LintCase(
        "drop does not stand for reject",
        [Draft("outer", .drop) { $0.source = ten }, Draft("inner", .reject) { $0.source = ten }],
        ["shadowed-rule inner"], change: passing),
    LintCase(
        "one address more is enough to matter",
        [Draft("outer", .pass) { $0.source = ten }, Draft("more", .pass) { $0.source = hosts(3...10) }], []),
    LintCase(
        "a narrower service hides nothing wider",
        [Draft("ssh", .pass) { $0.service = ssh }, Draft("tcp", .pass) { $0.service = service(.tcp) }], []),
    LintCase(
        "a wider service hides a narrower one",
        [Draft("tcp", .pass) { $0.service = service(.tcp) }, Draft("ssh", .drop) { $0.service = ssh }],
        ["shadowed-rule ssh"]),
    LintCase(
        "a negated service hides others",
        [
            Draft("not ssh", .pass) { $0.service = service(but: .tcp, 22...22) },
            Draft("dns", .pass) { $0.service = service(.udp, 53...53) },
        ],
        ["redundant-rule dns"]),
    LintCase(
        "family hides addresses of it",
        [Draft("four", .pass) { $0.families = [.ipv4] }, Draft("ten", .pass) { $0.source = ten }],
        ["redundant-rule ten"]),
    LintCase(
        "all addresses are as good as none where every header is read",
        [Draft("all", .pass) { $0.source = .all }, Draft("any", .pass)], ["redundant-rule any"]),
    LintCase(
        "all addresses are not all packets under malformed pass",
        [Draft("all", .pass) { $0.source = .all }, Draft("any", .pass)], [], change: lenient),
    LintCase(
        "syn flags imply tcp",
        [
            Draft("tcp", .pass) { $0.service = service(.tcp) },
            Draft("syn", .drop) { $0.tcpFlags = flags(.syn) },
        ],
        ["shadowed-rule syn"]),
    LintCase(
        "a rule without keys hides all behind it",
        [
            Draft("any", .pass), Draft("a", .drop) { $0.vlan = TagMatch(none: true, ids: .init()) },
            Draft("b", .pass),
        ],
        ["shadowed-rule a", "redundant-rule b"]),
]

private let unionCases: [LintCase] = [
    LintCase(
        "two halves hide the whole",
        [
            Draft("low", .pass) { $0.source = hosts(0...4) },
            Draft("high", .pass) { $0.source = hosts(5...9) },
            Draft("whole", .pass) { $0.source = ten },
        ], ["redundant-rule whole"]),
    LintCase(
        "halves of two verdicts shadow the whole",
        [
            Draft("low", .pass) { $0.source = hosts(0...4) },
            Draft("high", .reject) { $0.source = hosts(5...9) },
            Draft("whole", .pass) { $0.source = ten },
        ], ["shadowed-rule whole"]),
    LintCase(
        "a gap between two hides nothing",
        [
            Draft("low", .pass) { $0.source = hosts(0...4) },
            Draft("high", .pass) { $0.source = hosts(6...9) },
            Draft("whole", .pass) { $0.source = ten },
        ], []),
    LintCase(
        "a cross of two keys leaves the corners",
        [
            Draft("by source", .pass) { $0.source = hosts(2...7) },
            Draft("by port", .pass) { $0.service = service(.tcp, 20...30) },
            Draft("corner", .pass) {
                $0.source = ten
                $0.service = service(.tcp, 25...40)
            },
        ], []),
    LintCase(
        "both families and all protocols but one, then that one",
        [
            Draft("not tcp", .pass) { $0.service = ServiceSet(others: true, exceptions: [.tcp: .none]) },
            Draft("tcp 4", .pass) {
                $0.service = service(.tcp)
                $0.families = [.ipv4]
            },
            Draft("tcp 6", .pass) {
                $0.service = service(.tcp)
                $0.families = [.ipv6]
            },
            Draft("any", .drop),
        ], ["shadowed-rule any"], change: passing),
    LintCase(
        "syn and not syn hide tcp",
        [
            Draft("syn", .pass) { $0.tcpFlags = flags(.syn) },
            Draft("rest", .pass) { $0.tcpFlags = flags([], clear: .syn) },
            Draft("tcp", .pass) { $0.service = service(.tcp) },
        ], ["redundant-rule tcp"]),
    LintCase(
        "under malformed pass tcp without flags is left",
        [
            Draft("syn", .pass) { $0.tcpFlags = flags(.syn) },
            Draft("rest", .pass) { $0.tcpFlags = flags([], clear: .syn) },
            Draft("tcp", .pass) { $0.service = service(.tcp) },
        ], [], change: lenient),
    LintCase(
        "later fragments are left where they come to the rules",
        [
            Draft("ports", .pass) { $0.service = service(.udp, 0...65535) },
            Draft("udp", .pass) { $0.service = service(.udp) },
        ],
        [], change: { $0.fragments = .pass }),
    LintCase(
        "all ports are the protocol where fragments do not come to the rules",
        [
            Draft("ports", .pass) { $0.service = service(.udp, 0...65535) },
            Draft("udp", .pass) { $0.service = service(.udp) },
        ],
        ["redundant-rule udp"]),
    LintCase(
        "vlan, tagged and not",
        [
            Draft("tagged", .pass) { $0.vlan = TagMatch(none: false, ids: .init(1...4095)) },
            Draft("untagged", .pass) { $0.vlan = TagMatch(none: true, ids: .init()) }, Draft("any", .pass),
        ], ["redundant-rule any"]),
]

private let weakCases: [LintCase] = [
    LintCase(
        "rules that end, watch or go on hide nothing",
        [
            Draft("ends", .drop).with { $0.expires = 1 }, Draft("watches", .drop).with { $0.monitor = true },
            Draft("goes on", .continue), Draft("all", .drop),
        ], [], change: passing),
    LintCase(
        "but can be hidden",
        [
            Draft("all", .drop), Draft("watches", .drop).with { $0.monitor = true },
            Draft("goes on", .continue),
        ],
        ["shadowed-rule watches", "shadowed-rule goes on"], change: passing),
    LintCase(
        "an interface hides only the same",
        [
            Draft("wan", .pass) { $0.interface = NameMatch(included: ["wan*", "ppp0"], excluded: []) },
            Draft("ppp", .pass) { $0.interface = NameMatch(included: ["ppp0"], excluded: ["x"]) },
            Draft("wan0", .pass) { $0.interface = NameMatch(included: ["wan0"], excluded: []) },
            Draft("any", .pass),
        ], ["redundant-rule ppp"]),
    LintCase(
        "a negated interface hides a more negated one",
        [
            Draft("a", .pass) { $0.interface = NameMatch(included: nil, excluded: ["wan0"]) },
            Draft("b", .pass) { $0.interface = NameMatch(included: nil, excluded: ["wan0", "wan1"]) },
            Draft("c", .pass) { $0.interface = NameMatch(included: nil, excluded: ["wan1"]) },
        ], ["redundant-rule b"]),
    LintCase(
        "a payload hides only the same",
        [
            Draft("ab", .drop) { $0.payload = [pattern(1), pattern(2)] },
            Draft("b", .drop) { $0.payload = [pattern(2)] },
            Draft("c", .drop) { $0.payload = [pattern(3)] }, Draft("any", .drop),
        ], ["redundant-rule b"], change: passing),
]

private func pattern(_ byte: UInt8) -> PayloadPattern {
    PayloadPattern(offset: 0, bytes: [byte], mask: [255])
}

private let defaultCases: [LintCase] = [
    LintCase(
        "a last rule that says the default", [Draft("a", .pass) { $0.service = ssh }, Draft("rest", .drop)],
        ["redundant-rule rest"]),
    LintCase("a last rule that logs", [Draft("rest", .drop).with { $0.logEvery = 1 }], []),
    LintCase(
        "a last rule that only limits", [Draft("rest", .pass).with { $0.limit = "l" }], [],
        change: passing),
    LintCase("a last rule that rejects", [Draft("rest", .reject)], []),
    LintCase(
        "a rule with nothing of other verdict behind it for its packets",
        [Draft("four", .drop) { $0.source = ten }, Draft("six", .pass) { $0.source = hosts6(0...9) }],
        ["redundant-rule four"]),
    LintCase(
        "a rule with a wider one of other verdict behind it",
        [Draft("inner", .drop) { $0.source = hosts(1...2) }, Draft("outer", .pass) { $0.source = ten }], []),
    LintCase(
        "a rule with one that only watches behind it",
        [Draft("inner", .drop) { $0.source = ten }, Draft("watch", .drop).with { $0.monitor = true }], []),
]

private let unreachableCases: [LintCase] = [
    LintCase(
        "flags of udp",
        [
            Draft("x", .pass) {
                $0.tcpFlags = flags(.syn)
                $0.service = service(.udp)
            }
        ], ["unreachable-rule x"]),
    LintCase(
        "a source port of icmp",
        [
            Draft("x", .pass) {
                $0.sourcePort = .all
                $0.service = service(.icmp)
            }
        ], ["unreachable-rule x"]),
    LintCase("nothing as source", [Draft("x", .pass) { $0.source = AddressSet() }], ["unreachable-rule x"]),
    LintCase(
        "families against each other",
        [
            Draft("x", .pass) {
                $0.source = ten
                $0.destination = hosts6(1...1)
            }
        ], ["unreachable-rule x"]),
    LintCase(
        "an IPv4 source of ipv6",
        [
            Draft("x", .pass) {
                $0.source = ten
                $0.families = [.ipv6]
            }
        ], ["unreachable-rule x"]),
    LintCase(
        "flags set and clear", [Draft("x", .pass) { $0.tcpFlags = flags(.syn, clear: .syn) }],
        ["unreachable-rule x"]),
    LintCase(
        "flags that are malformed", [Draft("x", .pass) { $0.tcpFlags = flags([.syn, .fin]) }],
        ["unreachable-rule x"]),
    LintCase(
        "malformed flags that come to the rules", [Draft("x", .pass) { $0.tcpFlags = flags([.syn, .fin]) }],
        [], change: lenient),
    LintCase("dscp above 63", [Draft("x", .pass) { $0.dscp = .init(64...255) }], ["unreachable-rule x"]),
    LintCase(
        "an IPv6 packet of 30 bytes",
        [
            Draft("x", .pass) {
                $0.families = [.ipv6]
                $0.length = .init(0...30)
            }
        ], ["unreachable-rule x"]),
    LintCase(
        "an inner tag without an outer",
        [
            Draft("x", .pass) {
                $0.vlan = .init(none: true, ids: .init())
                $0.innerVLAN = .init(none: false, ids: .all)
            }
        ], ["unreachable-rule x"]),
    LintCase(
        "no interface", [Draft("x", .pass) { $0.interface = NameMatch(included: nil, excluded: ["*"]) }],
        ["unreachable-rule x"]),
    LintCase(
        "fragments that never come", [Draft("x", .pass) { $0.fragment = [.later] }], ["unreachable-rule x"]),
    LintCase(
        "the payload of a later fragment",
        [
            Draft("x", .pass) {
                $0.fragment = [.later]
                $0.payload = [pattern(1)]
            }
        ], ["unreachable-rule x"], change: { $0.fragments = .pass }),
    LintCase(
        "the port of a later fragment",
        [
            Draft("x", .pass) {
                $0.fragment = [.later]
                $0.service = ssh
            }
        ], ["unreachable-rule x"], change: { $0.fragments = .pass }),
    LintCase(
        "a later fragment",
        [
            Draft("x", .pass) {
                $0.fragment = [.later]
                $0.service = service(.tcp)
            }
        ], [], change: { $0.fragments = .pass }),
]

@Test(arguments: singleCases + unionCases + weakCases + defaultCases + unreachableCases)
func `lint reports these rules and no other`(_ sample: LintCase) { sample.holds() }

func name(at range: SourceRange) -> String {
    String(decoding: range.source.bytes[range.start..<range.end], as: UTF8.self)
}

@Test func `a hidden rule is shown with the rules that hide it`() {
    let made = policy([
        Draft("private", .drop) { $0.source = ten }, Draft("lab", .pass) { $0.source = hosts(1...1) },
    ]) { $0.defaultVerdict = .pass }
    #expect(
        lint(made).map { $0.rendered() } == [
            """
            policy.conf:2:11: warning: rule 'lab' can never match [shadowed-rule]
             2 |   - name: lab
               |           ^^^ every packet it could match is decided earlier
             1 |   - name: private
               |           ^^^^^^^ this rule already drops them
             help: move 'lab' above 'private' or delete it

            """
        ])
}

@Test func `a contradiction names its keys`() {
    func label(_ fill: (inout RuleMatch) -> Void) -> String {
        lint(policy([Draft("x", .pass, fill)])).first?.label ?? ""
    }
    let udp: (inout RuleMatch) -> Void = {
        $0.ttl = .init(1...1)
        $0.service = service(.udp)
        $0.tcpFlags = flags(.syn)
    }
    #expect(label(udp) == "'service' and 'tcp-flags' hold for no packet together")
    #expect(label { $0.source = AddressSet() } == "no packet that comes to the rules has this 'source'")
    let three: (inout RuleMatch) -> Void = {
        $0.source = hosts(1...1).union(hosts6(1...1))
        $0.families = [.ipv4]
        $0.destination = hosts6(2...2)
    }
    #expect(label(three) == "'destination' and 'family' hold for no packet together")
}

@Test func `an empty set is reported where it stands`() {
    let made = policy([]) {
        let source = SourceText(path: "policy.conf", text: "sets: { none: [] }\n")
        $0.sets = [
            NamedSet(name: "some", addresses: ten, range: SourceRange(source, 0, 4)),
            NamedSet(name: "none", addresses: AddressSet(), range: SourceRange(source, 8, 12)),
        ]
    }
    #expect(lint(made).map(\.id) == ["empty-set"])
    #expect(lint(made).first?.range.column == 9)
}

@Test func `lint is silent about an empty policy`() {
    #expect(lint(policy([])).isEmpty)
}
