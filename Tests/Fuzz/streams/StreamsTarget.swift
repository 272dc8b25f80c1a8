// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: packets through defragmentation, flow table and TCP reassembly with small bounds. In: a
// program of packets: headers made from few bytes, so that they meet, or raw bytes. Out: nothing, or a trap
// where a bound or a promise of StreamConsumer is broken.
import NetworkTypes
import Streams

/// Checks that streams go on where they ended, and that nothing is told of a flow that is closed.
private final class Judge: StreamConsumer {
    final class Notes {
        var next = PerDirection<Int64>(0, 0)
        var isOver = false
    }

    var open = 0

    func makeState(of start: FlowStart) -> Notes { Notes() }
    func opened(_ flow: Flow<Notes>) { open += 1 }

    func arrived(_ packet: DecodedPacket, _ direction: Direction, of flow: Flow<Notes>) {
        precondition(!flow.attachment.isOver, "a packet of a flow that is closed")
        touch(packet)
    }

    func strayed(_ packet: DecodedPacket) { touch(packet) }

    /// Reads every byte that is handed out.
    private func touch(_ packet: DecodedPacket) {
        var sum: UInt8 = 0
        for part in [packet.payload, packet.ipHeader, packet.ipOptions, packet.l4Header, packet.tcpOptions] {
            for byte in part { sum &+= byte }
        }
        precondition(packet.tcpWindowScale.map { $0 <= 14 } ?? true)
        _ = (sum, packet.tcpMaximumSegmentSize)
    }

    func data(_ bytes: UnsafeRawBufferPointer, at place: StreamPlace, of flow: Flow<Notes>) {
        precondition(!bytes.isEmpty)
        move(Int64(bytes.count), place, flow)
    }

    func gap(of count: Int64, at place: StreamPlace, of flow: Flow<Notes>) {
        precondition(count > 0)
        move(count, place, flow)
    }

    func closed(_ flow: Flow<Notes>, _ reason: FlowEnd) {
        precondition(!flow.attachment.isOver)
        flow.attachment.isOver = true
        open -= 1
    }

    private func move(_ count: Int64, _ place: StreamPlace, _ flow: Flow<Notes>) {
        precondition(!flow.attachment.isOver, "data of a flow that is closed")
        precondition(place.offset == flow.attachment.next[place.direction], "a jump")
        flow.attachment.next[place.direction] = place.offset + count
    }
}

/// Takes numbers from the input; 0 behind its end.
private struct Numbers {
    var bytes: UnsafeRawBufferPointer.SubSequence

    mutating func next() -> UInt8 { bytes.popFirst() ?? 0 }
    mutating func take(_ count: Int) -> [UInt8] {
        let taken = Array(bytes.prefix(count))
        bytes = bytes.dropFirst(count)
        return taken
    }
}

/// An IPv4 packet, whole or a fragment, with the content given.
private func ipv4(_ numbers: inout Numbers, _ proto: UInt8, _ isAnswer: Bool, _ content: [UInt8]) -> [UInt8] {
    let kind = numbers.next()
    let length = 20 + content.count
    var fragment: [UInt8] = [0, 0]
    if kind & 0x80 != 0 { fragment = [kind & 0x20, kind & 0x0f] }
    let ends: [[UInt8]] = [[192, 0, 2, 1 + kind >> 5 & 1], [198, 51, 100, 1]]
    var bytes: [UInt8] = [0x45, 0, UInt8(length >> 8 & 0xff), UInt8(length & 0xff), 0, kind & 3] + fragment
    bytes += [64, proto, 0, 0]
    return bytes + ends[isAnswer ? 1 : 0] + ends[isAnswer ? 0 : 1] + content
}

private func segment(_ numbers: inout Numbers) -> [UInt8] {
    let (kind, flags) = (numbers.next(), numbers.next())
    let isAnswer = kind & 1 != 0
    let ports: [UInt8] = isAnswer ? [0, 80, 0x9c, 0x40] : [0x9c, 0x40, 0, 80]
    // Near the place where numbers wrap.
    let sequence: [UInt8] = [0xff, 0xff, 0xff, numbers.next()]
    let acknowledgement: [UInt8] = [0xff, 0xff, kind & 2 != 0 ? 0 : 0xff, numbers.next()]
    let window: [UInt8] = [0, numbers.next()]
    let options: [UInt8] = kind & 4 != 0 ? [3, 3, numbers.next(), 0] : []
    var bytes = ports + sequence + acknowledgement
    bytes += [UInt8(0x50 + options.count * 4), flags] + window + [0, 0, 0, kind & 8]
    let payload = numbers.take(Int(kind >> 4))
    return ipv4(&numbers, 6, isAnswer, bytes + options + payload)
}

private func packet(_ numbers: inout Numbers) -> [UInt8] {
    let kind = numbers.next()
    switch kind & 3 {
    case 0: return numbers.take(Int(numbers.next()))
    case 1: return ipv4(&numbers, 17, kind & 4 != 0, numbers.take(Int(kind >> 3)))
    default: return segment(&numbers)
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func judgeInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var numbers = Numbers(bytes: UnsafeRawBufferPointer(start: start, count: count)[...])
    var options = StreamOptions()
    let first = numbers.next()
    options.verifiesChecksums = first & 1 != 0
    options.isOneSided = first & 2 != 0
    options.midstream = first & 4 != 0
    (options.maximumFlows, options.maximumDatagrams) = (4, 4)
    (options.maximumStreamBytes, options.maximumFragmentBytes) = (2000, 2000)
    (options.maximumQueuedBytes, options.maximumQueuedPieces, options.historyBytes) = (200, 8, 64)
    let judge = Judge()
    let tracker = StreamTracker(options, judge)
    var time: Int64 = 0
    while !numbers.bytes.isEmpty {
        let packet = packet(&numbers)
        let step = numbers.next()
        time &+= Int64(step & 0x1f) * 1_000_000_000
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: packet.count, alignment: 1)
        copy.copyBytes(from: packet)
        var input = InputPacket(bytes: UnsafeRawBufferPointer(copy), time: time)
        input.isCutShort = step & 0x80 != 0
        input.isSentByHost = step & 0x40 != 0
        tracker.follow(input)
        copy.deallocate()
        precondition(
            tracker.streamBytesHeld <= 2000 && tracker.fragmentBytesHeld <= 2000, "a bound is broken")
        precondition(tracker.flowCount <= 4 && tracker.flowCount == judge.open)
    }
    tracker.finish()
    precondition(judge.open == 0 && tracker.streamBytesHeld == 0)
    return 0
}
