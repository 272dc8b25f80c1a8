// SPDX-License-Identifier: Apache-2.0
// Step "tell": alerts, drops, anomalies, protocol records and the ends of flows become EVE events. In: what
// the consumer found. Out: events in `outcome`, bounded for each flow.
import JSONOutput
import NetworkTypes
import ProtocolDetection
import Protocols
import Streams

/// An alert before it has its flow.
struct Alert {
    var object: JSONValue
    var summary: String
    /// The transaction that it was found in.
    var record: TransactionRecord?
    /// It was found in the packet itself, not in its flow's stream.
    var isOfPacket = true

    init(_ object: JSONValue, _ summary: String) {
        self.object = object
        self.summary = summary
    }
}

/// Why a packet is dropped.
struct DropNote {
    /// "rules" for the packet that matched, "flow drop" for those behind it.
    var reason: String
    /// The alert that it is dropped for.
    var alert: JSONValue?
    var verdict = JSONValue.object([("action", "drop")])
}

extension FlowDirection {
    /// EVE's `direction`.
    fileprivate var eveName: String { self == .toServer ? "to_server" : "to_client" }
}

extension SampleConsumer {
    func writeAlert(_ alert: Alert, _ context: MatchContext, verdict: JSONValue) {
        counters.alerts &+= 1
        context.flow?.attachment.isAlerted = true
        let contents = options.alertContents
        var members = EventMembers()
        if case .http(let transaction) = alert.record {
            members.add("tx_id", .integer(Int64(transaction.index)))
        }
        if case .dns(_, let number) = alert.record { members.add("tx_id", .integer(Int64(number))) }
        members.add("alert", forwarded(alert))
        if contents.contains(.flow) { addFlow(context, alert.record, to: &members) }
        members.add("verdict", verdict)
        members.add("pkt_src", .string(source(of: context)))
        if contents.contains(.payload) {
            if alert.isOfPacket, let packet = context.packet {
                members.addPayload(packet.payload.prefix(longestField), isStream: false)
            } else {
                members.addPayload(context.stream.prefix(longestField), isStream: true)
            }
        }
        if contents.contains(.packet), let packet = context.packet { captured?.add(packet, to: &members) }
        write(.alert, context, members.all, alert.summary)
    }

    private func addFlow(
        _ context: MatchContext, _ record: TransactionRecord?, to members: inout EventMembers
    ) {
        if let record { members.add(record.name, record.eve) }
        guard let flow = context.flow else { return }
        if flow.attachment.named == .dhcp, let message = context.packet.flatMap({ DHCPMessage($0.payload) }) {
            members.add("dhcp", message.eve)
        }
        if let name = flow.attachment.reader?.application?.name { members.add("app_proto", .string(name)) }
        members.add("direction", .string(context.way.eveName))
        members.add("flow", flow.briefEVE(offset: wallOffset))
    }

    /// EVE's `alert` object, with the address that a proxy asks for where it is one.
    private func forwarded(_ alert: Alert) -> JSONValue {
        guard case .object(let members) = alert.object, case .http(let transaction) = alert.record,
            let value = transaction.request.headers.value(of: "x-forwarded-for")
        else { return alert.object }
        let parts = value.split(separator: UInt8(ascii: ","))
        let part = options.forwardedFor == .last ? parts.last : parts.first
        // The longest address has 45 bytes.
        guard let part, part.count < 64,
            let address = IPAddress(String(decoding: part, as: UTF8.self).filter { $0 != " " })
        else { return alert.object }
        return .object(members + [("xff", .string(address.description))])
    }

    func writeDrop(_ context: MatchContext, _ note: DropNote) {
        guard let packet = context.packet else { return }
        var members = EventMembers()
        members.add("drop", packet.dropEVE(reason: note.reason))
        if let alert = note.alert { members.add("alert", alert) }
        members.add("verdict", note.verdict)
        members.add("direction", .string(context.way.eveName))
        write(.drop, context, members.all, note.reason)
    }

    func writeAnomaly(_ anomaly: Anomaly, _ flow: Flow<InspectedFlow>?, _ packet: DecodedPacket?) {
        let members = EventMembers(anomaly: anomaly.isOfStream ? "stream" : "decode", anomaly.name)
        let way = packet.flatMap { packet in
            flow.map { packet.source == $0.start.client ? FlowDirection.toServer : .toClient }
        }
        guard admits(flow) else { return }
        let context = MatchContext(flow: flow, packet: packet, way: way ?? .toServer)
        write(.anomaly, context, members.all, anomaly.name)
    }

    func writeAnomaly(_ anomaly: ProtocolAnomaly, _ flow: Flow<InspectedFlow>) {
        var members = EventMembers()
        members.add("anomaly", anomaly.eve)
        guard admits(flow) else { return }
        let context = MatchContext(flow: flow, packet: nil, way: anomaly.direction)
        let summary = "\(anomaly.appProtocol.name).\(anomaly.name)"
        laterEvents.append(event(.anomaly, context, members.all, summary))
    }

    /// An event of a protocol, behind the packet's alerts; its addresses are those of the request.
    func writeRecord(_ record: TransactionRecord, _ kind: InspectionEvent.Kind, _ flow: Flow<InspectedFlow>) {
        guard options.writesProtocolEvents, admits(flow) else { return }
        var members = EventMembers()
        if case .http(let transaction) = record { members.add("tx_id", .integer(Int64(transaction.index))) }
        members.add(record.name, record.eve)
        var context = MatchContext(flow: flow, packet: nil)
        if case .dns(let message, _) = record, message.isResponse { context.way = .toClient }
        laterEvents.append(event(kind, context, members.all, record.summary))
    }

    func writeLaterEvents(_ flow: Flow<InspectedFlow>) {
        guard !laterEvents.isEmpty else { return }
        outcome.events += laterEvents
        laterEvents.removeAll(keepingCapacity: true)
    }

    func writeFlow(_ flow: Flow<InspectedFlow>, _ reason: FlowEnd) {
        let state = flow.attachment
        var members = EventMembers()
        let detected = state.detected
        if flow.start.proto.hasTypes { flow.addTypes(to: &members) }
        members.add("app_proto", .string(detected?.name ?? "Unknown"))
        let action = state.isDropped ? "drop" : state.isPassed ? "pass" : nil
        members.add(
            "flow", flow.eve(reason, offset: wallOffset, isAlerted: state.isAlerted, action: action))
        if flow.start.proto == .tcp { members.add("tcp", flow.tcpEVE) }
        if let detected { members.add("ndpi", detected.eve) }
        let context = MatchContext(flow: flow, packet: nil)
        write(.flow, context, members.all, detected?.name ?? "Unknown")
    }

    /// Whether one more event of a protocol or anomaly is written.
    private func admits(_ flow: Flow<InspectedFlow>?) -> Bool {
        guard options.writesProtocolEvents || options.writesFlowEvents else { return false }
        guard let state = flow?.attachment else { return true }
        guard state.events < InspectedFlow.mostEvents else {
            counters.eventsRefused &+= 1
            return false
        }
        state.events += 1
        return true
    }
}

extension SampleConsumer {
    private func write(
        _ kind: InspectionEvent.Kind, _ context: MatchContext, _ members: [(String, JSONValue)],
        _ summary: String
    ) {
        outcome.events.append(event(kind, context, members, summary))
    }

    private func event(
        _ kind: InspectionEvent.Kind, _ context: MatchContext, _ members: [(String, JSONValue)],
        _ summary: String
    ) -> InspectionEvent {
        InspectionEvent(
            kind, at: context.time &+ wallOffset, header: header(context, kind), members: members,
            summary: summary)
    }

    private func header(_ context: MatchContext, _ kind: InspectionEvent.Kind) -> EventHeader? {
        let ends = ends(context)
        var header: EventHeader
        if let start = context.flow?.start {
            let hasPorts = start.proto.hasPorts
            let (from, to) =
                context.way == .toServer
                ? (start.clientPort, start.serverPort) : (start.serverPort, start.clientPort)
            header = EventHeader(
                flowID: start.id, source: ends.source, destination: ends.destination,
                sourcePort: hasPorts ? from : nil, destinationPort: hasPorts ? to : nil, proto: start.proto)
            header.vlans = [start.vlan, start.innerVLAN].filter { $0 != 0 }
        } else if let packet = context.packet {
            header = EventHeader(
                flowID: 0, source: packet.source, destination: packet.destination, sourcePort: nil,
                destinationPort: nil, proto: packet.proto)
            header.vlans = [packet.vlan, packet.innerVLAN].filter { $0 != 0 }
        } else {
            return nil
        }
        if let packet = context.packet, packet.isComplete, packet.proto.hasTypes {
            (header.icmpType, header.icmpCode) = (packet.icmpType, packet.icmpCode)
        }
        // A flow that ends in silence: what is read now is not of it.
        header.latestPacket = context.flow?.attachment.latestPacket ?? packetNumber
        header.packetNumber = kind == .flow ? 0 : header.latestPacket
        header.tunnel = tunnel
        header.rule = eventRule(context.seat ?? context.flow?.attachment.seat)
        return header
    }

    /// EVE's `pkt_src`: a tunnel is named by the family of what is around the packet.
    private func source(of context: MatchContext) -> String {
        guard context.packet != nil else { return "stream (flow timeout)" }
        return tunnel.map { "\($0.source.family.rawValue) tunnel" } ?? "wire/pcap"
    }

    private func eventRule(_ seat: FlowSeat?) -> EventRule? {
        let number = seat?.inspector ?? inspector
        guard let name = plan.ruleName(seat?.rule ?? rule), plan.inspectors.indices.contains(number) else {
            return nil
        }
        return EventRule(rule: name, inspector: plan.inspectors[number].name)
    }
}
