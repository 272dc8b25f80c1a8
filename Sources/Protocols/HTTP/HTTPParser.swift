// SPDX-License-Identifier: Apache-2.0
// One HTTP/1 connection through libhtp. In: both directions' bytes in order, gaps and ends. Out: records at
// each stage of each transaction. HTTPParser+Request and +Response hold what libhtp's callbacks do.
import CHTP
import NetworkTypes

/// One HTTP/1 connection.
public final class HTTPParser {
    let configuration: HTTPConfiguration
    let connection: OpaquePointer?
    /// What takes the records while bytes are being fed; nil between calls.
    var sink: RecordSink?
    let tally: HTTPTally
    /// It began behind a message that another one gave up: it does not know the other side.
    let isRestarted: Bool
    /// Its first message is one that another parser gave up, with that transaction.
    var continues: Int?
    /// Transactions whose request or response is not whole, oldest first.
    var open: [(handle: LibraryTransaction, transaction: HTTPTransaction)] = []
    /// Transactions that libhtp is done with, to be freed once it has returned.
    var done: [LibraryTransaction] = []
    /// Bytes that wait for the other side, which a CONNECT does.
    private var heldBack: [[UInt8]] = [[], []]
    /// The direction of the bytes that libhtp has now.
    var current = FlowDirection.toServer
    /// What unpacks the body of each direction that is being read, where it is packed.
    var unpackers: [HTTPUnpacker?] = [nil, nil]
    /// The one of them that is at work.
    var unpacking: HTTPUnpacker?
    /// Decompressed bytes that no body had room for.
    var wasted = 0
    /// Which direction's parser has given up.
    var hasEnded = [false, false]
    /// What reads a direction on that libhtp gave up.
    var restarts: [HTTPRestart?] = [nil, nil]
    /// The last bytes of each direction, as long as its headers are not whole.
    var recent: [[UInt8]] = [[], []]
    /// The transaction whose header block was last said to be too long.
    var overlong: Int?
    /// Where libhtp gave up; of a parser that was restarted.
    var stop: HTTPStop?
    /// What its transactions cost, as the account has it.
    var held = 0
    /// What they cost when its first message's head had been read, which a former parser gave it.
    var headCost = 0
    var isReadingHead = false
    /// The transaction for which memory was last said to be short.
    var shortOfMemory: Int?
    /// That memory was short was said of a request without its answer.
    var isShortSaid = false
    /// The request behind which libhtp found what begins with no method that it knows.
    var surplusOf: Int?
    /// The method of a request whose answer has no body, until libhtp has seen that it has none.
    var hiddenMethod: htp_method_t?
    /// What libhtp gives next is a line behind a response, which it takes for more of its body.
    var isResponseSurplus = false
    /// A line with a message's first line among surplus; libhtp stopped behind it.
    var surplusLine: [UInt8]?
    /// A CONNECT was answered and what follows is not HTTP: the rest belongs to another protocol.
    public internal(set) var isTunnel = false
    /// Requests that were given up because too many waited for their response.
    public internal(set) var abandonedTransactions = 0

    /// A connection from its first byte on, or from any request's first byte.
    /// - Parameter memory: the account that it shares with other connections.
    public convenience init(configuration: HTTPConfiguration, memory: ParserMemory = ParserMemory()) {
        self.init(configuration: configuration, HTTPTally(configuration.limits, memory), isRestarted: false)
    }

    init(configuration: HTTPConfiguration, _ tally: HTTPTally, isRestarted: Bool = true) {
        self.configuration = configuration
        self.tally = tally
        self.isRestarted = isRestarted
        connection = configuration.handle.flatMap { htp_connp_create($0) }
        guard let connection else { return }
        htp_connp_set_user_data(connection, Unmanaged.passUnretained(self).toOpaque())
        htp_connp_open(connection, nil, 0, nil, 0, nil)
    }

    deinit {
        tally.change(by: -held)
        if let connection { htp_connp_destroy_all(connection) }
    }

    /// Anomalies that were not handed on because the flow had too many.
    public var suppressedAnomalies: Int { tally.reporter.suppressed }

    /// The next bytes of a direction.
    public func feed(
        _ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void
    ) {
        withSink(sink) {
            push(bytes, direction)
            resume()
            if tally.memory.isFull() { settle() }
        }
    }

    /// `count` bytes of a direction that were not seen; only within a body does reading go on behind them.
    public func skip(_ count: Int, _ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void) {
        guard count > 0 else { return }
        withSink(sink) {
            if let restart = restarts[direction] { return restart.skip(count, sink) }
            let isAlive = !hasEnded[direction]
            guard let connection, isAlive, heldBack[direction].isEmpty else {
                hasEnded[direction] = true
                if isAlive { readOn(direction, HTTPStop(), UnsafeRawBufferPointer(start: nil, count: 0)) }
                return
            }
            current = direction
            if !took(direction, send(connection, nil, count, direction)), hasEnded[direction] {
                readOn(direction, HTTPStop(), UnsafeRawBufferPointer(start: nil, count: 0))
            }
            tidy()
        }
    }

    /// The direction has ended: a body that lasts until the end is whole.
    public func end(_ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void) {
        withSink(sink) {
            if let restart = restarts[direction] { restart.end(sink) }
            if direction == .toClient { readUnanswered(sink) }
            guard let connection, !hasEnded[direction] else { return }
            current = direction
            surplusOf = nil
            if direction == .toServer {
                finishUnpacking(.toServer)
                htp_connp_req_close(connection, nil)
            } else {
                htp_connp_close(connection, nil)
                hasEnded[.toServer] = true
            }
            hasEnded[direction] = true
            tidy()
        }
    }

    /// A CONNECT that nobody answers any more: what waited for the answer may be what a server reads on.
    private func readUnanswered(_ sink: RecordSink) {
        guard !heldBack[.toServer].isEmpty, !isTunnel, restarts[.toServer] == nil else { return }
        takeHeldBack(.toServer).withUnsafeBytes { readOn(.toServer, HTTPStop(), $0) }
        restarts[.toServer]?.end(sink)
    }

    private func withSink(_ sink: RecordSink, _ body: () -> Void) {
        withoutActuallyEscaping(sink) { sink in
            self.sink = sink
            body()
            self.sink = nil
        }
    }

    /// Small pieces, so that what libhtp makes of one piece is bounded too.
    private static let pieceSize = 4096

    private func push(_ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection) {
        if let restart = restarts[direction], let sink { return restart.feed(bytes, sink) }
        guard let connection, !hasEnded[direction], !isTunnel else { return }
        guard heldBack[direction].isEmpty else { return hold(bytes, direction) }
        current = direction
        var start = 0
        while start < bytes.count {
            let piece = UnsafeRawBufferPointer(rebasing: bytes[start...].prefix(Self.pieceSize))
            let state = send(connection, piece.baseAddress, piece.count, direction)
            if surplusLine != nil { return readSurplus(bytes, start, piece.count) }
            // At a piece's end libhtp does not look at what we say of its headers.
            let isStopped = hasStopped(state) || isStoppedForMemory(direction)
            var stop = isStopped ? placeOfStop(direction, piece) : nil
            tidy()
            settle()
            guard took(direction, isStopped ? HTP_STREAM_STOP : state) else {
                stop?.rest &+= start
                if let stop { readOn(direction, stop, UnsafeRawBufferPointer(rebasing: bytes[stop.rest...])) }
                return
            }
            if isTunnel {
                return hold(UnsafeRawBufferPointer(rebasing: bytes[(start &+ piece.count)...]), direction)
            }
            if state == HTP_STREAM_DATA_OTHER {
                start &+= min(consumed(connection, direction), piece.count)
                return hold(UnsafeRawBufferPointer(rebasing: bytes[start...]), direction)
            }
            remember(piece, direction)
            start &+= piece.count
        }
    }

    private func send(
        _ connection: OpaquePointer, _ start: UnsafeRawPointer?, _ count: Int, _ direction: FlowDirection
    ) -> htp_stream_state_t {
        let state =
            direction == .toServer
            ? htp_connp_req_data(connection, nil, start, count)
            : htp_connp_res_data(connection, nil, start, count)
        return htp_stream_state_t(UInt32(truncatingIfNeeded: state))
    }

    func consumed(_ connection: OpaquePointer, _ direction: FlowDirection) -> Int {
        direction == .toServer
            ? htp_connp_req_data_consumed(connection) : htp_connp_res_data_consumed(connection)
    }

    private func hasStopped(_ state: htp_stream_state_t) -> Bool {
        state == HTP_STREAM_ERROR || state == HTP_STREAM_STOP
    }

    /// Whether the direction goes on.
    private func took(_ direction: FlowDirection, _ state: htp_stream_state_t) -> Bool {
        switch state {
        case HTP_STREAM_ERROR, HTP_STREAM_STOP:
            hasEnded[direction] = true
            if direction == .toServer, let connection, let handle = htp_connp_get_in_tx(connection) {
                reportFlags(handle.pointee)
            }
            report("parser_stopped", direction)
            return false
        case HTP_STREAM_TUNNEL:
            isTunnel = true
            return false
        default: return true
        }
    }

    private func hold(_ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection) {
        guard heldBack[direction].count &+ bytes.count <= configuration.limits.httpHeldBack else {
            hasEnded[direction] = true
            let held = heldBack[direction]
            heldBack[direction] = []
            report("held_back_bytes_over_limit", direction)
            return (held + bytes).withUnsafeBytes { readOn(direction, HTTPStop(), $0) }
        }
        heldBack[direction] += bytes
    }

    /// Hands on what was held back, as long as one side moves.
    private func resume() {
        var moved = true
        while moved {
            moved = false
            for direction in FlowDirection.allCases where !heldBack[direction].isEmpty && !isTunnel {
                let bytes = heldBack[direction]
                heldBack[direction] = []
                bytes.withUnsafeBytes { push($0, direction) }
                if heldBack[direction].count < bytes.count { moved = true }
            }
        }
    }

    /// What was held back of a direction, once `isTunnel`: the tunnel's first bytes.
    func takeHeldBack(_ direction: FlowDirection) -> [UInt8] {
        defer { heldBack[direction] = [] }
        return heldBack[direction]
    }
}

extension HTTPParser {
    /// Our transaction for libhtp's; made anew at its first event.
    func transaction(_ handle: LibraryTransaction) -> HTTPTransaction {
        if let last = open.last, last.handle == handle { return last.transaction }
        if let found = open.first(where: { $0.handle == handle }) { return found.transaction }
        let transaction = HTTPTransaction(index: tally.nextIndex)
        transaction.isOneSided = isRestarted
        transaction.continues = continues
        continues = nil
        tally.nextIndex &+= 1
        open.append((handle, transaction))
        return transaction
    }

    /// Whether a message of that direction is within its body.
    func isWithinBody(_ direction: FlowDirection) -> Bool {
        open.contains { (.headers..<HTTPProgress.complete).contains($0.transaction.progress(direction)) }
    }

    /// Whether the connection may have that transaction; its first line is where libhtp takes a no.
    func isWithinLimit(_ transaction: HTTPTransaction) -> Bool {
        if transaction.index < configuration.limits.httpTransactions { return true }
        report("too_many_transactions", current)
        return false
    }

    func transactionComplete(_ handle: LibraryTransaction?) -> CInt {
        guard let handle else { return HTP_ERROR }
        // libhtp says so once for each side.
        open.removeAll { $0.handle == handle }
        if !done.contains(handle) { done.append(handle) }
        return HTP_OK
    }

    /// Frees what libhtp keeps until it is told.
    func tidy() {
        guard let connection else { return }
        if !done.isEmpty {
            // One that libhtp still points at, as behind a refused CONNECT, stays until it points elsewhere.
            let used = [htp_connp_get_in_tx(connection), htp_connp_get_out_tx(connection)]
            for handle in done where !used.contains(handle) { htp_tx_destroy(handle) }
            done.removeAll { !used.contains($0) }
        }
        guard let messages = htp_connp_get_connection(connection) else { return }
        while htp_shim_message_count(messages) > 0 { htp_shim_free_last_message(messages) }
    }

    func report(_ name: StaticString, _ direction: FlowDirection) {
        guard let sink, tally.reporter.admits() else { return }
        sink(.anomaly(ProtocolAnomaly(.http, direction, name)))
    }
}

extension Array {
    /// The element of a direction, of an array with one for each.
    subscript(direction: FlowDirection) -> Element {
        get { self[Int(direction.rawValue)] }
        set { self[Int(direction.rawValue)] = newValue }
    }
}
