// SPDX-License-Identifier: Apache-2.0
// Google's QUIC: a client's CHLO message of tags and values. In: a datagram, or a decrypted CRYPTO stream.
// Out: server name and user agent.

enum GoogleHello {
    /// The version that a datagram names, where it is Google's: with a long header (Q044 to Q050), or behind
    /// flags and an 8-byte connection id (before).
    static func version(_ datagram: UnsafeRawBufferPointer) -> QUICVersion? {
        guard datagram.count >= 13 else { return nil }
        let isLong = datagram[0] & 0x80 != 0
        guard isLong || datagram[0] & 0x09 == 0x09 else { return nil }
        var reader = ByteReader(datagram)
        reader.seek(isLong ? 1 : 9)
        guard let number = reader.u32(), number >> 16 == 0x5130,
            (0x30...0x39).contains((number >> 8) & 0xff), (0x30...0x39).contains(number & 0xff)
        else { return nil }
        return QUICVersion(rawValue: number)
    }
}

extension QUICHello {
    /// Reads the CHLO in the first 128 bytes; nil where there is none.
    mutating func readGoogle(_ bytes: UnsafeRawBufferPointer) -> Bool? {
        let mark = Array("CHLO".utf8)
        let places = 0..<max(0, min(128, bytes.count &- 8))
        guard let start = places.first(where: { bytes[$0..<($0 &+ 4)].elementsEqual(mark) }) else {
            return nil
        }
        // Numbers of this message are little endian.
        let count = min(Int(bytes[start &+ 4]) | Int(bytes[start &+ 5]) << 8, 128)
        let values = start &+ 8 &+ count &* 8
        guard values <= bytes.count else { return false }
        var from = 0
        for index in 0..<count {
            let entry = start &+ 8 &+ index &* 8
            let end = (0..<4).reduce(0) { $0 | Int(bytes[entry &+ 4 &+ $1]) << (8 &* $1) }
            guard end >= from, end <= bytes.count &- values else { break }
            let value = bytes[(values &+ from)..<(values &+ end)]
            from = end
            switch bytes[entry..<(entry &+ 4)] {
            case let tag where tag.elementsEqual([0x53, 0x4e, 0x49, 0]):
                serverName = [UInt8](value.prefix(255))
            case let tag where tag.elementsEqual("UAID".utf8): userAgent = [UInt8](value.prefix(255))
            default: break
            }
        }
        return true
    }
}
