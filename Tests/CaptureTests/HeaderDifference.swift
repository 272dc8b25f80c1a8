// SPDX-License-Identifier: Apache-2.0
// Why our reading of a packet may differ from tshark's: every reason with the number of packets that it
// explains, no more and no fewer. In: one field of one packet, read by both. Out: the reason.
import Capture
import NetworkTypes

/// One field of one packet that the two read differently.
struct HeaderDifference: CustomStringConvertible {
    var row: OracleRow
    var field: HeaderField
    /// Ours; nil where it was not read.
    var value: UInt128?
    /// Nil where our reader gave no frame, for `error`.
    var frame: CapturedFrame?
    var error: CaptureError?
    /// Nil where our decoder found no IP header.
    var packet: PacketDescription?

    var theirs: UInt128? { row.fields[field] }

    var description: String {
        let ours = value.map { "\($0)" } ?? "nothing"
        let other = theirs.map { "\($0)" } ?? "nothing"
        let place = "\(row.path) packet \(row.number) (\(row.protocols.joined(separator: ":")))"
        return "\(place): \(field.rawValue) is \(ours), tshark reads \(other)"
    }

    /// The position of the outermost IP header in tshark's chain; its count without one.
    private var ip: Int {
        row.protocols.firstIndex { $0 == "ip" || $0 == "ipv6" } ?? row.protocols.count
    }

    /// What we read is Ethernet, two tags, IP. tshark reads IP behind these layers too.
    var hasOtherLayerBelowIP: Bool {
        row.protocols.prefix(ip).dropFirst().contains { $0 != "vlan" && $0 != "ieee8021ad" }
    }

    /// Tags before the outermost IP header.
    var tags: Int { row.protocols.prefix(ip).count { $0 == "vlan" || $0 == "ieee8021ad" } }
    var hasIP: Bool { ip < row.protocols.count }

    /// The field belongs to a header behind the outermost IP header and its L4 header.
    var isOfInnerHeader: Bool {
        guard let packet, value == nil else { return false }
        if let owner = field.owner { return owner != packet.proto }
        if let family = field.family { return family != packet.source.family }
        return field == .vlan && tags == 0
    }
}

/// A reason, and how many packets of the captures it explains.
struct DifferenceClass: Sendable {
    let name: String
    let packets: Int
    let explains: @Sendable (HeaderDifference) -> Bool

    init(_ name: String, packets: Int, _ explains: @escaping @Sendable (HeaderDifference) -> Bool) {
        self.name = name
        self.packets = packets
        self.explains = explains
    }

    /// The first that explains a difference counts its packet.
    static let all = files + layers + chains + broken

    private static let files = [
        DifferenceClass("a link layer that is not read", packets: 165) {
            if case .unsupportedLinkType = $0.error { $0.frame == nil } else { false }
        },
        DifferenceClass("libpcap cuts packets to the file's snap length, tshark does not", packets: 16) {
            $0.field == .capturedLength && ($0.value ?? 0) < ($0.theirs ?? 0)
        },
        // 0f 00 08 00: no address family; tshark takes 0x0800 for an ethertype.
        DifferenceClass("a family word of the loopback header that names no family", packets: 1) {
            $0.row.protocols.first == "null" && $0.packet == nil && $0.frame?.bytes[12] == 0xff
        },
    ]

    private static let layers = [
        DifferenceClass("what lies behind PPPoE, MPLS, LLC, MACsec and others is non-ip here", packets: 259) {
            $0.packet == nil && $0.hasOtherLayerBelowIP
        },
        DifferenceClass("a third tag ends the reading", packets: 2) { $0.packet == nil && $0.tags > 2 },
        DifferenceClass("tshark's vlan.id leaves 802.1ad's tag out", packets: 3) {
            $0.field == .vlan && $0.row.protocols.contains("ieee8021ad")
        },
        DifferenceClass("a header of a tunnelled or quoted packet", packets: 4163) { $0.isOfInnerHeader },
    ]

    private static let chains = [
        DifferenceClass("ipv6.nxt is of the first header, ours of the chain's end", packets: 310) {
            guard $0.field == .v6Next, let theirs = $0.theirs, let first = UInt8(exactly: theirs) else {
                return false
            }
            return $0.value != nil && IPProtocol.isIPv6ExtensionHeader(first)
        },
        DifferenceClass("ip.dst is the last hop of a source route, ours the next", packets: 3) {
            $0.field == .v4Destination && $0.value != nil && ($0.frame?.bytes[14] ?? 0) & 15 > 5
        },
    ]

    private static let broken = [
        DifferenceClass("an IP header that the packet ends in: tshark reads its first fields", packets: 5) {
            $0.packet == nil && $0.hasIP && ($0.frame?.bytes.count ?? 0) < 14 + 40
        },
        DifferenceClass("IPv6 behind IPv4's ethertype: tshark goes by the version", packets: 2) {
            guard $0.packet == nil, let bytes = $0.frame?.bytes, bytes.count > 14 else { return false }
            return bytes[12] == 0x08 && bytes[13] == 0 && bytes[14] >> 4 == 6
        },
        DifferenceClass("an IPv4 header length that lies: tshark reads nothing", packets: 3) {
            $0.theirs == nil && $0.field.family == .ipv4
        },
        DifferenceClass("an IPv4 header length that lies: fragments are not read here", packets: 1) {
            guard $0.field == .fragment, $0.value == 0, let frame = $0.frame else { return false }
            let length = Int(frame.bytes[14] & 15) * 4
            return length < 20 || length > frame.bytes.count - 14 || length > $0.packet?.length ?? 0
        },
        DifferenceClass("length 0, of offloaded packets and jumbograms: read no further here", packets: 19) {
            guard $0.value == nil, $0.field.owner != nil, let packet = $0.packet else { return false }
            return packet.length == (packet.source.family == .ipv4 ? 0 : 40)
        },
        DifferenceClass("an L4 header that the packet ends in: tshark reads its first fields", packets: 12) {
            $0.value == nil && $0.field.owner != nil && $0.field.owner == $0.packet?.proto
        },
        DifferenceClass("a TCP header length that lies: tshark reads no flags", packets: 3) {
            $0.theirs == nil && $0.field == .tcpFlags
        },
        DifferenceClass("an IP option that tshark stumbles over", packets: 1) {
            $0.theirs == nil && $0.field.owner != nil && ($0.frame?.bytes[14] ?? 0) & 15 > 5
        },
    ]
}
