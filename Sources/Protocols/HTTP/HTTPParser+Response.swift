// SPDX-License-Identifier: Apache-2.0
// What libhtp's callbacks do on the response's side. In: libhtp's transaction. Out: our transaction, filled,
// and a record.
import CHTP
import NetworkTypes

extension HTTPParser {
    func responseStart(_ handle: LibraryTransaction?) -> CInt {
        guard let handle else { return HTP_ERROR }
        let isNew = handle.pointee.request_line == nil
        let transaction = transaction(handle)
        // libhtp invents a request for a response that none asked for; what it invents is not a request.
        if isNew, transaction.requestProgress == .notStarted || transaction.request.line.isEmpty {
            transaction.requestIsMissing = true
            transaction.request = HTTPRequest()
            transaction.requestProgress = .complete
        }
        return HTP_OK
    }

    func responseLine(_ handle: LibraryTransaction?) -> CInt {
        guard let handle else { return HTP_ERROR }
        let transaction = transaction(handle)
        guard isWithinLimit(transaction) else { return HTP_STOP }
        let source = handle.pointee
        var response = HTTPResponse()
        // Where a response's first bytes came with the end of the one before, libhtp 0.5.42 has them twice:
        // the line, its end, and a part of the line again.
        response.line = Self.firstLine(bytes(source.response_line))
        response.protocolName = bytes(source.response_protocol)
        response.statusText = bytes(source.response_status)
        response.status = UInt16(exactly: source.response_status_number).flatMap {
            (100...999).contains($0) ? $0 : nil
        }
        response.message = Self.firstLine(bytes(source.response_message))
        showMethod(handle)
        if response.hasNoBody { hideMethod(handle) }
        if response.isInterim { expectAnother(handle) }
        // Behind a 100 (Continue) libhtp goes on with the same header block: `responseHeaders` cuts it.
        response.headers.raw = transaction.response.headers.raw
        transaction.response = response
        transaction.responseProgress = .line
        sink?(.http(transaction, .responseLine))
        let isShort = isTooDear(transaction.response.line) && isShortOfMemory(handle, transaction)
        return isShort ? HTP_STOP : HTP_OK
    }

    private static func firstLine(_ text: [UInt8]) -> [UInt8] {
        Array(text.prefix { $0 != 0x0d && $0 != 0x0a })
    }

    /// libhtp reads a body where a 304 (Not Modified) has a Content-Length, which is that of the answer to
    /// another request (RFC 9110 section 8.6): the next response would be that body. It asks for the method
    /// before all headers, and HEAD has no body whatever they say. What a CONNECT opens is another matter.
    private func hideMethod(_ handle: LibraryTransaction) {
        let method = handle.pointee.request_method_number
        guard method != HTP_M_CONNECT, method != HTP_M_HEAD else { return }
        hiddenMethod = method
        handle.pointee.request_method_number = HTP_M_HEAD
    }

    private func showMethod(_ handle: LibraryTransaction) {
        guard let hiddenMethod else { return }
        handle.pointee.request_method_number = hiddenMethod
        self.hiddenMethod = nil
    }

    /// Behind 100 (Continue) libhtp waits for the answer, once; the others, as 103 (Early Hints), and a
    /// second one it takes for the answer or for an error.
    private func expectAnother(_ handle: LibraryTransaction) {
        handle.pointee.response_status_number = 100
        handle.pointee.seen_100continue = 0
    }

    func responseHeaders(_ handle: LibraryTransaction?) -> CInt {
        guard let handle else { return HTP_ERROR }
        showMethod(handle)
        let transaction = transaction(handle)
        transaction.response.headers.fields = fields(handle.pointee.response_headers)
        if handle.pointee.seen_100continue != 0 { transaction.response.cutInterimHeaders() }
        beginUnpacking(transaction, transaction.response.headers, .toClient)
        transaction.responseProgress = .headers
        sink?(.http(transaction, .responseHeaders))
        return HTP_OK
    }

    func responseComplete(_ handle: LibraryTransaction?) -> CInt {
        guard let handle else { return HTP_ERROR }
        let transaction = transaction(handle)
        // Trailers count as headers.
        transaction.response.headers.fields = fields(handle.pointee.response_headers)
        transaction.response.messageLength = Int(clamping: handle.pointee.response_message_len)
        // Of a body that should not be there libhtp tells no end.
        if unpackers[.toClient]?.transaction === transaction { finishUnpacking(handle, .toClient) }
        transaction.responseProgress = .complete
        if handle.pointee.request_method_number == HTP_M_CONNECT, let status = transaction.response.status,
            (200...299).contains(status)
        {
            isTunnel = true
        }
        sink?(.http(transaction, .responseComplete))
        return HTP_OK
    }

    /// A message of libhtp's becomes an anomaly.
    func logged(_ log: UnsafeMutablePointer<htp_log_t>) -> CInt {
        guard let message = log.pointee.msg, let name = HTTPAnomalies.name(of: message) else { return HTP_OK }
        // Of a parser that reads one direction alone that says nothing.
        if isRestarted || restarts[.toServer] != nil, HTTPAnomalies.isOfOtherSide(message) { return HTP_OK }
        if HTTPAnomalies.isOfSurplus(message) { surplusBegins() }
        if HTTPAnomalies.isOfResponseSurplus(message) { isResponseSurplus = true }
        report(name, current)
        return HTP_OK
    }
}

extension HTTPResponse {
    /// Its headers are all there is of it, whatever they say (RFC 9112 section 6.3).
    fileprivate var hasNoBody: Bool {
        guard let status else { return false }
        return (100...199).contains(status) || status == 204 || status == 304
    }

    /// The answer is still to come (RFC 9110 section 15.2), unless it changes the protocol.
    fileprivate var isInterim: Bool { status.map { (100...199).contains($0) && $0 != 101 } ?? false }

    /// Takes what belongs to interim responses, and the status line behind it, out of the header block.
    fileprivate mutating func cutInterimHeaders() {
        guard !line.isEmpty, headers.raw.count >= line.count else { return }
        let starts = (0...(headers.raw.count &- line.count)).reversed()
        guard let start = starts.first(where: { headers.raw[$0...].starts(with: line) }) else { return }
        let rest = headers.raw[(start &+ line.count)...].drop { $0 != 0x0a }
        headers.raw = Array(rest.dropFirst())
    }
}
