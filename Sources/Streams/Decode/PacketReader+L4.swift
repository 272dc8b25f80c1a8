// SPDX-License-Identifier: Apache-2.0
// Packets -> flows: the headers of TCP, UDP, SCTP, ICMP and ICMPv6, their lengths and checksums. Fragments
// are read no further than IP: their datagram is, once it is whole.
import NetworkTypes

extension PacketReader {
    mutating func readL4() {
        guard !packet.fragment.isFragment else {
            packet.isFragment = true
            return
        }
        let left = packet.bytes.count - packet.l4Start
        switch packet.proto {
        case .tcp: readTCP(left)
        case .udp: readUDP(left)
        case .icmp:
            if packet.family == .ipv6 { note(.ipv6WithICMPv4) }
            readICMP(left, .icmpv4TooSmall)
        case .icmpv6:
            if packet.family == .ipv4 { note(.ipv4WithICMPv6) }
            readICMP(left, .icmpv6TooSmall)
        case .sctp:
            guard left >= 12 else { return note(.sctpTooSmall) }
            readPorts(headerLength: 12)
        default: packet.isComplete = true
        }
    }

    private mutating func readPorts(headerLength: Int) {
        packet.sourcePort = packet.bytes.big16(packet.l4Start)
        packet.destinationPort = packet.bytes.big16(packet.l4Start + 2)
        packet.payloadStart = packet.l4Start + headerLength
        packet.isComplete = true
    }

    private mutating func readTCP(_ left: Int) {
        guard left >= 20 else { return note(.tcpTooSmall) }
        let (bytes, start) = (packet.bytes, packet.l4Start)
        let headerLength = Int(bytes[start + 12] >> 4) * 4
        guard headerLength >= 20 else { return note(.tcpHeaderTooSmall) }
        guard headerLength <= left else { return note(.tcpHeaderTooLong) }
        readPorts(headerLength: headerLength)
        packet.tcpSequence = bytes.big32(start + 4)
        packet.tcpAcknowledgement = bytes.big32(start + 8)
        packet.tcpFlags = TCPFlags(rawValue: bytes[start + 13])
        packet.tcpWindow = bytes.big16(start + 14)
        packet.tcpUrgentPointer = bytes.big16(start + 18)
        if headerLength > 20 { readTCPOptions() }
        judgeChecksum(.tcpWrongChecksum)
    }

    /// RFC 9293 3.1: a wrong length ends the options, and the segment stands.
    private mutating func readTCPOptions() {
        let options = packet.tcpOptions
        var seen: UInt64 = 0
        var index = 0
        while index < options.count, options[index] != 0 {
            let kind = options[index]
            guard kind != 1 else {
                index += 1
                continue
            }
            guard index + 1 < options.count else { return note(.tcpOptionInvalidLength) }
            let length = Int(options[index + 1])
            guard length >= 2, index + length <= options.count else { return note(.tcpOptionInvalidLength) }
            if kind < 64 {
                if seen >> UInt64(kind) & 1 == 1 { note(.tcpOptionDuplicate) }
                seen |= 1 << UInt64(kind)
            }
            index += length
        }
    }

    private mutating func readUDP(_ left: Int) {
        guard left >= 8 else { return note(.udpHeaderTooSmall) }
        let (bytes, start) = (packet.bytes, packet.l4Start)
        var length = Int(bytes.big16(start + 4))
        if length == 0, packet.isSentByHost { length = left }
        guard length >= 8 else { return note(.udpLengthInvalid) }
        guard length <= left + packet.missingPayload else { return note(.udpTooSmall) }
        readPorts(headerLength: 8)
        packet.payloadEnd = min(packet.bytes.count, start + length)
        // No checksum was made (RFC 768); under IPv6 it has to be (RFC 8200 8.1).
        if packet.family == .ipv4, bytes.big16(start + 6) == 0 { return }
        judgeChecksum(.udpWrongChecksum)
    }

    private mutating func readICMP(_ left: Int, _ anomaly: Anomaly) {
        guard left >= 8 else { return note(anomaly) }
        let (bytes, start) = (packet.bytes, packet.l4Start)
        packet.icmpType = bytes[start]
        packet.icmpCode = bytes[start + 1]
        packet.payloadStart = start + 8
        packet.isComplete = true
        let hasIdentifier =
            packet.proto == .icmp
            ? [0, 8, 13, 14, 15, 16, 17, 18].contains(packet.icmpType) : [128, 129].contains(packet.icmpType)
        if hasIdentifier {
            packet.icmpIdentifier = bytes.big16(start + 4)
            packet.icmpSequence = bytes.big16(start + 6)
        }
        judgeChecksum(.icmpWrongChecksum)
    }

    private mutating func judgeChecksum(_ anomaly: Anomaly) {
        // With segments left in a routing header it is over another destination (RFC 8200 8.1).
        guard verifies, !hasSegmentsLeft else { return }
        let end = packet.proto == .udp ? packet.payloadEnd : packet.bytes.count
        let segment = UnsafeRawBufferPointer(rebasing: packet.bytes[packet.l4Start..<end])
        var sum = UInt64(segment.onesSum())
        if packet.proto != .icmp {
            let addresses = packet.family == .ipv4 ? 12..<20 : 8..<40
            sum += UInt64(UnsafeRawBufferPointer(rebasing: packet.bytes[addresses]).onesSum())
            // In the order that the machine reads the words of the packet in.
            sum += UInt64(UInt16(packet.proto.rawValue).bigEndian)
            sum += UInt64(UInt16(truncatingIfNeeded: segment.count).bigEndian)
        }
        guard foldedOnesSum(sum) != 0xffff else { return }
        note(anomaly)
        discard(.wrongChecksum)
    }
}
