// SPDX-License-Identifier: Apache-2.0
// Protocol records become transactions for the signatures, and events. In: stream bytes and datagrams of a
// flow. Out: pending units, and events that stand behind the packet's alerts.
import NetworkTypes
import Protocols
import SignatureMatching
import Signatures
import Streams

extension SampleConsumer {
    func readDatagram(_ bytes: UnsafeRawBufferPointer, _ way: FlowDirection, _ flow: Flow<InspectedFlow>) {
        let state = flow.attachment
        let reader = state.reader ?? .datagrams(DatagramParser(limits: httpConfiguration.limits))
        state.reader = reader
        guard !reader.isFinished else { return }
        reader.feed(bytes, way) { take($0, way, flow) }
    }

    func readStream(_ bytes: UnsafeRawBufferPointer, _ way: FlowDirection, _ flow: Flow<InspectedFlow>) {
        let state = flow.attachment
        let reader = state.reader ?? .stream(StreamParser(http: httpConfiguration, memory: parserMemory))
        state.reader = reader
        state.speaks[way] = true
        guard !reader.isFinished else { return }
        reader.feed(bytes, way) { take($0, way, flow) }
    }

    func skipStream(_ count: Int, _ way: FlowDirection, _ flow: Flow<InspectedFlow>) {
        let state = flow.attachment
        let reader = state.reader ?? .stream(StreamParser(http: httpConfiguration, memory: parserMemory))
        state.reader = reader
        guard !reader.isFinished else { return }
        reader.skip(count, way) { take($0, way, flow) }
    }

    func endStream(_ way: FlowDirection, _ flow: Flow<InspectedFlow>) {
        flow.attachment.reader?.end(way) { take($0, way, flow) }
        // Bodies that end before their end.
        for open in flow.attachment.transactions.openHTTP { takeRest(of: open, way, isEnd: true) }
    }

    private func takeRest(of open: TransactionTable.OpenHTTP, _ way: FlowDirection, isEnd: Bool) {
        guard let side = open.buffers?.rest(of: open.transaction, way, isEnd: isEnd) else { return }
        pending[way].add(TransactionUnit(side: side, record: .http(open.transaction)))
    }

    /// What the flow was recognised as, by the bytes of each way; a protocol that is not read here by the
    /// detector's answer.
    func applications(
        of state: InspectedFlow
    ) -> (toServer: Signatures.ApplicationProtocol?, toClient: Signatures.ApplicationProtocol?) {
        let speaks = (toServer: state.speaks.toServer, toClient: state.speaks.toClient)
        guard speaks.toServer || speaks.toClient else { return (nil, nil) }
        let named = state.named
        let read = state.reader?.applications ?? (toServer: nil, toClient: nil)
        return (
            speaks.toServer ? read.toServer.map(Signatures.ApplicationProtocol.init) ?? named : nil,
            speaks.toClient ? read.toClient.map(Signatures.ApplicationProtocol.init) ?? named : nil
        )
    }

    private func take(_ record: ProtocolRecord, _ way: FlowDirection, _ flow: Flow<InspectedFlow>) {
        switch record {
        case .http(let transaction, let stage): take(transaction, stage, flow)
        case .tls(let session, let stage): take(session, stage, flow)
        case .quic(let hello): take(hello, flow)
        case .dns(let message, let way): take(message, way, flow)
        case .ssh(let session, let stage): take(session, stage, flow)
        case .anomaly(let anomaly): take(anomaly, flow)
        }
    }

    private func take(_ transaction: HTTPTransaction, _ stage: HTTPStage, _ flow: Flow<InspectedFlow>) {
        // A response without its request may end twice. Of one that was told its request may go on.
        let isOver = transaction.isTold && !flow.attachment.transactions.isOpen(transaction)
        guard !isOver else { return }
        if stage == .givenUp { return tellGivenUp(transaction, flow) }
        guard !transaction.isTold || stage.isOfRequest else { return }
        let wanted = wanted(flow)
        if let oldest = flow.attachment.transactions.surplus(transaction) { tellGivenUp(oldest, flow) }
        let buffers = flow.attachment.transactions.buffers(of: transaction) { wanted.map(HTTPBuffers.init) }
        if let wanted { buffers?.wanted = wanted }
        if let side = buffers?.update(transaction, stage) {
            if stage == .requestLine || stage == .responseLine { takeEvents(side) }
            pending[side.direction].add(TransactionUnit(side: side, record: .http(transaction)))
        }
        // Of a response without a request the parser has invented one, which ends with it.
        let isAllThereIs =
            stage == .requestComplete && transaction.isOneSided && !transaction.requestIsMissing
        let isLate = stage == .requestComplete && transaction.isTold
        guard stage == .responseComplete || isAllThereIs || isLate else { return }
        // Servers answer before they have read all of a request, and read its rest all the same.
        let goesOn = transaction.requestProgress < .complete && buffers?.request.isComplete == false
        finish(transaction, flow, goesOn: goesOn)
    }

    /// Writes a transaction's event, once.
    private func finish(_ transaction: HTTPTransaction, _ flow: Flow<InspectedFlow>, goesOn: Bool = false) {
        let isDue = !transaction.isTold && !transaction.isContinuation
        transaction.isTold = true
        if !goesOn { flow.attachment.transactions.close(transaction) }
        if isDue { writeRecord(.http(transaction), .http, flow) }
    }

    /// A transaction that a bound ends: its bodies may end before their end.
    private func tellGivenUp(_ transaction: HTTPTransaction, _ flow: Flow<InspectedFlow>) {
        if let open = flow.attachment.transactions.openHTTP.first(where: { $0.transaction === transaction }) {
            for way in FlowDirection.allCases { takeRest(of: open, way, isEnd: false) }
        }
        finish(transaction, flow)
    }

    private func take(_ session: TLSSession, _ stage: TLSStage, _ flow: Flow<InspectedFlow>) {
        let record = TransactionRecord.tls(session)
        if wanted(flow) != nil {
            let buffers = flow.attachment.transactions.handshake { HandshakeBuffers(.tls) }
            if let side = buffers.update(session, stage) {
                pending[side.direction].add(TransactionUnit(side: side, record: record))
            }
        }
        flow.attachment.transactions.record = record
        if stage == .finished { tellHandshake(flow) }
    }

    private func take(_ session: SSHSession, _ stage: SSHStage, _ flow: Flow<InspectedFlow>) {
        let record = TransactionRecord.ssh(session)
        if wanted(flow) != nil {
            let buffers = flow.attachment.transactions.handshake { HandshakeBuffers(.ssh) }
            if let side = buffers.update(session, stage) {
                pending[side.direction].add(TransactionUnit(side: side, record: record))
            }
        }
        flow.attachment.transactions.record = record
        if session.client.keyExchange != nil, session.server.keyExchange != nil { tellHandshake(flow) }
    }

    private func take(_ hello: QUICHello, _ flow: Flow<InspectedFlow>) {
        let record = TransactionRecord.quic(hello)
        if wanted(flow) != nil {
            let buffers = flow.attachment.transactions.quic(hello.connection)
            let side = buffers.update(hello)
            pending[side.direction].add(TransactionUnit(side: side, record: record))
        }
        writeRecord(record, .quic, flow)
    }

    private func take(_ message: DNSMessage, _ way: FlowDirection, _ flow: Flow<InspectedFlow>) {
        let number = flow.attachment.transactions.nextDNSNumber()
        let record = TransactionRecord.dns(message, number: number)
        if wanted(flow) != nil {
            let side = message.inspected(way)
            takeEvents(side)
            pending[way].add(TransactionUnit(side: side, record: record))
        }
        writeRecord(record, .dns, flow)
    }

    /// An anomaly is an event, and a test of signatures (`app-layer-event`).
    private func take(_ anomaly: ProtocolAnomaly, _ flow: Flow<InspectedFlow>) {
        if wanted(flow) != nil {
            let unit = unit(of: anomaly, flow.attachment)
            let name = "\(anomaly.appProtocol.name).\(anomaly.name)"
            if !unit.side.fields.events.contains(name) { unit.side.fields.events.append(name) }
            pending[anomaly.direction].add(unit)
        }
        writeAnomaly(anomaly, flow)
    }

    /// The transaction that an anomaly is of, as long as more of it may come; else, and where nothing of it
    /// has come yet, one of its own.
    private func unit(of anomaly: ProtocolAnomaly, _ state: InspectedFlow) -> TransactionUnit {
        let way = anomaly.direction
        let known: TransactionUnit? =
            switch anomaly.appProtocol {
            case .http: state.transactions.unitInWork(way)
            case .tls: state.transactions.handshakeUnit(.tls, way, else: .anomaly(anomaly))
            case .ssh: state.transactions.handshakeUnit(.ssh, way, else: .anomaly(anomaly))
            case .dns, .quic: nil
            }
        if let known, !known.side.isComplete { return known }
        let side = InspectedTransaction(
            direction: way, application: Signatures.ApplicationProtocol(anomaly.appProtocol))
        (side.isEventOnly, side.isComplete) = (true, true)
        return TransactionUnit(side: side, record: .anomaly(anomaly))
    }

    /// A message begins: what was reported of it before is its own.
    private func takeEvents(_ side: InspectedTransaction) {
        side.fields.events += pending[side.direction].takeEvents(of: side.application)
    }

    /// What an ended flow has not told yet: a handshake that went on, requests without their responses. Of a
    /// flow that was dropped nothing came to pass, and its alert tells what was seen.
    func writeUntold(_ flow: Flow<InspectedFlow>) {
        guard !flow.attachment.isDropped else { return }
        tellHandshake(flow)
        for open in flow.attachment.transactions.openHTTP { finish(open.transaction, flow) }
    }

    /// Once for each flow.
    private func tellHandshake(_ flow: Flow<InspectedFlow>) {
        guard !flow.attachment.transactions.isHandshakeTold,
            let record = flow.attachment.transactions.record
        else { return }
        flow.attachment.transactions.isHandshakeTold = true
        if case .ssh = record { writeRecord(record, .ssh, flow) } else { writeRecord(record, .tls, flow) }
    }

    /// Nil where no signature looks at the flow.
    private func wanted(_ flow: Flow<InspectedFlow>) -> WantedBuffers? {
        var wanted: WantedBuffers?
        flow.attachment.forEachSeat { seat in
            guard seat.matchState != nil, signatures.indices.contains(seat.inspector),
                let more = signatures[seat.inspector]?.wanted
            else { return }
            wanted = wanted?.union(more) ?? more
        }
        return wanted
    }
}

extension Signatures.ApplicationProtocol {
    init(_ application: Protocols.ApplicationProtocol) {
        switch application {
        case .http: self = .http1
        case .tls: self = .tls
        case .quic: self = .quic
        case .dns: self = .dns
        case .ssh: self = .ssh
        }
    }
}
