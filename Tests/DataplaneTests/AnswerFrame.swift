// SPDX-License-Identifier: Apache-2.0
// Reads what the XDP program sends, and checks what can be wrong with it: a small reader of its own. In: a
// frame and the one that it answers. Out: fields, and a list of faults.
import NetworkTypes
import TestSupport

/// A frame taken apart, as far as answers need it.
struct AnswerFrame {
    let link: [UInt8]
    /// The IP packet without the frame's padding.
    let packet: [UInt8]
    let padding: [UInt8]
    let isV4: Bool

    init?(_ frame: [UInt8]) {
        var offset = 12
        while frame.count > offset + 4,
            [[0x81, 0], [0x88, 0xa8]].contains(Array(frame[offset..<offset + 2]))
        {
            offset += 4
        }
        guard frame.count >= offset + 2 + 20 else { return nil }
        link = Array(frame[..<(offset + 2)])
        isV4 = frame[offset] == 8
        let rest = Array(frame[(offset + 2)...])
        let length = isV4 ? number(rest, 2) : 40 + number(rest, 4)
        guard rest.count >= length else { return nil }
        packet = Array(rest[..<length])
        padding = Array(rest[length...])
    }

    var headerLength: Int { isV4 ? Int(packet[0] & 15) * 4 : 40 }
    var proto: UInt8 { isV4 ? packet[9] : packet[6] }
    var ttl: UInt8 { isV4 ? packet[8] : packet[7] }
    var source: [UInt8] { Array(isV4 ? packet[12..<16] : packet[8..<24]) }
    var destination: [UInt8] { Array(isV4 ? packet[16..<20] : packet[24..<40]) }
    var segment: [UInt8] { Array(packet[headerLength...]) }

    /// The L4 checksum over the pseudo header: 0 where it is right.
    var checksum: UInt16 {
        if isV4, proto == 1 { return internetChecksum(segment) }
        let length = segment.count
        let pseudo = source + destination + [0, 0, UInt8(length >> 8), UInt8(length & 255), 0, 0, 0, proto]
        return internetChecksum(pseudo + segment)
    }

    /// What is wrong with it as an answer to `asked`.
    func faults(answering asked: AnswerFrame) -> [String] {
        var faults: [String] = []
        func expect(_ condition: Bool, _ fault: String) { if !condition { faults.append(fault) } }
        expect(Array(link[..<6]) == Array(asked.link[6..<12]), "it goes to another hardware address")
        expect(Array(link[6..<12]) == Array(asked.link[..<6]), "it comes from another hardware address")
        expect(link[12...] == asked.link[12...], "its tags changed")
        expect(isV4 == asked.isV4, "another family")
        expect(source == asked.destination && destination == asked.source, "other addresses")
        expect(ttl == 64, "TTL \(ttl)")
        expect(checksum == 0, "L4 checksum")
        expect(padding.allSatisfy { $0 == 0 }, "padding that leaks \(padding)")
        if isV4 {
            expect(packet[0] == 0x45, "IPv4 options")
            expect(internetChecksum(Array(packet[..<20])) == 0, "IPv4 checksum")
            expect(number(packet, 6) == 0x4000, "may be fragmented")
        } else {
            expect(packet[0] >> 4 == 6, "version")
        }
        return faults
    }
}

/// Two bytes in network order.
func number(_ bytes: [UInt8], _ offset: Int) -> Int { Int(bytes[offset]) << 8 | Int(bytes[offset + 1]) }

/// Four bytes in network order.
func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
}
