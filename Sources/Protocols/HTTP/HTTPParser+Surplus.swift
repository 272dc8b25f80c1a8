// SPDX-License-Identifier: Apache-2.0
// A request whose method libhtp does not know, in one piece with the request before it: libhtp takes its
// lines for more of that one's body, where servers read a request. In: those lines. Out: from the first on
// that is a request line the direction is read anew.
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

    /// Goes on behind the line in which libhtp stopped. The request before it is whole: its answer finds it.
    func readSurplus(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ count: Int) {
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
