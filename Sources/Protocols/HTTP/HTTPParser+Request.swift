// SPDX-License-Identifier: Apache-2.0
// What libhtp's callbacks do on the request's side, and those of both sides. In: libhtp's transaction.
// Out: our transaction, filled, and a record.
import CHTP
import NetworkTypes

extension HTTPParser {
    func requestStart(_ handle: LibraryTransaction?) {
        guard let handle else { return }
        _ = transaction(handle)
        makeRoom(for: handle)
    }

    func requestLine(_ handle: LibraryTransaction?) -> CInt {
        guard let handle else { return HTP_ERROR }
        let transaction = transaction(handle)
        guard isWithinLimit(transaction) else { return HTP_STOP }
        fillRequestLine(&transaction.request, handle.pointee)
        transaction.requestProgress = .line
        sink?(.http(transaction, .requestLine))
        return isTooDear(transaction.request.line) && isShortOfMemory(handle, transaction) ? HTP_STOP : HTP_OK
    }

    private func fillRequestLine(_ request: inout HTTPRequest, _ source: htp_tx_t) {
        request.line = bytes(source.request_line)
        request.method = bytes(source.request_method)
        request.rawURI = bytes(source.request_uri)
        request.protocolName = bytes(source.request_protocol)
        request.uri = request.rawURI
        guard let parts = source.parsed_uri?.pointee, parts.path != nil else { return }
        let path = bytes(parts.path)
        let query = parts.query.map { decodedQuery($0) }
        let fragment = parts.fragment == nil ? [] : [0x23] + bytes(parts.fragment)
        request.uri = path + (query.map { [0x3f] + $0 } ?? []) + fragment
        request.uriDecodedFurther = HTTPPath.readings(path, query, fragment: fragment)
    }

    /// libhtp decodes of a URI all but its query.
    private func decodedQuery(_ query: UnsafeMutablePointer<bstr>) -> [UInt8] {
        let sent = bytes(query)
        guard sent.contains(0x25), let handle = configuration.handle, let copy = bstr_dup(query) else {
            return sent
        }
        defer { bstr_free(copy) }
        var flags: UInt64 = 0
        guard htp_urldecode_inplace(handle, HTP_DECODER_URLENCODED, copy, &flags) == HTP_OK else {
            return sent
        }
        return bytes(copy)
    }

    func requestHeaders(_ handle: LibraryTransaction?) -> CInt {
        guard let handle else { return HTP_ERROR }
        let transaction = transaction(handle)
        let source = handle.pointee
        transaction.request.headers.fields = fields(source.request_headers)
        // CONNECT names a host and a port; libhtp takes a path for a host: "CONNECT / HTTP/1.1".
        let isPath =
            transaction.request.method.elementsEqual("CONNECT".utf8)
            && transaction.request.rawURI.first == 0x2f
        let host =
            isPath ? transaction.request.headers.value(of: "host") ?? [] : bytes(source.request_hostname)
        transaction.request.host = host.map(\.asciiLowercase)
        transaction.request.port = UInt16(exactly: source.request_port_number)
        let uriHost = isPath ? nil : source.parsed_uri?.pointee.hostname
        transaction.request.rawHost =
            uriHost.map { bytes($0) }
            ?? transaction.request.headers.value(of: "host") ?? transaction.request.host
        beginUnpacking(transaction, transaction.request.headers, .toServer)
        transaction.requestProgress = .headers
        sink?(.http(transaction, .requestHeaders))
        return HTP_OK
    }

    func requestComplete(_ handle: LibraryTransaction?) -> CInt {
        guard let handle else { return HTP_ERROR }
        let transaction = transaction(handle)
        // Trailers count as headers.
        transaction.request.headers.fields = fields(handle.pointee.request_headers)
        transaction.request.messageLength = Int(clamping: handle.pointee.request_message_len)
        transaction.requestProgress = .complete
        reportFlags(handle.pointee)
        sink?(.http(transaction, .requestComplete))
        return HTP_OK
    }

    /// What libhtp says in flags and not in messages.
    func reportFlags(_ source: htp_tx_t) {
        for (flag, name) in Self.flagNames where source.flags & flag != 0 { report(name, .toServer) }
        if source.request_auth_type == HTP_AUTH_UNRECOGNIZED {
            report("request_auth_unrecognized", .toServer)
        }
        if source.is_protocol_0_9 != 0, source.request_method_number == HTP_M_UNKNOWN,
            source.request_protocol_number < 0
        {
            report("request_line_invalid", .toServer)
        }
    }

    private static let flagNames: [(UInt64, StaticString)] = [
        (0x400, "invalid_transfer_encoding_value_in_request"),
        (0x2_0000_0000, "invalid_content_length_field_in_request"),
        (0x1000, "missing_host_header"),
        (0x2000, "host_header_ambiguous"),
        (0x200_0000, "request_uri_host_invalid"),
        (0x400_0000, "request_header_host_invalid"),
    ]
}

// MARK: - Both sides

extension HTTPParser {
    /// Bytes of a header block, as sent.
    func headerData(_ data: UnsafeMutablePointer<htp_tx_data_t>?, _ direction: FlowDirection) -> CInt {
        guard let data = data?.pointee, let handle = data.tx else { return HTP_ERROR }
        guard let start = data.data, data.len > 0 else { return HTP_OK }
        let transaction = transaction(handle)
        let block = UnsafeRawBufferPointer(start: start, count: data.len)
        let room =
            configuration.limits.httpHeader
            &- (direction == .toServer
                ? transaction.request.headers.raw.count : transaction.response.headers.raw.count)
        if direction == .toServer {
            transaction.request.headers.raw.append(contentsOf: block.prefix(max(0, room)))
        } else {
            transaction.response.headers.raw.append(contentsOf: block.prefix(max(0, room)))
        }
        guard block.count <= room else {
            // libhtp goes on to the end of its piece, and may come again.
            if overlong != transaction.index { report("header_block_over_limit", direction) }
            overlong = transaction.index
            return HTP_STOP
        }
        return isShortOfMemory(handle, transaction) ? HTP_STOP : HTP_OK
    }

    /// A piece of a body, without chunk headers; one without bytes at the body's end and for a gap in it.
    func bodyData(_ data: UnsafeMutablePointer<htp_tx_data_t>?, _ direction: FlowDirection) -> CInt {
        guard let data = data?.pointee, let handle = data.tx else { return HTP_ERROR }
        guard let start = data.data, data.len > 0 else {
            finishUnpacking(handle, direction)
            return HTP_OK
        }
        let transaction = transaction(handle)
        let piece = UnsafeRawBufferPointer(start: start, count: data.len)
        if direction == .toServer, transaction.index == surplusOf, takeSurplus(piece) { return HTP_STOP }
        let end = direction == .toClient ? takeSurplusStatus(piece, transaction, handle) : nil
        let body = UnsafeRawBufferPointer(rebasing: piece[..<(end ?? piece.count)])
        if !unpack(body, of: transaction, handle, direction) { keep(body, of: transaction, direction) }
        return end == nil ? HTP_OK : HTP_STOP
    }

    /// A piece of a body as it is looked at; false where there was no room for it.
    @discardableResult
    func keep(
        _ piece: UnsafeRawBufferPointer, of transaction: HTTPTransaction, _ direction: FlowDirection
    ) -> Bool {
        let isNew: Bool
        if direction == .toServer {
            transaction.requestProgress = .body
            let most = mostBody(transaction.request.body, configuration.limits.httpRequestBody)
            isNew = transaction.request.body.append(piece, limit: most)
        } else {
            transaction.responseProgress = .body
            let most = mostBody(transaction.response.body, configuration.limits.httpResponseBody)
            isNew = transaction.response.body.append(piece, limit: most)
        }
        if isNew { sink?(.http(transaction, direction == .toServer ? .requestBody : .responseBody)) }
        return isNew
    }

    func fields(_ table: OpaquePointer?) -> [HTTPHeader] {
        guard let table else { return [] }
        let count = htp_table_size(table)
        var fields: [HTTPHeader] = []
        fields.reserveCapacity(count)
        for index in 0..<count {
            guard let element = htp_table_get_index(table, index, nil) else { continue }
            let header = element.assumingMemoryBound(to: htp_header_t.self).pointee
            fields.append(HTTPHeader(name: bytes(header.name), value: bytes(header.value)))
        }
        return fields
    }

    func bytes(_ text: UnsafePointer<bstr>?) -> [UInt8] {
        guard let text, let start = htp_shim_bytes(text) else { return [] }
        return [UInt8](UnsafeRawBufferPointer(start: start, count: text.pointee.len))
    }

    func bytes(_ text: UnsafeMutablePointer<bstr>?) -> [UInt8] { bytes(UnsafePointer(text)) }
}
