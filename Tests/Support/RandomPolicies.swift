// SPDX-License-Identifier: Apache-2.0
// Random policies: text of every key that evaluators look at. Rules are in RandomRules.swift.
import NetworkTypes
import PolicyLanguage

extension SeededGenerator {
    /// A random policy, loaded from its text.
    public mutating func policy(rules: Int) throws -> CheckedPolicy { try draft(rules: rules).load() }

    /// The text of a random policy.
    public mutating func draft(rules: Int) -> PolicyDraft {
        var draft = PolicyDraft()
        let fragments = pick(Vocabulary.fragments)
        draft.header = [
            .init("default", chance(50) ? "drop" : "pass"),
            .init("mode", chance(15) ? "monitor" : "enforce"),
            .init("malformed", chance(50) ? "pass" : "drop"),
            .init("spoofed", chance(40) ? "pass" : "drop"),
            .init("stateful", chance(60) ? "true" : "false"), .init("fragments", fragments),
            .init("essential", some(of: ["nd", "ra", "pmtu", "dhcp"], percent: 60), isList: true),
        ]
        if !Vocabulary.decapsulate.isEmpty, chance(50) {
            draft.header.append(
                .init("decapsulate", some(of: Vocabulary.decapsulate, percent: 60), isList: true))
        }
        if chance(30) {
            draft.header.append(.init("never-ban", addressList(pick([.ipv4, .ipv6, nil]), sets: false)))
        }
        draft.sets = [
            .init("s4", addressList(.ipv4, sets: false), isList: true),
            .init("s6", addressList(.ipv6, sets: false), isList: true),
        ]
        draft.services = [.init("served", serviceList(named: false), isList: true)]
        if chance(30) { draft.failsafe = (0...below(2)).map { _ in failsafeEntry() } }
        draft.limits = limits()
        let names = draft.limits.map(\.key)
        draft.rules = (0..<rules).map { rule($0, limits: names, laterFragments: fragments == "pass") }
        return draft
    }

    private mutating func some(of words: [String], percent: Int) -> [String] {
        words.filter { _ in chance(percent) }
    }

    private mutating func failsafeEntry() -> [PolicyDraft.Entry] {
        var entry: [PolicyDraft.Entry] = []
        if chance(80) { entry.append(.init("source", addressList(pick([.ipv4, .ipv6, nil])))) }
        if chance(80) || entry.isEmpty { entry.append(.init("service", serviceList())) }
        return entry
    }

    /// Values of one family, or of both; some taken out, some lists of nothing but what is taken out.
    mutating func addressList(_ family: AddressFamily?, sets: Bool = true) -> [String] {
        let isInverse = chance(15)
        return (0...below(3)).map { _ in
            let isV4 = family.map { $0 == .ipv4 } ?? chance(60)
            let isOut = isInverse || chance(8)
            // A family that is taken out as a whole may leave source and destination of two families.
            let everything = sets && !isOut && chance(3) ? (isV4 ? "0.0.0.0/0" : "::/0") : nil
            let named = sets && chance(15) ? (isV4 ? "$s4" : "$s6") : nil
            let value = everything ?? named ?? (isV4 ? address4() : address6())
            return quoted(isOut ? "!" + value : value)
        }
    }

    private mutating func address4() -> String {
        let low = pick(World.v4)
        let high = pick(World.v4)
        switch below(4) {
        case 0: return "\(IPAddress(v4: min(low, high)))-\(IPAddress(v4: max(low, high)))"
        case 1: return prefixText(IPAddress(v4: low), pick([1, 16, 24, 31]))
        default: return "\(IPAddress(v4: low))"
        }
    }

    private mutating func address6() -> String {
        let low = pick(World.v6)
        let high = pick(World.v6)
        switch below(4) {
        case 0: return "\(IPAddress(v6: min(low, high)))-\(IPAddress(v6: max(low, high)))"
        case 1: return prefixText(IPAddress(v6: low), pick([1, 32, 63, 64, 65, 127]))
        default: return "\(IPAddress(v6: low))"
        }
    }

    private func prefixText(_ address: IPAddress, _ length: Int) -> String {
        let width = address.family.bitWidth
        let kept = address.bits & ~((1 << UInt128(width - length)) - 1)
        return "\(IPAddress(family: address.family, bits: kept))/\(length)"
    }

    mutating func serviceList(named: Bool = true) -> [String] {
        let isInverse = chance(15)
        return (0...below(3)).map { _ in
            let value = named && chance(12) ? "$served" : service()
            return quoted(isInverse || chance(8) ? "!" + value : value)
        }
    }

    private mutating func service() -> String {
        let proto = pick(["tcp", "tcp", "udp", "udp", "icmp", "icmpv6", "sctp", "gre", "esp", "proto"])
        switch proto {
        case "gre", "esp": return proto
        case "proto": return "proto/\(pick([0, 4, 6, 41, 47, 59, 132]))"
        case _ where chance(25): return proto
        case "icmp": return "icmp/" + pick(["echo-request", "echo-reply", "3", "0-8", "5-"])
        case "icmpv6":
            return "icmpv6/" + pick(["echo-request", "2", "133-136", "-129", "neighbour-solicitation"])
        default: return "\(proto)/" + range(World.ports + [4789, 6081])
        }
    }

    /// A value, a range, or a range open at one end.
    mutating func range<Bound: BinaryInteger>(_ values: [Bound]) -> String {
        let (a, b) = (pick(values), pick(values))
        switch below(8) {
        case 0: return "\(a)-"
        case 1: return "-\(a)"
        case 2, 3, 4: return "\(min(a, b))-\(max(a, b))"
        default: return "\(a)"
        }
    }
}

/// As YAML takes every text.
func quoted(_ text: String) -> String { "\"\(text)\"" }
