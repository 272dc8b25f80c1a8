// SPDX-License-Identifier: Apache-2.0
// What QUIC shows in Initial packets: the fields of signatures' `quic.*` buffers and the `quic` event.
import NetworkTypes

/// A QUIC version as on the wire.
public struct QUICVersion: RawRepresentable, Hashable, Sendable {
    /// The number on the wire: 1 is RFC 9000.
    public let rawValue: UInt32
    /// A version by its number on the wire.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// As events write it: `1`, `2`, `draft-29`, `Q050`; others in hexadecimal.
    public var name: String {
        switch rawValue {
        case 1: return "1"
        case 0x6b33_43cf: return "2"
        case 0xff00_0000...0xff00_00ff: return "draft-\(rawValue & 0xff)"
        default: break
        }
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: rawValue >> UInt32(24 &- $0 &* 8)) }
        if bytes.allSatisfy({ $0 >= 0x30 && $0 <= 0x5a }) { return String(decoding: bytes, as: UTF8.self) }
        return "0x" + String(rawValue, radix: 16)
    }
}

/// A hello within the Initial packets of one side.
public struct QUICHello: Sendable {
    /// The version of the packets.
    public internal(set) var version: QUICVersion
    /// Whose hello it is: the client's is `toServer`.
    public internal(set) var direction: FlowDirection
    /// Which of the flow's connections it is of, from 0 on: a flow may carry one after the other, or several
    /// side by side.
    public internal(set) var connection = 0
    /// The destination connection id of the client's first packet, at most 20 bytes.
    public internal(set) var destinationID: [UInt8] = []
    /// The source connection id of the packet, at most 20 bytes.
    public internal(set) var sourceID: [UInt8] = []
    /// The client's hello: SNI, ALPN, JA3, JA4 (which starts with `q`); Google's QUIC has none.
    public internal(set) var clientHello: TLSClientHello?
    /// The server's hello.
    public internal(set) var serverHello: TLSServerHello?
    /// The client's user agent (Google's QUIC: the CHLO's UAID).
    public internal(set) var userAgent: [UInt8]?
    /// The server's name: the TLS extension's, or Google's CHLO's SNI.
    public internal(set) var serverName: [UInt8]?

    package init(version: QUICVersion, direction: FlowDirection) {
        self.version = version
        self.direction = direction
    }
}
