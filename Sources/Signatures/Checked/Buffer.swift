// SPDX-License-Identifier: Apache-2.0
// The closed list of buffers that signatures inspect, with what the matcher must know of each.

/// Bytes that inspections run on. The raw value is the sticky buffer's name.
public enum Buffer: String, Sendable, CaseIterable, Hashable {
    /// The packet's or the stream's payload, by the signature's `payloadScope` (`pkt_data`).
    case payload
    // Headers as they stand in the packet, options included.
    case ipv4Header = "ipv4.hdr"
    case ipv6Header = "ipv6.hdr"
    case tcpHeader = "tcp.hdr"
    case udpHeader = "udp.hdr"
    case icmpv4Header = "icmpv4.hdr"
    case icmpv6Header = "icmpv6.hdr"
    // HTTP
    case httpURI = "http.uri"
    case httpURIRaw = "http.uri.raw"
    case httpMethod = "http.method"
    case httpRequestLine = "http.request_line"
    case httpRequestBody = "http.request_body"
    case httpHeader = "http.header"
    case httpHeaderRaw = "http.header.raw"
    case httpHeaderNames = "http.header_names"
    /// One `name: value` of a request at a time.
    case httpRequestHeader = "http.request_header"
    /// One `name: value` of a response at a time.
    case httpResponseHeader = "http.response_header"
    case httpCookie = "http.cookie"
    case httpUserAgent = "http.user_agent"
    case httpHost = "http.host"
    case httpHostRaw = "http.host.raw"
    case httpReferer = "http.referer"
    case httpAccept = "http.accept"
    case httpAcceptEncoding = "http.accept_enc"
    case httpAcceptLanguage = "http.accept_lang"
    case httpConnection = "http.connection"
    case httpContentType = "http.content_type"
    case httpContentLength = "http.content_len"
    case httpProtocol = "http.protocol"
    case httpStart = "http.start"
    case httpStatusCode = "http.stat_code"
    case httpStatusMessage = "http.stat_msg"
    case httpResponseLine = "http.response_line"
    case httpResponseBody = "http.response_body"
    case httpLocation = "http.location"
    case httpServer = "http.server"
    /// Bodies as files, decompressed, in both directions.
    case fileData = "file.data"
    // DNS
    /// Names asked for, in queries alone.
    case dnsQuery = "dns.query"
    /// Names asked for, in queries and in answers.
    case dnsQuestionName = "dns.queries.rrname"
    case dnsResponseName = "dns.response.rrname"
    case dnsAnswerName = "dns.answers.rrname"
    case dnsAuthorityName = "dns.authorities.rrname"
    case dnsAdditionalName = "dns.additionals.rrname"
    // TLS and QUIC
    case tlsSNI = "tls.sni"
    case tlsALPN = "tls.alpn"
    case tlsCertificateSubject = "tls.cert_subject"
    case tlsCertificateIssuer = "tls.cert_issuer"
    case tlsCertificateSerial = "tls.cert_serial"
    case tlsCertificateFingerprint = "tls.cert_fingerprint"
    case tlsCertificates = "tls.certs"
    case tlsSubjectAltName = "tls.subjectaltname"
    case tlsRandom = "tls.random"
    case tlsRandomTime = "tls.random_time"
    case tlsRandomBytes = "tls.random_bytes"
    case ja3Hash = "ja3.hash"
    case ja3String = "ja3.string"
    case ja3sHash = "ja3s.hash"
    case ja3sString = "ja3s.string"
    case ja4Hash = "ja4.hash"
    case quicSNI = "quic.sni"
    // SSH
    case sshProtocol = "ssh.proto"
    case sshSoftware = "ssh.software"

    /// What a buffer belongs to; nil for packet buffers.
    public enum Owner: String, Sendable { case http, file, dns, tls, quic, ssh }

    /// Ways a buffer's bytes go.
    public enum Directions: Sendable { case toServer, toClient, both }
}

extension Buffer {
    /// The record that the buffer is part of; nil for the packet's own bytes.
    public var owner: Owner? {
        switch self {
        case .payload, .ipv4Header, .ipv6Header, .tcpHeader, .udpHeader, .icmpv4Header, .icmpv6Header: nil
        case .fileData: .file
        case .dnsQuery, .dnsQuestionName, .dnsResponseName, .dnsAnswerName, .dnsAuthorityName,
            .dnsAdditionalName:
            .dns
        case .tlsSNI, .tlsALPN, .tlsCertificateSubject, .tlsCertificateIssuer, .tlsCertificateSerial,
            .tlsCertificateFingerprint, .tlsCertificates, .tlsSubjectAltName, .tlsRandom, .tlsRandomTime,
            .tlsRandomBytes, .ja3Hash, .ja3String, .ja3sHash, .ja3sString, .ja4Hash:
            .tls
        case .quicSNI: .quic
        case .sshProtocol, .sshSoftware: .ssh
        default: .http
        }
    }

    /// Where the buffer's bytes can come from.
    public var directions: Directions {
        switch self {
        case .httpURI, .httpURIRaw, .httpMethod, .httpRequestLine, .httpRequestBody, .httpRequestHeader,
            .httpUserAgent, .httpHost, .httpHostRaw, .httpReferer, .httpAccept, .httpAcceptEncoding,
            .httpAcceptLanguage, .dnsQuery, .tlsSNI, .ja3Hash, .ja3String, .ja4Hash, .quicSNI:
            .toServer
        case .httpStatusCode, .httpStatusMessage, .httpResponseLine, .httpResponseBody, .httpResponseHeader,
            .httpLocation, .httpServer, .ja3sHash, .ja3sString, .dnsResponseName, .dnsAnswerName,
            .dnsAuthorityName, .dnsAdditionalName:
            .toClient
        default: .both
        }
    }

    /// It can come several times in one transaction or packet; a group of inspections holds where one of them
    /// passes it whole.
    public var hasInstances: Bool {
        switch self {
        case .httpRequestHeader, .httpResponseHeader, .dnsQuery, .dnsQuestionName, .dnsResponseName,
            .dnsAnswerName, .dnsAuthorityName, .dnsAdditionalName, .tlsALPN, .tlsCertificates,
            .tlsSubjectAltName:
            true
        default: false
        }
    }

    /// The packet's own headers: complete in each packet, whatever the stream.
    public var isPacketHeader: Bool {
        switch self {
        case .ipv4Header, .ipv6Header, .tcpHeader, .udpHeader, .icmpv4Header, .icmpv6Header: true
        default: false
        }
    }
}

/// What is done to a buffer before it is inspected, in the order written.
public enum Transform: Hashable, Sendable {
    /// A dot in front (`dotprefix`).
    case dotPrefix
    case toLowercase, toUppercase
    /// White space (isspace) taken out, or runs of it made one blank.
    case stripWhitespace, compressWhitespace
    /// Hashes, as raw bytes.
    case md5, sha1, sha256
    /// `%XX` and `+` decoded.
    case urlDecode
    /// XOR with a key that repeats; never empty.
    case xor([UInt8])
    /// XOR from `offset` on with the `keyLength` bytes at `keyOffset` of the buffer itself; where these are
    /// not all there, the buffer stays as it is.
    case xorExtracted(offset: Int, keyLength: Int, keyOffset: Int)
    /// Base64 decoded from `offset` on, `bytes` of it; nil: all.
    case fromBase64(offset: Int, bytes: Int?, mode: Base64Mode)
    /// `strip_pseudo_headers`: HTTP/2's `:name` lines taken out.
    case stripPseudoHeaders
    /// `header_lowercase`: header names, not values, in lower case.
    case headerLowercase
    /// The registrable domain and the top level of a host name.
    case domain, topLevelDomain

    /// What ends or spoils base64 text.
    public enum Base64Mode: String, Sendable {
        /// Decoding ends at the first character that is none of the alphabet.
        case rfc4648
        /// Other characters are passed over.
        case rfc2045
        /// Another character, or missing padding: nothing is decoded.
        case strict
    }
}
