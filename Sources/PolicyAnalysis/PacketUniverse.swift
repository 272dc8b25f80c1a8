// SPDX-License-Identifier: Apache-2.0
// Which packets can come to a policy's rules at all, layer by layer. It may hold packets that cannot be,
// never lack one that can: what lint proves for the universe holds for every packet.
import NetworkTypes
import PolicyLanguage

/// How far a packet's headers could be read. Packets of different layers have different fields.
enum PacketLayer: UInt8, CaseIterable {
    /// Ports or types read.
    case tcp, udp, sctp, icmp, icmpv6
    /// A protocol of which no more is read.
    case other
    /// One of the five, its ports or type not read: later fragments, and cut headers under `malformed: pass`.
    case cut
    /// IPv6 whose chain could not be read to its end.
    case noProtocol
    /// No IP header.
    case noHeader

    static let keyed: [(layer: PacketLayer, proto: IPProtocol)] = [
        (.tcp, .tcp), (.udp, .udp), (.sctp, .sctp), (.icmp, .icmp), (.icmpv6, .icmpv6),
    ]

    var proto: IPProtocol? { Self.keyed.first { $0.layer == self }?.proto }
}

/// The packets that a policy lets on to its rules, by layer.
struct PacketUniverse {
    let v4: [RuleSpacePart<UInt32>]
    let v6: [RuleSpacePart<UInt128>]

    init(_ policy: CheckedPolicy) {
        let maker = UniverseMaker(isStrict: policy.malformed == .drop, fragments: policy.fragments)
        v4 = maker.parts(.ipv4, .all)
        v6 = maker.parts(.ipv6, .all)
    }
}

private struct UniverseMaker {
    /// No malformed packet comes to the rules.
    let isStrict: Bool
    let fragments: FragmentHandling

    func parts<Address>(
        _ family: AddressFamily, _ anyAddress: IntervalSet<Address>
    ) -> [RuleSpacePart<Address>] {
        layers(of: family).map { RuleSpacePart(layer: $0, region: region($0, family, anyAddress)) }
    }

    private func layers(of family: AddressFamily) -> [PacketLayer] {
        var found = PacketLayer.keyed.map(\.layer) + [.other]
        if !isStrict || fragments == .pass { found.append(.cut) }
        if !isStrict, family == .ipv6 { found.append(.noProtocol) }
        if !isStrict, family == .ipv4 { found.append(.noHeader) }
        return found
    }

    /// All packets of a layer. `noHeader` stands with IPv4, its addresses being nothing.
    private func region<Address>(
        _ layer: PacketLayer, _ family: AddressFamily, _ anyAddress: IntervalSet<Address>
    ) -> PacketRegion<Address> {
        let nothing = IntervalSet<Address>(0...0)
        let address = layer == .noHeader ? nothing : anyAddress
        return PacketRegion(
            addresses: [address, address],
            words: [key(layer), ports(layer), length(layer, family), Self.tags(layer), Self.tags(layer)],
            bytes: [flags(layer), .all, IntervalSet(0...63), fragment(layer), options(layer)])
    }

    private static let keyedNumbers = IntervalSet(
        PacketLayer.keyed.map { UInt16($0.proto.rawValue)...UInt16($0.proto.rawValue) })
    private static let otherNumbers = IntervalSet<UInt16>(0...255).subtracting(keyedNumbers)
    private static let allWords = IntervalSet<UInt16>.all
    private static let readTags = IntervalSet<UInt16>(0...4095)
    private static let anyTags = IntervalSet<UInt16>([0...4095, WordField.unreadTag...WordField.unreadTag])
    private static let sentFlags = IntervalSet<UInt8>(
        (0...255).filter { !isSentByNoStack($0) }.map { $0...$0 })

    private func key(_ layer: PacketLayer) -> IntervalSet<UInt16> {
        switch layer {
        case .tcp, .udp, .sctp: Self.allWords
        case .icmp, .icmpv6: IntervalSet(0...255)
        case .other: Self.otherNumbers
        case .cut: Self.keyedNumbers
        case .noProtocol, .noHeader: IntervalSet(0...0)
        }
    }

    private func ports(_ layer: PacketLayer) -> IntervalSet<UInt16> {
        layer.proto?.hasPorts == true ? Self.allWords : IntervalSet(0...0)
    }

    private func flags(_ layer: PacketLayer) -> IntervalSet<UInt8> {
        if layer != .tcp { return IntervalSet(0...0) }
        return isStrict ? Self.sentFlags : .all
    }

    private func length(_ layer: PacketLayer, _ family: AddressFamily) -> IntervalSet<UInt16> {
        if !isStrict { return Self.allWords }
        return IntervalSet((family == .ipv4 ? 20 : 40)...UInt16.max)
    }

    /// Behind an IP header the tags have been read.
    private static func tags(_ layer: PacketLayer) -> IntervalSet<UInt16> {
        layer == .noHeader ? anyTags : readTags
    }

    private func fragment(_ layer: PacketLayer) -> IntervalSet<UInt8> {
        if layer == .noHeader { return IntervalSet(3...3) }
        var kinds: [UInt8] = [0]
        if fragments != .drop { kinds.append(1) }
        if fragments == .pass { kinds.append(2) }
        if !isStrict { kinds.append(3) }
        if layer.proto != nil { kinds.removeAll { $0 > 1 } }
        if layer == .cut, isStrict { kinds = [2] }
        return IntervalSet(kinds.map { $0...$0 })
    }

    private func options(_ layer: PacketLayer) -> IntervalSet<UInt8> {
        if isStrict || layer.proto != nil { return IntervalSet(0...1) }
        return layer == .noProtocol || layer == .noHeader ? IntervalSet(2...2) : IntervalSet(0...2)
    }
}

/// The TCP flags that are malformed: docs/policy.md, "L4", 3.
private func isSentByNoStack(_ raw: UInt8) -> Bool {
    let set = TCPFlags(rawValue: raw & 0x3f)
    if set.isEmpty || set.rawValue == 0x3f { return true }
    if set.contains(.syn), set.contains(.fin) || set.contains(.rst) { return true }
    return set.contains(.fin) && !set.contains(.ack)
}
