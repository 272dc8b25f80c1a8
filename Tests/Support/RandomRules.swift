// SPDX-License-Identifier: Apache-2.0
// Random rules of every match key, over the small world's values.
import NetworkTypes

extension SeededGenerator {
    typealias Entry = PolicyDraft.Entry

    mutating func rule(_ number: Int, limits: [String], laterFragments: Bool) -> [Entry] {
        var rule = [Entry("name", "r\(number)")]
        addMatch(to: &rule, laterFragments: laterFragments)
        let action = chance(limits.isEmpty ? 12 : 25) ? "continue" : pick(Vocabulary.actions)
        if !limits.isEmpty, action == "pass" || action == "continue", chance(70) {
            let possible = limits.filter { Self.canUse($0, rule) }
            if !possible.isEmpty { rule.append(Entry("limit", pick(possible))) }
        }
        if action == "pass", chance(50) {
            rule.append(Entry("syn-cookies", "{ above: \(pick(["1/m", "2/m", "1 pps", "1k pps"])) }"))
        }
        if chance(5) { rule.append(Entry("log", pick(["true", "1/4"]))) }
        if action == "drop" || action == "reject", chance(20) { rule.append(Entry("mode", "monitor")) }
        if chance(10) {
            rule.append(Entry("expires", timestamp(pick([0, 999, 1000, 1001, 1030, 1500, 2000]))))
        }
        return rule + [Entry("action", action)]
    }

    /// The language refuses limits that count ports beside services that have none.
    private static func canUse(_ limit: String, _ rule: [Entry]) -> Bool {
        guard let service = rule.first(where: { $0.key == "service" }) else { return true }
        let withPorts = ["\"tcp", "\"udp", "\"sctp", "\"icmp"]
        return !["by-connection", "by-service"].contains(limit)
            || !service.values.contains { $0.hasPrefix("\"!") }
                && service.values.contains { value in withPorts.contains { value.hasPrefix($0) } }
    }

    /// Few keys in each rule, so that each key decides often.
    private mutating func addMatch(to rule: inout [Entry], laterFragments: Bool) {
        let addresses = below(100)
        // One family for both sides: no packet has two, and the language refuses them.
        let family: AddressFamily = chance(60) ? .ipv4 : .ipv6
        if addresses < 20 { rule.append(Entry("source", addressList(chance(80) ? family : nil))) }
        if (20..<30).contains(addresses) { rule.append(Entry("destination", addressList(family))) }
        if addresses >= 90 {
            rule.append(Entry("source", addressList(family)))
            rule.append(Entry("destination", addressList(family)))
        }
        if chance(30) { rule.append(Entry("service", serviceList())) }
        for key in Self.furtherKeys where chance(9) {
            rule.append(further(key, laterFragments))
        }
        // A rule for every packet would leave nothing to those behind it.
        if rule.count == 1, chance(90) { rule.append(further(pick(Self.furtherKeys), laterFragments)) }
    }

    private static let furtherKeys = [
        "source-port", "tcp-flags", "family", "interface", "vlan", "inner-vlan", "length", "ttl", "dscp",
        "fragment", "ip-options", "payload", "state",
    ]

    private mutating func further(_ key: String, _ laterFragments: Bool) -> Entry {
        switch key {
        case "source-port": Entry(key, ranges(World.ports))
        case "tcp-flags": Entry(key, tcpFlags())
        case "family": Entry(key, pick(["ipv4", "ipv6", quoted("!ipv6")]))
        case "interface": Entry(key, interfaces())
        case "vlan", "inner-vlan": Entry(key, tags())
        case "length": Entry(key, ranges([28, 40, 60, 100, 1500, 65535]))
        case "ttl": Entry(key, ranges([1, 64, 255]))
        case "dscp": Entry(key, ranges([0, 10, 46, 63]))
        case "fragment": Entry(key, fragment(laterFragments))
        case "ip-options": Entry(key, pick(["true", "false"]))
        case "state": Entry(key, pick([["new"], ["established"], ["new", "established"]]))
        default: Entry(key, (0...below(2)).map { _ in pattern() })
        }
    }

    private mutating func ranges<Bound: BinaryInteger>(_ values: [Bound]) -> [String] {
        let isInverse = chance(20)
        return (0...below(2)).map { _ in quoted((isInverse ? "!" : "") + range(values)) }
    }

    private mutating func tcpFlags() -> [String] {
        pick([
            ["syn"], ["ack"], ["rst"], ["syn", "\"!ack\""], ["\"!syn\""], ["ack", "\"!psh\""],
            ["fin", "ack"],
        ])
    }

    private mutating func interfaces() -> [String] {
        pick([
            ["\"veth*\""], ["lo"], ["\"up?ink\""], ["\"!veth1\""], ["\"*\"", "\"!lo\""], ["\"[v-w]eth0\""],
        ])
    }

    private mutating func tags() -> [String] {
        pick([
            ["none"], ["1"], ["7-100"], ["none", "\"4094-\""], ["\"!none\""], ["\"!7\""], ["\"-100\""],
            ["100"],
        ])
    }

    /// `later` only where the language takes it.
    private mutating func fragment(_ later: Bool) -> [String] {
        if later, chance(40) { return pick([["later"], ["first", "later"], ["later", "none"]]) }
        return pick([["any"], ["first"], ["none"], ["\"!later\""], ["\"!first\""], ["\"!any\""]])
    }

    private mutating func pattern() -> String {
        let count = below(4) + 1
        let bytes = (0..<count).map { _ in pick(["00", "41", "ff"]) }.joined(separator: " ")
        let mask = (0..<count).map { _ in pick(["ff", "ff", "0f", "00"]) }.joined(separator: " ")
        return "{ offset: \(pick([0, 1, 4, 60])), bytes: \"\(bytes)\", mask: \"\(mask)\" }"
    }

    /// Of the epoch's first day.
    private func timestamp(_ seconds: Int) -> String {
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "1970-01-01T\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))Z"
    }
}
