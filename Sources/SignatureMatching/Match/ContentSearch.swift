// SPDX-License-Identifier: Apache-2.0
// a literal + a range of a buffer -> where it first stands in it.

import Glibc

/// ASCII letters in lower case.
@inline(__always) func lowercased(_ byte: UInt8) -> UInt8 {
    byte &- 0x41 < 26 ? byte | 0x20 : byte
}

/// A literal to be searched for; keeps its bytes for good so that a search allocates nothing.
final class SearchedBytes: @unchecked Sendable {
    private let bytes: UnsafeMutableRawBufferPointer
    let isCaseless: Bool

    /// `bytes` must not be empty; a caseless one is folded here.
    init(_ literal: [UInt8], isCaseless: Bool) {
        let folded = isCaseless ? literal.map(lowercased) : literal
        bytes = .allocate(byteCount: max(1, folded.count), alignment: 1)
        bytes.copyBytes(from: folded)
        self.isCaseless = isCaseless && literal.contains { lowercased($0) != $0 || $0 &- 0x61 < 26 }
        count = literal.count
        anchor = folded.firstIndex { !SearchedBytes.isFrequent($0) } ?? 0
        first = Octet(folded.first ?? 0)
        last = Octet(folded.last ?? 0)
    }

    /// Letters, digits and what binary protocols are full of: a search for them stops too often.
    private static func isFrequent(_ byte: UInt8) -> Bool {
        byte == 0 || byte == 0xff || byte == 0x20 || byte == 0x0d || byte == 0x0a || byte == UInt8(ascii: "/")
            || (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10
    }

    deinit { bytes.deallocate() }

    let count: Int
    /// Index of the byte that a search without folding looks for.
    private let anchor: Int
    /// For a search that folds.
    private let first: Octet
    private let last: Octet

    /// The first start at or after `start` where the literal stands and ends at or before `end`.
    func first(in buffer: UnsafeRawBufferPointer, from start: Int, to end: Int) -> Int? {
        guard start >= 0, end <= buffer.count, count > 0, end - start >= count, let base = buffer.baseAddress,
            let literal = bytes.baseAddress
        else { return nil }
        if isCaseless { return firstCaseless(in: base, from: start, to: end) }
        let wanted = Int32(bytes[anchor])
        // Places where the anchor may stand: the rest of the literal fits around each of them.
        var place = base + start + anchor
        let behind = base + end - count + anchor + 1
        while place < behind, let hit = memchr(place, wanted, behind - place) {
            let candidate = UnsafeRawPointer(hit) - anchor
            if memcmp(candidate, literal, count) == 0 { return candidate - base }
            place = UnsafeRawPointer(hit) + 1
        }
        return nil
    }

    /// Whether the literal stands at `start`, whole.
    func stands(at start: Int, in buffer: UnsafeRawBufferPointer) -> Bool {
        guard start >= 0, start <= buffer.count, count <= buffer.count - start, let base = buffer.baseAddress,
            let literal = bytes.baseAddress
        else { return false }
        if !isCaseless { return memcmp(base + start, literal, count) == 0 }
        return equalsCaseless((base + start).assumingMemoryBound(to: UInt8.self))
    }

    /// Eight places at a time: those where first and last byte stand, letters in either case, are compared.
    private func firstCaseless(in base: UnsafeRawPointer, from start: Int, to end: Int) -> Int? {
        let behind = count &- 1
        let final = end &- count
        var index = start
        while index &+ 7 <= final {
            let firsts = first.differences(base.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let lasts = last.differences(
                base.loadUnaligned(fromByteOffset: index &+ behind, as: UInt64.self))
            // Bytes that are zero are found by the bit that borrows; one above a zero may be told with it.
            let both = firsts | lasts
            var zeros = (both &- 0x0101_0101_0101_0101) & ~both & 0x8080_8080_8080_8080
            while zeros != 0 {
                let place = index &+ zeros.trailingZeroBitCount / 8
                zeros &= zeros &- 1
                if equalsCaseless((base + place).assumingMemoryBound(to: UInt8.self)) { return place }
            }
            index &+= 8
        }
        while index <= final {
            if equalsCaseless((base + index).assumingMemoryBound(to: UInt8.self)) { return index }
            index &+= 1
        }
        return nil
    }

    /// One byte against eight, letters in either case.
    private struct Octet {
        private let pattern: UInt64
        private let fold: UInt64

        init(_ byte: UInt8) {
            let isLetter = byte &- 0x61 < 26
            pattern = UInt64(byte) &* 0x0101_0101_0101_0101
            fold = isLetter ? 0x2020_2020_2020_2020 : 0
        }

        /// Zero where a byte is the one.
        @inline(__always) func differences(_ bytes: UInt64) -> UInt64 { (bytes | fold) ^ pattern }
    }

    @inline(__always) private func equalsCaseless(_ text: UnsafePointer<UInt8>) -> Bool {
        var index = 0
        while index < count {
            if lowercased(text[index]) != bytes[index] { return false }
            index &+= 1
        }
        return true
    }
}
