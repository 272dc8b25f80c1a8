// SPDX-License-Identifier: Apache-2.0
// Kinds of tunnels that are looked into, by the names of Suricata's decoder counters. In: the packet around
// another one. Out: its kind.
import NetworkTypes
import PolicyLanguage
import Streams

public enum TunnelKind: String, CaseIterable, Sendable {
    case ipv4InIPv4 = "ipv4_in_ipv4"
    case ipv6InIPv4 = "ipv6_in_ipv4"
    case ipv4InIPv6 = "ipv4_in_ipv6"
    case ipv6InIPv6 = "ipv6_in_ipv6"
    case gre, vxlan, geneve, teredo

    /// Nil for a packet that is none by protocol and ports.
    init?(_ packet: DecodedPacket) {
        let isIPv4 = packet.family == .ipv4
        let (from, to) = (packet.sourcePort, packet.destinationPort)
        switch packet.proto.rawValue {
        case 4: self = isIPv4 ? .ipv4InIPv4 : .ipv4InIPv6
        case 41: self = isIPv4 ? .ipv6InIPv4 : .ipv6InIPv6
        case 47: self = .gre
        case 17 where packet.isComplete && to == 4789: self = .vxlan
        case 17 where packet.isComplete && to == 6081: self = .geneve
        case 17 where packet.isComplete && (from == 3544 || to == 3544): self = .teredo
        default: return nil
        }
    }

    /// The policy's word for it; nil for one that no policy opens.
    var encapsulation: Encapsulation? {
        switch self {
        case .ipv4InIPv4, .ipv6InIPv6: .ipip
        case .ipv6InIPv4: .ipv6InIPv4
        case .ipv4InIPv6: .ipv4InIPv6
        case .gre: .gre
        case .vxlan: .vxlan
        case .geneve: .geneve
        case .teredo: nil
        }
    }
}

/// How many packets each kind of tunnel carried.
public struct TunnelCounts: Sendable, Hashable {
    private var counts = [UInt64](repeating: 0, count: TunnelKind.allCases.count)

    init() {}

    mutating func add(_ kind: TunnelKind) {
        guard let index = TunnelKind.allCases.firstIndex(of: kind) else { return }
        counts[index] &+= 1
    }

    /// Kinds that were seen.
    var seen: [(String, UInt64)] {
        zip(TunnelKind.allCases, counts).filter { $0.1 > 0 }.map { ($0.0.rawValue, $0.1) }
    }
}
