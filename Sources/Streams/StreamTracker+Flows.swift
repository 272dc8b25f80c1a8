// SPDX-License-Identifier: Apache-2.0
// Packets -> flows: finds the flow of a packet or begins one, tells of it, and closes it.
import NetworkTypes

extension StreamTracker {
    typealias FlowOf = Flow<Consumer.State>

    /// A packet that is no fragment.
    func handle(_ packet: DecodedPacket) {
        countDiscard(packet)
        guard packet.isComplete else {
            counters.unreadable &+= 1
            for anomaly in packet.anomalies { consumer.anomaly(anomaly, of: nil, packet) }
            return consumer.strayed(packet)
        }
        var isSourceLow = false
        let key = FlowKey(packet, separatesVLANs: options.separatesVLANs, isSourceLow: &isSourceLow)
        let hash = key.hash(seed: options.seed)
        let place = FlowPlace(key: key, hash: hash, isSourceLow: isSourceLow)
        var slot = table.find(key, hash)
        if slot == FlowTable.none { slot = open(packet, place, firstDirection(packet)) }
        guard packet.proto == .tcp else { return handleDatagram(packet, slot, place) }
        handleSegment(packet, slot, place)
    }

    /// Counts a packet that its host discards.
    func countDiscard(_ packet: DecodedPacket) {
        switch packet.discardReason {
        case .wrongChecksum: counters.wrongChecksums &+= 1
        case .ipOptions: counters.discardedHeaders &+= 1
        case nil: break
        }
    }

    /// The flow of a slot that has one.
    func flow(_ slot: FlowTable.Slot) -> FlowOf? {
        guard let record = table[slot] else { return nil }
        // All flows of the table were made by `open`: of no other class.
        return unsafeDowncast(record, to: FlowOf.self)
    }

    /// Begins a flow, for which the one that is missed least goes where there is no room.
    func open(_ packet: DecodedPacket, _ place: FlowPlace, _ first: Direction) -> FlowTable.Slot {
        if table.count >= max(1, options.maximumFlows) { evict() }
        counters.flows &+= 1
        let start = FlowStart(packet, first, id: flowID(counters.flows))
        let isClientLow = (first == .toServer) == place.isSourceLow
        let flow = FlowOf(start, place.key, consumer.makeState(of: start))
        flow.isClientLow = isClientLow
        flow.isBegunByAnswer =
            first == .toClient && !packet.tcpFlags.contains(.syn) && saysAnswer(packet)
        flow.isBegunBySYN = packet.tcpFlags.contains(.syn)
        flow.mayTurn = packet.proto == .tcp && first == .toClient && !packet.isSentByHost
        flow.serial = counters.flows
        let slot = table.insert(flow, place.hash, packet.proto == .tcp ? .tcpNew : .otherNew)
        consumer.opened(flow)
        return slot
    }

    /// Tells all that is left of a flow's streams, and forgets it.
    func close(_ slot: FlowTable.Slot, _ reason: FlowEnd) {
        let slot = conclude(slot)
        guard let flow = flow(slot) else { return }
        flow.endPickUp()
        if let session = flow.session {
            tell(session.halves.toServer, .toServer, flow, isClosing: true)
            tell(session.halves.toClient, .toClient, flow, isClosing: true)
            session.discard()
        }
        table.remove(slot)
        consumer.closed(flow, reason)
    }

    /// Counts a packet for its flow, and tells that it came.
    func count(_ packet: DecodedPacket, _ direction: Direction, _ flow: FlowOf) {
        flow.lastTime = packet.time
        flow.counts[direction].add(packet)
        consumer.arrived(packet, direction, of: flow)
        for anomaly in packet.anomalies { consumer.anomaly(anomaly, of: flow, packet) }
    }

    private func handleDatagram(_ packet: DecodedPacket, _ slot: FlowTable.Slot, _ place: FlowPlace) {
        guard var flow = flow(slot) else { return }
        var (slot, direction) = (slot, place.direction(in: flow))
        if flow.isBegunByAnswer, direction == .toClient, isNoAnswer(packet) {
            counters.flowsReplaced &+= 1
            close(slot, .replaced)
            slot = open(packet, place, .toServer)
            guard let opened = self.flow(slot) else { return }
            (flow, direction) = (opened, .toServer)
        }
        if flow.counts[direction].packets == 0 { flow.icmpCodes[direction] = packet.icmpCode }
        if flow.counts[direction.reversed].packets > 0, packet.discardReason == nil {
            flow.state = .established
        }
        count(packet, direction, flow)
        table.touch(slot, flow.state == .new ? .otherNew : .otherEstablished)
        consumer.finished(packet, direction, as: .none, of: flow)
    }

    /// Who opened the flow of which this is the first packet: SYN+ACK is an answer, and so is what looks like
    /// one; of a connection in its middle the end whose port alone is below 1024 is the server.
    private func firstDirection(_ packet: DecodedPacket) -> Direction {
        guard packet.proto == .tcp || packet.proto == .udp else { return .toServer }
        let flags = packet.tcpFlags
        if flags.contains(.syn) { return flags.contains(.ack) ? .toClient : .toServer }
        // Who asks chooses a high port, as a rule; what is sent to a service from there is no answer.
        let mayBeAnswer = packet.sourcePort < 1024 || packet.destinationPort >= 1024
        if mayBeAnswer, saysAnswer(packet) { return .toClient }
        guard packet.proto == .tcp else { return .toServer }
        return packet.sourcePort < 1024 && packet.destinationPort >= 1024 ? .toClient : .toServer
    }

    /// Whoever opens a UDP flow could pose as its server by a first packet that looks like an answer. Of a
    /// packet that is cut short nothing is known.
    private func isNoAnswer(_ packet: DecodedPacket) -> Bool {
        packet.discardReason == nil && packet.missingPayload == 0
            && !saysAnswer(packet)
    }

    func saysAnswer(_ packet: DecodedPacket) -> Bool {
        !packet.payload.isEmpty && packet.discardReason == nil && consumer.saysAnswer(packet)
    }

    /// A number from 1 to 2^53 - 1 that no other flow of this tracker has: odd factors keep numbers apart.
    func flowID(_ serial: UInt64) -> UInt64 {
        let mask: UInt64 = 1 << 53 - 1
        var value = (serial &+ options.seed) & mask
        value = (value &* 0x9e37_79b9_7f4a_7c15) & mask
        value = ((value ^ value >> 27) &* 0x94d0_49bb_1331_11eb) & mask
        return max(1, value ^ value >> 29)
    }
}

/// Where the flow of a packet is looked for.
struct FlowPlace {
    let key: FlowKey
    let hash: UInt32
    let isSourceLow: Bool

    func direction(in flow: FlowRecord) -> Direction {
        isSourceLow == flow.isClientLow ? .toServer : .toClient
    }
}

extension FlowStart {
    init(_ packet: DecodedPacket, _ first: Direction, id: UInt64) {
        let ports = FlowKey.ports(packet)
        let isFromClient = first == .toServer
        self.id = id
        client = isFromClient ? packet.source : packet.destination
        server = isFromClient ? packet.destination : packet.source
        clientPort = isFromClient ? ports.from : ports.to
        serverPort = isFromClient ? ports.to : ports.from
        proto = packet.proto
        vlan = packet.vlan
        innerVLAN = packet.innerVLAN
        ruleTag = packet.ruleTag
        time = packet.time
        isSentByHost = packet.isSentByHost
        firstDirection = first
    }
}
