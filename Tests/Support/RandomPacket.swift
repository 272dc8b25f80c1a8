// SPDX-License-Identifier: Apache-2.0
// Random packets for properties: of text, frames and evaluators.

import NetworkTypes

/// A packet whose fields go together as parsing demands.
public func randomPacket(using random: inout SeededGenerator) -> PacketDescription {
    let v6 = Bool.random(using: &random)
    func address() -> IPAddress {
        let low = UInt128(random.next() & (Bool.random(using: &random) ? 0xff : UInt64.max))
        return v6 ? IPAddress(v6: UInt128(0x2001_0db8) << 96 | low) : IPAddress(family: .ipv4, bits: low)
    }
    let known = IPProtocol.names.map(\.value).randomElement(using: &random) ?? .tcp
    var packet = PacketDescription(
        proto: Bool.random(using: &random)
            ? known : IPProtocol(rawValue: UInt8.random(in: 61...131, using: &random)),
        source: address(), destination: address())
    packet.fragment = FragmentKind.allCases.randomElement(using: &random) ?? .none
    let later = packet.fragment == .later
    if packet.proto.hasPorts, !later {
        packet.sourcePort = UInt16.random(in: 0...UInt16.max, using: &random)
        packet.destinationPort = UInt16.random(in: 0...UInt16.max, using: &random)
    }
    if packet.proto.hasTypes, !later { packet.icmpType = UInt8.random(in: 0...255, using: &random) }
    if packet.proto == .tcp, !later {
        packet.tcpFlags = TCPFlags(rawValue: UInt8(truncatingIfNeeded: random.next()))
    }
    packet.vlans = (0..<Int.random(in: 0...2, using: &random)).map { _ in
        UInt16.random(in: 1...4095, using: &random)
    }
    if Bool.random(using: &random) { packet.length = Int.random(in: 200...65_535, using: &random) }
    if Bool.random(using: &random) { packet.ttl = UInt8.random(in: 0...255, using: &random) }
    if Bool.random(using: &random) { packet.dscp = UInt8.random(in: 0...63, using: &random) }
    if Bool.random(using: &random) {
        packet.interface = ["lo", "wan0", "len"].randomElement(using: &random)
    }
    packet.established = Bool.random(using: &random)
    let bytes = later ? 0 : Int.random(in: 0...64, using: &random)
    packet.payload = (0..<bytes).map { _ in UInt8.random(in: 0...255, using: &random) }
    return packet
}
