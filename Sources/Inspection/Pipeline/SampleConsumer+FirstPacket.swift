// SPDX-License-Identifier: Apache-2.0
// Of some flows the first packet that is sampled is an answer: what this host asks is not sampled without the
// egress program, and connections are older than the inspector. In: that packet. Out: who answers whom.
import NetworkTypes
import Protocols
import Streams

extension SampleConsumer {
    func saysAnswer(_ packet: DecodedPacket) -> Bool {
        switch packet.proto {
        case .udp: isDNSResponse(packet.payload)
        case .tcp: packet.payload.starts(with: Self.statusLine)
        default: false
        }
    }

    private static let statusLine = Array("HTTP/1.".utf8)

    /// The QR bit (RFC 1035 section 4.1.1) of what is a message.
    private func isDNSResponse(_ payload: UnsafeRawBufferPointer) -> Bool {
        guard payload.count > 2, payload[2] & 0x80 != 0 else { return false }
        return DNSParser.probe(datagram: payload, .toClient) == .match
    }
}
