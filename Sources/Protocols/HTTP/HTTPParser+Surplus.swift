// SPDX-License-Identifier: Apache-2.0
// A request whose method libhtp does not know, in one piece with the request before it: libhtp takes its
// lines for more of that one's body, where servers read a request; and a response within the line that ends
// what stands behind a response: "helloHTTP/1.1 200 OK" behind a 204 with a body. In: those lines. Out: from
// the first on that begins a message the direction is read anew.
import CHTP
import NetworkTypes

extension HTTPParser {
    /// libhtp says so once for each request, and gives the lines as body from then on.
    func surplusBegins() {
        guard current == .toServer, let connection, let handle = htp_connp_get_in_tx(connection) else {
            return
        }
        surplusOf = transaction(handle).index
        // It is no body, and packed as little.
        finishUnpacking(handle, .toServer)
    }

    /// Keeps a line that begins a request; false for any other.
    func takeSurplus(_ piece: UnsafeRawBufferPointer) -> Bool {
        let blanks = piece.prefix { $0 == 0x0d || $0 == 0x0a || $0 == 0x20 || $0 == 0x09 }
        let line = UnsafeRawBufferPointer(rebasing: piece[blanks.count...])
        let method = line.prefix { Self.isToken($0) }
        let text = UnsafeRawBufferPointer(rebasing: line.last == 0x0a ? line.dropLast() : line[...])
        guard !method.isEmpty, method.count < line.count, Self.hasVersion(text) else { return false }
        guard line[method.count] == 0x20 || line[method.count] == 0x09 else { return false }
        surplusLine = Array(line)
        return true
    }

    /// Keeps a line within which a response may begin; where, or nil. What comes in a piece of its own behind
    /// a response is to libhtp the whole answer to the next request, without a status line.
    func takeSurplusStatus(
        _ line: UnsafeRawBufferPointer, _ transaction: HTTPTransaction, _ handle: LibraryTransaction
    ) -> Int? {
        let hasNoStatus = transaction.response.line.isEmpty && handle.pointee.is_protocol_0_9 == 0
        // Who restarted a parser looks for messages within lines itself.
        guard isResponseSurplus || hasNoStatus, !isRestarted else { return nil }
        isResponseSurplus = false
        let finder = HTTPMessageFinder(.toClient, limit: configuration.limits.httpField)
        guard let place = finder.firstStart(line) else { return nil }
        surplusLine = Array(line[place...])
        return place
    }

    /// Goes on behind the line in which libhtp stopped.
    func readSurplus(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ count: Int) {
        if current == .toServer {
            readSurplusRequests(bytes, start, count)
        } else {
            readSurplusResponses(bytes, start, count)
        }
    }

    private func readSurplusResponses(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ count: Int) {
        guard let connection, let line = surplusLine else { return }
        let rest = start &+ min(consumed(connection, .toClient), count)
        surplusLine = nil
        hasEnded[.toClient] = true
        if let handle = htp_connp_get_out_tx(connection) { htp_tx_state_response_complete(handle) }
        tidy()
        settle()
        // Which of several places in the line it is who reads on asks.
        (line + bytes[rest...]).withUnsafeBytes { readOn(.toClient, HTTPStop(), $0) }
    }

    /// The request before it is whole: its answer finds it.
    private func readSurplusRequests(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ count: Int) {
        guard let connection, let line = surplusLine else { return }
        var stop = HTTPStop()
        stop.head = line
        stop.rest = start &+ min(consumed(connection, .toServer), count)
        surplusLine = nil
        surplusOf = nil
        hasEnded[.toServer] = true
        if let handle = htp_connp_get_in_tx(connection) { htp_tx_state_request_complete(handle) }
        tidy()
        settle()
        readOn(.toServer, stop, UnsafeRawBufferPointer(rebasing: bytes[stop.rest...]))
    }
}
