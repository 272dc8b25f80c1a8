// SPDX-License-Identifier: Apache-2.0
// EVE's `drop` and `anomaly` objects. In: a packet's header fields, an anomaly's name. Out: their fields.
import JSONOutput
import NetworkTypes
import Streams

extension DecodedPacket {
    /// - Parameter reason: "rules" for the packet that matched, "flow drop" for those behind it.
    func dropEVE(reason: String) -> JSONValue {
        var members = EventMembers()
        members.add("len", .integer(Int64(ipLength)))
        members.add("tos", .integer(Int64(trafficClass)))
        members.add("ttl", .integer(Int64(ttl)))
        if family == .ipv4 { members.add("ipid", .unsigned(UInt64(identification))) }
        if isComplete { addTransport(to: &members) }
        members.add("reason", .string(reason))
        return members.object
    }

    private func addTransport(to members: inout EventMembers) {
        switch proto {
        case .tcp:
            members.add("tcpseq", .unsigned(UInt64(tcpSequence)))
            members.add("tcpack", .unsigned(UInt64(tcpAcknowledgement)))
            members.add("tcpwin", .unsigned(UInt64(tcpWindow)))
            for (name, flag) in TCPFlags.names.prefix(6) { members.add(name, .bool(tcpFlags.contains(flag))) }
            members.add("tcpurgp", .unsigned(UInt64(tcpUrgentPointer)))
        case .udp: members.add("udplen", .integer(Int64(payload.count + 8)))
        case .icmp, .icmpv6:
            members.add("icmp_id", .unsigned(UInt64(icmpIdentifier)))
            members.add("icmp_seq", .unsigned(UInt64(icmpSequence)))
        default: break
        }
    }
}

extension EventMembers {
    /// - Parameter layer: EVE's `anomaly.type`: decode, stream or applayer.
    init(anomaly layer: String, _ name: String) {
        self.init()
        add("anomaly", .object([("type", .string(layer)), ("event", .string(name))]))
    }
}
