// SPDX-License-Identifier: Apache-2.0
// libhtp's messages by the words that signatures use for them (`app-layer-event:http.NAME`). In: a message.
// Out: its name.
import Glibc

enum HTTPAnomalies {
    /// The name of a message, by how it starts; `unknown_error` for those without one, nil for those that
    /// only repeat that a parser has stopped.
    static func name(of message: UnsafePointer<CChar>) -> StaticString? {
        if stopped.contains(where: { starts(message, with: $0) }) { return nil }
        return names.first { starts(message, with: $0.0) }?.1 ?? "unknown_error"
    }

    /// A message that says that the other side's bytes do not fit.
    static func isOfOtherSide(_ message: UnsafePointer<CChar>) -> Bool {
        starts(message, with: "Unable to match response to request")
    }

    /// A message that says that behind a request something else than a request begins.
    static func isOfSurplus(_ message: UnsafePointer<CChar>) -> Bool {
        starts(message, with: "Unexpected request body")
    }

    /// A message that says that behind a response something else than a response begins; not the one that a
    /// response has a body that should have none.
    static func isOfResponseSurplus(_ message: UnsafePointer<CChar>) -> Bool {
        starts(message, with: "Unexpected response body")
    }

    private static func starts(_ message: UnsafePointer<CChar>, with start: StaticString) -> Bool {
        start.withUTF8Buffer { bytes in
            guard let first = bytes.baseAddress else { return false }
            return strnlen(message, bytes.count) == bytes.count && memcmp(first, message, bytes.count) == 0
        }
    }

    private static let stopped: [StaticString] = [
        "Inbound parser is in", "Outbound parser is in", "Missing inbound transaction data",
        "Missing outbound transaction data", "Request body data callback returned error",
    ]

    private static let names: [(StaticString, StaticString)] = [
        ("GZip decompressor:", "gzip_decompression_failed"),
        ("LZMA decompression disabled", "lzma_disabled"),
        ("Request buffer over the limit", "request_field_too_long"),
        ("Request field length exceeds", "request_field_too_long"),
        ("Response the buffer limit", "response_field_too_long"),
        ("Response field length exceeds", "response_field_too_long"),
        ("Request chunk encoding: Invalid chunk length", "invalid_request_chunk_len"),
        ("Response chunk encoding: Invalid chunk length", "invalid_response_chunk_len"),
        ("Request field invalid: colon missing", "request_field_missing_colon"),
        ("Response field invalid: missing colon.", "response_field_missing_colon"),
        ("Request field invalid:", "request_header_invalid"),
        ("Request header name is not a token", "request_header_invalid"),
        ("Response field invalid:", "response_header_invalid"),
        ("Response header name is not a token", "response_header_invalid"),
        ("Response header value contains null", "response_header_invalid"),
        ("Invalid request field folding", "invalid_request_field_folding"),
        ("Invalid response field folding", "invalid_response_field_folding"),
        ("Repetition for header", "request_header_repetition"),
        ("Ambiguous request C-L value", "duplicate_content_length_field_in_request"),
        ("Ambiguous response C-L value", "duplicate_content_length_field_in_response"),
        ("Invalid C-L field in response", "invalid_content_length_field_in_response"),
        ("C-L value with extra data", "content_length_extra_data"),
        ("Already seen 100-Continue", "100_continue_already_seen"),
        ("Unable to match response to request", "unable_to_match_response_to_request"),
        ("Unexpected request body", "request_body_unexpected"),
        ("Unexpected Response body", "response_body_unexpected"),
        ("Unexpected response body", "response_body_unexpected"),
        ("Request line: missing protocol", "request_line_missing_protocol"),
        ("Request line: leading whitespace", "request_line_leading_whitespace"),
        ("Request line: non-compliant delimiter", "method_delim_non_compliant"),
        ("Request line: URI contains non-compliant", "uri_delim_non_compliant"),
        ("Request line: unknown method", "request_line_invalid"),
        ("Request line incomplete", "request_line_incomplete"),
        ("Too many request headers", "request_too_many_headers"),
        ("Too many response headers", "response_too_many_headers"),
        ("Transfer-encoding has abnormal chunked value", "response_abnormal_transfer_encoding"),
        ("Chunked transfer-encoding on HTTP/0.9 or HTTP/1.0", "response_chunked_old_proto"),
        ("Invalid response line: invalid protocol", "response_invalid_protocol"),
        ("Invalid response line: invalid response status", "response_invalid_status"),
        ("C-T multipart/byteranges", "response_multipart_byteranges"),
        ("Switching Protocol with Content-Length", "switching_protocols_with_content_length"),
        ("Weird response end of lines mix", "response_line_end_mix"),
        ("Gaps are not allowed", "gap"),
    ]
}
