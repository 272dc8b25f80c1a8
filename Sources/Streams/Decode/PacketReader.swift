// SPDX-License-Identifier: Apache-2.0
// Packets -> flows: reads IP and L4 headers. In: an input packet. Out: a DecodedPacket, with what is wrong
// with it; reading ends where a length cannot be, as a host's stack ends it.
import NetworkTypes

/// Reads one packet.
struct PacketReader {
    var packet: DecodedPacket
    /// Whether checksums of this packet can be judged.
    let verifies: Bool
    /// Of an IPv6 datagram that was put together: where what was in fragments begins. Else behind all.
    let fragmentedStart: Int
    /// A routing header names who comes before its destination: the one in the IP header is another.
    var hasSegmentsLeft = false

    /// - Parameter time: the packet's, or the last one's where that is later.
    init(_ input: InputPacket, time: Int64, _ options: StreamOptions) {
        packet = DecodedPacket(
            bytes: input.bytes, time: time, number: input.number, ruleTag: input.ruleTag,
            frameLength: input.frameLength, vlan: input.vlan, innerVLAN: input.innerVLAN,
            tunnel: input.tunnel,
            isSentByHost: input.isSentByHost, isCutShort: input.isCutShort)
        verifies = options.verifiesChecksums && !input.isSentByHost && !input.isCutShort
        fragmentedStart = .max
    }

    /// A datagram that was put together: `bytes` for the first fragment's, of which `headerLength` stood in
    /// each fragment.
    init(
        _ fragment: DecodedPacket, bytes: UnsafeRawBufferPointer, headerLength: Int, _ options: StreamOptions
    ) {
        packet = DecodedPacket(
            bytes: bytes, time: fragment.time, number: fragment.number, ruleTag: fragment.ruleTag,
            frameLength: fragment.frameLength, vlan: fragment.vlan, innerVLAN: fragment.innerVLAN,
            tunnel: fragment.tunnel,
            isSentByHost: fragment.isSentByHost, isCutShort: false, isReassembled: true)
        verifies = options.verifiesChecksums && !fragment.isSentByHost
        fragmentedStart = headerLength
    }

    /// Reads all that can be read.
    mutating func read() {
        let bytes = packet.bytes
        guard let first = bytes.first else { return note(.wrongVersion) }
        switch first >> 4 {
        case 4: readIPv4()
        case 6: readIPv6()
        default: note(.wrongVersion)
        }
    }

    mutating func note(_ anomaly: Anomaly) { packet.anomalies.insert(anomaly) }

    private mutating func readIPv4() {
        let bytes = packet.bytes
        guard bytes.count >= 20 else { return note(.ipv4PacketTooSmall) }
        packet.source = IPAddress(v4: bytes.big32(12))
        packet.destination = IPAddress(v4: bytes.big32(16))
        packet.trafficClass = bytes[1]
        packet.identification = UInt32(bytes.big16(4))
        packet.ttl = bytes[8]
        packet.proto = IPProtocol(rawValue: bytes[9])
        let headerLength = Int(bytes[0] & 15) * 4
        guard headerLength >= 20 else { return note(.ipv4HeaderTooSmall) }
        packet.ipLength = Int(bytes.big16(2))
        // What this host leaves to its card to cut into packets has no length yet.
        if packet.ipLength == 0, packet.isSentByHost { packet.ipLength = bytes.count }
        guard packet.ipLength >= headerLength else { return note(.ipv4LengthBelowHeader) }
        guard endPacket(.ipv4Truncated), headerLength <= packet.bytes.count else { return }
        readFragmentFields(bytes.big16(6))
        place(options: 20..<headerLength)
        if verifies, !packet.isReassembled,
            UnsafeRawBufferPointer(rebasing: bytes[..<headerLength]).onesSum() != 0xffff
        {
            note(.ipv4WrongChecksum)
            discard(.wrongChecksum)
        }
        if headerLength > 20 { readIPv4Options() }
        readL4()
    }

    private mutating func readFragmentFields(_ word: UInt16) {
        packet.fragment.reserved = word & 0x8000 != 0
        packet.fragment.dontFragment = word & 0x4000 != 0
        packet.fragment.hasMore = word & 0x2000 != 0
        packet.fragment.offset = Int(word & 0x1fff) * 8
    }

    /// Cuts off what is behind the packet's own length.
    /// - Returns: false where it says to be longer than it is, and nothing cut it.
    mutating func endPacket(_ anomaly: Anomaly) -> Bool {
        if packet.ipLength > packet.bytes.count {
            guard packet.isCutShort else {
                note(anomaly)
                return false
            }
            packet.missingPayload = packet.ipLength - packet.bytes.count
        } else {
            packet.bytes = UnsafeRawBufferPointer(rebasing: packet.bytes[..<packet.ipLength])
        }
        packet.payloadEnd = packet.bytes.count
        return true
    }

    /// Options or extension headers, and behind them L4.
    mutating func place(options: Range<Int>) {
        packet.optionsStart = options.lowerBound
        packet.optionsEnd = options.upperBound
        packet.l4Start = options.upperBound
        packet.payloadStart = options.upperBound
    }
}
