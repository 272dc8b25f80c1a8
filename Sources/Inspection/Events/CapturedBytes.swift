// SPDX-License-Identifier: Apache-2.0
// What an alert repeats of its packet, for those who look into it: bytes in base64. In: the frame that is
// followed. Out: EVE's `packet`, `packet_info`, `payload`, `payload_printable`, `stream`; bounded.
import JSONOutput
import Streams

/// The frame that is followed; its bytes are valid during the inspector's call alone.
struct CapturedBytes {
    /// From the IP header on, the frame's padding included.
    private let packet: UnsafeRawBufferPointer
    private let link: UnsafeRawBufferPointer
    /// LINKTYPE_ number.
    private let linkType: Int32

    /// - Parameter link: the header as it was captured, where the frame has a made one.
    init(_ frame: SampledFrame, link: UnsafeRawBufferPointer? = nil, linkType: Int32) {
        packet = frame.packet
        self.link = link ?? frame.link
        self.linkType = linkType
    }

    /// A datagram of several fragments gets the link header of the last one.
    func add(_ packet: DecodedPacket, to members: inout EventMembers) {
        let bytes = packet.isReassembled ? packet.bytes : self.packet
        members.add("packet", .string(base64(Array((Array(link) + bytes).prefix(mostPacketBytes)))))
        var info = EventMembers()
        info.add("linktype", .integer(Int64(linkType)))
        if let name = linkTypeNames[linkType] { info.add("linktype_name", .string(name)) }
        members.add("packet_info", info.object)
    }
}

/// An event repeats so many bytes of a packet with its link header: jumbo frames are shorter, what a driver
/// or fragments make of several packets may be longer.
private let mostPacketBytes = 24 << 10

/// Suricata's words.
private let linkTypeNames: [Int32: String] = [
    0: "NULL", 1: "EN10MB", 9: "PPP", 12: "RAW", 14: "RAW", 101: "RAW", 108: "LOOP", 113: "LINUX_SLL",
    228: "IPv4", 229: "IPv6", 276: "LINUX_SLL2",
]

extension EventMembers {
    /// - Parameter bytes: bounded by the caller.
    mutating func addPayload(_ bytes: some Collection<UInt8>, isStream: Bool) {
        let bytes = Array(bytes)
        add("payload", .string(base64(bytes)))
        let shown = bytes.map { $0 == 0x0a || $0 == 0x0d || (0x20..<0x7f).contains($0) ? $0 : 0x2e }
        add("payload_printable", .string(String(decoding: shown, as: UTF8.self)))
        add("stream", .integer(isStream ? 1 : 0))
    }
}

/// RFC 4648 4, with padding.
func base64(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        let value = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
        for place in 0..<4 {
            text.append(place <= group.count ? digits[value >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
        }
    }
    return String(decoding: text, as: UTF8.self)
}
