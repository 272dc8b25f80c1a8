// SPDX-License-Identifier: Apache-2.0
// The window on a body: what is kept, forgotten and refused.
import Testing

@testable import Protocols

/// A body of these pieces.
private func body(_ pieces: [[UInt8]], limit: Int) -> HTTPBody {
    var body = HTTPBody()
    for piece in pieces { piece.withUnsafeBytes { _ = body.append($0, limit: limit) } }
    return body
}

@Test func `a body within its limit is kept whole`() {
    let body = body([[1, 2], [3]], limit: 3)
    #expect(body.bytes == [1, 2, 3])
    #expect(body.length == 3)
    #expect(body.newestStart == 2)
    #expect(!body.isTruncated)
}

@Test func `bytes beyond the limit are counted and not kept`() {
    let body = body([[1, 2], [3, 4], [5]], limit: 3)
    #expect(body.bytes == [1, 2, 3])
    #expect(body.length == 5)
    #expect(body.isTruncated)
}

@Test func `forgotten bytes stay counted against the limit`() {
    var body = body([[1, 2, 3]], limit: 4)
    body.forget(before: 2)
    #expect(body.bytes == [3])
    #expect(body.offset == 2)
    [UInt8]([4, 5]).withUnsafeBytes { _ = body.append($0, limit: 4) }
    #expect(body.bytes == [3, 4])
    #expect(body.keptLength == 4)
    #expect(body.isTruncated)
}

@Test func `forgetting more than there is leaves nothing`() {
    var body = body([[1, 2, 3]], limit: 4)
    body.forget(before: .max)
    body.forget(before: -1)
    #expect(body.bytes == [])
    #expect(body.offset == 3)
}
