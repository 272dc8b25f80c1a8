// SPDX-License-Identifier: Apache-2.0
// EVE's `flow`, `tcp` and `ndpi` objects. In: what the flow tracker counted of a flow, and what the detector
// says of it. Out: their fields in Suricata's order.
import JSONOutput
import NetworkTypes
import ProtocolDetection
import Streams

extension FlowRecord {
    /// EVE's `flow` object of an alert: who opened it, and how much was seen so far.
    /// - Parameter offset: from the flow's times to nanoseconds since 1970-01-01T00:00Z.
    func briefEVE(offset: Int64) -> JSONValue {
        var members = counted
        members.add("start", .string(eveTimestamp(start.time &+ offset)))
        members.add("src_ip", .string(start.client.description))
        members.add("dest_ip", .string(start.server.description))
        if start.proto.hasPorts {
            members.add("src_port", .integer(Int64(start.clientPort)))
            members.add("dest_port", .integer(Int64(start.serverPort)))
        }
        return members.object
    }

    /// EVE's `flow` object of a flow that is over.
    /// - Parameters:
    ///   - offset: from the flow's times to nanoseconds since 1970-01-01T00:00Z.
    ///   - action: "drop" or "pass", where a signature or the policy said so of the whole flow.
    func eve(_ reason: FlowEnd, offset: Int64, isAlerted: Bool, action: String?) -> JSONValue {
        let (first, last) = (start.time &+ offset, lastTime &+ offset)
        var members = counted
        members.add("start", .string(eveTimestamp(first)))
        members.add("end", .string(eveTimestamp(last)))
        members.add("age", .integer(max(0, last / 1_000_000_000 - first / 1_000_000_000)))
        members.add("state", .string(state.eveName))
        members.add("reason", .string(reason.eveName))
        members.add("alerted", .bool(isAlerted))
        if let action { members.add("action", .string(action)) }
        return members.object
    }

    /// ICMP's type and code by which the flow began, and those of the answer.
    func addTypes(to members: inout EventMembers) {
        members.add("icmp_type", .integer(Int64(start.clientPort)))
        members.add("icmp_code", .integer(Int64(icmpCodes.toServer)))
        guard counts.toClient.packets > 0 else { return }
        members.add("response_icmp_type", .integer(Int64(start.serverPort)))
        members.add("response_icmp_code", .integer(Int64(icmpCodes.toClient)))
    }

    private var counted: EventMembers {
        var members = EventMembers()
        members.add("pkts_toserver", .unsigned(counts.toServer.packets))
        members.add("pkts_toclient", .unsigned(counts.toClient.packets))
        members.add("bytes_toserver", .unsigned(counts.toServer.bytes))
        members.add("bytes_toclient", .unsigned(counts.toClient.bytes))
        return members
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
    fileprivate var eveName: String {
        switch self {
        case .new: "new"
        case .established: "established"
        case .closed: "closed"
        }
    }
}

extension FlowEnd {
    fileprivate var eveName: String {
        switch self {
        case .timeout: "timeout"
        case .evicted, .replaced: "forced"
        case .inputEnded: "shutdown"
        }
    }
}

extension DetectedProtocol {
    /// What the detector says beside the name.
    var eve: JSONValue {
        var members = EventMembers()
        members.add("category", .string(category))
        members.add("confidence", .string(confidence.name))
        members.text("hostname", hostName, limit: longestName)
        if risks != .none { members.add("flow_risk", .array(risks.names.map(JSONValue.string))) }
        return members.object
    }
}
