// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: what one end of a connection that was picked up in its middle says before the other was
// heard. Anybody can send a segment that no connection takes; where the other end stands, its own words say.
// In: the first end's segments, then one of the other's. Out: whether both speak of the same connection.
import NetworkTypes

/// The segments of the first end, kept until the other is heard.
final class PickUp {
    /// Who was heard first, by the flow's guess of who is the client.
    private(set) var direction: Direction
    private let begun: Int64
    /// How many bytes the first end's SYN or SYN+ACK brought.
    var synData = 0
    private(set) var segments: [KeptSegment] = []
    private var byteCount = 0
    /// What all flows together keep in this way.
    private let memory: StreamMemory

    /// It was kept for long enough: the last few segments are, and the other end is still asked.
    private(set) var isLate = false
    /// The other end was heard: only who of both is the client is still to be said.
    private(set) var isAnswered = false
    /// Nobody knows yet what is refused.
    var isOpen: Bool { !isLate && !isAnswered }
    private var span: NumberSpan?

    private static let mostSegments = 96
    private static let mostLateSegments = 8
    private static let mostLateBytes = 16 << 10
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
        guard !isLate else {
            keepLate(packet)
            return true
        }
        guard packet.time &- begun < Self.patience, segments.count < Self.mostSegments,
            byteCount + packet.bytes.count <= Self.mostBytes
        else { return false }
        let segment = KeptSegment(packet)
        guard memory.take(segment.cost) else { return false }
        byteCount += segment.cost
        segments.append(segment)
        note(segment)
        return true
    }

    /// Goes on with few segments, for as long as the other end is not heard: a decoy and a second of silence
    /// are not to stand for what it will say.
    func goLate(with packet: DecodedPacket) {
        isLate = true
        keepLate(packet)
    }

    /// Forgets the first segments: the connection is made of those behind them.
    func leaveOut(before index: Int) {
        for segment in segments[..<index] {
            memory.giveBack(segment.cost)
            byteCount -= segment.cost
        }
        segments.removeFirst(index)
        span = nil
        for segment in segments { note(segment) }
    }

    /// Goes on with a connection of which these are the first segments.
    func restart(with first: KeptSegment, _ second: DecodedPacket) {
        span = nil
        note(first)
        note(second)
    }

    private func keepLate(_ packet: DecodedPacket) {
        let cost = KeptSegment.cost(of: packet)
        // Late ones may last for hours: half of the memory is left to those that begin.
        let hasRoom = cost <= Self.mostLateBytes && memory.used + cost <= memory.limit / 2
        drop(downTo: hasRoom ? Self.mostLateSegments - 1 : 0, Self.mostLateBytes - cost)
        guard hasRoom, memory.take(cost) else { return note(packet) }
        let segment = KeptSegment(packet)
        byteCount += cost
        segments.append(segment)
        note(packet)
    }

    private func drop(downTo count: Int, _ bytes: Int) {
        while let first = segments.first, segments.count > count || byteCount > bytes {
            memory.giveBack(first.cost)
            byteCount -= first.cost
            segments.removeFirst()
        }
    }

    private func note(_ segment: KeptSegment) { segment.withPacket { note($0) } }

    private func note(_ packet: DecodedPacket) {
        guard packet.tcpFlags.contains(.ack), packet.tcpFlags.isDisjoint(with: [.syn, .rst]) else { return }
        guard span == nil else {
            span?.add(packet)
            return
        }
        span = NumberSpan(packet)
    }

    /// Goes on until the other end's first words, with what it takes: they may say that it is the server.
    func wait() { isAnswered = true }

    /// Likewise in the flow that begins anew with the other end's `answer`.
    func wait(behind answer: DecodedPacket, _ direction: Direction) {
        self.direction = direction
        forget { !isTaken($0.packet, before: answer) }
        wait()
    }

    private func forget(_ isForgotten: (KeptSegment) -> Bool) {
        segments.removeAll { segment in
            guard isForgotten(segment) else { return false }
            memory.giveBack(segment.cost)
            byteCount -= segment.cost
            return true
        }
    }

    /// Forgets what asked whether the other end is still there, with a byte that it has already.
    func leaveOut(keepAlive number: UInt32) {
        forget { $0.isKeepAlive && $0.packet.tcpSequence == number }
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
            guard segment.isFilled else { return segment.isBare && !isTaken(segment.packet, before: packet) }
            // A decoy that the other end discards may stand where something else comes later.
            return !isTaken(segment.packet, before: packet)
                || Int32(bitPattern: segment.packet.tcpSequence &- base) < 0
        }
        let distance = Int64(Int32(bitPattern: packet.tcpAcknowledgement &- base))
        if isOther || distance < -HalfStream.blindWindow { return .other }
        guard distance > 0 else { return distance == 0 ? .agreed : .open }
        let count = start(before: packet) &- base
        return count == 0 || count == UInt32(truncatingIfNeeded: synData) ? .agreed : .other
    }

    /// Likewise when it was kept for long enough, and not all of it is there any more.
    /// - Parameter half: the first end's stream.
    func lateAnswer(_ packet: DecodedPacket, _ half: HalfStream) -> Answer {
        guard let span else { return .agreed }
        let areTaken = span.acknowledgements.allSatisfy { isTaken($0, before: packet) }
        let distance = Int64(Int32(bitPattern: packet.tcpAcknowledgement &- half.base))
        guard areTaken, !span.isBefore(half.base), distance >= -HalfStream.blindWindow else { return .other }
        guard distance > 0 else { return distance == 0 ? .agreed : .open }
        let end = half.wholeEnd + (half.fin == half.wholeEnd ? 1 : 0)
        return !half.hasGap && end >= distance ? .agreed : .other
    }

    /// The number with which the first end's stream begins, by the other's acknowledgement: that of the first
    /// segment behind which there is no hole before it.
    func start(before answer: DecodedPacket) -> UInt32 {
        let filled = segments.filter { $0.isFilled && isTaken($0.packet, before: answer) }
        let end = answer.tcpAcknowledgement
        let start = Self.start(of: filled, behind: end)
        // A FIN counts as one, where something ends with it.
        let hasFIN = segments.contains {
            $0.isFIN && $0.end == end &- 1 && isTaken($0.packet, before: answer)
        }
        guard start == end, hasFIN else { return start }
        let other = Self.start(of: filled, behind: end &- 1)
        return other == end &- 1 ? start : other
    }

    private static func start(of filled: [KeptSegment], behind end: UInt32) -> UInt32 {
        var start = end
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
        return isTaken(packet.tcpAcknowledgement, before: answer)
    }

    private func isTaken(_ acknowledgement: UInt32, before answer: DecodedPacket) -> Bool {
        let count = answer.payload.count + answer.missingPayload + (answer.tcpFlags.contains(.fin) ? 1 : 0)
        let ahead = Int64(Int32(bitPattern: acknowledgement &- answer.tcpSequence))
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

/// Between which numbers the segments of one end are.
private struct NumberSpan {
    private let first: UInt32
    private var lowest: Int32 = 0
    private var highest: Int32 = 0
    /// Where the first payload begins.
    private var start: UInt32?

    init(_ packet: DecodedPacket) {
        first = packet.tcpAcknowledgement
        add(packet)
    }

    mutating func add(_ packet: DecodedPacket) {
        let distance = Int32(bitPattern: packet.tcpAcknowledgement &- first)
        lowest = min(lowest, distance)
        highest = max(highest, distance)
        guard !packet.payload.isEmpty || packet.missingPayload > 0, !packet.isKeepAlive else { return }
        let former = start ?? packet.tcpSequence
        start = Int32(bitPattern: packet.tcpSequence &- former) < 0 ? packet.tcpSequence : former
    }

    /// The first, and those farthest from it: where these are right those between are.
    var acknowledgements: [UInt32] {
        [first, first &+ UInt32(bitPattern: lowest), first &+ UInt32(bitPattern: highest)]
    }

    func isBefore(_ base: UInt32) -> Bool { start.map { Int32(bitPattern: $0 &- base) < 0 } ?? false }
}

extension DecodedPacket {
    /// A zero of its own without PSH: so stacks ask whether the other end is still there, with a byte that it
    /// has already (RFC 1122 4.2.3.6), and hardly anybody sends data so.
    var isKeepAlive: Bool { payload.elementsEqual([0]) && missingPayload == 0 && tcpFlags == [.ack] }
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
    /// An acknowledgement alone: its number is what the other end's stream is taken to begin with.
    var isBare: Bool {
        count == 0 && packet.tcpFlags.contains(.ack) && packet.tcpFlags.isDisjoint(with: [.syn, .rst])
    }
    /// What it takes, in bytes.
    var cost: Int { bytes.count + MemoryLayout<DecodedPacket>.stride }
    static func cost(of packet: DecodedPacket) -> Int {
        packet.bytes.count + MemoryLayout<DecodedPacket>.stride
    }
    var isKeepAlive: Bool { withPacket(\.isKeepAlive) }
    var isFIN: Bool { packet.tcpFlags.contains(.fin) && packet.tcpFlags.isDisjoint(with: [.syn, .rst]) }
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
