// SPDX-License-Identifier: Apache-2.0
// Lint against the reference firewall: on random small policies and packets aimed at their boundaries, what
// lint calls hidden never decides, and what it calls redundant changes no verdict by its absence.
import NetworkTypes
import PolicyLanguage
import ReferenceFirewall
import Testing

@testable import PolicyAnalysis

/// SplitMix64, so that a printed seed brings a failure back.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// Policies and frames over few values, so that rules often meet, hide and just miss each other.
private struct Chance {
    var generator: SeededGenerator
    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    mutating func oneIn(_ count: Int) -> Bool { number(1...count) == 1 }
    mutating func pick<Value>(_ values: Value...) -> Value { values[number(0...(values.count - 1))] }

    mutating func range(_ last: Int) -> ClosedRange<Int> {
        let low = oneIn(3) ? 0 : number(0...last)
        return low...(oneIn(3) ? last : number(low...last))
    }

    mutating func addresses() -> AddressSet {
        let (four, six) = (range(3), range(3))
        let v4 = hosts(UInt32(four.lowerBound)...UInt32(four.upperBound))
        let v6 = hosts6(UInt128(six.lowerBound)...UInt128(six.upperBound))
        return pick(v4, v6, v4.union(v6), AddressSet.all.subtracting(v4), .all)
    }

    mutating func service() -> ServiceSet {
        let ports = range(3)
        let values = UInt16(ports.lowerBound)...UInt16(ports.upperBound)
        let proto = pick(IPProtocol.tcp, .udp, .icmp, .gre)
        let all = PolicyAnalysisTests.service(proto)
        if proto == .gre { return all }
        return pick(
            PolicyAnalysisTests.service(proto, values), all, PolicyAnalysisTests.service(but: proto, values),
            ServiceSet(others: true, exceptions: [proto: .none]))
    }

    mutating func match() -> RuleMatch {
        var match = RuleMatch()
        if oneIn(2) { match.source = addresses() }
        if oneIn(4) { match.destination = addresses() }
        if oneIn(2) { match.service = service() }
        if oneIn(6) { match.sourcePort = .init(UInt16(0)...UInt16(number(0...3))) }
        if oneIn(6) { match.tcpFlags = pick(flags(.syn), flags(.ack, clear: .syn), flags([], clear: .syn)) }
        if oneIn(5) { match.families = [pick(AddressFamily.ipv4, .ipv6)] }
        if oneIn(6) { match.vlan = pick(.init(none: true, ids: .init()), .init(none: false, ids: .all)) }
        if oneIn(6) { match.ttl = .init(UInt8(0)...UInt8(number(63...65))) }
        if oneIn(6) { match.fragment = pick([.none], [.first, .later], [.later], [.none, .first]) }
        if oneIn(8) {
            match.payload = [PayloadPattern(offset: 0, bytes: [UInt8(number(0...1))], mask: [255])]
        }
        if oneIn(8) {
            match.interface = pick(
                .init(included: ["a"], excluded: []), .init(included: nil, excluded: ["a"]))
        }
        if oneIn(8) { match.ipOptions = oneIn(2) }
        return match
    }

    mutating func policy() -> CheckedPolicy {
        let drafts = (0..<number(2...7)).map { index in
            var draft = Draft("r\(index)", pick(RuleAction.pass, .drop, .drop, .pass, .reject, .continue))
            draft.match = match()
            draft.monitor = oneIn(10)
            draft.expires = oneIn(10) ? Int64(number(0...1)) : nil
            return draft
        }
        let (verdict, malformed) = (pick(PassOrDrop.pass, .drop), pick(PassOrDrop.pass, .drop))
        let fragments = pick(FragmentHandling.pass, .drop)
        return PolicyAnalysisTests.policy(drafts) {
            $0.defaultVerdict = verdict
            $0.malformed = malformed
            $0.fragments = fragments
            $0.spoofed = .pass
            $0.essential = []
        }
    }

    mutating func layer4(_ proto: UInt8) -> [UInt8] {
        let ports: [UInt8] = [0, UInt8(number(0...4)), 0, UInt8(number(0...4))]
        let payload = [UInt8(number(0...2))]
        switch proto {
        case 6: return ports + zeros(8) + [0x50, pick(0x02, 0x10, 0x12, 0x11, 0x03)] + zeros(6) + payload
        case 17: return ports + [0, 9, 0, 0] + payload
        case 1: return [UInt8(number(0...4))] + zeros(7) + payload
        default: return payload
        }
    }

    mutating func frame() -> ReferenceFrame {
        let proto = pick(UInt8(6), 6, 17, 1, 47)
        let ttl = UInt8(number(63...66))
        var content = layer4(proto)
        if oneIn(8) { content.removeLast(min(content.count, 4)) }
        let isFour = oneIn(2)
        let packet = isFour ? ipv4(proto, ttl, content) : ipv6(proto, ttl, content)
        let tag: [UInt8] = oneIn(3) ? [0x81, 0, 0, UInt8(number(0...2))] : []
        var bytes = zeros(12) + tag + (isFour ? [0x08, 0x00] : [0x86, 0xdd]) + packet
        if oneIn(10) { bytes.removeLast(number(0...bytes.count)) }
        return ReferenceFrame(
            bytes: bytes, timeNanoseconds: Int64(number(0...1)) * 500_000_000, interface: pick(nil, "a", "b"))
    }

    private mutating func ipv4(_ proto: UInt8, _ ttl: UInt8, _ content: [UInt8]) -> [UInt8] {
        let fragment: [UInt8] = pick([0, 0], [0, 0], [0x20, 0], [0, 9])
        let hasOptions = oneIn(6)
        let first: [UInt8] = [hasOptions ? 0x46 : 0x45, 0, 0, UInt8(content.count + (hasOptions ? 24 : 20))]
        let ends: [UInt8] = [192, 0, 2, UInt8(number(0...4)), 192, 0, 2, UInt8(number(0...4))]
        return first + [0, 1] + fragment + [ttl, proto, 0, 0] + ends + zeros(hasOptions ? 4 : 0) + content
    }

    private mutating func ipv6(_ proto: UInt8, _ ttl: UInt8, _ content: [UInt8]) -> [UInt8] {
        let chain: [UInt8] = pick(
            [], [], [44, proto, 0, 0, 1, 0, 0, 0, 0], [44, proto, 0, 0, 80, 0, 0, 0, 0],
            [60, proto, 0] + zeros(6))
        let next = chain.first ?? proto
        let headers = Array(chain.dropFirst())
        let net: [UInt8] = [0x20, 1, 0x0d, 0xb8] + zeros(11)
        let ends = net + [UInt8(number(0...4))] + net + [UInt8(number(0...4))]
        return [0x60, 0, 0, 0, 0, UInt8(headers.count + content.count), next, ttl] + ends + headers + content
    }
}

private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

@Test(arguments: 1...12)
func `what lint reports holds for every packet`(_ round: Int) {
    let seed = UInt64(round)
    var chance = Chance(seed: seed)
    var reported = 0
    for number in 0..<60 {
        let made = chance.policy()
        let found = lint(made)
        guard !found.isEmpty else { continue }
        reported += found.count
        let frames = (0..<150).map { _ in chance.frame() }
        for finding in found {
            let index = made.rules.firstIndex { $0.range == finding.range }
            guard let index else { continue }
            check(finding.id, index, made, frames, "seed \(seed), policy \(number), \(finding.id) r\(index)")
        }
    }
    #expect(reported > 20, "seed \(seed) found only \(reported)")
}

private func check(
    _ id: String, _ index: Int, _ made: CheckedPolicy, _ frames: [ReferenceFrame], _ place: String
) {
    var without = made
    let rule = without.rules.remove(at: index)
    var (before, after) = (ReferenceFirewall(policy: made), ReferenceFirewall(policy: without))
    for frame in frames {
        let (with, gone) = (before.judge(frame), after.judge(frame))
        #expect(with.verdict == gone.verdict, "\(place): \(frame)")
        let restatesDefault = id == "redundant-rule" && with.rule == rule.name && gone.rule != with.rule
        if !restatesDefault { #expect(with == gone, "\(place): \(frame)") }
        if id != "redundant-rule" { #expect(with.rule != rule.name, "\(place): \(frame)") }
    }
}

@Test(arguments: [UInt64(101), 102, 103])
func `a rule that random packets never reach is mostly found`(_ seed: UInt64) {
    var chance = Chance(seed: seed)
    var (silent, found) = (0, 0)
    for _ in 0..<40 {
        // Only rules that decide and whose keys are compared exactly.
        var made = chance.policy()
        for index in made.rules.indices {
            made.rules[index].monitor = false
            made.rules[index].expires = nil
            made.rules[index].match.interface = nil
            made.rules[index].match.payload = nil
            if made.rules[index].action == .continue { made.rules[index].action = .reject }
        }
        var firewall = ReferenceFirewall(policy: made)
        let deciding = Set((0..<1500).compactMap { _ in firewall.judge(chance.frame()).rule })
        let hidden = made.rules.filter { !deciding.contains($0.name) }
        let reported = lint(made)
        silent += hidden.count
        found += hidden.filter { rule in reported.contains { $0.range == rule.range } }.count
    }
    #expect(found * 10 >= silent * 7, "seed \(seed): \(found) of \(silent)")
}
