// SPDX-License-Identifier: Apache-2.0
// Step one of a match: which signatures are worth a look, by their literals, ports, direction and protocol.

import NetworkTypes
import Signatures

extension SignatureMatcher {
    func collectFromPacket(_ packet: InspectedPacket, _ flow: FlowMatchState?) {
        let header = packet.header
        let kind = PayloadKind(header.transport)
        beginRound()
        scanPacket(packet, kind)
        let direction = Int(header.direction.rawValue)
        add(from: plan.packetLists[MatchPlan.slot(kind, header.direction)], header, .packet)
        if kind == .tcpPacket, !packet.isInStream {
            scanPayload(packet.payload, as: .tcpStream, packet, .packet)
            add(from: plan.packetLists[MatchPlan.slot(.tcpStream, header.direction)], header, .packet)
        }
        if header.transport.isPacketwise || flow?.isFirstTime(.addresses, header.direction) != false {
            add(plan.addressLists[direction], header, header.application, .packet)
        }
        let (toServer, toClient) = (header.applicationToServer, header.applicationToClient)
        let sidesDiffer = toServer != nil && toClient != nil && toServer != toClient
        let occasion: FlowMatchState.OnceKind = sidesDiffer ? .disagreement : .recognition
        if header.application != nil, flow?.isFirstTime(occasion, header.direction) == true {
            add(plan.recognitionLists[direction], header, header.application, .packet)
        }
    }

    func collectFromStream(_ stream: StreamChunk, _ packet: InspectedPacket) {
        beginRound()
        scanPayload(stream.bytes, as: .tcpStream, packet, .stream, streamOffset: stream.streamOffset)
        add(
            from: plan.packetLists[MatchPlan.slot(.tcpStream, packet.header.direction)], packet.header,
            .stream)
    }

    private func scanPacket(_ packet: InspectedPacket, _ kind: PayloadKind) {
        scanPayload(packet.payload, as: kind, packet, .packet)
    }

    private func scanPayload(
        _ payload: UnsafeRawBufferPointer?, as kind: PayloadKind, _ packet: InspectedPacket,
        _ place: SignatureMatch.Place, streamOffset: UInt64 = 0
    ) {
        guard let payload, !payload.isEmpty else { return }
        let header = packet.header
        for number in plan.payloadPrefilters[MatchPlan.slot(kind, header.direction)] {
            let scan = Scan(
                prefilter: number, offset: streamOffset, place: place, application: header.application)
            let view = plan.views[plan.prefilters[number].view]
            if view.transforms.isEmpty {
                run(scan, on: payload, header)
            } else {
                apply(view.transforms, to: payload).withUnsafeBytes { run(scan, on: $0, header) }
            }
        }
    }

    /// One scan: with which database, and what its hits mean.
    private struct Scan {
        var prefilter: Int
        /// Bytes of the stream before the buffer.
        var offset: UInt64
        var place: SignatureMatch.Place
        var application: ApplicationProtocol?
    }

    private func run(_ scan: Scan, on bytes: UnsafeRawBufferPointer, _ header: PacketHeader) {
        let prefilter = plan.prefilters[scan.prefilter]
        let length = prefilter.length(of: bytes.count, behind: scan.offset)
        guard length > 0 else { return }
        counters.scannedBytes &+= UInt64(length)
        let hits = scanner.scan(UnsafeRawBufferPointer(rebasing: bytes[..<length]), with: prefilter.database)
        prefilter.starts.withUnsafeBufferPointer { starts in
            prefilter.uses.withUnsafeBufferPointer { uses in
                for hit in hits {
                    let literal = Int(hit.literal)
                    let end = UInt64(hit.end) &+ scan.offset
                    for use in uses[Int(starts[literal])..<Int(starts[literal &+ 1])]
                    where end <= UInt64(use.mostEnd) || use.mostEnd == .max {
                        add(use.signature, header, scan.application, scan.place)
                    }
                }
            }
        }
    }

    private func add(from lists: PortLists, _ header: PacketHeader, _ place: SignatureMatch.Place) {
        let application = header.application
        add(lists.anyPort, header, application, place)
        if let list = lists.byDestination[header.destinationPort] { add(list, header, application, place) }
        if let list = lists.bySource[header.sourcePort] { add(list, header, application, place) }
    }

    private func add(
        _ signatures: [UInt32], _ header: PacketHeader, _ application: ApplicationProtocol?,
        _ place: SignatureMatch.Place
    ) {
        for signature in signatures { add(signature, header, application, place) }
    }

    @inline(__always) private func add(
        _ signature: UInt32, _ header: PacketHeader, _ application: ApplicationProtocol?,
        _ place: SignatureMatch.Place
    ) {
        let index = Int(signature)
        guard rounds[index] != round, plan.gates[index].admits(header, application) else { return }
        rounds[index] = round
        guard candidates.count < SignatureMatcher.mostCandidates else {
            counters.candidatesRefused &+= 1
            return
        }
        counters.candidates &+= 1
        candidates.append(Candidate(signature, place))
    }

    private func beginRound() {
        round &+= 1
        guard round == 0 else { return }
        for index in rounds.indices { rounds[index] = 0 }
        round = 1
    }
}

// Transactions.
extension SignatureMatcher {
    func collect(from transaction: InspectedTransaction, at index: Int, _ header: PacketHeader) {
        beginRound()
        transaction.meet(engine)
        let place = SignatureMatch.Place.transaction(index)
        // What matched is not tried again; what waits is, whatever its literal.
        for signature in transaction.matched where Int(signature) < rounds.count {
            rounds[Int(signature)] = round
        }
        for signature in transaction.candidates where Int(signature) < rounds.count {
            rounds[Int(signature)] = round
            candidates.append(Candidate(signature, place))
        }
        transaction.candidates.removeAll(keepingCapacity: true)
        let direction = transaction.direction
        if !transaction.wasInspected {
            transaction.wasInspected = true
            add(plan.transactionLists[Int(direction.rawValue)], header, transaction.application, place)
        }
        for content in transaction.contents where content.isNew {
            let slot = MatchPlan.slot(content.buffer, direction)
            add(plan.bufferLists[slot], header, transaction.application, place)
            for number in plan.bufferPrefilters[slot] {
                let scan = Scan(
                    prefilter: number, offset: 0, place: place, application: transaction.application)
                let view = plan.views[plan.prefilters[number].view]
                content.bytes.withUnsafeBytes { bytes in
                    if view.transforms.isEmpty {
                        run(scan, on: bytes, header)
                    } else {
                        apply(view.transforms, to: bytes).withUnsafeBytes { run(scan, on: $0, header) }
                    }
                }
            }
        }
        transaction.markScanned()
    }
}

extension IPProtocol {
    /// No connection of its own: signatures of addresses alone hold for each packet, not once for a flow.
    fileprivate var isPacketwise: Bool {
        switch self {
        case .tcp, .udp, .icmp, .icmpv6, .sctp: false
        default: true
        }
    }
}
