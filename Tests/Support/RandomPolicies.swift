// SPDX-License-Identifier: Apache-2.0
// Random policies of every key over a small world of values, so that packets often stand on their boundaries.
import Diagnostics
import NetworkTypes
import PolicyLanguage

extension SeededGenerator {
    public mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
    public mutating func pick<T>(_ values: [T]) -> T { values[Int.random(in: values.indices, using: &self)] }
}

/// The addresses and ports that random policies and packets share.
public enum World {
    public static let v4: [UInt32] = [
        0xc000_0201, 0xc000_0202, 0xc000_02ff, 0xc633_6401, 0xcb00_7101, 0xcb00_7180,
    ]
    public static let v6: [UInt128] = [1, 2, 0xffff, 1 << 64, (1 << 64) + 1].map { (0x2001_0db8 << 96) + $0 }
    public static let ports: [UInt16] = [0, 22, 53, 67, 68, 80, 443, 65535]
    public static let interfaces = ["veth0", "veth1", "lo", "uplink"]
    public static let range = SourceRange(SourceText(path: "random.conf", text: "random\n"), 0, 6)
}

extension SeededGenerator {
    public mutating func addressSet() -> AddressSet {
        var set = AddressSet()
        for _ in 0..<Int.random(in: 1...3, using: &self) {
            if chance(60) {
                let low = pick(World.v4)
                let high = chance(50) ? low : max(low, pick(World.v4))
                set = set.union(AddressSet(v4: IntervalSet(low...high)))
            } else {
                let low = pick(World.v6)
                let high = chance(50) ? low : max(low, pick(World.v6))
                set = set.union(AddressSet(v6: IntervalSet(low...high)))
            }
        }
        return chance(20) ? AddressSet.all.subtracting(set) : set
    }

    public mutating func intervals<Bound>(_ values: [Bound]) -> IntervalSet<Bound> {
        let a = pick(values)
        let b = chance(50) ? a : pick(values)
        let set = IntervalSet(min(a, b)...max(a, b))
        return chance(20) ? set.complement() : set
    }

    public mutating func service() -> ServiceSet {
        var set = ServiceSet(others: chance(20))
        let protos: [IPProtocol] = [.tcp, .udp, .icmp, .icmpv6, .sctp, .gre, .esp]
        for _ in 0..<Int.random(in: 1...3, using: &self) {
            let proto = pick(protos)
            if !proto.hasPorts, !proto.hasTypes {
                set.exceptions[proto] = chance(80) ? .all : ServiceSet.Keys.none
            } else if chance(25) {
                set.exceptions[proto] = .all
            } else {
                let values: [UInt16] = proto.hasPorts ? World.ports : [0, 2, 3, 8, 128, 133, 135]
                set.exceptions[proto] = .init(values: intervals(values), unread: false)
            }
        }
        return set
    }

    public mutating func tags() -> TagMatch {
        TagMatch(none: chance(40), ids: chance(70) ? intervals([1, 7, 100, 4094]) : IntervalSet())
    }

    public mutating func match() -> RuleMatch {
        var match = RuleMatch()
        if chance(40) { match.source = addressSet() }
        if chance(25) { match.destination = addressSet() }
        if chance(50) { match.service = service() }
        if chance(10) { match.sourcePort = intervals(World.ports) }
        if chance(15) {
            let clear: TCPFlags = chance(50) ? .ack : []
            match.tcpFlags = TCPFlagsMatch(
                mustBeSet: pick([TCPFlags.syn, .ack, .rst]).subtracting(clear), mustBeClear: clear)
        }
        if chance(10) { match.families = [pick([.ipv4, .ipv6])] }
        if chance(8) {
            match.interface = NameMatch(
                included: chance(50) ? [pick(["veth*", "lo", "up?ink"])] : nil,
                excluded: chance(40) ? ["veth1"] : [])
        }
        if chance(8) { match.vlan = tags() }
        if chance(5) { match.innerVLAN = tags() }
        if chance(8) { match.length = intervals([28, 40, 60, 100, 1500, 65535]) }
        if chance(8) { match.ttl = intervals([1, 64, 255]) }
        if chance(8) { match.dscp = intervals([0, 10, 46, 63]) }
        if chance(8) { match.fragment = [pick([.none, .first, .later])] }
        if chance(8) { match.ipOptions = chance(50) }
        if chance(8) { match.payload = (0..<Int.random(in: 1...2, using: &self)).map { _ in pattern() } }
        return match
    }

    private mutating func pattern() -> PayloadPattern {
        let count = Int.random(in: 1...4, using: &self)
        return PayloadPattern(
            offset: pick([0, 1, 4, 60]), bytes: (0..<count).map { _ in pick([0x00, 0x41, 0xff]) },
            mask: (0..<count).map { _ in pick([0xff, 0x0f, 0x00]) })
    }

    public mutating func policy(rules: Int) -> CheckedPolicy {
        var policy = CheckedPolicy(name: "random")
        policy.defaultVerdict = chance(50) ? .drop : .pass
        policy.mode = chance(15) ? .monitor : .enforce
        policy.malformed = chance(50) ? .pass : .drop
        policy.spoofed = chance(40) ? .pass : .drop
        policy.fragments = chance(60) ? .pass : .drop
        policy.essential = Set(EssentialTraffic.allCases.filter { _ in chance(60) })
        if chance(30) {
            policy.failsafe = (0..<Int.random(in: 1...2, using: &self)).map { _ in
                FailsafeEntry(
                    source: chance(80) ? addressSet() : nil, service: chance(80) ? service() : nil,
                    range: World.range)
            }
        }
        if chance(30) { policy.neverBan = addressSet() }
        for number in 0..<rules {
            var rule = Rule(
                name: "r\(number)", action: chance(12) ? .continue : pick([.pass, .drop]), range: World.range)
            rule.match = match()
            rule.monitor = rule.action == .drop && chance(20)
            if chance(10) { rule.expires = pick([0, 999, 1000, 1001, 2000]) }
            policy.rules.append(rule)
        }
        return policy
    }
}
