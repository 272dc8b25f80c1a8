// SPDX-License-Identifier: Apache-2.0
// SYNs that are asked for a cookie; docs/policy.md, "SYN cookies". In a replay none comes back.
import NetworkTypes
import PolicyLanguage

extension ReferenceFirewall {
    /// Charges a SYN to the rule that lets it pass, where that rule asks for cookies.
    mutating func asksCookie(_ rule: Rule, _ packet: Packet) -> Bool {
        guard let limit = rule.synCookieLimit, packet.isAnswerableSYN else { return false }
        return !buckets.take(
            limit.size(length: 0), from: limit.bucket(of: packet.read), at: clock.nanoseconds &* 256)
    }
}

extension ReferenceFirewall.Packet {
    /// The first segment of a connection, whole, about which nothing is odd, and in no tunnel.
    fileprivate var isAnswerableSYN: Bool {
        guard malformed == nil, spoofed == nil, layers.around.isEmpty, read.fragment == FragmentKind.none,
            read.proto == .tcp, read.payload != nil, let flags = read.tcpFlags
        else { return false }
        return flags.contains(.syn) && flags.isDisjoint(with: [.ack, .rst, .fin])
    }
}
