// SPDX-License-Identifier: Apache-2.0
// A consumer that writes down what it is told, and checks the order that StreamConsumer promises.
import NetworkTypes
import Testing

@testable import Streams

/// What is kept of a flow.
final class FlowNotes {
    var bytes = PerDirection<[UInt8]>([], [])
    var gaps = PerDirection<[Int64]>([], [])
    var next = PerDirection<Int64>(0, 0)
    var hasEnded = PerDirection(false, false)
    var uses: [SegmentUse] = []
    var anomalies: [Anomaly] = []
    var isInPacket = false
    var end: FlowEnd?
}

final class StreamRecorder: StreamConsumer {
    var flows: [Flow<FlowNotes>] = []
    /// Serial numbers of flows in the order in which they ended.
    var closed: [UInt64] = []
    var strays: [[UInt8]] = []
    /// Anomalies of packets without a flow.
    var strayAnomalies: [Anomaly] = []
    /// Payloads of packets, also of datagrams.
    var payloads: [[UInt8]] = []
    /// The newest packet of a flow.
    var lastBytes: [UInt8] = []
    var lastPacket: (ttl: UInt8, identification: UInt32, isReassembled: Bool)?
    /// Called with each packet that arrives.
    var look: (DecodedPacket) -> Void = { _ in }
    /// Called with data, before it is written down.
    var onData: (Flow<FlowNotes>) -> Void = { _ in }

    func makeState(of start: FlowStart) -> FlowNotes { FlowNotes() }

    func opened(_ flow: Flow<FlowNotes>) { flows.append(flow) }

    func arrived(_ packet: DecodedPacket, _ direction: Direction, of flow: Flow<FlowNotes>) {
        #expect(flow.attachment.end == nil && !flow.attachment.isInPacket)
        flow.attachment.isInPacket = true
        payloads.append(Array(packet.payload))
        lastBytes = Array(packet.bytes)
        lastPacket = (packet.ttl, packet.identification, packet.isReassembled)
        look(packet)
    }

    func finished(
        _ packet: DecodedPacket, _ direction: Direction, as use: SegmentUse, of flow: Flow<FlowNotes>
    ) {
        #expect(flow.attachment.isInPacket)
        flow.attachment.isInPacket = false
        flow.attachment.uses.append(use)
    }

    func strayed(_ packet: DecodedPacket) {
        strays.append(Array(packet.bytes))
        look(packet)
    }

    func anomaly(_ anomaly: Anomaly, of flow: Flow<FlowNotes>?, _ packet: DecodedPacket?) {
        if let flow { flow.attachment.anomalies.append(anomaly) } else { strayAnomalies.append(anomaly) }
    }

    func data(_ bytes: UnsafeRawBufferPointer, at place: StreamPlace, of flow: Flow<FlowNotes>) {
        onData(flow)
        expectNext(place, flow, count: Int64(bytes.count))
        flow.attachment.bytes[place.direction] += bytes
    }

    func gap(of count: Int64, at place: StreamPlace, of flow: Flow<FlowNotes>) {
        expectNext(place, flow, count: count)
        flow.attachment.gaps[place.direction].append(count)
    }

    func streamEnded(at place: StreamPlace, of flow: Flow<FlowNotes>) {
        expectNext(place, flow, count: nil)
        flow.attachment.hasEnded[place.direction] = true
    }

    func closed(_ flow: Flow<FlowNotes>, _ reason: FlowEnd) {
        #expect(flow.attachment.end == nil)
        flow.attachment.end = reason
        closed.append(flow.serial)
    }

    private func expectNext(_ place: StreamPlace, _ flow: Flow<FlowNotes>, count: Int64?) {
        let notes = flow.attachment
        #expect(place.offset == notes.next[place.direction], "data out of order")
        #expect(notes.end == nil && !notes.hasEnded[place.direction])
        if let count {
            #expect(count > 0)
            notes.next[place.direction] += count
        }
    }
}

extension StreamTracker {
    /// Follows a packet at a time.
    func follow(_ packet: [UInt8], at time: Int64) {
        packet.withUnsafeBytes { follow(InputPacket(bytes: $0, time: time)) }
    }
}

/// A tracker with its recorder; time goes on by a millisecond a packet.
final class Wire {
    let recorder = StreamRecorder()
    let tracker: StreamTracker<StreamRecorder>
    var time: Int64 = 1_700_000_000_000_000_000
    /// The server is this host.
    var isOnServer = false

    init(_ change: (inout StreamOptions) -> Void = { _ in }) {
        var options = StreamOptions()
        change(&options)
        tracker = StreamTracker(options, recorder)
    }

    /// Sends a packet from memory that ends with it, so that a sanitizer sees reads behind it.
    func send(_ packet: [UInt8], _ change: (inout InputPacket) -> Void = { _ in }) {
        time += 1_000_000
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: packet.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: packet)
        var input = InputPacket(bytes: UnsafeRawBufferPointer(copy), time: time)
        change(&input)
        tracker.follow(input)
    }

    func send(_ segments: Segment...) {
        for segment in segments {
            let isServers = segment.from.port == Host.server.port
            send(segment.packet) { $0.isSentByHost = isOnServer && isServers }
        }
    }

    var counters: StreamCounters { tracker.counters }
    /// The last flow that began.
    var flow: Flow<FlowNotes>? { recorder.flows.last }
    var notes: FlowNotes { flow?.attachment ?? FlowNotes() }
    var request: String { String(decoding: notes.bytes.toServer, as: UTF8.self) }
    var response: String { String(decoding: notes.bytes.toClient, as: UTF8.self) }
    var anomalies: [Anomaly] { notes.anomalies }
}
