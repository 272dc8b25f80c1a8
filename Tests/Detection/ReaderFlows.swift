// SPDX-License-Identifier: Apache-2.0
// ndpiReader's flow table around our detector: one table a capture, no time-outs, a flow is 5-tuple and VLAN.
// In: a capture. Out: its flows in the order of their first packets, each with its protocol.

import Capture
import Glibc
import ProtocolDetection

/// A flow of a capture.
final class ReaderFlow {
    let first: ReaderPacket
    /// The first packet's addresses, 4 or 16 bytes.
    let source: SIMD16<UInt8>
    let destination: SIMD16<UInt8>
    let detection: FlowDetection?
    var forward = 0
    var backward = 0
    var isBidirectional = false

    init(_ packet: ReaderPacket, _ bytes: UnsafeRawBufferPointer, _ detection: FlowDetection?) {
        first = packet
        self.detection = detection
        let (at, count) = packet.isIPv6 ? (8, 16) : (12, 4)
        func address(_ offset: Int) -> SIMD16<UInt8> {
            var address = SIMD16<UInt8>()
            for index in 0..<count { address[index] = bytes[offset + index] }
            return address
        }
        source = address(at)
        destination = address(at + count)
    }
}

/// Which packets the detector is shown; ndpiReader shows all.
enum Feeding: String, CaseIterable {
    case all
    /// No TCP packets without payload: what detection behind a reassembler could look like.
    case payloadOnly = "payload-only"
}

/// All flows of one capture.
struct ReaderFlows {
    private struct Key: Hashable {
        let low: UInt64
        let high: UInt64
        let rest: UInt32

        /// The same for both directions.
        init(_ packet: ReaderPacket) {
            let a = UInt64(packet.source) << 16 | UInt64(packet.sourcePort)
            let b = UInt64(packet.destination) << 16 | UInt64(packet.destinationPort)
            (low, high) = a < b ? (a, b) : (b, a)
            rest = UInt32(packet.vlan) << 8 | UInt32(packet.transport)
        }
    }

    let detector: ProtocolDetector
    private(set) var flows: [ReaderFlow] = []
    private(set) var packets = 0
    private var table: [Key: ReaderFlow] = [:]

    init() throws(DetectionError) { detector = try ProtocolDetector() }

    /// Reads a capture to its end, or to where it is broken.
    /// `change` is shown each frame before it is read.
    mutating func read(
        _ path: String, feeding: Feeding = .all, change: ((inout [UInt8]) -> Void)? = nil
    ) throws(CaptureError) {
        var reader = try CaptureReader(path: path)
        let marksIP = !Self.isRaw(path)
        while let frame = try next(&reader) {
            packets += 1
            let time = UInt64(clamping: frame.timeNanoseconds / 1_000_000)
            guard let change else {
                count(frame.bytes, marksIP, feeding, time)
                continue
            }
            var copy = Array(frame.bytes)
            change(&copy)
            copy.withUnsafeBytes { count($0, marksIP, feeding, time) }
        }
    }

    private mutating func count(
        _ frame: UnsafeRawBufferPointer, _ marksIP: Bool, _ feeding: Feeding, _ time: UInt64
    ) {
        guard let packet = ReaderPacket(frame, marksIP: marksIP) else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: frame[packet.offset...])
        let flow = flow(of: packet, bytes)
        if feeding == .payloadOnly, packet.isEmpty { return }
        _ = flow.detection?.feed(bytes, timeMilliseconds: time)
    }

    /// A broken end is an end, as it is to ndpiReader; a link layer that is not read is an error.
    private func next(_ reader: inout CaptureReader) throws(CaptureError) -> CapturedFrame? {
        do throws(CaptureError) { return try reader.next() } catch {
            if case .broken(_, let packet, _) = error, packet > 1 { return nil }
            throw error
        }
    }

    private mutating func flow(of packet: ReaderPacket, _ bytes: UnsafeRawBufferPointer) -> ReaderFlow {
        let key = Key(packet)
        guard let flow = table[key] else {
            let flow = ReaderFlow(packet, bytes, detector.openFlow())
            flow.forward = 1
            table[key] = flow
            flows.append(flow)
            return flow
        }
        let first = flow.first
        if first.source == packet.source, first.destination == packet.destination,
            first.sourcePort == packet.sourcePort, first.destinationPort == packet.destinationPort
        {
            flow.forward += 1
        } else {
            flow.backward += 1
            flow.isBidirectional = true
        }
        return flow
    }

    /// A pcap file of raw IP or loopback frames, whose link layer does not tell ndpiReader what they hold.
    private static func isRaw(_ path: String) -> Bool {
        guard let file = fopen(path, "r") else { return false }
        defer { fclose(file) }
        var header = [UInt8](repeating: 0, count: 24)
        guard fread(&header, 1, 24, file) == 24, header[0] == 0xd4 || header[0] == 0x4d else { return false }
        return [0, 12, 14, 101].contains(header[20]) && header[21...23].allSatisfy { $0 == 0 }
    }
}
