// SPDX-License-Identifier: Apache-2.0
// EVE's `flow` and `tcp` objects. In: what the flow tracker counted of a flow. Out: their fields in Suricata's order.
import JSONOutput
import NetworkTypes
import Streams

extension FlowRecord {
    /// EVE's `flow` object of an alert: who opened it, and how much was seen so far.
    var briefEVE: JSONValue {
        var members = EventMembers()
        addCounts(to: &members)
        members.add("start", .string(eveTimestamp(firstTime)))
        members.add("src_ip", .string(client.description))
        members.add("dest_ip", .string(server.description))
        if proto.hasPorts {
            members.add("src_port", .integer(Int64(clientPort)))
            members.add("dest_port", .integer(Int64(serverPort)))
        }
        return members.object
    }

    func addCounts(to members: inout EventMembers) {
        members.add("pkts_toserver", .unsigned(counts.toServer.packets))
        members.add("pkts_toclient", .unsigned(counts.toClient.packets))
        members.add("bytes_toserver", .unsigned(counts.toServer.bytes))
        members.add("bytes_toclient", .unsigned(counts.toClient.bytes))
    }

    /// EVE's `tcp` object: the flags of both directions and the connection's state.
    var tcpEVE: JSONValue {
        let (server, client) = (counts.toServer.tcpFlags.rawValue, counts.toClient.tcpFlags.rawValue)
        var members = EventMembers()
        members.add("tcp_flags", .string(hexPair(server | client)))
        members.add("tcp_flags_ts", .string(hexPair(server)))
        members.add("tcp_flags_tc", .string(hexPair(client)))
        for name in TCPFlags(rawValue: server | client).setNames { members.add(name, true) }
        if tcpState != .none { members.add("state", .string(tcpState.name)) }
        return members.object
    }
}

extension FlowState {
    /// EVE's word.
    var eveName: String {
        switch self {
        case .new: "new"
        case .established: "established"
        case .closed: "closed"
        }
    }
}
