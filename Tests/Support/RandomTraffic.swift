// SPDX-License-Identifier: Apache-2.0
// Random frames in their order: built from headers, or earlier and captured ones broken, with fragment trains
// between each other, on a clock that mostly rises.
import NetworkTypes

/// A frame as a capture would have it.
public struct RandomFrame: Sendable, Hashable {
    public var bytes: [UInt8]
    /// Since 1970-01-01T00:00Z.
    public var timeNanoseconds: Int64
    public var interface: String?
    /// This host sends it.
    public var isSent = false
    /// What is done once it was judged.
    public var order: FlowOrder?

    public init(bytes: [UInt8], timeNanoseconds: Int64, interface: String?) {
        (self.bytes, self.timeNanoseconds, self.interface) = (bytes, timeNanoseconds, interface)
    }
}

/// An endless sequence of frames.
public struct RandomTraffic {
    private var writer: HeaderWriter
    private let interfaces: [String]
    private let captured: [[UInt8]]
    /// Most fragments have no others.
    private let isFlood: Bool
    /// Nil: all packets come in.
    private let conversations: ConversationWriter?
    /// The frame that is being made is one of this host's.
    private var isSent = false
    private var clock = TrafficClock()
    /// Fragments of trains that have begun.
    private var trains: [[[UInt8]]] = []
    private var recent: [[UInt8]] = []

    /// - Parameters:
    ///   - interfaces: on which frames come, or on one without a name.
    ///   - captured: Ethernet frames to be broken; may be none.
    public init(_ random: SeededGenerator, on interfaces: [String], captured: [[UInt8]] = []) {
        writer = HeaderWriter(random)
        self.interfaces = interfaces
        self.captured = captured
        isFlood = writer.random.chance(5)
        conversations = writer.random.chance(60) ? ConversationWriter(&writer.random) : nil
    }

    public mutating func next() -> RandomFrame {
        isSent = conversations != nil && writer.random.chance(8)
        var bytes = nextBytes()
        if writer.random.chance(7) { bytes.removeLast(writer.random.below(bytes.count + 1)) }
        if writer.random.chance(5) { bytes += [UInt8](repeating: 0, count: writer.random.below(40) + 1) }
        if recent.count < 32 { recent.append(bytes) } else { recent[writer.random.below(32)] = bytes }
        let interface = writer.random.chance(50) ? writer.random.pick(interfaces) : nil
        var frame = RandomFrame(
            bytes: bytes, timeNanoseconds: clock.next(&writer.random), interface: interface)
        frame.isSent = isSent
        return frame
    }

    private mutating func nextBytes() -> [UInt8] {
        if isFlood, writer.random.chance(80) { return writer.loneFragment() }
        if let conversations, writer.random.chance(60) {
            isSent = conversations.write(to: &writer)
            return writer.bytes
        }
        if !trains.isEmpty, writer.random.chance(60) { return nextOfTrain() }
        switch writer.random.below(100) {
        case 0..<48: return built(tunnels: 0)
        case 48..<60: return built(tunnels: writer.random.below(3) + 1)
        case 60..<65:
            trains.append(writer.fragmentTrain())
            return nextOfTrain()
        case 65..<85: return mutated(recent.isEmpty ? built(tunnels: 0) : writer.random.pick(recent))
        default: return captured.isEmpty ? built(tunnels: 0) : brokenCapture()
        }
    }

    private mutating func built(tunnels: Int) -> [UInt8] {
        writer.startFrame()
        writer.ethernetPayload(tunnels: tunnels)
        return writer.bytes
    }

    /// Trains run one into another.
    private mutating func nextOfTrain() -> [UInt8] {
        let index = writer.random.below(trains.count)
        if trains[index].isEmpty {
            trains.remove(at: index)
            return built(tunnels: 0)
        }
        let frame = trains[index].removeFirst()
        if trains[index].isEmpty { trains.remove(at: index) }
        return frame
    }

    /// A captured frame as it is or broken, half of them between addresses that rules know.
    private mutating func brokenCapture() -> [UInt8] {
        var frame = writer.random.pick(captured)
        if writer.random.chance(50), frame.count >= 54 {
            if frame[12] == 0x08, frame[13] == 0 {
                let pair = [writer.random.pick(World.v4), writer.random.pick(World.v4)]
                for (index, address) in pair.enumerated() {
                    frame.replaceSubrange(26 + 4 * index..<30 + 4 * index, with: IPAddress(v4: address).bytes)
                }
            } else if frame[12] == 0x86, frame[13] == 0xdd {
                frame.replaceSubrange(22..<38, with: IPAddress(v6: writer.random.pick(World.v6)).bytes)
            }
        }
        return writer.random.chance(50) ? frame : mutated(frame)
    }

    /// Bits and bytes changed, bytes taken out or put in, or the end of another frame.
    private mutating func mutated(_ original: [UInt8]) -> [UInt8] {
        var frame = original
        for _ in 0...writer.random.below(3) {
            let place = writer.random.below(frame.count + 1)
            switch writer.random.below(8) {
            case 0: frame.removeLast(frame.count - place)
            case 1: frame.insert(contentsOf: randomBytes(), at: place)
            case 2: frame.removeSubrange(place..<min(frame.count, place + writer.random.below(8) + 1))
            case 3 where !recent.isEmpty:
                let other = writer.random.pick(recent)
                frame.replaceSubrange(place..., with: other.dropFirst(min(place, other.count)))
            case 4, 5: if place < frame.count { frame[place] ^= 1 << UInt8(writer.random.below(8)) }
            default: if place < frame.count { frame[place] = oddByte() }
            }
        }
        // Frames grow by insertion: a frame of a jumbo's size says no more than a small one.
        return frame.count > 2000 ? Array(frame.prefix(2000)) : frame
    }

    private mutating func randomByte() -> UInt8 { UInt8(truncatingIfNeeded: writer.random.next()) }

    private mutating func oddByte() -> UInt8 {
        let any = randomByte()
        return writer.random.pick([0, 255, any])
    }

    private mutating func randomBytes() -> [UInt8] {
        (0...writer.random.below(8)).map { _ in randomByte() }
    }
}

/// From 990 s after the epoch on, where random rules expire: mostly a little later, often the same time
/// again, seldom back, seldom over or to the very edge of 30 s, for which first fragments are kept, or of the
/// other timeouts that connections have.
private struct TrafficClock {
    private static let second: Int64 = 1_000_000_000
    private var now = 990 * second
    private var remembered = 990 * second

    mutating func next(_ random: inout SeededGenerator) -> Int64 {
        let roll = random.below(1000)
        switch roll {
        case 0..<400: break
        case 400..<950: now += Int64(random.below(1_000_000))
        case 950..<970: now += Int64(random.below(200_000_000))
        case 970..<980: now = (now / Self.second + 1) * Self.second - random.pick([0, 0, 1])
        case 980..<990: now -= Int64(random.below(1_000_000_000))
        case 990..<994: now = max(now, remembered + 30 * Self.second - random.pick([0, 1, -1]))
        case 994: now += 31 * Self.second
        case 995:
            let timeout = random.pick([120, 120, 120, 120, 120, 120, 5 * 24 * 3600]) * Self.second
            now = max(now, remembered + timeout - random.pick([0, 1, -1]))
        default: remembered = now
        }
        return now
    }
}
