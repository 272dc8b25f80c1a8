// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: what one end of a connection that was picked up in its middle says before the other was
// heard. Anybody can send a segment that no connection takes; where the other end stands, its own words say.
// In: the first end's segments, then one of the other's. Out: whether both speak of the same connection.
import NetworkTypes

/// The segments of the first end, kept until the other is heard.
final class PickUp {
    /// Who was heard first, by the flow's guess of who is the client.
    let direction: Direction
    private let begun: Int64
    private(set) var segments: [KeptSegment] = []
    private var byteCount = 0
    /// What all flows together keep in this way.
    private let memory: StreamMemory

    private static let mostSegments = 96
    private static let mostBytes = 128 << 10
    /// Hosts acknowledge within half a second (RFC 9293 3.8.6.3).
    private static let patience: Int64 = 1_000_000_000
    /// How far numbers of one connection are from each other, as a rule.
    static let near: Int64 = 1 << 20

    init(_ direction: Direction, at time: Int64, _ memory: StreamMemory) {
        self.direction = direction
        begun = time
        self.memory = memory
    }

    /// - Returns: false where it was kept for long enough, or there is no room.
    func keep(_ packet: DecodedPacket) -> Bool {
        guard packet.time &- begun < Self.patience, segments.count < Self.mostSegments,
            byteCount + packet.bytes.count <= Self.mostBytes
        else { return false }
        let segment = KeptSegment(packet)
        guard memory.take(segment.cost) else { return false }
        byteCount += segment.cost
        segments.append(segment)
        return true
    }

    /// Gives back what it holds.
    func discard() {
        memory.giveBack(byteCount)
        (byteCount, segments) = (0, [])
    }

    /// What the other end's segment says of the first's.
    enum Answer {
        /// Nothing yet: it was sent before any of these had come.
        case open
        case agreed
        /// The first end's stream stands elsewhere, or not all that it said is taken.
        case other
    }

    /// - Parameter base: the number that the first end's stream was taken to begin with.
    func answer(_ packet: DecodedPacket, base: UInt32) -> Answer {
        let isOther = segments.contains { segment in
            // A decoy that the other end discards may stand where something else comes later.
            segment.isFilled
                && (!isTaken(segment.packet, before: packet)
                    || Int32(bitPattern: segment.packet.tcpSequence &- base) < 0)
        }
        let distance = Int64(Int32(bitPattern: packet.tcpAcknowledgement &- base))
        if isOther || distance < -HalfStream.blindWindow { return .other }
        guard distance > 0 else { return distance == 0 ? .agreed : .open }
        return start(before: packet) == base ? .agreed : .other
    }

    /// The number with which the first end's stream begins, by the other's acknowledgement: that of the first
    /// segment behind which there is no hole before it.
    func start(before answer: DecodedPacket) -> UInt32 {
        let filled = segments.filter { $0.isFilled && isTaken($0.packet, before: answer) }
        var start = answer.tcpAcknowledgement
        var hasMoved = true
        while hasMoved {
            hasMoved = false
            for segment in filled {
                let isBefore = Int32(bitPattern: segment.packet.tcpSequence &- start) < 0
                guard isBefore, Int32(bitPattern: segment.end &- start) >= 0 else { continue }
                start = segment.packet.tcpSequence
                hasMoved = true
            }
        }
        return start
    }

    /// Whether the other end takes a segment, by what it acknowledges: what was sent, and lately.
    func isTaken(_ packet: DecodedPacket, before answer: DecodedPacket) -> Bool {
        guard packet.tcpFlags.contains(.ack), !packet.tcpFlags.contains(.syn) else { return false }
        let count = answer.payload.count + answer.missingPayload + (answer.tcpFlags.contains(.fin) ? 1 : 0)
        let ahead = Int64(Int32(bitPattern: packet.tcpAcknowledgement &- answer.tcpSequence))
        return ahead <= Int64(count) && ahead >= -HalfStream.blindWindow
    }

    /// The last SYN behind which the first end goes on as in a new connection: what came before it need not
    /// be of any. Where it goes on as before the SYN was a decoy.
    var newBeginning: Int? {
        segments.indices.last { index in
            let number = segments[index].packet.tcpSequence &+ 1
            guard segments[index].isRequest,
                let next = segments[(index + 1)...].first(where: { $0.follows(number) })
            else { return false }
            return !segments[..<index].contains { before in
                let distance = Int32(bitPattern: before.end &- number)
                let acknowledged = Int32(
                    bitPattern: next.packet.tcpAcknowledgement &- before.packet.tcpAcknowledgement)
                return !before.isRequest && abs(Int64(distance)) <= Self.near
                    && abs(Int64(acknowledged)) <= Self.near
            }
        }
    }
}

/// A copy of a segment; a class, as sessions have room for one that few need.
final class KeptSegment {
    /// Its bytes are no longer valid: see `withPacket`.
    let packet: DecodedPacket
    private let bytes: [UInt8]
    private let count: Int

    init(_ packet: DecodedPacket) {
        bytes = Array(packet.bytes)
        count = packet.payload.count + packet.missingPayload
        self.packet = packet
    }

    var isRequest: Bool { packet.tcpFlags.contains(.syn) && !packet.tcpFlags.contains(.ack) }
    /// It has a payload.
    var isFilled: Bool { count > 0 && !packet.tcpFlags.contains(.syn) }
    /// What it takes, in bytes.
    var cost: Int { bytes.count + MemoryLayout<DecodedPacket>.stride }
    /// The number behind its payload.
    var end: UInt32 { packet.tcpSequence &+ UInt32(truncatingIfNeeded: count) }

    /// Whether it is what a client says behind a SYN.
    func follows(_ number: UInt32) -> Bool {
        packet.tcpSequence == number && packet.tcpFlags.contains(.ack)
            && packet.tcpFlags.isDisjoint(with: [.syn, .rst])
    }

    /// Whether another segment of the same end goes on from it, or repeats some of it.
    func goesOn(with packet: DecodedPacket) -> Bool {
        let place = Int32(bitPattern: packet.tcpSequence &- self.packet.tcpSequence)
        let acknowledged = Int32(bitPattern: packet.tcpAcknowledgement &- self.packet.tcpAcknowledgement)
        return place >= 0 && Int(place) <= count && abs(Int64(acknowledged)) <= PickUp.near
    }

    func withPacket<Result>(_ body: (DecodedPacket) -> Result) -> Result {
        bytes.withUnsafeBytes {
            var packet = packet
            packet.bytes = $0
            return body(packet)
        }
    }
}
