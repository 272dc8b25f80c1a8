// SPDX-License-Identifier: Apache-2.0
// nDPI looks at packets one by one: whoever sends a protocol's first two bytes by themselves hides it. In:
// the first bytes of a connection's two streams, in order. Out: what nDPI calls them, each stream's as one
// packet.
import NetworkTypes
import ProtocolDetection
import Streams

/// The second detection of one TCP flow. Only flows of which the policy says what they may speak have one,
/// and nothing is looked at before a stream has come in pieces.
final class GatheredStart {
    /// What was recognised in the payload.
    private(set) var recognised: ProtocolPair?
    /// More bytes may still say more.
    private(set) var isOpen = true
    private var bytes = BothWays<[UInt8]>([], [])
    private var first = FlowDirection.toServer
    private var latest: FlowDirection?
    /// Segments cut what a side says at first: nDPI may have seen less than it needs, and finds WebSocket
    /// or a file's format in two or three bytes.
    private(set) var isInPieces = false
    /// Bytes at the last look.
    private var seen = 0
    private var looksAtTurns = 0
    private var isDue = false

    /// Of each stream: the heads of all protocols that have one are shorter.
    static let most = 512
    /// From as many bytes on a look is worth it where the other side has not answered yet; the next one with
    /// four times as many.
    private static let fewest = 16
    private static let mostTurns = 4

    /// Both sides have spoken, or one at length, and none in pieces: nDPI has seen all that there is to see.
    var isWhole: Bool { !isInPieces && (isOneFull || !bytes.toServer.isEmpty && !bytes.toClient.isEmpty) }

    private var count: Int { bytes.toServer.count + bytes.toClient.count }

    /// One stream is here as far as it is looked at.
    var isOneFull: Bool { !isOpen || max(bytes.toServer.count, bytes.toClient.count) >= Self.most }

    /// The next bytes of a stream.
    /// - Parameter isWhole: one segment brought them, and nothing else.
    func add(_ new: UnsafeRawBufferPointer, _ way: FlowDirection, isWhole: Bool) {
        guard isOpen, !new.isEmpty else { return }
        if latest == nil { first = way }
        if !isWhole || way == latest, bytes[way].count < Self.most { isInPieces = true }
        // Who is answered has said all that the answer needs.
        let isTurn = latest != nil && way != latest && looksAtTurns < Self.mostTurns && count > seen
        if isTurn, isInPieces {
            looksAtTurns += 1
            isDue = true
        }
        latest = way
        let room = Self.most - bytes[way].count
        if room > 0 { bytes[way].append(contentsOf: new.prefix(room)) }
        if isInPieces, count >= max(Self.fewest, 4 * seen) || isFull && count > seen { isDue = true }
    }

    private var isFull: Bool { min(bytes.toServer.count, bytes.toClient.count) >= Self.most }

    /// Looks at what is here, if there is enough that is new.
    func look(_ start: FlowStart, at time: Int64, by detector: ProtocolDetector) {
        guard isOpen else { return }
        if isDue {
            isDue = false
            seen = count
            recognised = detected(start, time, detector)
        }
        if recognised != nil || isFull { close() }
    }

    /// Nothing is gathered any more.
    func close() {
        isOpen = false
        bytes = BothWays([], [])
    }

    private func detected(
        _ start: FlowStart, _ time: Int64, _ detector: ProtocolDetector
    ) -> ProtocolPair? {
        guard let detection = detector.openFlow(isCounted: false) else { return nil }
        let milliseconds = UInt64(max(0, time)) / 1_000_000
        var acknowledged = 0
        for way in [first, first.opposite] where !bytes[way].isEmpty {
            let packet = GatheredPacket(start, way, bytes[way], acknowledged: acknowledged).bytes
            acknowledged = bytes[way].count
            let state = packet.withUnsafeBytes { detection.feed($0, timeMilliseconds: milliseconds) }
            // A last word may be a guess.
            if state == .final, detection.result?.confidence ?? .unknown < .cache { return nil }
            if !detection.protocols.isUnknown { return detection.protocols }
        }
        return nil
    }
}

/// The first bytes of a stream as if they had come in one segment.
private struct GatheredPacket {
    private(set) var bytes: [UInt8] = []

    init(_ start: FlowStart, _ way: FlowDirection, _ payload: [UInt8], acknowledged: Int) {
        let isToServer = way == .toServer
        let source = isToServer ? start.client : start.server
        let destination = isToServer ? start.server : start.client
        let length = 20 + payload.count
        bytes.reserveCapacity(40 + length)
        if source.family == .ipv4 {
            bytes += [0x45, 0] + Self.network(20 + length, 2) + [0, 0, 0x40, 0, 64, 6, 0, 0]
        } else {
            bytes += [0x60, 0, 0, 0] + Self.network(length, 2) + [6, 64]
        }
        bytes += source.bytes + destination.bytes
        let ports = (start.clientPort, start.serverPort)
        bytes += Self.network(Int(isToServer ? ports.0 : ports.1), 2)
        bytes += Self.network(Int(isToServer ? ports.1 : ports.0), 2)
        // Both streams begin at 1; flags are ACK and PSH.
        bytes +=
            Self.network(1, 4) + Self.network(1 + acknowledged, 4) + [0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]
        bytes += payload
    }

    private static func network(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * (count - 1 - $0))) }
    }
}
