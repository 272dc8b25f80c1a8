// SPDX-License-Identifier: Apache-2.0
// Fuzz target: an HTTP/1 connection through libhtp and what is made of it. In: pieces of text, each behind
// a zero byte but the first; they alternate between client and server, and an empty one is a gap. Out:
// nothing, or a trap.
import NetworkTypes
import Protocols

private let configuration = HTTPConfiguration()

private func look(at record: ProtocolRecord) {
    guard case .http(let transaction, _) = record else { return }
    let limits = configuration.limits
    precondition(transaction.request.body.bytes.count <= limits.httpRequestBody, "a request over its limit")
    precondition(
        transaction.response.body.bytes.count <= limits.httpResponseBody, "a response over its limit")
    precondition(transaction.request.headers.raw.count <= limits.httpHeader, "headers over their limit")
    precondition(transaction.response.headers.raw.count <= limits.httpHeader, "headers over their limit")
    _ = transaction.request.normalizedHeaders.count &+ transaction.request.headers.names.count
    _ = transaction.response.normalizedHeaders.count &+ transaction.response.start.count
    transaction.forgetResponseBody(before: transaction.response.body.offset &+ 7)
}

@_cdecl("LLVMFuzzerTestOneInput")
public func judgeInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let pieces = UnsafeBufferPointer(start: start, count: count).split(
        separator: 0, omittingEmptySubsequences: false)
    let parser = StreamParser(http: configuration)
    var direction = FlowDirection.toServer
    for piece in pieces {
        if piece.isEmpty { parser.skip(5, direction, look) }
        // A copy of exactly its size, so that reading behind it is seen.
        [UInt8](piece).withUnsafeBytes { parser.feed($0, direction, look) }
        direction = direction.opposite
    }
    parser.end(.toServer, look)
    parser.end(.toClient, look)
    return 0
}
