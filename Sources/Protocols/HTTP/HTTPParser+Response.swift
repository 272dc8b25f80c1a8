// SPDX-License-Identifier: Apache-2.0
// What libhtp's callbacks do on the response's side. In: libhtp's transaction. Out: our transaction, filled,
// and a record.
import CHTP
import NetworkTypes

extension HTTPParser {
    func responseStart(_ handle: LibraryTransaction?) -> CInt {
        guard let handle else { return HTP_ERROR }
        let isNew = handle.pointee.request_line == nil
        if isNew, !mayOpen() { return HTP_STOP }
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
        let source = handle.pointee
        // Behind a 100 (Continue) the real status line follows.
        var response = HTTPResponse()
        response.line = bytes(source.response_line)
        response.protocolName = bytes(source.response_protocol)
        response.statusText = bytes(source.response_status)
        response.status = UInt16(exactly: source.response_status_number).flatMap {
            (100...999).contains($0) ? $0 : nil
        }
        response.message = bytes(source.response_message)
        transaction.response = response
        transaction.responseProgress = .line
        sink?(.http(transaction, .responseLine))
        return HTP_OK
    }

    func responseHeaders(_ handle: LibraryTransaction?) -> CInt {
        guard let handle else { return HTP_ERROR }
        let transaction = transaction(handle)
        transaction.response.headers.fields = fields(handle.pointee.response_headers)
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
        guard let message = log.pointee.msg else { return HTP_OK }
        report(HTTPAnomalies.name(of: message), current)
        return HTP_OK
    }
}
