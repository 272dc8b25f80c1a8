// SPDX-License-Identifier: Apache-2.0
// Broken headers and fragments whose events others wrote down: the captures of suricata-verify that have a
// `decode-event` or `stream-event` rule, each event as often as their expectation says.
import Capture
import NetworkTypes
import TestSupport
import Testing

@testable import Streams

/// A capture below ../shared/data/signatures/suricata-verify/pcaps, and the events that are expected of it.
struct ExpectedEvents: Sendable, CustomTestStringConvertible {
    var capture: String
    var events: [String: Int]
    var testDescription: String { capture }

    init(_ capture: String, _ events: [String: Int]) {
        (self.capture, self.events) = (capture, events)
    }

    static let all = [
        ExpectedEvents("c0c0639710-frag-1", ["ipv6.frag_overlap": 1]),
        ExpectedEvents("36009e40c1-frag-2", ["ipv6.frag_overlap": 1]),
        ExpectedEvents("66de5cefd6-frag-7", ["ipv6.frag_overlap": 1]),
        ExpectedEvents("eedcfa83da-frag-8", ["ipv6.frag_overlap": 1]),
        ExpectedEvents("1db002c16a-frag-18", ["ipv6.frag_overlap": 1]),
        ExpectedEvents("2eb08f9396-frag-29", ["ipv6.frag_overlap": 1]),
        ExpectedEvents("590c70fd03-frag-10", ["ipv6.exthdr_useless_fh": 1, "ipv6.exthdr_dupl_fh": 1]),
        ExpectedEvents("166faf6462-frag-22", ["ipv6.frag_invalid_length": 1]),
        ExpectedEvents("8f4aa89806-frag-23", ["ipv6.frag_invalid_length": 1]),
        ExpectedEvents("5d46ce7f11-frag-25", ["ipv6.trunc_exthdr": 1, "ipv6.exthdr_useless_fh": 1]),
        ExpectedEvents("21dc89c185-frag-26", ["ipv6.trunc_exthdr": 1, "ipv6.exthdr_useless_fh": 1]),
        ExpectedEvents("db33ddae4a-frag-28", ["ipv6.trunc_exthdr": 1, "ipv6.exthdr_useless_fh": 1]),
        ExpectedEvents("677422d382-frag-31", ["ipv6.frag_pkt_too_large": 1]),
        ExpectedEvents("e66c4789df-ip_secopt", ["ipv4.opt_pad_required": 1, "ipv4.opt_invalid_len": 1]),
        ExpectedEvents("84c29ca8a0-test", ["tcp.pkt_too_small": 2, "udp.hlen_too_small": 4]),
        ExpectedEvents("67c3316d94-tlpw-tcp-tfo-data-on-syn-nack", ["3whs_synack_tfo_data_ignored": 1]),
        ExpectedEvents("f297e2c549-input", ["reassembly_seq_gap": 0]),
        ExpectedEvents("dc064d215c-input", ["reassembly_seq_gap": 0]),
        ExpectedEvents("db084e295a-input", ["reassembly_seq_gap": 0]),
        ExpectedEvents("14b9e17653-input", ["reassembly_seq_gap": 0]),
    ]
}

/// Counts anomalies by their word.
private final class EventCounter: StreamConsumer {
    var counts: [String: Int] = [:]

    func makeState(of start: FlowStart) {}

    func anomaly(_ anomaly: Anomaly, of flow: Flow<Void>?, _ packet: DecodedPacket?) {
        counts[anomaly.word, default: 0] += 1
    }
}

struct SuricataAnomalyTests {
    @Test(
        .enabled(if: SharedData.folder != nil, "no ../shared/data beside the checkout"),
        arguments: ExpectedEvents.all)
    func `a capture has the events that Suricata's own tests expect`(expected: ExpectedEvents) throws {
        let folder = try #require(SharedData.folder)
        let path = "\(folder)/signatures/suricata-verify/pcaps/\(expected.capture).pcap"
        var reader = try CaptureReader(path: path)
        let counter = EventCounter()
        let tracker = StreamTracker(StreamOptions(), counter)
        while let frame = try reader.next() {
            guard frame.bytes.count >= 14 else { continue }
            let type = Int(frame.bytes[12]) << 8 | Int(frame.bytes[13])
            guard type == 0x0800 || type == 0x86dd else { continue }
            let bytes = UnsafeRawBufferPointer(rebasing: frame.bytes[14...])
            tracker.follow(InputPacket(bytes: bytes, time: frame.timeNanoseconds))
        }
        tracker.finish()
        for (event, count) in expected.events {
            #expect(counter.counts[event, default: 0] == count, "\(event) of \(counter.counts)")
        }
    }
}
