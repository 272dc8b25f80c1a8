// SPDX-License-Identifier: Apache-2.0
// The fields that every EVE event of a flow begins with: ids, VLAN tags, addresses, ports, protocol.
import JSONOutput
import NetworkTypes

/// The policy's part of an event: which rule and inspector it comes from.
struct EventRule: Sendable {
    var rule: String
    var inspector: String

    var json: JSONValue { .object([("rule", .string(rule)), ("inspector", .string(inspector))]) }
}

/// Who speaks with whom in an event; `source` is the sender of what the event is about.
public struct EventHeader: Sendable {
    var flowID: UInt64
    /// In the capture, from 1; 0 where the event belongs to no packet.
    var packetNumber: UInt64 = 0
    /// The packet that the event is about, or its flow's latest; 0: not known.
    public internal(set) var latestPacket: UInt64 = 0
    /// The VLAN ids, the outer one first.
    var vlans: [UInt16] = []
    public let source: IPAddress
    public let destination: IPAddress
    /// Nil for protocols without ports.
    public let sourcePort: UInt16?
    public let destinationPort: UInt16?
    public let proto: IPProtocol
    var icmpType: UInt8?
    var icmpCode: UInt8?
    /// Nil where the packet was in no tunnel.
    var tunnel: Tunnel?
    var rule: EventRule?

    /// What stands behind `event_type`, in EVE's order.
    func append(to members: inout [(String, JSONValue)]) {
        if !vlans.isEmpty { members.append(("vlan", .array(vlans.map { .integer(Int64($0)) }))) }
        members.append(("src_ip", .string(source.description)))
        if let sourcePort { members.append(("src_port", .integer(Int64(sourcePort)))) }
        members.append(("dest_ip", .string(destination.description)))
        if let destinationPort { members.append(("dest_port", .integer(Int64(destinationPort)))) }
        members.append(("proto", .string(eveProtocolName(proto))))
        members.append(("ip_v", .integer(source.family == .ipv4 ? 4 : 6)))
        if let icmpType { members.append(("icmp_type", .integer(Int64(icmpType)))) }
        if let icmpCode { members.append(("icmp_code", .integer(Int64(icmpCode)))) }
        if let tunnel { members.append(("tunnel", tunnel.eve)) }
    }

    /// "tcp 192.0.2.1:40000 > 192.0.2.2:80", as everywhere in xdpguard.
    var flowText: String {
        var packet = PacketDescription(proto: proto, source: source, destination: destination)
        packet.sourcePort = sourcePort
        packet.destinationPort = destinationPort
        packet.icmpType = icmpType
        return packet.flowText
    }
}

/// EVE's name of an IP protocol: upper case, as /etc/protocols and Suricata have it; else the number in three
/// digits.
func eveProtocolName(_ proto: IPProtocol) -> String {
    switch proto.rawValue {
    case 1: "ICMP"
    case 2: "IGMP"
    case 4: "IP-in-IP"
    case 6: "TCP"
    case 17: "UDP"
    case 41: "IPv6"
    case 47: "GRE"
    case 50: "ESP"
    case 51: "AH"
    case 58: "IPv6-ICMP"
    case 89: "OSPFIGP"
    case 103: "PIM"
    case 132: "SCTP"
    default: String(repeating: "0", count: 3 - String(proto.rawValue).count) + String(proto.rawValue)
    }
}

extension Tunnel {
    /// EVE's `tunnel` object.
    fileprivate var eve: JSONValue {
        .object([
            ("src_ip", .string(source.description)), ("dest_ip", .string(destination.description)),
            ("proto", .string(eveProtocolName(proto))), ("depth", .integer(Int64(depth))),
        ])
    }
}
