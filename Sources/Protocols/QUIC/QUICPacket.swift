// SPDX-License-Identifier: Apache-2.0
// Long headers (RFC 9000 section 17.2) and the frames of Initial packets (section 19). In: a datagram.
// Out: its Initial packets; an opened packet's CRYPTO frames.

/// A packet with a long header.
struct QUICPacket {
    let version: QUICVersion
    let destinationID: [UInt8]
    let sourceID: [UInt8]
    /// The whole packet, from its first byte on, where it is an Initial packet.
    let initial: [UInt8]?
    /// Where the packet number begins.
    let numberPlace: Int

    /// Reads the next packet of a datagram and goes behind it; nil where there is none with a long header.
    init?(_ reader: inout ByteReader) {
        let start = reader.position
        guard let first = reader.u8(), first & 0x80 != 0, let number = reader.u32() else { return nil }
        version = QUICVersion(rawValue: number)
        guard let destination = reader.block8(), destination.count <= 20, let source = reader.block8(),
            source.count <= 20
        else { return nil }
        destinationID = [UInt8](destination)
        sourceID = [UInt8](source)
        let type = (first >> 4) & 3
        let initialType: UInt8 = version.isVersion2 ? 1 : 0
        let retryType: UInt8 = version.isVersion2 ? 0 : 3
        // Negotiation and retry have no length: they are the datagram's last packet.
        if number == 0 || type == retryType {
            initial = nil
            numberPlace = 0
            reader.seek(.max)
            return
        }
        if type == initialType {
            guard let token = reader.variable(), reader.take(token) != nil else { return nil }
        }
        guard let length = reader.variable() else { return nil }
        let place = reader.position
        guard reader.take(length) != nil else { return nil }
        numberPlace = place &- start
        initial = type == initialType ? [UInt8](reader.bytes[start..<reader.position]) : nil
    }
}

extension ByteReader {
    /// A variable-length integer (RFC 9000 section 16).
    mutating func variable() -> Int? {
        guard let first = u8() else { return nil }
        var value = UInt64(first & 0x3f)
        for _ in 0..<((1 << (first >> 6)) - 1) {
            guard let byte = u8() else { return nil }
            value = value << 8 | UInt64(byte)
        }
        return Int(exactly: value)
    }
}

/// Steps through an Initial packet's frames.
struct QUICFrames {
    /// Gives the CRYPTO frames, whose type is `number`, to `take`; false where a frame cannot be in such a
    /// packet.
    static func crypto(
        _ number: Int, _ frames: UnsafeRawBufferPointer,
        _ take: (_ piece: UnsafeRawBufferPointer, _ offset: Int) -> Void
    ) -> Bool {
        var reader = ByteReader(frames)
        while let type = reader.variable() {
            switch type {
            case 0, 1: continue
            case 2, 3: guard skipAcknowledgement(&reader, counted: type == 3) else { return false }
            case number:
                guard let offset = reader.variable(), let count = reader.variable(),
                    let piece = reader.take(count)
                else { return false }
                take(piece, offset)
            // The connection is being closed.
            case 0x1c: return true
            default: return false
            }
        }
        return true
    }

    private static func skipAcknowledgement(_ reader: inout ByteReader, counted: Bool) -> Bool {
        guard reader.variable() != nil, reader.variable() != nil, let ranges = reader.variable(),
            reader.variable() != nil, ranges <= reader.left
        else { return false }
        for _ in 0..<ranges {
            guard reader.variable() != nil, reader.variable() != nil else { return false }
        }
        guard counted else { return true }
        return reader.variable() != nil && reader.variable() != nil && reader.variable() != nil
    }
}
