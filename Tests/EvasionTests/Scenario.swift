// SPDX-License-Identifier: Apache-2.0
// The handful of rules and bans that every variant meets: policies as text, made of one body, and the bans.
import Diagnostics
import NetworkTypes
import PolicyLanguage

/// A policy with the bans in force.
struct Scenario: Sendable, Hashable {
    /// As the documentation names it, and the policy's name.
    let id: String
    /// What the policy says differently from the others.
    let settings: String
    var lastRule = ""

    static let closed = Scenario("closed", "default: drop\nfragments: drop")
    static let open = Scenario("open", "default: pass\nfragments: drop")
    static let closedFragments = Scenario("closed-fragments", "default: drop\nfragments: pass")
    static let openFragments = Scenario("open-fragments", "default: pass\nfragments: pass")
    /// Malformed and spoofed packets go on to the rules; the last rule tempts with a negated key.
    static let lenient = Scenario(
        "lenient", "default: drop\nfragments: drop\nmalformed: pass\nspoofed: pass",
        lastRule: "\n  - name: all but telnet\n    service: \"!tcp/23\"\n    action: pass")
    static let bare = Scenario("bare", "default: drop\nfragments: drop\nessential: []")

    static let tracked = Scenario("tracked", "default: drop\nfragments: track\ndecapsulate: []")
    static let openTracked = Scenario("open-tracked", "default: pass\nfragments: track")
    static let opened = Scenario(
        "opened",
        "default: drop\nfragments: track\ndecapsulate: [ipip, 4in6, 6in4, gre, vxlan, geneve]")
    /// One tunnel is named; whoever may open GRE may send it.
    static let greOnly = Scenario(
        "gre-only", "default: drop\nfragments: track\ndecapsulate: gre",
        lastRule:
            "\n  - name: tunnels\n    service: [proto/4, proto/41, udp/4789, udp/6081]\n    action: pass")

    /// As lenient, with trains. Nothing says `fragments`: they are tracked by default.
    static let lenientTracked = Scenario(
        "lenient-tracked", "default: drop\nmalformed: pass\nspoofed: pass",
        lastRule: "\n  - name: all but telnet\n    service: \"!tcp/23\"\n    action: pass")
    static let someOpened = Scenario("some-opened", "default: drop\ndecapsulate: [ipip, vxlan]")
    /// What was no tunnel, or one that could not be read, meets a rule for its outer header.
    static let lenientOpened = Scenario(
        "lenient-opened",
        "default: pass\nmalformed: pass\nspoofed: pass\n"
            + "decapsulate: [ipip, 4in6, 6in4, gre, vxlan, geneve]",
        lastRule: "\n  - name: no tunnels\n    "
            + "service: [proto/4, proto/41, gre, udp/4789, udp/6081]\n    action: drop")

    static let all: [Scenario] = [
        closed, open, closedFragments, openFragments, lenient, bare, tracked, openTracked, opened, greOnly,
        lenientTracked, someOpened, lenientOpened,
    ]

    /// In force in every scenario.
    static let bans = [
        "203.0.113.66", "203.0.113.192/26", "192.0.2.8/29", "198.51.100.128/31", "2001:db8:bad::/48",
        "2001:db8:66:0:8000::/65", "2001:db8:67::66/127", "2001:db8:68::68", "2001:db8:5afe:9::/64",
    ]

    private init(_ id: String, _ settings: String, lastRule: String = "") {
        self.id = id
        self.settings = settings
        self.lastRule = lastRule
    }

    var text: String {
        """
        policy: \(id)
        interfaces: [evasion0]
        stateful: false
        \(settings)
        failsafe:
          - { source: [192.0.2.0/28, "2001:db8:5afe::/48"], service: tcp/22 }
          - { source: 192.0.2.16/28, service: udp }
        never-ban: [203.0.113.200/30, "2001:db8:bad:1::/64"]
        rules:
          - name: guests
            vlan: 66
            action: drop
          - name: no telnet
            service: [tcp/23, udp/23, sctp/23]
            action: drop
          - name: worm
            service: [tcp/80, udp/443]
            payload: { offset: 0, bytes: "de ad be ef" }
            action: drop
          - name: web
            service: [tcp/80, udp/443, sctp/443]
            action: pass
          - name: ping
            service: [icmp/echo-request, icmpv6/echo-request]
            action: pass\(lastRule)

        """
    }

    func policy() throws -> CheckedPolicy {
        let report = loadPolicy(path: "\(id).conf", reader: TextReader(text: text))
        guard let policy = report.policy else { throw WrongScenario(text: report.rendered()) }
        return policy
    }

    static func banPrefixes() throws -> [Prefix] {
        try bans.map { text in
            let parts = text.split(separator: "/")
            guard let address = parts.first.flatMap({ IPAddress($0) }) else {
                throw WrongScenario(text: text)
            }
            let length = parts.count > 1 ? Int(parts[1]) : address.family.bitWidth
            guard let length, let prefix = Prefix(masking: address, length: length) else {
                throw WrongScenario(text: text)
            }
            return prefix
        }
    }
}

/// The suite's own mistake: a policy or ban of it that cannot be read.
struct WrongScenario: Error { var text: String }

private struct TextReader: FileReader {
    let text: String
    func read(_ path: String) throws(FileReadError) -> [UInt8] { Array(text.utf8) }
}
