// SPDX-License-Identifier: Apache-2.0
// libhtp's callbacks: C functions that find their connection's parser and call it. In: libhtp's events.
// Out: calls of `HTTPParser`'s methods of the same names.
import CHTP

/// A transaction of libhtp's.
typealias LibraryTransaction = UnsafeMutablePointer<htp_tx_t>

enum HTTPCallbacks {
    static func register(_ configuration: OpaquePointer) {
        htp_config_register_request_start(configuration) {
            // libhtp 0.5.42 does not look at the answer: with any other it would start requests for ever.
            parser($0)?.requestStart($0)
            return HTP_OK
        }
        htp_config_register_request_line(configuration) { parser($0)?.requestLine($0) ?? HTP_ERROR }
        htp_config_register_request_headers(configuration) { parser($0)?.requestHeaders($0) ?? HTP_ERROR }
        htp_config_register_request_header_data(configuration) {
            parser($0)?.headerData($0, .toServer) ?? HTP_ERROR
        }
        htp_config_register_request_trailer_data(configuration) {
            parser($0)?.headerData($0, .toServer) ?? HTP_ERROR
        }
        htp_config_register_request_body_data(configuration) {
            parser($0)?.bodyData($0, .toServer) ?? HTP_ERROR
        }
        htp_config_register_request_complete(configuration) { parser($0)?.requestComplete($0) ?? HTP_ERROR }
        registerResponse(configuration)
        htp_config_register_log(configuration) { log in
            guard let log, let parser = parser(connection: log.pointee.connp) else { return HTP_ERROR }
            return parser.logged(log)
        }
    }

    /// What a decompressor calls, which is not of a configuration's.
    static func unpacked(_ data: UnsafeMutablePointer<htp_tx_data_t>?) -> CInt {
        guard let data, let unpacking = parser(data)?.unpacking else { return HTP_ERROR }
        return unpacking.take(data.pointee)
    }

    private static func registerResponse(_ configuration: OpaquePointer) {
        htp_config_register_response_start(configuration) { parser($0)?.responseStart($0) ?? HTP_ERROR }
        htp_config_register_response_line(configuration) { parser($0)?.responseLine($0) ?? HTP_ERROR }
        htp_config_register_response_headers(configuration) { parser($0)?.responseHeaders($0) ?? HTP_ERROR }
        htp_config_register_response_header_data(configuration) {
            parser($0)?.headerData($0, .toClient) ?? HTP_ERROR
        }
        htp_config_register_response_trailer_data(configuration) {
            parser($0)?.headerData($0, .toClient) ?? HTP_ERROR
        }
        htp_config_register_response_body_data(configuration) {
            parser($0)?.bodyData($0, .toClient) ?? HTP_ERROR
        }
        htp_config_register_response_complete(configuration) { parser($0)?.responseComplete($0) ?? HTP_ERROR }
        htp_config_register_transaction_complete(configuration) {
            parser($0)?.transactionComplete($0) ?? HTP_ERROR
        }
    }
}

// Functions of the file, as a C function can hold no context.

private func parser(connection: OpaquePointer?) -> HTTPParser? {
    guard let connection, let user = htp_connp_get_user_data(connection) else { return nil }
    return Unmanaged<HTTPParser>.fromOpaque(user).takeUnretainedValue()
}

private func parser(_ transaction: LibraryTransaction?) -> HTTPParser? {
    parser(connection: transaction?.pointee.connp)
}

private func parser(_ data: UnsafeMutablePointer<htp_tx_data_t>?) -> HTTPParser? { parser(data?.pointee.tx) }
