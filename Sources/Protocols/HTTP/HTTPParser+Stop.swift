// SPDX-License-Identifier: Apache-2.0
// Where libhtp gives a message up. In: the piece in which it stopped, and the last bytes before. Out: what
// begins the same message anew, and from where on its bytes go on.
import CHTP
import NetworkTypes

extension HTTPParser {
    /// Goes on with the bytes from where libhtp stopped. A parser that was itself restarted leaves it to who
    /// did so.
    func readOn(_ direction: FlowDirection, _ stop: HTTPStop, _ bytes: UnsafeRawBufferPointer) {
        guard !isRestarted else { return self.stop = stop }
        guard let sink, tally.nextIndex < configuration.limits.httpTransactions else { return }
        let restart = HTTPRestart(self, direction)
        restarts[direction] = restart
        restart.goOn(stop, bytes, sink)
        if let index = stop.index, index == shortOfMemory { dropStopped(index) }
    }

    /// Where libhtp stopped in the piece that it has, and how to go on.
    func placeOfStop(_ direction: FlowDirection, _ piece: UnsafeRawBufferPointer) -> HTTPStop {
        guard let connection else { return HTTPStop() }
        var stop = HTTPStop()
        stop.rest = min(consumed(connection, direction), piece.count)
        let isRequest = direction == .toServer
        let handle = isRequest ? htp_connp_get_in_tx(connection) : htp_connp_get_out_tx(connection)
        guard let handle else { return stop }
        let transaction = transaction(handle)
        let progress = transaction.progress(direction)
        let isShort = shortOfMemory == transaction.index
        let raw = isRequest ? transaction.request.headers.raw : transaction.response.headers.raw
        let seen =
            isShort ? raw : recent[direction] + piece[..<stop.rest].suffix(Self.recentSize)
        // The framing is refused once all headers were read.
        let isWhole =
            isRequest && !isShort
            ? handle.pointee.flags & (HTP_REQUEST_INVALID_T_E | HTP_REQUEST_INVALID_C_L) != 0
            : Self.endsWithEmptyLine(seen)
        guard progress < .headers || progress == .headers && isWhole else { return stop }
        stop.isWithinLine = stop.rest == 0 || piece[stop.rest &- 1] != 0x0a
        guard progress > .notStarted else { return stop }
        stop.index = transaction.index
        if progress == .line { tellUnfinished(transaction, handle.pointee, direction) }
        let headers = isRequest ? transaction.request.headers : transaction.response.headers
        let line = isRequest ? transaction.request.line : transaction.response.line
        // A line that is itself too dear would be so again.
        if isShort, isTooDear(line) { return stop }
        // All that came of the headers is known: the line goes on where it stopped.
        if isShort { stop.isWithinLine = false }
        stop.head = headers.headOfRest(
            behind: line, isWhole: isWhole, most: isShort ? Self.mostOfValue : .max)
        if !isWhole, !stop.isWithinLine { stop.head += lastLines(seen, behind: headers.fields.last) }
        return stop
    }

    /// What is known of a message is looked at, though it is not all.
    private func tellUnfinished(
        _ transaction: HTTPTransaction, _ source: htp_tx_t, _ direction: FlowDirection
    ) {
        if direction == .toServer {
            transaction.request.headers.fields = fields(source.request_headers)
        } else {
            transaction.response.headers.fields = fields(source.response_headers)
        }
        sink?(.http(transaction, direction == .toServer ? .requestHeaders : .responseHeaders))
    }

    private static func endsWithEmptyLine(_ seen: [UInt8]) -> Bool {
        seen.suffix(2).elementsEqual([0x0a, 0x0a]) || seen.suffix(3).elementsEqual([0x0a, 0x0d, 0x0a])
    }

    /// The last two lines: libhtp refuses a header when it has seen how the next line begins, which may be in
    /// the next piece. But for the first of them, where that is the last header that it took.
    private func lastLines(_ seen: [UInt8], behind last: HTTPHeader?) -> [UInt8] {
        var starts = [seen.count]
        while starts.count < 3, let start = starts.last, start > 0 {
            guard let end = seen[..<(start &- 1)].lastIndex(of: 0x0a) else { break }
            starts.append(end &+ 1)
        }
        if starts.count == 3, let last, seen[starts[2]..<starts[1]].isHeader(last) { starts.removeLast() }
        return Array(seen[(starts.last ?? 0)...])
    }

    /// Keeps the end of a piece within a message's headers.
    func remember(_ piece: UnsafeRawBufferPointer, _ direction: FlowDirection) {
        if open.contains(where: { $0.transaction.progress(direction) == .line }) {
            recent[direction] = Array(
                (recent[direction] + piece.suffix(Self.recentSize)).suffix(Self.recentSize))
        } else if !recent[direction].isEmpty {
            recent[direction] = []
        }
    }

    private static let recentSize = 512
    /// What the head of a rest keeps of a header's value where memory is short.
    private static let mostOfValue = 512
}
