// SPDX-License-Identifier: Apache-2.0
// Protection of Initial packets (RFC 9001 section 5, RFC 9369): keys that both sides and every onlooker
// derive from the client's first connection id. In: version, id, packet. Out: the packet's frames.
import CGcrypt
import NetworkTypes

/// One side's Initial keys.
struct QUICKeys {
    let key: [UInt8]
    let iv: [UInt8]
    let headerKey: [UInt8]

    /// Nil for versions whose salt is not known here.
    init?(_ version: QUICVersion, destinationID: [UInt8], _ direction: FlowDirection) {
        guard Hashing.isStarted, let salt = Self.salt(version) else { return nil }
        let prefix = version.isVersion2 ? "quicv2 " : "quic "
        let initial = Hashing.hmac(key: salt, destinationID)
        let secret = Self.expand(initial, direction == .toServer ? "client in" : "server in", 32)
        key = Self.expand(secret, prefix + "key", 16)
        iv = Self.expand(secret, prefix + "iv", 12)
        headerKey = Self.expand(secret, prefix + "hp", 16)
    }

    /// HKDF-Expand-Label of RFC 8446 section 7.1 without a context; at most 32 bytes, which is one round.
    private static func expand(_ secret: [UInt8], _ label: String, _ count: UInt8) -> [UInt8] {
        let name = Array("tls13 \(label)".utf8)
        let info = [0, count, UInt8(truncatingIfNeeded: name.count)] + name + [0, 1]
        return Array(Hashing.hmac(key: secret, info).prefix(Int(count)))
    }

    /// The frames of a packet whose header protection ends at `numberPlace`, and its number; nil where the
    /// tag fits neither the number that follows from the largest before it nor the bytes that the packet has
    /// of it, which are the number in another connection with the same ids.
    /// - Parameter expected: one more than the largest number that was opened; 0 where none was.
    func open(
        _ packet: [UInt8], numberPlace: Int, expected: UInt64
    ) -> (number: UInt64, frames: [UInt8])? {
        guard numberPlace > 0, packet.count >= numberPlace &+ 20 else { return nil }
        let sample = Array(packet[(numberPlace &+ 4)..<(numberPlace &+ 20)])
        guard let mask = encryptBlock(sample) else { return nil }
        var packet = packet
        packet[0] ^= mask[0] & 0x0f
        let size = Int(packet[0] & 3) &+ 1
        var short: UInt64 = 0
        for index in 0..<size {
            packet[numberPlace &+ index] ^= mask[1 &+ index]
            short = short << 8 | UInt64(packet[numberPlace &+ index])
        }
        let start = numberPlace &+ size
        guard packet.count >= start &+ 16 else { return nil }
        let sealed = Sealed(
            header: packet[..<start], body: packet[start..<(packet.count &- 16)], tag: packet.suffix(16))
        let number = Self.whole(short, bytes: size, expected: expected)
        if let frames = decrypt(sealed, nonce(number)) { return (number, frames) }
        guard number != short, let frames = decrypt(sealed, nonce(short)) else { return nil }
        return (short, frames)
    }

    private func nonce(_ number: UInt64) -> [UInt8] {
        var nonce = iv
        for index in 0..<8 {
            nonce[nonce.count &- 1 &- index] ^= UInt8(truncatingIfNeeded: number >> UInt64(8 &* index))
        }
        return nonce
    }

    /// The number nearest to what is expected that ends in these bytes (RFC 9000 appendix A.3).
    static func whole(_ short: UInt64, bytes: Int, expected: UInt64) -> UInt64 {
        let window: UInt64 = 1 << UInt64(8 &* bytes)
        let candidate = expected & ~(window &- 1) | short
        if candidate &+ window / 2 <= expected, candidate < 1 << 62 &- window { return candidate &+ window }
        return candidate > expected &+ window / 2 && candidate >= window ? candidate &- window : candidate
    }

    private struct Sealed {
        let header: ArraySlice<UInt8>
        let body: ArraySlice<UInt8>
        let tag: ArraySlice<UInt8>
    }

    func encryptBlock(_ block: [UInt8]) -> [UInt8]? {
        withCipher(GCRY_CIPHER_MODE_ECB, headerKey) { cipher in
            var out = [UInt8](repeating: 0, count: 16)
            return gcry_cipher_encrypt(cipher, &out, 16, block, block.count) == 0 ? out : nil
        }
    }

    private func decrypt(_ sealed: Sealed, _ nonce: [UInt8]) -> [UInt8]? {
        withCipher(GCRY_CIPHER_MODE_GCM, key) { cipher in
            let header = Array(sealed.header)
            let tag = Array(sealed.tag)
            var out = Array(sealed.body)
            guard gcry_cipher_setiv(cipher, nonce, nonce.count) == 0,
                gcry_cipher_authenticate(cipher, header, header.count) == 0,
                gcry_cipher_decrypt(cipher, &out, out.count, nil, 0) == 0,
                gcry_cipher_checktag(cipher, tag, tag.count) == 0
            else { return nil }
            return out
        }
    }

    private func withCipher(
        _ mode: gcry_cipher_modes, _ key: [UInt8], _ body: (gcry_cipher_hd_t) -> [UInt8]?
    ) -> [UInt8]? {
        var cipher: gcry_cipher_hd_t?
        let algorithm = CInt(truncatingIfNeeded: GCRY_CIPHER_AES.rawValue)
        guard gcry_cipher_open(&cipher, algorithm, CInt(truncatingIfNeeded: mode.rawValue), 0) == 0,
            let cipher
        else { return nil }
        defer { gcry_cipher_close(cipher) }
        guard gcry_cipher_setkey(cipher, key, key.count) == 0 else { return nil }
        return body(cipher)
    }

    private static func salt(_ version: QUICVersion) -> [UInt8]? {
        switch version.rawValue {
        case 1, 0xff00_0021...0xff00_0022: salt1
        case 0x6b33_43cf: salt2
        case 0xff00_0015...0xff00_0016, 0xface_b001: draft22
        case 0xff00_0017...0xff00_001c, 0xface_b002: draft23
        case 0xff00_001d...0xff00_0020: draft29
        case 0x5130_3530: google50
        case 0x5430_3531: google51
        default: nil
        }
    }

    private static let salt1: [UInt8] = [
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
        0xbb, 0x7f, 0x0a,
    ]
    private static let salt2: [UInt8] = [
        0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
        0xbd, 0x2e, 0xd9,
    ]
    private static let draft22: [UInt8] = [
        0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a, 0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd, 0x7a,
        0x02, 0x64, 0x4a,
    ]
    private static let draft23: [UInt8] = [
        0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe,
        0xf9, 0xf5, 0x02,
    ]
    private static let draft29: [UInt8] = [
        0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43,
        0x90, 0xa8, 0x99,
    ]
    private static let google50: [UInt8] = [
        0x50, 0x45, 0x74, 0xef, 0xd0, 0x66, 0xfe, 0x2f, 0x9d, 0x94, 0x5c, 0xfc, 0xdb, 0xd3, 0xa7, 0xf0, 0xd3,
        0xb5, 0x6b, 0x45,
    ]
    private static let google51: [UInt8] = [
        0x7a, 0x4e, 0xde, 0xf4, 0xe7, 0xcc, 0xee, 0x5f, 0xa4, 0x50, 0x6c, 0x19, 0x12, 0x4f, 0xc8, 0xcc, 0xda,
        0x6e, 0x03, 0x3d,
    ]
}

extension QUICVersion {
    var isVersion2: Bool { rawValue == 0x6b33_43cf }
    /// Google's versions, `Q0` in front: their hello is no TLS.
    var isGoogle: Bool { rawValue >> 16 == 0x5130 }
    /// The number of the CRYPTO frame: Google's last versions before the standard had their own.
    var cryptoFrame: Int { rawValue >> 16 == 0x5130 || rawValue >> 16 == 0x5430 ? 8 : 6 }
}
