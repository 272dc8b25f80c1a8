// SPDX-License-Identifier: Apache-2.0
// pcapng's interface description block: name, link type, snap length and what a timestamp's unit is.
// In: the block's body. Out: an interface, and timestamps as nanoseconds.

/// Bytes of a pcapng section, which has one byte order. Reads outside are nil.
struct PcapngBytes {
    let bytes: UnsafeRawBufferPointer
    let isBigEndian: Bool

    var count: Int { bytes.count }

    func u16(_ offset: Int) -> UInt16? {
        guard offset >= 0, offset <= bytes.count - 2 else { return nil }
        let value = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
        return isBigEndian ? UInt16(bigEndian: value) : UInt16(littleEndian: value)
    }

    func u32(_ offset: Int) -> UInt32? {
        guard offset >= 0, offset <= bytes.count - 4 else { return nil }
        let value = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        return isBigEndian ? UInt32(bigEndian: value) : UInt32(littleEndian: value)
    }

    func u64(_ offset: Int) -> UInt64? {
        guard let first = u32(offset), let second = u32(offset + 4) else { return nil }
        return isBigEndian ? UInt64(first) << 32 | UInt64(second) : UInt64(second) << 32 | UInt64(first)
    }

    func slice(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer? {
        guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else {
            return nil
        }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
    }
}

/// One interface of a pcapng section.
struct PcapngInterface {
    let linkType: Int32
    /// Most bytes of a frame; 0 is no limit.
    let snapLength: Int
    var name: String?
    /// Timestamps count 10 or 2 to the power of minus `exponent` seconds.
    private var isBinary = false
    private var exponent = 6
    private var offsetSeconds: Int64 = 0

    /// Nil where the body is too short; options that run over its end are left out.
    init?(body: PcapngBytes) {
        guard let type = body.u16(0), let snap = body.u32(4) else { return nil }
        linkType = Int32(type)
        snapLength = Int(snap)
        var offset = 8
        while let code = body.u16(offset), let length = body.u16(offset + 2), code != 0 {
            let value = PcapngBytes(
                bytes: body.slice(offset + 4, Int(length)) ?? .init(start: nil, count: 0),
                isBigEndian: body.isBigEndian)
            read(option: code, value)
            offset += 4 + (Int(length) + 3) / 4 * 4
        }
    }

    private mutating func read(option code: UInt16, _ value: PcapngBytes) {
        switch code {
        case 2 where value.count > 0:
            // Some writers end the text with a zero byte.
            name = String(decoding: value.bytes.prefix { $0 != 0 }, as: UTF8.self)
        case 9 where value.count == 1:
            isBinary = value.bytes[0] & 0x80 != 0
            exponent = Int(value.bytes[0] & 0x7f)
        case 14 where value.count == 8: offsetSeconds = Int64(bitPattern: value.u64(0) ?? 0)
        default: break
        }
    }

    /// A timestamp of this interface as nanoseconds since 1970; times beyond Int64 become its last value.
    func nanoseconds(_ timestamp: UInt64) -> Int64 {
        let billion: UInt128 = 1_000_000_000
        let count = UInt128(timestamp)
        // 64 + 30 bits at most, so that nothing overflows; 10^28 is above any such count.
        let value =
            if isBinary {
                (count * billion) >> UInt128(exponent)
            } else if exponent <= 9 {
                count * Self.powerOfTen(9 - exponent)
            } else {
                count / Self.powerOfTen(min(exponent - 9, 28))
            }
        let (shift, overflow) = offsetSeconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard let time = Int64(exactly: value), !overflow else { return Int64.max }
        let (sum, carry) = time.addingReportingOverflow(shift)
        return carry ? Int64.max : sum
    }

    private static func powerOfTen(_ exponent: Int) -> UInt128 {
        var power: UInt128 = 1
        for _ in 0..<exponent { power *= 10 }
        return power
    }
}
