// SPDX-License-Identifier: Apache-2.0
// Packets -> flows: which packets are of one flow. In: a decoded packet. Out: a key that both directions
// share.
import NetworkTypes

/// Both ends of a flow, the lower one first, so that direction does not matter.
struct FlowKey: Equatable {
    let low: UInt128
    let high: UInt128
    let lowPort: UInt16
    let highPort: UInt16
    let vlan: UInt16
    let innerVLAN: UInt16
    let tunnel: UInt64
    let proto: IPProtocol
    let isV4: Bool

    init(_ packet: DecodedPacket, separatesVLANs: Bool = true, isSourceLow: inout Bool) {
        let (from, to) = FlowKey.ports(packet)
        let (source, destination) = (packet.source.bits, packet.destination.bits)
        isSourceLow = source < destination || source == destination && from <= to
        (low, high) = isSourceLow ? (source, destination) : (destination, source)
        (lowPort, highPort) = isSourceLow ? (from, to) : (to, from)
        vlan = separatesVLANs ? packet.vlan : 0
        innerVLAN = separatesVLANs ? packet.innerVLAN : 0
        tunnel = packet.tunnel
        proto = packet.proto
        isV4 = packet.source.family == .ipv4
    }

    /// Ports, or what stands in for them: an ICMP message's type and the type that answers it, so that
    /// question and answer meet.
    static func ports(_ packet: DecodedPacket) -> (from: UInt16, to: UInt16) {
        switch packet.proto {
        case .icmp: (UInt16(packet.icmpType), answer(to: packet.icmpType, icmpAnswers))
        case .icmpv6: (UInt16(packet.icmpType), answer(to: packet.icmpType, icmpv6Answers))
        default: (packet.sourcePort, packet.destinationPort)
        }
    }

    /// No message has this type (IANA reserves it in both registries), so it stands for "nothing answers".
    static let noAnswer: UInt16 = 255

    /// Echo, timestamp, information, address mask (RFC 792, 950) and router discovery (RFC 1256).
    private static let icmpAnswers: [(UInt8, UInt8)] = [(8, 0), (13, 14), (15, 16), (17, 18), (10, 9)]
    /// Echo, router and neighbour discovery, node information (RFC 4443, 4861, 4620).
    private static let icmpv6Answers: [(UInt8, UInt8)] = [(128, 129), (133, 134), (135, 136), (139, 140)]

    private static func answer(to type: UInt8, _ pairs: [(UInt8, UInt8)]) -> UInt16 {
        for (question, answer) in pairs {
            if type == question { return UInt16(answer) }
            if type == answer { return UInt16(question) }
        }
        return noAnswer
    }

    /// A hash that the seed hides. Multiply and fold, as wyhash does (public domain).
    func hash(seed: UInt64) -> UInt32 {
        var value = seed ^ 0x2d35_8dcc_aa6c_78a5
        func mix(_ word: UInt64) {
            let product = (value ^ word).multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
            value = product.high ^ product.low ^ seed
        }
        mix(UInt64(truncatingIfNeeded: low))
        mix(UInt64(truncatingIfNeeded: high))
        if !isV4 {
            mix(UInt64(truncatingIfNeeded: low >> 64))
            mix(UInt64(truncatingIfNeeded: high >> 64))
        }
        let ports = UInt64(lowPort) << 48 | UInt64(highPort) << 32
        mix(ports | UInt64(vlan ^ innerVLAN &<< 4) << 16 | UInt64(proto.rawValue) << 1 | (isV4 ? 1 : 0))
        if tunnel != 0 { mix(tunnel) }
        return UInt32(truncatingIfNeeded: value ^ value >> 32)
    }
}
