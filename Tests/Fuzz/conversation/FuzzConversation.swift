// SPDX-License-Identifier: Apache-2.0
// What fuzz targets of two-sided protocols share. In: an input, two bytes of length, the client's bytes, then
// the server's. Out: both sides, and what a parser told of them by the piece.
import NetworkTypes
import Protocols

/// Both sides of a connection.
public struct FuzzConversation {
    private let client: [UInt8]
    private let server: [UInt8]

    /// Nil where there is nothing behind the length.
    public init?(_ start: UnsafePointer<UInt8>?, _ count: Int) {
        let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
        guard input.count > 2 else { return nil }
        let length = min(Int(input[0]) << 8 | Int(input[1]), input.count - 2)
        client = Array(input[2..<(2 + length)])
        server = Array(input[(2 + length)...])
    }

    /// Feeds the client's bytes, then the server's, in pieces.
    /// - Parameters:
    ///   - pieces: bytes of each piece, above zero.
    ///   - stage: the name of a stage of the parser's own protocol; nil for another one's record, a trap.
    ///   - feed: gives a piece to the parser, and each of its records to its last argument.
    /// - Returns: the stages and anomalies that the bytes give, in order.
    public func told(
        pieces: Int, stage: @escaping (ProtocolRecord) -> String?,
        feed: (UnsafeRawBufferPointer, FlowDirection, @escaping (ProtocolRecord) -> Void) -> Void
    ) -> [String] {
        var seen: [String] = []
        let take = { (record: ProtocolRecord) in
            if case .anomaly(let anomaly) = record {
                seen.append(anomaly.name)
            } else if let name = stage(record) {
                seen.append(name)
            } else {
                fatalError("a record of another protocol")
            }
        }
        for (bytes, direction) in [(client, FlowDirection.toServer), (server, .toClient)] {
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + pieces)
                Array(bytes[start..<end]).withUnsafeBytes { feed($0, direction, take) }
                start = end
            }
        }
        return seen
    }
}
