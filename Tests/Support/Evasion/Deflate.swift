// SPDX-License-Identifier: Apache-2.0
// Bytes as RFC 1951 packs them, with no plain text left in them: literals of the fixed code, whose bits do
// not stand at byte borders. In: bytes. Out: a deflate stream, plain or within zlib's or gzip's frame.

/// Packers of content codings.
public enum Deflate {
    /// RFC 1951 section 3.2.6: one block of the fixed code.
    public static func raw(_ bytes: [UInt8]) -> [UInt8] {
        var writer = BitWriter()
        writer.add(1, bits: 1)
        writer.add(1, bits: 2)
        for byte in bytes { writer.addLiteral(byte) }
        writer.addCode(0, bits: 7)
        return writer.bytes
    }

    /// RFC 1950, which servers mean by `deflate`.
    public static func zlib(_ bytes: [UInt8]) -> [UInt8] {
        var (a, b): (UInt32, UInt32) = (1, 0)
        for byte in bytes {
            a = (a + UInt32(byte)) % 65521
            b = (b + a) % 65521
        }
        let sum = b << 16 | a
        return [0x78, 0x01] + raw(bytes) + (0..<4).map { UInt8(truncatingIfNeeded: sum >> (24 - 8 * $0)) }
    }

    /// RFC 1952.
    public static func gzip(_ bytes: [UInt8]) -> [UInt8] {
        let trailer = little(crc(bytes)) + little(UInt32(truncatingIfNeeded: bytes.count))
        return [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3] + raw(bytes) + trailer
    }

    private static func little(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        var sum: UInt32 = 0xffff_ffff
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 0 ? sum >> 1 : (sum >> 1) ^ 0xedb8_8320 }
        }
        return ~sum
    }
}

private struct BitWriter {
    private(set) var bytes: [UInt8] = []
    private var used = 8

    /// The lowest bit first.
    mutating func add(_ value: Int, bits: Int) {
        for bit in 0..<bits {
            if used == 8 {
                bytes.append(0)
                used = 0
            }
            bytes[bytes.count - 1] |= UInt8(value >> bit & 1) << UInt8(used)
            used += 1
        }
    }

    /// The highest bit first, as codes stand.
    mutating func addCode(_ code: Int, bits: Int) {
        for bit in (0..<bits).reversed() { add(code >> bit & 1, bits: 1) }
    }

    mutating func addLiteral(_ byte: UInt8) {
        if byte < 144 {
            addCode(0x30 + Int(byte), bits: 8)
        } else {
            addCode(0x190 + Int(byte) - 144, bits: 9)
        }
    }
}
