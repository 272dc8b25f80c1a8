// SPDX-License-Identifier: Apache-2.0
// Hashes and ciphers of libgcrypt. In: bytes. Out: bytes or their hexadecimal text.
import CGcrypt

/// libgcrypt as this module uses it.
enum Hashing {
    /// Started once; reads files, so a sandboxed process starts it before it gives up its rights.
    static let isStarted: Bool = gcrypt_shim_start() == 0

    static func md5(_ bytes: [UInt8]) -> [UInt8] { hash(bytes, GCRY_MD_MD5, 16) }
    static func sha1(_ bytes: [UInt8]) -> [UInt8] { hash(bytes, GCRY_MD_SHA1, 20) }
    static func sha256(_ bytes: [UInt8]) -> [UInt8] { hash(bytes, GCRY_MD_SHA256, 32) }

    private static func hash(_ bytes: [UInt8], _ algorithm: gcry_md_algos, _ count: Int) -> [UInt8] {
        guard isStarted else { return [] }
        return [UInt8](unsafeUninitializedCapacity: count) { digest, filled in
            gcry_md_hash_buffer(
                CInt(truncatingIfNeeded: algorithm.rawValue), digest.baseAddress, bytes, bytes.count)
            filled = count
        }
    }

    /// RFC 2104 with SHA-256.
    static func hmac(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        let short = key.count > 64 ? sha256(key) : key
        let padded = short + [UInt8](repeating: 0, count: 64 - short.count)
        let inner = sha256(padded.map { $0 ^ 0x36 } + message)
        return sha256(padded.map { $0 ^ 0x5c } + inner)
    }
}

extension Array<UInt8> {
    /// Two digits for each byte.
    var hexadecimal: [UInt8] { hexadecimal(separator: nil, digits: "0123456789abcdef") }

    func hexadecimal(separator: UInt8?, digits: StaticString) -> [UInt8] {
        let digits = UnsafeBufferPointer(start: digits.utf8Start, count: 16)
        var text: [UInt8] = []
        text.reserveCapacity(count * 3)
        for byte in self {
            if let separator, !text.isEmpty { text.append(separator) }
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return text
    }

    /// Adds a number in decimal.
    mutating func appendDecimal(_ number: some UnsignedInteger) {
        append(contentsOf: String(number).utf8)
    }
}

/// Starts what opens files or asks the kernel at first use: a sandboxed process calls it before it gives up
/// its rights. False where libgcrypt refuses to start; fingerprints are then empty and QUIC is not read.
public func prepareProtocols() -> Bool { Hashing.isStarted }
