// SPDX-License-Identifier: Apache-2.0
// Step one of a match: which signatures are worth a look, by their literals, ports, direction and protocol.

import NetworkTypes
import Signatures

extension SignatureMatcher {
    /// - Parameter isStream: the payload is the stream's next bytes: both are searched at once.
    func collectFromPacket(_ packet: borrowing InspectedPacket, _ flow: FlowMatchState?, isStream: Bool) {
        let header = packet.header
        let application = header.application
        let kind = PayloadKind(header.transport)
        beginRound()
        if let payload = packet.payload, !payload.isEmpty {
            var scan = Scan(header, application, .packet)
            if isStream, let stream = packet.stream {
                scan.places = [.packet, .stream]
                scan.streamOffset = stream.streamOffset
                scan.flow = flow
            } else if kind == .tcpPacket, !packet.isInStream {
                scan.places = [.packet, .stream]
                scan.streamPlace = .packet
            }
            search(payload, as: kind, scan)
        }
        let direction = Int(header.direction.rawValue)
        addListed(kind, header, application, .packet)
        if kind == .tcpPacket, !packet.isInStream { addListed(.tcpStream, header, application, .packet) }
        let addresses = flow?.addressKind(isTaken: packet.isTaken, header.direction) ?? .addresses
        if !plan.addressLists[direction].isEmpty,
            header.transport.isPacketwise || flow?.isFirstTime(addresses, header.direction) != false
        {
            add(plan.addressLists[direction], header, application, .packet)
        }
        guard packet.isTaken, application != nil, let flow, !plan.recognitionLists[direction].isEmpty else {
            return
        }
        if flow.isFirstTime(header.recognitionKind, header.direction) {
            add(plan.recognitionLists[direction], header, application, .packet)
        }
    }

    /// - Parameter isSearched: with the packet's payload.
    func collectFromStream(_ packet: borrowing InspectedPacket, _ flow: FlowMatchState?, isSearched: Bool) {
        guard let stream = packet.stream else { return }
        let header = packet.header
        let application = header.application
        beginRound()
        if !isSearched {
            var scan = Scan(header, application, .stream)
            scan.streamOffset = stream.streamOffset
            scan.flow = flow
            search(stream.bytes, as: .tcpStream, scan)
        }
        addListed(.tcpStream, header, application, .stream)
    }

    /// What a search is for, and what its hits mean.
    struct Scan {
        let header: PacketHeader
        let application: ApplicationProtocol?
        /// Whose literals count.
        var places: UsePlaces
        /// Where candidates are that a stream's literal stands for.
        var streamPlace = SignatureMatch.Place.stream
        /// Bytes of the stream before the buffer.
        var streamOffset: UInt64 = 0
        /// Takes note of what a stream's bytes hold, for the border to the next ones.
        var flow: FlowMatchState?

        init(_ header: PacketHeader, _ application: ApplicationProtocol?, _ places: UsePlaces) {
            self.header = header
            self.application = application
            self.places = places
        }
    }

    private func search(_ payload: UnsafeRawBufferPointer, as kind: PayloadKind, _ scan: Scan) {
        let end = scan.streamOffset &+ UInt64(payload.count)
        for prefilter in plan.payloadPrefilters[MatchPlan.slot(kind, scan.header.direction)] {
            let transforms = plan.views[prefilter.view].transforms
            if transforms.isEmpty {
                search(prefilter, payload, scan, chunkEnd: end)
            } else {
                apply(transforms, to: payload).withUnsafeBytes {
                    search(prefilter, $0, scan, chunkEnd: end)
                }
            }
        }
    }

    private func search(
        _ prefilter: Prefilter, _ bytes: UnsafeRawBufferPointer, _ scan: Scan, chunkEnd: UInt64
    ) {
        // A packet's places count from its own start, a stream's from the stream's.
        let isPacket = scan.places.contains(.packet)
        let haveOneStart = scan.streamPlace == .packet || scan.streamOffset == 0
        if isPacket {
            let places = haveOneStart ? scan.places : .packet
            prefilter.fixed.find(in: bytes, behind: 0) {
                take(prefilter.uses[Int($0)], at: (0, places), scan, chunkEnd)
            }
        }
        if scan.places.contains(.stream), !isPacket || !haveOneStart {
            prefilter.fixed.find(in: bytes, behind: scan.streamOffset) {
                take(prefilter.uses[Int($0)], at: (0, .stream), scan, chunkEnd)
            }
        }
        let length = prefilter.length(of: bytes.count, behind: isPacket ? 0 : scan.streamOffset)
        for hit in hits(of: prefilter, in: bytes, length) {
            take(prefilter.uses[Int(hit.literal)], at: (UInt64(hit.end), scan.places), scan, chunkEnd)
        }
    }

    /// The database's literals in the first bytes.
    @inline(__always) func hits(
        of prefilter: Prefilter, in bytes: UnsafeRawBufferPointer, _ length: Int
    ) -> UnsafeBufferPointer<LiteralHit> {
        guard length > 0, let database = prefilter.database else {
            return UnsafeBufferPointer(start: nil, count: 0)
        }
        counters.scannedBytes &+= UInt64(length)
        return scanner.scan(UnsafeRawBufferPointer(rebasing: bytes[..<length]), with: database)
    }

    /// Users of a literal that ends so many bytes behind the buffer's start.
    @inline(__always) private func take(
        _ uses: Slice<UnsafeMutableBufferPointer<PatternUse>>, at found: (end: UInt64, places: UsePlaces),
        _ scan: Scan, _ chunkEnd: UInt64
    ) {
        for use in uses {
            let most = use.mostEnd == .max ? UInt64.max : UInt64(use.mostEnd)
            let places = use.places.intersection(found.places)
            if places.contains(.packet), found.end <= most {
                admit(use.signature, scan.header, scan.application, .packet)
                // What no stream took is one candidate, not two.
                if scan.streamPlace == .packet { continue }
            }
            guard places.contains(.stream), found.end &+ scan.streamOffset <= most else { continue }
            if let flow = scan.flow, plan.gates[Int(use.signature)].admitsPorts(scan.header) {
                flow.noteLiteral(of: use.signature, scan.header.direction, chunkEnd: chunkEnd)
            }
            admit(use.signature, scan.header, scan.application, scan.streamPlace)
        }
    }

    /// Signatures without a literal.
    func addListed(
        _ kind: PayloadKind, _ header: PacketHeader, _ application: ApplicationProtocol?,
        _ place: SignatureMatch.Place
    ) {
        let slot = MatchPlan.slot(kind, header.direction)
        guard !plan.packetLists[slot].isEmpty else { return }
        // In place: a copy of the lists is a count of references for each of them.
        add(plan.packetLists[slot].anyPort, header, application, place)
        if let list = plan.packetLists[slot].byDestination.list(of: header.destinationPort) {
            add(list, header, application, place)
        }
        if let list = plan.packetLists[slot].bySource.list(of: header.sourcePort) {
            add(list, header, application, place)
        }
    }

    func add(
        _ signatures: [UInt32], _ header: PacketHeader, _ application: ApplicationProtocol?,
        _ place: SignatureMatch.Place
    ) {
        for signature in signatures { add(signature, header, application, place) }
    }

    /// Makes it a candidate unless this round did already.
    @inline(__always) func add(
        _ signature: UInt32, _ header: PacketHeader, _ application: ApplicationProtocol?,
        _ place: SignatureMatch.Place
    ) {
        let index = Int(signature)
        guard rounds[index] != round else { return }
        if admit(signature, header, application, place) { rounds[index] = round }
    }

    @inline(__always) @discardableResult private func admit(
        _ signature: UInt32, _ header: PacketHeader, _ application: ApplicationProtocol?,
        _ place: SignatureMatch.Place
    ) -> Bool {
        guard plan.gates[Int(signature)].admits(header, application) else { return false }
        guard candidates.count < SignatureMatcher.mostCandidates else {
            counters.candidatesRefused &+= 1
            return true
        }
        counters.candidates &+= 1
        candidates.append(Candidate(signature, place))
        return true
    }

    func beginRound() {
        round &+= 1
        guard round == 0 else { return }
        for index in rounds.indices { rounds[index] = 0 }
        round = 1
    }
}

// Borders and transactions.
extension SignatureMatcher {
    /// Users of a stream's literals around a border, in `bytes`, which begin `start` bytes behind the
    /// stream's start. What else a signature wants may come with the next chunk: they are noted.
    func search(
        _ prefilter: Prefilter, _ bytes: UnsafeRawBufferPointer, from start: UInt64, _ header: PacketHeader,
        _ flow: FlowMatchState
    ) {
        let application = header.application
        prefilter.fixed.find(in: bytes, behind: start) {
            for use in prefilter.uses[Int($0)] where use.places.contains(.stream) {
                note(use, endingAt: UInt64(use.mostEnd), header, flow)
                add(use.signature, header, application, .stream)
            }
        }
        for hit in hits(of: prefilter, in: bytes, prefilter.length(of: bytes.count, behind: start)) {
            let end = UInt64(hit.end) &+ start
            for use in prefilter.uses[Int(hit.literal)]
            where use.places.contains(.stream) && (use.mostEnd == .max || end <= UInt64(use.mostEnd)) {
                note(use, endingAt: end, header, flow)
                add(use.signature, header, application, .stream)
            }
        }
    }

    @inline(__always) private func note(
        _ use: PatternUse, endingAt end: UInt64, _ header: PacketHeader, _ flow: FlowMatchState
    ) {
        guard plan.gates[Int(use.signature)].admitsPorts(header) else { return }
        flow.noteLiteral(of: use.signature, header.direction, chunkEnd: end)
    }

    func collect(from transaction: InspectedTransaction, at index: Int, _ header: PacketHeader) {
        beginRound()
        transaction.meet(engine, memory)
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
        let application = transaction.application
        if !transaction.wasInspected {
            transaction.wasInspected = true
            add(plan.transactionLists[Int(direction.rawValue)], header, application, place)
        }
        for number in transaction.contents.indices where transaction.contents[number].isNew {
            let slot = MatchPlan.slot(transaction.contents[number].buffer, direction)
            add(plan.bufferLists[slot], header, application, place)
            add(transaction.contents[number].literals, header, application, place)
            literalUsers.removeAll(keepingCapacity: true)
            for prefilter in plan.bufferPrefilters[slot] { search(prefilter, transaction.contents[number]) }
            add(literalUsers, header, application, place)
            // A buffer that is whole is not searched again.
            guard !transaction.contents[number].isComplete, !literalUsers.isEmpty else { continue }
            transaction.note(literalsOf: literalUsers, at: number)
        }
        transaction.markScanned()
    }

    /// Notes users of literals in a buffer, from where the last search of it ended.
    private func search(_ prefilter: Prefilter, _ content: InspectedTransaction.Content) {
        let transforms = plan.views[prefilter.view].transforms
        content.bytes.withUnsafeBytes { bytes in
            guard transforms.isEmpty else {
                return apply(transforms, to: bytes).withUnsafeBytes { note(prefilter, $0, from: 0) }
            }
            note(prefilter, bytes, from: content.searchStart(prefilter.longest))
        }
    }

    private func note(_ prefilter: Prefilter, _ bytes: UnsafeRawBufferPointer, from start: Int) {
        prefilter.fixed.find(in: bytes, behind: 0) {
            for use in prefilter.uses[Int($0)] { literalUsers.append(use.signature) }
        }
        let length = prefilter.length(of: bytes.count, behind: 0)
        guard length > start else { return }
        let rest = UnsafeRawBufferPointer(rebasing: bytes[start..<length])
        for hit in hits(of: prefilter, in: rest, rest.count) {
            let end = Int(hit.end) + start
            for use in prefilter.uses[Int(hit.literal)]
            where use.mostEnd == .max || end <= Int(use.mostEnd) {
                literalUsers.append(use.signature)
            }
        }
    }
}

extension IPProtocol {
    /// No connection of its own: signatures of addresses alone hold for each packet, not once for a flow.
    var isPacketwise: Bool {
        switch self {
        case .tcp, .udp, .icmp, .icmpv6, .sctp: false
        default: true
        }
    }
}
