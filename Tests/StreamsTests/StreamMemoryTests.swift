// SPDX-License-Identifier: Apache-2.0
// What 100,000 flows cost in memory, measured by the pages of a process that does nothing else.
import Glibc
import NetworkTypes
import Testing

@testable import Streams

/// Keeps nothing.
private final class Forgetful: StreamConsumer {
    func makeState(of start: FlowStart) {}
}

/// Bytes of memory that this process has; nil where the system does not say.
private func residentBytes() -> Int? {
    guard let file = fopen("/proc/self/statm", "r") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, 128, file) != nil else { return nil }
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let fields = text.split(separator: " ")
    return fields.count > 1 ? Int(fields[1]).map { $0 * Int(getpagesize()) } : nil
}

/// A handshake, a request of which some is told and not acknowledged, and some that waits.
private let conversation: [[UInt8]] = {
    let talk = Talk()
    let waiting = [UInt8](repeating: 0x41, count: 1000)
    let requests = [talk.request("GET / HTTP/1.1\r\n", at: 0), talk.request(waiting, at: 100)]
    return (talk.handshake + requests).map(\.packet)
}()

/// A tracker that follows so many of these conversations.
private func tracker(following count: Int) -> StreamTracker<Forgetful> {
    var options = StreamOptions()
    options.verifiesChecksums = false
    let tracker = StreamTracker(options, Forgetful())
    for number in 0..<count {
        for (index, packet) in conversation.enumerated() {
            var packet = packet
            // The client's address and port, at their places in the source or the destination.
            let isAnswer = index == 1
            packet.set16(number / 50_000, at: isAnswer ? 18 : 14)
            packet.set16(number % 50_000 + 1, at: isAnswer ? 22 : 20)
            packet.withUnsafeBytes { tracker.follow(InputPacket(bytes: $0, time: Int64(number))) }
        }
    }
    return tracker
}

struct StreamMemoryTests {
    @Test func `100,000 connections with data that waits hold at most 8 KiB each on average`() async {
        await #expect(processExitsWith: .success) {
            let before = try #require(residentBytes())
            let tracker = tracker(following: 100_000)
            #expect(tracker.flowCount == 100_000)
            #expect(tracker.counters.segmentsQueued == 100_000)
            let each = (try #require(residentBytes()) - before) / 100_000
            #expect((1000...8 << 10).contains(each), "\(each) bytes a flow")
            #expect(tracker.streamBytesHeld <= StreamOptions().maximumStreamBytes)
            tracker.finish()
            #expect(tracker.streamBytesHeld == 0)
        }
    }
}
