// SPDX-License-Identifier: Apache-2.0
// What the parsers of all connections together hold of messages: headers, raw bytes, bodies, and what libhtp
// and the signatures' buffers keep of the same. Estimated, as the cost of memory is not told. One of it for
// each inspector.

/// Counts what parsers hold, and what they gave up for it.
public final class ParserMemory {
    /// Bytes that are held now, estimated.
    public private(set) var used = 0
    /// Transactions that were told before their end, or read on in a further one, to stay within the bounds.
    public internal(set) var givenUp: UInt64 = 0
    private let limit: Int

    /// - Parameter limit: bytes of all connections together.
    public init(limit: Int = ProtocolLimits().httpHeldByAll) { self.limit = limit }

    /// Whether there is no room for so many more bytes.
    func isFull(with growth: Int = 0) -> Bool { used &+ growth > limit }

    func change(by count: Int) { used &+= count }
}

extension HTTPTransaction {
    /// What the message costs, beside its libhtp's transaction: each byte of a header is held as sent, as
    /// read, by libhtp, and in the buffers of `http.header`, `http.start` and of the header itself; a line's
    /// in libhtp's parts of a URI too.
    func cost(headers: Int) -> Int {
        let raw = request.headers.raw.count &+ response.headers.raw.count
        let bodies = request.body.bytes.count &+ response.body.bytes.count
        return Self.base &+ headers &* Self.perHeader &+ raw &* 6 &+ lineCost &+ bodies &* 2
    }

    /// What its request line and status line cost.
    var lineCost: Int {
        // A first further reading of a URI is among what a line's bytes cost.
        let further = request.uriDecodedFurther.dropFirst().reduce(0) { $0 &+ $1.count }
        return (request.line.count &+ response.line.count) &* Self.perLineByte &+ further &* 2
    }

    static let perLineByte = 10
    /// libhtp's transaction with its tables, ours, and its buffers.
    private static let base = 2048
    /// A header's objects: libhtp's with two strings, and two arrays of ours.
    private static let perHeader = 320
}
