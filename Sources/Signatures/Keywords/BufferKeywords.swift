// SPDX-License-Identifier: Apache-2.0
// Names of buffers: sticky ones for what follows, old modifiers of the content before, and Snort 3's, which
// are called as the old ones and are sticky.

/// Other names of sticky buffers, old and new.
private let stickyNames: [String: Buffer] = [
    "file_data": .fileData, "dns_query": .dnsQuery, "dns.query.name": .dnsQuestionName,
    "tls_sni": .tlsSNI, "tls_cert_subject": .tlsCertificateSubject, "tls_cert_issuer": .tlsCertificateIssuer,
    "tls_cert_serial": .tlsCertificateSerial, "tls_cert_fingerprint": .tlsCertificateFingerprint,
    "ja3_hash": .ja3Hash, "ja3_string": .ja3String, "ja3s_hash": .ja3sHash, "ssh_proto": .sshProtocol,
    "ssh_software": .sshSoftware, "http_request_line": .httpRequestLine,
    "http_response_line": .httpResponseLine, "http_protocol": .httpProtocol, "http_start": .httpStart,
    "http_header_names": .httpHeaderNames, "http_accept": .httpAccept, "http_accept_enc": .httpAcceptEncoding,
    "http_accept_lang": .httpAcceptLanguage, "http_referer": .httpReferer,
    "http_connection": .httpConnection, "http_content_len": .httpContentLength,
    "http_content_type": .httpContentType, "http.uri.normalized": .httpURI,
    "tls_random": .tlsRandom, "ja4_hash": .ja4Hash,
]

/// Modifiers of the content before them.
private let modifierNames: [String: Buffer] = [
    "http_uri": .httpURI, "http_raw_uri": .httpURIRaw, "http_method": .httpMethod,
    "http_client_body": .httpRequestBody, "http_server_body": .httpResponseBody, "http_header": .httpHeader,
    "http_raw_header": .httpHeaderRaw, "http_cookie": .httpCookie, "http_user_agent": .httpUserAgent,
    "http_host": .httpHost, "http_raw_host": .httpHostRaw, "http_stat_code": .httpStatusCode,
    "http_stat_msg": .httpStatusMessage,
]

func bufferKeywords() -> [String: KeywordHandler] {
    var table: [String: KeywordHandler] = [:]
    for buffer in Buffer.allCases where buffer != .payload { table[buffer.rawValue] = sticky(buffer) }
    for (name, buffer) in stickyNames { table[name] = sticky(buffer) }
    for (name, buffer) in modifierNames { table[name] = modifier(buffer) }
    // Both are what is looked at without a buffer.
    for name in ["pkt_data", "raw_data"] { table[name] = payloadKeyword }
    return table
}

private let payloadKeyword: KeywordHandler = { draft, option throws(RuleProblem) in
    try withoutValue(option)
    draft.sticky = nil
}

private func modifier(_ buffer: Buffer) -> KeywordHandler {
    { draft, option throws(RuleProblem) in
        if let value = option.value, !value.isEmpty {
            // Snort 3 names a part of the buffer: "http_header:field host".
            throw .unsupported("\(option.name) with a value", at: value.place)
        }
        if draft.isSnort3 { draft.setSticky(buffer) } else { try draft.moveContent(option, to: buffer) }
    }
}

private func sticky(_ buffer: Buffer) -> KeywordHandler {
    { draft, option throws(RuleProblem) in
        try withoutValue(option)
        draft.setSticky(buffer)
    }
}
