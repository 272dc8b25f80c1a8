// SPDX-License-Identifier: Apache-2.0
// A transaction's `http.*` buffers. In: the record and how far it has come. Out: the buffers that some
// signature looks at, and no others.
import NetworkTypes
import Protocols
import SignatureMatching
import Signatures

/// Both sides of a transaction as signatures see them.
final class HTTPBuffers {
    let request = InspectedTransaction(direction: .toServer, application: .http1)
    let response = InspectedTransaction(direction: .toClient, application: .http1)
    /// Of the signatures that run; those that come while a message is here see what of it is still to come.
    var wanted: WantedBuffers
    /// The request's headers that are in its buffers.
    private var headerCount = 0
    /// The length that each side's body had when it was last shown.
    private var shown = BothWays(0, 0)

    /// How far each side's body was kept when its buffers were last filled.
    private var grown = BothWays(0, 0)

    /// A body's window grows to `mostBody` bytes, and then keeps the newest `bodyTail`: what stands across
    /// two pieces is still found. What was not searched stays: many pieces may come with one packet.
    private static let mostBody = 64 << 10
    private static let bodyTail = 4 << 10

    init(_ wanted: WantedBuffers) {
        self.wanted = wanted
        response.request = request
    }

    /// What matched in a former reading of the same message does not match again.
    func goOn(from former: HTTPBuffers) {
        request.goOn(from: former.request)
        response.goOn(from: former.response)
    }

    /// The side that the stage is about, filled as far as it has come; nil where it is not worth another
    /// look yet.
    func update(_ transaction: HTTPTransaction, _ stage: HTTPStage) -> InspectedTransaction? {
        guard isDue(transaction, stage) else { return nil }
        switch stage {
        case .requestLine: fillRequestLine(transaction.request)
        case .requestHeaders: takeRequestHeaders(transaction)
        case .requestBody: fillRequestBody(transaction, isComplete: false)
        case .requestComplete: completeRequest(transaction)
        case .responseLine: fillResponseLine(transaction.response)
        case .responseHeaders: takeResponseHeaders(transaction)
        case .responseBody: fillResponseBody(transaction, isComplete: false)
        case .responseComplete: completeResponse(transaction)
        case .givenUp: return nil
        }
        return stage.isOfRequest ? request : response
    }

    /// Each look is at the whole window of a body, so a body in pieces of one byte would be searched
    /// thousands of times: it must have grown by a sixteenth, or a KiB. Its end is always looked at.
    private func isDue(_ transaction: HTTPTransaction, _ stage: HTTPStage) -> Bool {
        guard stage == .requestBody || stage == .responseBody else { return true }
        let way: FlowDirection = stage == .requestBody ? .toServer : .toClient
        let length = transaction.bodyLength(way)
        return length &- shown[way] >= min(length / 16, 1024)
    }

    /// The side of a message that stops before its end, with what came of its body since the last look; nil
    /// where that was all.
    /// - Parameter isEnd: nothing more comes in that direction, so that a message whose headers were all seen
    /// is whole as it is.
    func rest(
        of transaction: HTTPTransaction, _ way: FlowDirection, isEnd: Bool
    ) -> InspectedTransaction? {
        let side = way == .toServer ? request : response
        let hasMore = transaction.bodyLength(way) > shown[way]
        let isWhole = isEnd && !side.isComplete && transaction.hasHeaders(way)
        guard hasMore || isWhole else { return nil }
        if way == .toServer {
            fillRequestBody(transaction, isComplete: isWhole)
        } else {
            fillResponseBody(transaction, isComplete: isWhole)
        }
        if isWhole { side.isComplete = true }
        return side
    }

    /// Behind a CONNECT's headers another protocol begins, if the server agrees (RFC 9110 section 9.3.6).
    private func takeRequestHeaders(_ transaction: HTTPTransaction) {
        fillRequestHeaders(transaction.request)
        guard transaction.request.method.elementsEqual("CONNECT".utf8) else { return }
        request.isComplete = transaction.hasHeaders(.toServer)
    }

    /// So it does behind those of a 101 (RFC 9110 section 15.2.2).
    private func takeResponseHeaders(_ transaction: HTTPTransaction) {
        fillResponseHeaders(transaction.response)
        guard transaction.response.status == 101, transaction.response.hasNoLength else { return }
        response.isComplete = transaction.hasHeaders(.toClient)
    }

    private func fillRequestLine(_ message: HTTPRequest) {
        set(.httpMethod, request) { message.method }
        set(.httpURI, request) { message.uri }
        // Signatures see all readings: which one the server has is the server's.
        if wanted.contains(.httpURI) {
            for further in message.uriDecodedFurther { request.append(.httpURI, further) }
        }
        set(.httpURIRaw, request) { message.rawURI }
        set(.httpProtocol, request) { message.protocolName }
        set(.httpRequestLine, request) { message.line }
    }

    private func fillRequestHeaders(_ message: HTTPRequest) {
        set(.httpHost, request) { message.host }
        set(.httpHostRaw, request) { message.rawHost }
        set(.httpUserAgent, request) { message.userAgent }
        set(.httpReferer, request) { message.referer }
        set(.httpCookie, request) { message.cookie }
        set(.httpHeader, request) { message.normalizedHeaders }
        set(.httpStart, request) { message.start }
        setHeader(.httpAccept, request, message.headers, "accept")
        setHeader(.httpAcceptEncoding, request, message.headers, "accept-encoding")
        setHeader(.httpAcceptLanguage, request, message.headers, "accept-language")
        headerCount = message.headers.fields.count
        fillHeaders(message.headers, each: .httpRequestHeader, request)
    }

    /// Headers behind a chunked body are headers.
    private func addTrailers(_ message: HTTPRequest) {
        guard message.headers.fields.count > headerCount else { return }
        set(.httpHeader, request) { message.normalizedHeaders }
        set(.httpHeaderRaw, request) { message.headers.raw }
        set(.httpHeaderNames, request) { message.headers.names }
        guard wanted.contains(.httpRequestHeader) else { return }
        for field in message.headers.fields.dropFirst(headerCount) {
            request.append(.httpRequestHeader, field.name + [0x3a, 0x20] + field.value)
        }
    }

    private func fillRequestBody(_ transaction: HTTPTransaction, isComplete: Bool) {
        guard transaction.request.body.length > 0 else { return }
        if transaction.request.body.bytes.count > Self.mostBody, request.isSearched {
            transaction.forgetRequestBody(before: grown.toServer - Self.bodyTail)
        }
        let body = transaction.request.body
        shown.toServer = body.length
        for buffer in [Buffer.httpRequestBody, .fileData] where wanted.contains(buffer) {
            request.grow(buffer, body.bytes, forgotten: body.offset, isComplete: isComplete)
        }
        grown.toServer = body.keptLength
    }

    private func completeRequest(_ transaction: HTTPTransaction) {
        fillRequestBody(transaction, isComplete: true)
        addTrailers(transaction.request)
        request.isComplete = true
    }

    private func fillResponseLine(_ message: HTTPResponse) {
        set(.httpStatusCode, response) { message.statusText }
        set(.httpStatusMessage, response) { message.message }
        set(.httpProtocol, response) { message.protocolName }
        set(.httpResponseLine, response) { message.line }
    }

    private func fillResponseHeaders(_ message: HTTPResponse) {
        set(.httpLocation, response) { message.location }
        set(.httpServer, response) { message.server }
        set(.httpCookie, response) { message.cookie }
        set(.httpHeader, response) { message.normalizedHeaders }
        set(.httpStart, response) { message.start }
        fillHeaders(message.headers, each: .httpResponseHeader, response)
    }

    private func fillResponseBody(_ transaction: HTTPTransaction, isComplete: Bool) {
        guard transaction.response.body.length > 0 else { return }
        if transaction.response.body.bytes.count > Self.mostBody, response.isSearched {
            transaction.forgetResponseBody(before: grown.toClient - Self.bodyTail)
        }
        let body = transaction.response.body
        shown.toClient = body.length
        for buffer in [Buffer.httpResponseBody, .fileData] where wanted.contains(buffer) {
            response.grow(buffer, body.bytes, forgotten: body.offset, isComplete: isComplete)
        }
        grown.toClient = body.keptLength
    }

    private func completeResponse(_ transaction: HTTPTransaction) {
        fillResponseBody(transaction, isComplete: true)
        response.isComplete = true
    }
}

extension HTTPBuffers {
    /// Buffers that requests and responses have alike.
    private func fillHeaders(_ headers: HTTPHeaders, each: Buffer, _ side: InspectedTransaction) {
        set(.httpHeaderRaw, side) { headers.raw }
        set(.httpHeaderNames, side) { headers.names }
        setHeader(.httpContentType, side, headers, "content-type")
        setHeader(.httpContentLength, side, headers, "content-length")
        setHeader(.httpConnection, side, headers, "connection")
        guard wanted.contains(each) else { return }
        for field in headers.fields { side.append(each, field.name + [0x3a, 0x20] + field.value) }
    }

    /// Nothing is made for a buffer that no signature looks at; an empty one is as good as none.
    private func set(_ buffer: Buffer, _ side: InspectedTransaction, _ bytes: () -> [UInt8]) {
        guard wanted.contains(buffer) else { return }
        let bytes = bytes()
        if !bytes.isEmpty { side.set(buffer, bytes) }
    }

    private func setHeader(
        _ buffer: Buffer, _ side: InspectedTransaction, _ headers: HTTPHeaders, _ name: StaticString
    ) {
        guard wanted.contains(buffer), let value = headers.value(of: name) else { return }
        side.set(buffer, value)
    }
}

extension HTTPTransaction {
    fileprivate func bodyLength(_ way: FlowDirection) -> Int {
        way == .toServer ? request.body.length : response.body.length
    }

    /// All headers of a side were seen; of one that the parser gives up those are told that it has.
    fileprivate func hasHeaders(_ way: FlowDirection) -> Bool {
        (way == .toServer ? requestProgress : responseProgress) >= .headers
    }
}

extension HTTPResponse {
    /// A server that says how long its body is goes on with one.
    fileprivate var hasNoLength: Bool { headers.value(of: "content-length") == nil }
}

extension HTTPStage {
    /// Whose bytes brought it.
    var isOfRequest: Bool {
        switch self {
        case .requestLine, .requestHeaders, .requestBody, .requestComplete: true
        case .responseLine, .responseHeaders, .responseBody, .responseComplete, .givenUp: false
        }
    }
}
