// SPDX-License-Identifier: Apache-2.0
// A request and its response, filled while the bytes come. In: what libhtp's callbacks read. Out: the fields
// that signatures' `http.*` buffers and the `http` event are made of.

/// How far one side of a transaction is.
public enum HTTPProgress: UInt8, Comparable, Sendable {
    case notStarted, line, headers, body, complete

    /// In the order of the bytes on the wire.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// What has just become known of a transaction. The stages of one side come in this order; `requestBody` and
/// `responseBody` once for each piece.
public enum HTTPStage: UInt8, Hashable, Sendable, CaseIterable {
    /// Method, URI and protocol are known.
    case requestLine
    /// All request headers are known.
    case requestHeaders
    /// A piece was added to `request.body`.
    case requestBody
    /// The request is whole.
    case requestComplete
    /// Protocol, status code and message are known.
    case responseLine
    /// All response headers are known.
    case responseHeaders
    /// A piece was added to `response.body`.
    case responseBody
    /// The response is whole.
    case responseComplete
    /// A bound gave it up: it stays as it is.
    case givenUp
}

/// A request and its response. Lives as long as someone holds it; the parser forgets it once both are whole.
public final class HTTPTransaction {
    /// Its place on the connection, from 0.
    public let index: Int
    /// How far the request is.
    public internal(set) var requestProgress = HTTPProgress.notStarted
    /// How far the response is.
    public internal(set) var responseProgress = HTTPProgress.notStarted
    /// What the client sent.
    public internal(set) var request = HTTPRequest()
    /// What the server sent.
    public internal(set) var response = HTTPResponse()
    /// The request was not seen, or could not be matched to this response.
    public internal(set) var requestIsMissing = false
    /// Of what was read behind a message that libhtp gave up: its other side is another transaction's.
    public internal(set) var isOneSided = false
    /// The index of one whose message libhtp gave up: this has the same message once more, with its rest; nil
    /// of all others.
    public internal(set) var continues: Int?
    public var isContinuation: Bool { continues != nil }
    /// Nothing more comes of it.
    public internal(set) var isGivenUp = false
    /// For who reads the records: its event was written.
    public var isTold = false

    init(index: Int) { self.index = index }

    /// Frees the body bytes before `end` (counted from the body's first byte) of one side, once they are
    /// judged.
    public func forgetRequestBody(before end: Int) { request.body.forget(before: end) }
    /// As `forgetRequestBody`, of the response.
    public func forgetResponseBody(before end: Int) { response.body.forget(before: end) }
}

/// What the client sent. Empty where it has not come, or was not there.
public struct HTTPRequest: Sendable {
    /// The request line without its end, at most `ProtocolLimits.httpField` bytes.
    public internal(set) var line: [UInt8] = []
    /// As sent: `GET`.
    public internal(set) var method: [UInt8] = []
    /// The URI as sent.
    public internal(set) var rawURI: [UInt8] = []
    /// Path decoded and normalised by libhtp, then `?` and query and `#` and fragment, decoded once.
    public internal(set) var uri: [UInt8] = []
    /// The same with a path, a query, or both, that were encoded several times, decoded to their end: none
    /// as a rule, three at most.
    public internal(set) var uriDecodedFurther: [[UInt8]] = []
    /// `HTTP/1.1`.
    public internal(set) var protocolName: [UInt8] = []
    /// The host in lower case without its port, from the URI or else the Host header.
    public internal(set) var host: [UInt8] = []
    /// The port that the URI or the Host header names.
    public internal(set) var port: UInt16?
    /// In the order of their first appearance.
    public internal(set) var headers = HTTPHeaders()
    /// Without chunk headers, decompressed.
    public internal(set) var body = HTTPBody()
    /// Bytes of the body on the wire, chunk headers included.
    public internal(set) var messageLength = 0

    /// The URI's host, or else the Host header, as sent.
    public internal(set) var rawHost: [UInt8] = []
    /// The User-Agent header.
    public var userAgent: [UInt8] { headers.value(of: "user-agent") ?? [] }
    /// The Referer header.
    public var referer: [UInt8] { headers.value(of: "referer") ?? [] }
    /// The Content-Type header with its parameters.
    public var contentType: [UInt8] { headers.value(of: "content-type") ?? [] }
    /// The Cookie header.
    public var cookie: [UInt8] { headers.value(of: "cookie") ?? [] }
}

/// What the server sent. Empty where it has not come, or was not there.
public struct HTTPResponse: Sendable {
    /// The status line without its end, at most `ProtocolLimits.httpField` bytes.
    public internal(set) var line: [UInt8] = []
    /// `HTTP/1.1`.
    public internal(set) var protocolName: [UInt8] = []
    /// The status code's text: `200`.
    public internal(set) var statusText: [UInt8] = []
    /// The status code, nil where its text is no number from 100 to 999.
    public internal(set) var status: UInt16?
    /// The reason phrase.
    public internal(set) var message: [UInt8] = []
    /// In the order of their first appearance.
    public internal(set) var headers = HTTPHeaders()
    /// Without chunk headers, decompressed.
    public internal(set) var body = HTTPBody()
    /// Bytes of the body on the wire, chunk headers included.
    public internal(set) var messageLength = 0

    /// The Content-Type header with its parameters.
    public var contentType: [UInt8] { headers.value(of: "content-type") ?? [] }
    /// The Set-Cookie headers, merged with `, `.
    public var cookie: [UInt8] { headers.value(of: "set-cookie") ?? [] }
    /// Where a redirect leads: the Location header.
    public var location: [UInt8] { headers.value(of: "location") ?? [] }
    /// The Server header.
    public var server: [UInt8] { headers.value(of: "server") ?? [] }
}
