// SPDX-License-Identifier: Apache-2.0
// Recognises QUIC by a datagram. In: the payload. Out: a match.
import NetworkTypes

extension QUICParser {
    /// A long header with the fixed bit and a version that is known or negotiated, or Google's older header.
    public static func probe(_ datagram: UnsafeRawBufferPointer, _ direction: FlowDirection) -> ProtocolMatch
    {
        if GoogleHello.version(datagram) != nil { return .match }
        guard datagram.count >= 7, datagram[0] & 0x80 != 0 else { return .no }
        var reader = ByteReader(datagram)
        reader.seek(1)
        guard let number = reader.u32(), let destination = reader.block8(), destination.count <= 20,
            let source = reader.block8(), source.count <= 20
        else { return .no }
        switch number {
        // Version negotiation: a server's answer, which lists versions.
        case 0: return direction == .toClient && reader.left >= 4 && reader.left % 4 == 0 ? .match : .no
        case 1, 0x6b33_43cf, 0xff00_0015...0xff00_0022, 0xface_b001...0xface_b002, 0x5430_3530...0x5430_3531:
            return datagram[0] & 0x40 != 0 ? .match : .no
        default: return .no
        }
    }
}
