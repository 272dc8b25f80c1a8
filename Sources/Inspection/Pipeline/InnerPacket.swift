// SPDX-License-Identifier: Apache-2.0
// Packets within packets: IP in IP, GRE (with ERSPAN), VXLAN, GENEVE, as docs/policy.md "Layers" names them,
// and Teredo.
// In: a packet of the flow tracker. Out: the packet or frame that it carries, which is inspected as one of
// its own.
import NetworkTypes
import Streams

/// Around what a packet was.
struct Tunnel: Sendable {
    var source: IPAddress
    var destination: IPAddress
    var proto: IPProtocol
    /// Tunnels around the packet, from 1.
    var depth: Int
}

/// The flow of a tunnel that the policy's rules do not look into. They judge all that it carries by it, and
/// the kernel knows no other flow of it: it is what a finding drops, and its far end whom one bans.
struct Carrier {
    let flow: FlowTuple
    /// Of the carrying packet.
    let source: IPAddress
    let destination: IPAddress

    init(_ start: FlowStart, _ packet: DecodedPacket) {
        flow = FlowTuple(start)
        (source, destination) = (packet.source, packet.destination)
    }

    /// Its ends for what goes the other way.
    private init(reversing other: Carrier) {
        flow = other.flow
        (source, destination) = (other.destination, other.source)
    }

    var reversed: Carrier { Carrier(reversing: self) }

    /// Tells it from other tunnels, in both directions: whoever can send into one tunnel is not to write into
    /// the flows of another, or of none. Without ports, for UDP's tunnels have others for each way and flow.
    var tunnelNumber: UInt64 {
        var hasher = Hasher()
        let (source, destination) = (source.bits, destination.bits)
        hasher.combine(min(source, destination))
        hasher.combine(max(source, destination))
        hasher.combine(flow.proto.rawValue)
        return UInt64(bitPattern: Int64(hasher.finalize())) | 1
    }
}

/// What a packet carries.
struct InnerPacket {
    var bytes: [UInt8]
    /// `bytes` begin with an Ethernet header, not with an IP header.
    var isFrame = false
    /// Bytes of the mirror's header (ERSPAN), which count for the frame, and the VLAN that it names; 0: none.
    var mirrorHeaderLength = 0
    var vlan: UInt16 = 0
    var tunnel: Tunnel
    /// Whom a finding in it is about, where that is not its own flow.
    var carrier: Carrier?
    let kind: TunnelKind

    /// Tunnels within tunnels that are looked into.
    static let deepest = 2

    /// Nil where the packet is no tunnel's, or ends before what it carries.
    init?(_ packet: DecodedPacket, depth: Int) {
        guard depth <= Self.deepest, !packet.payload.isEmpty, let kind = TunnelKind(packet) else {
            return nil
        }
        self.kind = kind
        tunnel = Tunnel(
            source: packet.source, destination: packet.destination, proto: packet.proto, depth: depth)
        let payload = packet.payload
        let start: (offset: Int, isFrame: Bool)? =
            switch kind {
            case .ipv4InIPv4, .ipv6InIPv4, .ipv4InIPv6, .ipv6InIPv6: (0, false)
            case .gre: Self.behindGRE(payload)
            case .vxlan: Self.behindVXLAN(payload)
            case .geneve: Self.behindGENEVE(payload)
            case .teredo: Self.behindTeredo(payload)
            }
        guard let start, start.offset < payload.count else { return nil }
        bytes = Array(payload[start.offset...])
        isFrame = start.isFrame
        // GRE's only frames with a header of their own before them are ERSPAN's.
        guard isFrame, kind == .gre, Self.number(payload, 2) == 0x88be else { return }
        mirrorHeaderLength = 8
        vlan = UInt16(truncatingIfNeeded: Self.number(payload, start.offset - 8)) & 0x0fff
    }

    /// RFC 2784, RFC 2890; version 0 without routing. ERSPAN type II has 8 bytes of its own.
    private static func behindGRE(_ payload: UnsafeRawBufferPointer) -> (offset: Int, isFrame: Bool)? {
        guard payload.count >= 4 else { return nil }
        let flags = number(payload, 0)
        guard flags & 0x4007 == 0 else { return nil }
        let offset = 4 + [0x8000, 0x2000, 0x1000].reduce(0) { $0 + (flags & $1 != 0 ? 4 : 0) }
        switch number(payload, 2) {
        case 0x0800, 0x86dd: return (offset, false)
        case 0x6558: return (offset, true)
        case 0x88be where flags & 0x1000 != 0: return (offset + 8, true)
        default: return nil
        }
    }

    /// RFC 7348: the I flag, then Ethernet.
    private static func behindVXLAN(_ payload: UnsafeRawBufferPointer) -> (offset: Int, isFrame: Bool)? {
        payload.count > 8 && payload[0] & 0x08 != 0 ? (8, true) : nil
    }

    /// RFC 4380 5.1.1: an IPv6 packet, at most behind the origin's address. With authentication it is a
    /// talk with the server, as Suricata has it.
    private static func behindTeredo(_ payload: UnsafeRawBufferPointer) -> (offset: Int, isFrame: Bool)? {
        guard payload.count >= 48 else { return nil }
        let offset = number(payload, 0) == 0 ? 8 : 0
        guard payload[offset] >> 4 == 6, payload.count >= offset + 40,
            offset + 40 + number(payload, offset + 4) == payload.count
        else { return nil }
        return (offset, false)
    }

    /// RFC 8926: version 0.
    private static func behindGENEVE(_ payload: UnsafeRawBufferPointer) -> (offset: Int, isFrame: Bool)? {
        guard payload.count > 8, payload[0] & 0xc0 == 0 else { return nil }
        let offset = 8 + Int(payload[0] & 0x3f) * 4
        switch number(payload, 2) {
        case 0x0800, 0x86dd: return (offset, false)
        case 0x6558: return (offset, true)
        default: return nil
        }
    }

    /// The caller has checked the bounds.
    private static func number(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Int {
        Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
    }
}
