// SPDX-License-Identifier: Apache-2.0
// Packets -> flows -> streams: numbers and sums in network order from packet bytes. Callers have checked that
// the bytes are there.
import Glibc

extension UnsafeRawBufferPointer {
    /// The 16 bits at `offset`, which the caller has checked to be inside.
    @inline(__always)
    func big16(_ offset: Int) -> UInt16 {
        UInt16(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    @inline(__always)
    func big32(_ offset: Int) -> UInt32 {
        UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    @inline(__always)
    func big128(_ offset: Int) -> UInt128 {
        UInt128(big64(offset)) << 64 | UInt128(big64(offset + 8))
    }

    @inline(__always)
    private func big64(_ offset: Int) -> UInt64 {
        UInt64(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// The sum of RFC 1071 over all bytes, in the machine's byte order, folded to 16 bits: with the checksum
    /// in its field 0xffff. Sums of parts with even counts may be added.
    func onesSum() -> UInt32 {
        var sum: UInt64 = 0
        var index = 0
        while index + 4 <= count {
            sum &+= UInt64(loadUnaligned(fromByteOffset: index, as: UInt32.self))
            index += 4
        }
        if index + 2 <= count {
            sum &+= UInt64(loadUnaligned(fromByteOffset: index, as: UInt16.self))
            index += 2
        }
        // An odd last byte stands in the upper half of its word on the wire.
        if index < count { sum &+= UInt64(UInt16(bigEndian: UInt16(self[index]) << 8)) }
        return foldedOnesSum(sum)
    }
}

extension Slice<UnsafeRawBufferPointer> {
    /// Whether as many bytes have other values.
    func differs(from other: Self) -> Bool {
        guard count == other.count else { return true }
        let (mine, theirs) = (UnsafeRawBufferPointer(rebasing: self), UnsafeRawBufferPointer(rebasing: other))
        guard let start = mine.baseAddress, let otherStart = theirs.baseAddress else { return false }
        return memcmp(start, otherStart, mine.count) != 0
    }
}

/// A sum of 16-bit words folded to 16 bits, end around carry.
func foldedOnesSum(_ sum: UInt64) -> UInt32 {
    var sum = sum
    while sum > 0xffff { sum = (sum >> 16) &+ (sum & 0xffff) }
    return UInt32(truncatingIfNeeded: sum)
}
