// SPDX-License-Identifier: Apache-2.0
// A message body as far as it is kept. In: pieces, in order. Out: a window on the body's bytes, bounded.

/// A body without chunk headers, decompressed; bounded by `ProtocolLimits`.
public struct HTTPBody: Sendable {
    /// The kept bytes: those of the body from `offset` on.
    public private(set) var bytes: [UInt8] = []
    /// How many bytes of the body before `bytes` were forgotten.
    public private(set) var offset = 0
    /// Bytes of the body so far, the forgotten and the refused ones included.
    public private(set) var length = 0
    /// Where the newest piece starts in `bytes`.
    public private(set) var newestStart = 0
    /// Bytes came that the limit refused.
    public private(set) var isTruncated = false

    /// Bytes of the body that were kept at any time.
    public var keptLength: Int { offset &+ bytes.count }

    /// Adds a piece, as far as the whole body stays within `limit`; false when nothing of it was kept.
    @discardableResult
    mutating func append(_ piece: UnsafeRawBufferPointer, limit: Int) -> Bool {
        length &+= piece.count
        newestStart = bytes.count
        let room = max(0, limit &- keptLength)
        if piece.count > room { isTruncated = true }
        guard room > 0 else { return false }
        bytes.append(contentsOf: piece.prefix(room))
        return !piece.isEmpty
    }

    /// Frees what stands before `end`, counted from the body's first byte.
    mutating func forget(before end: Int) {
        let count = min(max(0, end &- offset), bytes.count)
        guard count > 0 else { return }
        bytes.removeFirst(count)
        offset &+= count
        newestStart = max(0, newestStart &- count)
    }
}
