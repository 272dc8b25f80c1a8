// SPDX-License-Identifier: Apache-2.0
// The one way that the parsers here read numbers and blocks. In: bytes, in network order. Out: values, or nil
// where the bytes end.

/// Reads forward; nothing is read where too few bytes are left.
struct ByteReader {
    let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var left: Int { bytes.count &- position }

    mutating func u8() -> UInt8? {
        guard left >= 1 else { return nil }
        defer { position &+= 1 }
        return bytes[position]
    }

    mutating func u16() -> UInt16? {
        guard left >= 2 else { return nil }
        defer { position &+= 2 }
        return UInt16(bytes[position]) << 8 | UInt16(bytes[position &+ 1])
    }

    mutating func u24() -> Int? {
        guard left >= 3, let high = u8(), let low = u16() else { return nil }
        return Int(high) << 16 | Int(low)
    }

    mutating func u32() -> UInt32? {
        guard left >= 4, let high = u16(), let low = u16() else { return nil }
        return UInt32(high) << 16 | UInt32(low)
    }

    /// The next `count` bytes, as long as those that `bytes` stands for are there.
    mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
        guard count >= 0, count <= left else { return nil }
        defer { position &+= count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<(position &+ count)])
    }

    /// A block with a length of one byte in front.
    mutating func block8() -> UnsafeRawBufferPointer? {
        let start = position
        guard let count = u8(), let block = take(Int(count)) else {
            position = start
            return nil
        }
        return block
    }

    /// A block with a length of two bytes in front.
    mutating func block16() -> UnsafeRawBufferPointer? {
        let start = position
        guard let count = u16(), let block = take(Int(count)) else {
            position = start
            return nil
        }
        return block
    }

    /// What is left, as numbers of two bytes; an odd byte at the end is passed over.
    mutating func words() -> [UInt16] {
        var words: [UInt16] = []
        words.reserveCapacity(left / 2)
        while let word = u16() { words.append(word) }
        return words
    }

    /// Goes to a place, at most the end.
    mutating func seek(_ place: Int) { position = min(max(0, place), bytes.count) }
}
