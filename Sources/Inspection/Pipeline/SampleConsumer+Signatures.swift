// SPDX-License-Identifier: Apache-2.0
// Signatures on what a packet brought: itself, stream bytes, transactions. In: the packet and what is
// pending. Out: matches, which become alerts and findings.
import NetworkTypes
import SignatureMatching
import Signatures
import Streams

extension SampleConsumer {
    /// A packet of a flow, and what it brought in its own direction.
    func inspect(
        _ packet: DecodedPacket, _ way: FlowDirection, _ flow: Flow<InspectedFlow>, _ use: SegmentUse
    ) {
        let state = flow.attachment
        guard isSearched(state) else { return pending[way].removeAll() }
        let header = header(flow, way, packet.time)
        if packet.payload.isEmpty, pending[way].isEmpty,
            passesOver(header, isTaken: packet.discardReason == nil, state)
        {
            return
        }
        var unit = InspectedPacket(header: header, fields: packet.fields)
        // The last segment of a handshake belongs to the handshake, unless it brings data already.
        if opensFlow, packet.payload.isEmpty { unit.header.isEstablished = false }
        unit.header.isReassembled = packet.isReassembled
        unit.networkHeader = packet.ipHeader
        if packet.isComplete, !packet.l4Header.isEmpty { unit.transportHeader = packet.l4Header }
        // With a wrong checksum too, as Suricata does: only streams are made of what a host takes.
        unit.payload = packet.payload
        unit.isTaken = packet.discardReason == nil && use != .refused
        isRepeated = use == .repeated
        // What a SYN carries may never be taken by the other side: it is looked at by itself.
        unit.isInStream =
            !packet.tcpFlags.contains(.syn) && (use == .delivered || use == .queued || use == .repeated)
        if use == .held, let offset = flow.streamOffset(of: packet, way == .toServer ? .toServer : .toClient)
        {
            unit.heldAt = UInt64(max(0, offset))
        }
        run(&unit, packet, way, of: flow)
    }

    /// What is pending of a direction without a packet of its own: the other side's, or a stream's end.
    func flush(_ way: FlowDirection, _ flow: Flow<InspectedFlow>) {
        guard !pending[way].isEmpty else { return }
        guard isSearched(flow.attachment), !flow.attachment.isDropped else {
            return pending[way].removeAll()
        }
        var unit = InspectedPacket(header: header(flow, way, flow.lastTime))
        run(&unit, nil, way, of: flow)
    }

    /// The flow's protocol has got its name: what both sides said before may be what signatures look for.
    func searchAgain(_ packet: DecodedPacket, _ sent: FlowDirection, _ flow: Flow<InspectedFlow>) {
        let state = flow.attachment
        state.searchedName = state.named
        guard packet.proto == .tcp, state.hasSignatures, !state.isDropped else { return }
        searchTail(sent, packet, flow, at: packet.time)
        searchTail(sent.opposite, nil, flow, at: packet.time)
    }

    private func searchTail(
        _ way: FlowDirection, _ packet: DecodedPacket?, _ flow: Flow<InspectedFlow>, at time: Int64
    ) {
        let state = flow.attachment
        // A copy: what an answer does may touch it.
        let tail = state.tails[way]
        guard !tail.isEmpty else { return }
        let lengths = flow.streamLengths
        let length = way == .toServer ? lengths.toServer : lengths.toClient
        let header = header(flow, way, time)
        let context = MatchContext(flow: flow, packet: packet, way: way)
        tail.withUnsafeBytes { bytes in
            let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
            let border = StreamBorder(before: bytes, after: nothing, offset: UInt64(max(0, length)))
            state.forEachSeat { seat in
                guard !state.isDropped, let signatures = signatures(of: seat),
                    let matchState = seat.matchState
                else { return }
                let matches = signatures.matcher.inspectBorder(border, header, flow: matchState)
                guard !matches.isEmpty else { return }
                var context = context
                context.seat = seat
                answer(matches, signatures, context)
            }
        }
    }

    /// Whether signatures of any inspector still look at the flow.
    private func isSearched(_ state: InspectedFlow) -> Bool {
        var isSearched = false
        state.forEachSeat { if signatures(of: $0) != nil { isSearched = true } }
        return isSearched
    }

    /// Whether nobody's signatures need look at a packet that brings nothing.
    private func passesOver(_ header: PacketHeader, isTaken: Bool, _ state: InspectedFlow) -> Bool {
        var isNeeded = false
        state.forEachSeat { seat in
            guard let matchState = seat.matchState, let signatures = signatures(of: seat) else { return }
            isNeeded =
                isNeeded || !signatures.matcher.passesOver(header, isTaken: isTaken, flow: matchState)
        }
        return !isNeeded
    }

    /// What is pending of a direction waits for its next packet.
    func keepWaiting(_ way: FlowDirection, _ state: InspectedFlow) {
        guard !pending[way].isEmpty else { return }
        let waiting = state.waiting ?? WaitingUnits()
        swap(&waiting.units[way], &pending[way])
        state.waiting = waiting
    }

    /// What waits is pending again; nothing else is, between two packets.
    func takeWaiting(_ state: InspectedFlow) {
        guard let waiting = state.waiting else { return }
        pending = waiting.units
        state.waiting = nil
    }

    /// A packet without a flow: a fragment, or one whose headers cannot be read to their end.
    func inspectStray(_ packet: DecodedPacket) {
        guard signatures.indices.contains(inspector), let signatures = signatures[inspector] else { return }
        var unit = InspectedPacket(
            header: PacketHeader(
                transport: packet.proto, source: packet.source, destination: packet.destination),
            fields: packet.fields)
        unit.header.timeNanoseconds = packet.time
        unit.networkHeader = packet.ipHeader
        unit.payload = packet.payload
        unit.isTaken = packet.discardReason == nil
        var context = MatchContext(flow: nil, packet: packet)
        context.isTaken = unit.isTaken
        answer(signatures.matcher.inspect(unit, flow: nil), signatures, context)
    }

    private func run(
        _ unit: inout InspectedPacket, _ packet: DecodedPacket?, _ way: FlowDirection,
        of flow: Flow<InspectedFlow>
    ) {
        // Taken out, so that nothing that an answer does can touch it.
        var taken = PendingUnit()
        swap(&taken, &pending[way])
        let state = flow.attachment
        if !taken.units.isEmpty { unit.transactions = taken.units.map(\.side) }
        search(state.seat, &unit, taken, packet, flow)
        for seat in state.others { search(seat, &unit, taken, packet, flow) }
        if !taken.stream.isEmpty, state.hasSignatures { taken.moveOn(&state.tails[way]) }
        taken.removeAll()
        swap(&taken, &pending[way])
    }

    /// One inspector's signatures, on what a packet brought.
    private func search(
        _ seat: FlowSeat, _ unit: inout InspectedPacket, _ taken: PendingUnit, _ packet: DecodedPacket?,
        _ flow: Flow<InspectedFlow>
    ) {
        guard let signatures = signatures(of: seat) else { return }
        let way = unit.header.direction
        taken.withStream { chunk in
            unit.stream = chunk
            let matches = signatures.matcher.inspect(unit, flow: seat.matchState)
            guard !matches.isEmpty else { return }
            var context = MatchContext(flow: flow, seat: seat, packet: packet, way: way, units: taken.units)
            // What came again has nothing that its host takes from it.
            context.isTaken = unit.isTaken && !(packet != nil && isRepeated)
            if options.alertContents.contains(.payload) { context.stream = taken.stream }
            answer(matches, signatures, context)
        }
        guard !taken.stream.isEmpty, let matchState = seat.matchState else { return }
        taken.withBorder { border in
            let matches = signatures.matcher.inspectBorder(border, unit.header, flow: matchState)
            guard !matches.isEmpty else { return }
            var context = MatchContext(flow: flow, seat: seat, packet: packet, way: way)
            if options.alertContents.contains(.payload) { context.stream = taken.stream }
            answer(matches, signatures, context)
        }
    }

    private func header(
        _ flow: Flow<InspectedFlow>, _ way: FlowDirection, _ time: Int64
    ) -> PacketHeader {
        let (client, server) = (flow.start.client, flow.start.server)
        let toServer = way == .toServer
        var header = PacketHeader(
            transport: flow.start.proto, source: toServer ? client : server,
            destination: toServer ? server : client)
        if flow.start.proto.hasPorts {
            header.sourcePort = toServer ? flow.start.clientPort : flow.start.serverPort
            header.destinationPort = toServer ? flow.start.serverPort : flow.start.clientPort
        }
        header.direction = way
        header.isEstablished = flow.state != .new
        header.timeNanoseconds = time
        (header.applicationToServer, header.applicationToClient) = applications(of: flow.attachment)
        guard testsStreamSizes else { return header }
        (header.streamBytesToServer, header.streamBytesToClient) = flow.streamSizes
        return header
    }
}

/// In what a match was found.
struct MatchContext {
    var flow: Flow<InspectedFlow>?
    /// Whose match it is; nil: of the inspector that the sample is for.
    var seat: FlowSeat?
    /// Nil at a stream's end.
    var packet: DecodedPacket?
    /// The host takes the packet: neither its checksum nor its place in the connection is wrong.
    var isTaken = true
    /// Who sent what matched.
    var way = FlowDirection.toServer
    /// The transactions that signatures looked at.
    var units: [TransactionUnit] = []
    /// The stream bytes that they looked at, where alerts repeat them.
    var stream: [UInt8] = []

    var time: Int64 { packet?.time ?? flow?.lastTime ?? 0 }
}

extension DecodedPacket {
    /// What signatures test of the headers.
    var fields: PacketFields {
        var fields = PacketFields()
        fields.ttl = ttl
        if family == .ipv4 {
            fields.typeOfService = trafficClass
            fields.ipID = UInt16(truncatingIfNeeded: identification)
            fields.ipOptions = optionNumbers
        }
        fields.fragmentBits =
            (fragment.hasMore ? 1 : 0) | (fragment.dontFragment ? 2 : 0) | (fragment.reserved ? 4 : 0)
        fields.fragmentOffset = UInt16(clamping: fragment.offset / 8)
        fields.payloadSize = UInt32(clamping: payload.count)
        guard isComplete else { return fields }
        switch proto {
        case .tcp:
            fields.tcpFlags = tcpFlags
            fields.tcpSequence = tcpSequence
            fields.tcpAcknowledgement = tcpAcknowledgement
            fields.tcpWindow = tcpWindow
            fields.tcpMaxSegmentSize = tcpMaximumSegmentSize
        case .icmp, .icmpv6: addICMP(to: &fields)
        default: break
        }
        return fields
    }

    private func addICMP(to fields: inout PacketFields) {
        fields.icmpType = icmpType
        fields.icmpCode = icmpCode
        // RFC 792 and 950: echo, timestamp, information, address mask; RFC 4443: echo.
        let hasIdentifier =
            switch icmpType {
            case 0, 8, 13...18: proto == .icmp
            case 128, 129: proto == .icmpv6
            default: false
            }
        if hasIdentifier {
            fields.icmpID = icmpIdentifier
            fields.icmpSequence = icmpSequence
        }
        let header = l4Header
        if proto == .icmpv6, icmpType == 2, header.count >= 8 {
            fields.icmpv6MTU = header[4..<8].reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    /// The numbers of IPv4's options, as far as they can be read: at most 40.
    private var optionNumbers: [UInt8] {
        let options = ipOptions
        var numbers: [UInt8] = []
        var index = 0
        while index < options.count {
            numbers.append(options[index])
            if options[index] == 0 { break }
            if options[index] == 1 {
                index += 1
                continue
            }
            guard index + 1 < options.count, options[index + 1] >= 2 else { break }
            index += Int(options[index + 1])
        }
        return numbers
    }
}
