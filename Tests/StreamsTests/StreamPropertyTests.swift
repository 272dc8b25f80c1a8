// SPDX-License-Identifier: Apache-2.0
// Any stream, cut at random places, shuffled, repeated, overlapping, fragmented, with numbers that wrap, is
// told exactly; and of overlaps that differ the first bytes win, as a naive model has it. A failure names its
// seed.
import NetworkTypes
import TestSupport
import Testing

@testable import Streams

/// Segments of one stream in the order in which they come.
private struct Delivery {
    var random: SeededGenerator
    let talk: Talk
    let stream: [UInt8]

    init(seed: UInt64, maximum: Int) {
        random = SeededGenerator(seed: seed)
        let isV4 = random.chance(50)
        talk = Talk(
            client: isV4 ? .client : .client6, server: isV4 ? .server : .server6,
            clientStart: random.pick([0, 1000, UInt32.max - 40, UInt32.max, 0x7fff_fff0]),
            serverStart: UInt32(truncatingIfNeeded: random.next()))
        let count = random.below(maximum) + 1
        var bytes: [UInt8] = []
        for _ in 0..<count { bytes.append(UInt8(truncatingIfNeeded: random.next())) }
        stream = bytes
    }

    /// Ranges that cover the stream, some more than once, none further from its place than 40 others.
    mutating func ranges() -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var start = 0
        while start < stream.count {
            let end = min(stream.count, start + random.below(random.pick([1, 3, 50])) + 1)
            ranges.append(start..<end)
            if random.chance(20) { ranges.append(start..<end) }
            if random.chance(20) {
                ranges.append(max(0, start - random.below(30))..<min(stream.count, end + random.below(30)))
            }
            start = end
        }
        for index in ranges.indices where random.chance(60) {
            ranges.swapAt(index, min(ranges.count - 1, index + random.below(40)))
        }
        return ranges
    }

    /// A packet as it is, or in fragments out of order.
    mutating func packets(_ segment: Segment, _ number: Int) -> [[UInt8]] {
        let packet = segment.packet
        let count = packet.count - (segment.from.isV4 ? 20 : 40)
        guard random.chance(30), count > 8 else { return [packet] }
        var offsets = [0]
        while let last = offsets.last, last + 8 < count, random.chance(80) {
            // Under IPv6 the first one has the whole TCP header.
            let least = last == 0 && !segment.from.isV4 ? 3 : 1
            let next = last + 8 * (random.below(4) + least)
            if next < count { offsets.append(next) } else { break }
        }
        guard offsets.count > 1 else { return [packet] }
        var pieces = fragments(of: packet, at: offsets, identification: UInt32(number))
        for index in pieces.indices { pieces.swapAt(index, random.below(pieces.count)) }
        if random.chance(30), let again = pieces.first { pieces.insert(again, at: 1) }
        return pieces
    }
}

struct StreamPropertyTests {
    @Test(arguments: 1...150 as ClosedRange<UInt64>)
    func `a stream is told exactly, however it comes`(seed: UInt64) {
        var delivery = Delivery(seed: seed, maximum: 3000)
        let wire = Wire()
        wire.shakeHands(delivery.talk)
        var toServer: [(Range<Int>, Bool)] = delivery.ranges().map { ($0, true) }
        for range in delivery.ranges() {
            toServer.insert((range, false), at: delivery.random.below(toServer.count))
        }
        // The inserted ones are in no order of their own: the second direction is wholly shuffled.
        for (number, (range, isRequest)) in toServer.enumerated() {
            let bytes = Array(delivery.stream[range])
            let segment =
                isRequest
                ? delivery.talk.request(bytes, at: range.lowerBound)
                : delivery.talk.response(bytes, at: range.lowerBound, acknowledging: 0)
            for packet in delivery.packets(segment, number) { wire.send(packet) }
        }
        #expect(wire.notes.bytes.toServer == delivery.stream, "seed \(seed)")
        #expect(wire.notes.bytes.toClient == delivery.stream, "seed \(seed)")
        #expect(wire.anomalies.isEmpty, "seed \(seed)")
        #expect(wire.notes.gaps == PerDirection([], []), "seed \(seed)")
        wire.tracker.finish()
        #expect(wire.tracker.streamBytesHeld == 0 && wire.tracker.fragmentBytesHeld == 0, "seed \(seed)")
    }

    @Test(arguments: 1000...1150 as ClosedRange<UInt64>)
    func `of bytes that differ the first win, as in a table of first bytes`(seed: UInt64) {
        var delivery = Delivery(seed: seed, maximum: 300)
        let wire = Wire()
        wire.shakeHands(delivery.talk)
        var model = [UInt8?](repeating: nil, count: delivery.stream.count)
        var isDifferent = false
        for range in delivery.ranges() {
            var bytes = Array(delivery.stream[range])
            if delivery.random.chance(15) { bytes[delivery.random.below(bytes.count)] ^= 0x20 }
            for (index, byte) in zip(range, bytes) {
                if let first = model[index], first != byte { isDifferent = true }
                model[index] = model[index] ?? byte
            }
            wire.send(delivery.talk.request(bytes, at: range.lowerBound))
        }
        #expect(wire.notes.bytes.toServer == model.compactMap { $0 }, "seed \(seed)")
        #expect(wire.anomalies.contains(.overlapDiffers) == isDifferent, "seed \(seed)")
    }

    @Test(arguments: 2000...2100 as ClosedRange<UInt64>)
    func `where segments are missing the rest is told in its place`(seed: UInt64) {
        var delivery = Delivery(seed: seed, maximum: 2000)
        let wire = Wire { $0.maximumQueuedBytes = delivery.random.pick([50, 500, 100_000]) }
        wire.shakeHands(delivery.talk)
        var isThere = [Bool](repeating: false, count: delivery.stream.count)
        for range in delivery.ranges() where !delivery.random.chance(10) {
            for index in range { isThere[index] = true }
            wire.send(delivery.talk.request(Array(delivery.stream[range]), at: range.lowerBound))
        }
        wire.tracker.finish()
        let told = wire.notes.bytes.toServer.count
        let missing = wire.notes.gaps.toServer.reduce(0, +)
        #expect(told <= isThere.count(where: { $0 }), "seed \(seed)")
        let last = isThere.lastIndex(of: true).map { $0 + 1 } ?? 0
        #expect(Int64(told) + missing == Int64(last), "seed \(seed)")
        if wire.tracker.options.maximumQueuedBytes == 100_000 {
            #expect(told == isThere.count(where: { $0 }), "seed \(seed)")
        }
    }

    @Test(arguments: 3000...3100 as ClosedRange<UInt64>)
    func `random segments break no bound and no promise`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let wire = Wire {
            $0.maximumFlows = 20
            $0.maximumStreamBytes = 4000
            $0.maximumQueuedBytes = 1000
            $0.maximumQueuedPieces = 8
            $0.maximumFragmentBytes = 4000
            $0.isOneSided = random.chance(30)
        }
        let flags: [TCPFlags] = [
            [.syn], [.syn, .ack], [.ack], [.ack], [.ack], [.ack, .fin], [.rst], [.rst, .ack], [],
            [.psh, .ack],
        ]
        for number in 0..<400 {
            let talk = Talk(client: Host(address: "192.0.2.\(random.below(3))", port: 4000))
            let length = random.below(40)
            let near = UInt32(random.below(60))
            var segment = random.chance(50) ? talk.request("", at: 0) : talk.response("", at: 0)
            segment.payload = [UInt8](repeating: UInt8(truncatingIfNeeded: random.next()), count: length)
            segment.sequence &+= random.chance(90) ? near : UInt32(truncatingIfNeeded: random.next())
            segment.acknowledgement &+= random.chance(90) ? near : UInt32(truncatingIfNeeded: random.next())
            segment.flags = random.pick(flags)
            segment.window = random.pick([0, 10, 1000, 65_535])
            if segment.flags.contains(.syn) { segment.sequence &-= 1 }
            if random.chance(10) {
                let pieces = fragments(
                    of: segment.packet, at: [0, 8, 16], identification: UInt32(number % 5))
                for _ in 0..<2 { wire.send(random.pick(pieces)) }
            } else {
                wire.send(segment.packet) { $0.isCutShort = random.chance(5) }
            }
            wire.time += Int64(random.below(20)) * 1_000_000_000
            #expect(wire.tracker.streamBytesHeld <= 4000 && wire.tracker.fragmentBytesHeld <= 4000)
        }
        wire.tracker.finish()
        #expect(wire.tracker.streamBytesHeld == 0, "seed \(seed)")
        #expect(wire.recorder.flows.allSatisfy { $0.attachment.end != nil }, "seed \(seed)")
    }
}
