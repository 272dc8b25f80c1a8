// SPDX-License-Identifier: Apache-2.0
// Captures that others made, from floods to fuzzed packets: every promise holds on each, and twice the same
// input gives twice the same.
import Capture
import Glibc
import NetworkTypes
import TestSupport
import Testing

@testable import Streams

/// All captures below the shared data's folders.
private let captures: [String] = {
    guard let folder = SharedData.folder else { return [] }
    let kinds = ["malformed", "encapsulation", "http-api", "ddos", "tls-fingerprints", "dpi-protocols"]
    return kinds.flatMap { files(below: "\(folder)/\($0)") }
        .filter { $0.hasSuffix(".pcap") || $0.hasSuffix(".pcapng") }.sorted()
}()

private func files(below folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [folder] }
    defer { closedir(directory) }
    var found: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        if !name.hasPrefix(".") { found += files(below: "\(folder)/\(name)") }
    }
    return found
}

/// Adds up what it is told, and checks that streams have no jump.
private final class Digest: StreamConsumer {
    var value: UInt64 = 0xcbf2_9ce4_8422_2325
    var jumps = 0
    var told = 0

    final class Places {
        var next = PerDirection<Int64>(0, 0)
    }

    private func add(_ number: Int64) {
        value = (value ^ UInt64(bitPattern: number)) &* 0x0000_0100_0000_01b3
    }

    func makeState(of start: FlowStart) -> Places { Places() }

    func data(_ bytes: UnsafeRawBufferPointer, at place: StreamPlace, of flow: Flow<Places>) {
        move(Int64(bytes.count), place, flow)
        told += bytes.count
        for byte in bytes.prefix(8) { add(Int64(byte)) }
    }

    func gap(of count: Int64, at place: StreamPlace, of flow: Flow<Places>) { move(count, place, flow) }

    func anomaly(_ anomaly: Anomaly, of flow: Flow<Places>?, _ packet: DecodedPacket?) {
        add(Int64(anomaly.rawValue))
    }

    func closed(_ flow: Flow<Places>, _ reason: FlowEnd) { add(Int64(flow.start.id)) }

    private func move(_ count: Int64, _ place: StreamPlace, _ flow: Flow<Places>) {
        if place.offset != flow.attachment.next[place.direction] || count <= 0 { jumps += 1 }
        flow.attachment.next[place.direction] = place.offset + count
        add(place.offset)
    }
}

struct SharedCaptureTests {
    /// - Returns: nil where the file is no capture that can be read.
    private func run(_ path: String) -> (Digest, StreamCounters)? {
        guard var reader = try? CaptureReader(path: path) else { return nil }
        let digest = Digest()
        let tracker = StreamTracker(StreamOptions(), digest)
        while let frame = try? reader.next(), frame.number <= 50_000 {
            let bytes = frame.bytes
            guard bytes.count > 14, [0x0800, 0x86dd].contains(Int(bytes[12]) << 8 | Int(bytes[13])) else {
                continue
            }
            let packet = UnsafeRawBufferPointer(rebasing: bytes[14...])
            var input = InputPacket(bytes: packet, time: frame.timeNanoseconds)
            input.isCutShort = frame.capturedLength < frame.originalLength
            tracker.follow(input)
        }
        tracker.finish()
        #expect(tracker.flowCount == 0 && tracker.streamBytesHeld == 0, "\(path)")
        return (digest, tracker.counters)
    }

    @Test(.enabled(if: SharedData.folder != nil, "no ../shared/data beside the checkout"))
    func `every capture is followed without a jump, and twice alike`() {
        var total = (streams: 0, packets: UInt64(0), captures: 0)
        for path in captures {
            guard let (digest, counters) = run(path), let (again, _) = run(path) else { continue }
            #expect(digest.jumps == 0, "\(path)")
            #expect(digest.value == again.value, "\(path)")
            #expect(counters.streamBytes == UInt64(digest.told), "\(path)")
            total = (total.streams + digest.told, total.packets + counters.packets, total.captures + 1)
        }
        #expect(total.captures > 100 && total.packets > 10_000 && total.streams > 1_000_000, "\(total)")
    }
}
