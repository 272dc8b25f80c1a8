// SPDX-License-Identifier: Apache-2.0
// What a connection's transactions cost in memory, and which are given up for it. In: the open transactions.
// Out: those that were told as they are, and freed.
import CHTP
import NetworkTypes

extension HTTPParser {
    /// Nothing is fed any more: what is open is told as it is.
    func giveUp(_ sink: RecordSink) {
        for entry in open { Self.tellGivenUp(entry.transaction, sink) }
        tally.change(by: -held)
        held = 0
    }

    private static func tellGivenUp(_ transaction: HTTPTransaction, _ sink: RecordSink) {
        guard !transaction.isGivenUp else { return }
        transaction.isGivenUp = true
        sink(.http(transaction, .givenUp))
    }

    /// Room for a further transaction: the oldest that is not being read is given up.
    func makeRoom(for handle: LibraryTransaction) {
        guard open.count > configuration.limits.httpOpenTransactions, giveUpOldest(but: handle) else {
            return
        }
        abandonedTransactions &+= 1
        if abandonedTransactions == 1 { report("too_many_open_transactions", .toServer) }
    }

    private func giveUpOldest(but handle: LibraryTransaction?) -> Bool {
        guard let connection else { return false }
        let used = [handle, htp_connp_get_in_tx(connection), htp_connp_get_out_tx(connection)]
        guard let index = open.firstIndex(where: { !used.contains($0.handle) }) else { return false }
        free(index)
        return true
    }

    private func free(_ place: Int) {
        let (handle, transaction) = open.remove(at: place)
        // libhtp frees only what is whole.
        handle.pointee.request_progress = HTP_REQUEST_COMPLETE
        handle.pointee.response_progress = HTP_RESPONSE_COMPLETE
        htp_tx_destroy(handle)
        done.removeAll { $0 == handle }
        if let sink { Self.tellGivenUp(transaction, sink) }
    }

    /// Brings the account up to date, and what is held within its bounds.
    func settle() {
        while true {
            var cost = unpackers.reduce(0) { $0 &+ ($1?.cost ?? 0) }
            for entry in open { cost &+= self.cost(entry.handle, entry.transaction) }
            tally.change(by: cost &- held)
            held = cost
            let isOver = tally.held > configuration.limits.httpHeld || tally.memory.isFull()
            guard isOver, giveUpOldest(but: nil) else { return }
            // One whose answer is another's was told with its end.
            if isRestarted { continue }
            tally.memory.givenUp &+= 1
            if !isShortSaid { report("memory_over_limit", current) }
            isShortSaid = true
        }
    }

    /// As far as libhtp has read its headers.
    private func cost(_ handle: LibraryTransaction, _ transaction: HTTPTransaction) -> Int {
        let source = handle.pointee
        var headers = 0
        if let table = source.request_headers { headers &+= htp_table_size(table) }
        if let table = source.response_headers { headers &+= htp_table_size(table) }
        return transaction.cost(headers: headers)
    }

    /// Whether the message in whose headers libhtp is has had more than its share of memory that is short; it
    /// is read on in a further transaction then.
    func isShortOfMemory(_ handle: LibraryTransaction, _ transaction: HTTPTransaction) -> Bool {
        guard !isReadingHead else { return false }
        let cost = cost(handle, transaction)
        let isDear = cost &- transaction.lineCost &- headCost > configuration.limits.httpHeldShare
        guard isDear || isTooDear(transaction.request.line) || isTooDear(transaction.response.line),
            tally.memory.isFull(with: cost &- held)
        else { return false }
        // libhtp goes on to the end of its piece, and may come again.
        if shortOfMemory != transaction.index {
            tally.memory.givenUp &+= 1
            report("memory_over_limit", current)
        }
        shortOfMemory = transaction.index
        return true
    }

    /// Whether the message in whose headers the direction is was refused.
    func isStoppedForMemory(_ direction: FlowDirection) -> Bool {
        guard let shortOfMemory else { return false }
        return open.contains {
            $0.transaction.index == shortOfMemory && $0.transaction.progress(direction) == .line
        }
    }

    /// Whether a line alone has more than a message's share.
    func isTooDear(_ line: [UInt8]) -> Bool {
        line.count &* HTTPTransaction.perLineByte > configuration.limits.httpHeldShare
    }

    /// The first bytes of a message that a former parser gave up, as far as they are needed to read its rest.
    func feedHead(_ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: RecordSink) {
        isReadingHead = true
        feed(bytes, direction, sink)
        isReadingHead = false
        headCost = held
    }

    /// Frees a message that stopped for lack of memory, once its rest has begun.
    func dropStopped(_ index: Int) {
        guard let place = open.firstIndex(where: { $0.transaction.index == index }) else { return }
        free(place)
        settle()
    }

    /// What a body may still keep, where memory is short.
    func mostBody(_ body: HTTPBody, _ limit: Int) -> Int {
        guard tally.memory.isFull() else { return limit }
        return min(limit, body.offset &+ configuration.limits.httpHeldShare)
    }
}
