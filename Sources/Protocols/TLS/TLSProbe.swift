// SPDX-License-Identifier: Apache-2.0
// Recognises TLS by the first bytes of a direction. In: bytes from the flow's first on. Out: a match.
import NetworkTypes

extension TLSParser {
    /// A handshake record with a hello of that side, or SSL 2.0's hello.
    public static func probe(_ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection) -> ProtocolMatch {
        var bytes = bytes
        // Endpoints pass over empty records in front of a hello, OpenSSL over 32 of them. What may be held of
        // a direction bounds them here.
        while bytes.count >= 5, bytes[0] == 22, bytes[1] == 3, bytes[3] == 0, bytes[4] == 0 {
            bytes = UnsafeRawBufferPointer(rebasing: bytes[5...])
        }
        guard let first = bytes.first else { return .needMore }
        if first & 0x80 != 0, direction == .toServer { return probeVersion2(bytes) }
        // A handshake record, or an alert as a server's whole answer.
        guard first == 22 || (first == 21 && direction == .toClient) else { return .no }
        if bytes.count > 1, bytes[1] != 3 { return .no }
        guard bytes.count >= 6 else { return .needMore }
        let length = Int(bytes[3]) << 8 | Int(bytes[4])
        if first == 21 { return length == 2 && (1...2).contains(bytes[5]) ? .match : .no }
        // A hello may come in records of any length, and servers do not look at their version (RFC 8446 5.1).
        guard length <= 18_432 else { return .no }
        // A server may greet with a hello request (0).
        return bytes[5] == (direction == .toServer ? 1 : 2) || (bytes[5] == 0 && direction == .toClient)
            ? .match : .no
    }

    private static func probeVersion2(_ bytes: UnsafeRawBufferPointer) -> ProtocolMatch {
        if bytes.count > 2, bytes[2] != 1 { return .no }
        if bytes.count > 3, bytes[3] != 3, bytes[3] != 0 { return .no }
        guard bytes.count >= 11 else { return .needMore }
        let isKnown = bytes[3] == 3 ? bytes[4] <= 4 : bytes[4] == 2
        let length = Int(bytes[0] & 0x7f) << 8 | Int(bytes[1])
        let parts = (0..<3).map { Int(bytes[5 &+ 2 &* $0]) << 8 | Int(bytes[6 &+ 2 &* $0]) }
        let isWhole = length == parts[0] &+ parts[1] &+ parts[2] &+ 9
        return isKnown && isWhole && parts[0] % 3 == 0 && parts[0] > 0 ? .match : .no
    }
}
