// SPDX-License-Identifier: Apache-2.0
// Writes Initial packets as a client or server protects them. In: ids, frames. Out: a datagram.
import CGcrypt
import NetworkTypes

@testable import Protocols

struct QUICBuilder {
    var version = QUICVersion(rawValue: 1)
    var destinationID: [UInt8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08]
    var sourceID: [UInt8] = [1, 2]
    /// The id that keys come from, where it is another.
    var keyID: [UInt8]?
    var direction = FlowDirection.toServer

    static func crypto(_ offset: Int, _ bytes: [UInt8]) -> [UInt8] {
        [6] + variable(offset) + variable(bytes.count) + bytes
    }

    static func variable(_ value: Int) -> [UInt8] {
        [0x80 | UInt8(value >> 24 & 0x3f), UInt8(value >> 16 & 0xff)] + TLSBuilder.u16(value & 0xffff)
    }

    /// One Initial packet with these frames, padded to 40 bytes at least; the last bytes of its number.
    func packet(_ frames: [UInt8], number: UInt64 = 0, bytes: Int = 4) -> [UInt8] {
        let body = frames + [UInt8](repeating: 0, count: max(0, 40 - frames.count))
        let all = (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * $0)) }
        let number = Array(all.suffix(bytes))
        let kind: UInt8 = (version.isVersion2 ? 0xd0 : 0xc0) | UInt8(bytes - 1)
        let words = [version.rawValue >> 16, version.rawValue & 0xffff]
        let start =
            [kind] + words.flatMap { TLSBuilder.u16(Int($0)) } + TLSBuilder.block8(destinationID)
            + TLSBuilder.block8(sourceID) + [0]
        let header = start + Self.variable(bytes + body.count + 16) + number
        guard let keys = QUICKeys(version, destinationID: keyID ?? destinationID, direction) else {
            return []
        }
        var nonce = keys.iv
        for index in 0..<8 { nonce[4 + index] ^= all[index] }
        let sealed = seal(keys, nonce, header: header, body: body)
        return protect(keys, header + sealed, place: header.count - bytes, bytes)
    }

    private func seal(_ keys: QUICKeys, _ nonce: [UInt8], header: [UInt8], body: [UInt8]) -> [UInt8] {
        var cipher: gcry_cipher_hd_t?
        let mode = CInt(truncatingIfNeeded: GCRY_CIPHER_MODE_GCM.rawValue)
        gcry_cipher_open(&cipher, CInt(truncatingIfNeeded: GCRY_CIPHER_AES.rawValue), mode, 0)
        defer { gcry_cipher_close(cipher) }
        gcry_cipher_setkey(cipher, keys.key, 16)
        gcry_cipher_setiv(cipher, nonce, 12)
        gcry_cipher_authenticate(cipher, header, header.count)
        var out = body
        gcry_cipher_encrypt(cipher, &out, out.count, nil, 0)
        var tag = [UInt8](repeating: 0, count: 16)
        gcry_cipher_gettag(cipher, &tag, 16)
        return out + tag
    }

    private func protect(_ keys: QUICKeys, _ packet: [UInt8], place: Int, _ bytes: Int) -> [UInt8] {
        var packet = packet
        guard let mask = keys.encryptBlock(Array(packet[(place + 4)..<(place + 20)])) else { return [] }
        packet[0] ^= mask[0] & 0x0f
        for index in 0..<bytes { packet[place + index] ^= mask[1 + index] }
        return packet
    }
}
