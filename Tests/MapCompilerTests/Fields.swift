// SPDX-License-Identifier: Apache-2.0
// A packet's fields as the XDP program's parser leaves them, at random; and whether a match holds for them,
// asked key by key of the match itself.
import NetworkTypes
import PolicyLanguage
import TestSupport

/// What was read of a packet; nil: not read.
struct Fields {
    var source: IPAddress?
    var destination: IPAddress?
    var proto: IPProtocol?
    /// Destination port or ICMP type.
    var key: UInt16?
    var sourcePort: UInt16?
    var tcpFlags: TCPFlags?
    var interface: String?
    var tags: [UInt16] = []
    var tagsWereRead = true
    var length: UInt32?
    var ttl: UInt8?
    var dscp: UInt8?
    var hasOptions: Bool?
    var fragment: FragmentKind?
    var payload: [UInt8]?
    var timeNanoseconds: UInt64 = 0
}

extension Fields {
    func satisfies(_ match: RuleMatch) -> Bool {
        func holds<Key, Field>(_ key: Key?, _ field: Field?, _ test: (Key, Field) -> Bool) -> Bool {
            guard let key else { return true }
            return field.map { test(key, $0) } ?? false
        }
        func tag(_ key: TagMatch?, _ position: Int) -> Bool {
            guard let key else { return true }
            if position < tags.count { return key.holds(tags[position]) }
            return tagsWereRead && key.holds(nil)
        }
        return holds(match.source, source) { $0.contains($1) }
            && holds(match.destination, destination) { $0.contains($1) }
            && holds(match.service, proto) { $0.contains($1, key: key) }
            && holds(match.sourcePort, sourcePort) { $0.contains($1) }
            && holds(match.tcpFlags, tcpFlags) { $0.holds($1) }
            && holds(match.families, source?.family) { $0.contains($1) }
            && holds(match.interface, interface ?? "") { $0.holds($1) }
            && tag(match.vlan, 0) && tag(match.innerVLAN, 1)
            && holds(match.length, length) { $0.contains(UInt16(min($1, 65535))) }
            && holds(match.ttl, ttl) { $0.contains($1) } && holds(match.dscp, dscp) { $0.contains($1) }
            && holds(match.ipOptions, hasOptions) { $0 == $1 }
            && holds(match.fragment, fragment) { $0.contains($1) }
            && holds(match.payload, payload) { patterns, bytes in patterns.contains { Self.holds($0, bytes) }
            }
    }

    private static func holds(_ pattern: PayloadPattern, _ payload: [UInt8]) -> Bool {
        guard pattern.offset + pattern.bytes.count <= payload.count else { return false }
        return pattern.bytes.indices.allSatisfy { index in
            let mask = pattern.mask[index]
            return payload[pattern.offset + index] & mask == pattern.bytes[index] & mask
        }
    }

    /// docs/policy.md, "Failsafe".
    func isSaved(by entry: FailsafeEntry) -> Bool {
        var request = RuleMatch()
        (request.source, request.service) = (entry.source, entry.service)
        if satisfies(request) { return true }
        guard entry.source.map({ set in destination.map(set.contains) ?? false }) ?? true else {
            return false
        }
        guard let service = entry.service else { return true }
        guard let proto else { return false }
        let keys = service.keys(of: proto)
        if keys == .all { return true }
        if proto.hasPorts { return sourcePort.map(keys.values.contains) ?? keys.unread }
        if proto.hasTypes {
            let pair: (asked: UInt16, answer: UInt16) = proto == .icmp ? (8, 0) : (128, 129)
            return key.map { $0 == pair.answer && keys.values.contains(pair.asked) } ?? keys.unread
        }
        return keys.unread
    }
}

extension SeededGenerator {
    /// Fields on the values that random policies use, unread ones among them as parsing can leave them.
    mutating func fields() -> Fields {
        var fields = Fields()
        fields.interface = chance(50) ? pick(World.interfaces) : nil
        fields.tags =
            chance(60)
            ? []
            : (0..<Int.random(in: 1...2, using: &self)).map { _ in
                pick([1, 7, 100, 4094, 4095])
            }
        fields.tagsWereRead = chance(90)
        fields.timeNanoseconds = pick([999_999_999_999, 1_000_000_000_000, 1_000_500_000_000])
        guard fields.tagsWereRead, chance(95) else { return fields }
        (fields.source, fields.destination) = (address(60), nil)
        fields.destination = address(fields.source?.family == .ipv4 ? 100 : 0)
        fields.length = pick([20, 28, 40, 60, 61, 100, 1500, 65535, 65575])
        (fields.ttl, fields.dscp) = (pick([0, 1, 64, 255]), pick([0, 10, 46, 63]))
        guard chance(95) else { return fields }
        fields.hasOptions = chance(30)
        fields.fragment = pick([FragmentKind.none, .none, .none, .first, .later])
        let proto = pick([IPProtocol.tcp, .tcp, .udp, .icmp, .icmpv6, .sctp, .gre, .esp])
        fields.proto = proto
        guard fields.fragment != .later, chance(90) else { return fields }
        if proto.hasPorts { (fields.key, fields.sourcePort) = (pick(World.ports), pick(World.ports)) }
        if proto.hasTypes { fields.key = pick([0, 2, 3, 8, 128, 129, 133, 135, 255]) }
        if proto == .tcp { fields.tcpFlags = TCPFlags(rawValue: UInt8.random(in: 0...255, using: &self)) }
        fields.payload = (0..<pick([0, 1, 5, 64, 80])).map { _ in pick([0x00, 0x41, 0xff]) }
        return fields
    }

    private mutating func address(_ ipv4Percent: Int) -> IPAddress {
        let nudge = pick([0, 0, 0, 1, -1])
        if chance(ipv4Percent) { return IPAddress(v4: pick(World.v4) &+ UInt32(truncatingIfNeeded: nudge)) }
        return IPAddress(v6: pick(World.v6) &+ UInt128(truncatingIfNeeded: nudge))
    }
}
