// SPDX-License-Identifier: Apache-2.0
// Reads GRE (RFC 2784, RFC 2890), VXLAN (RFC 7348) and GENEVE (RFC 8926) headers; the numbered steps are
// those of docs/policy.md, "Layers".
import NetworkTypes
import PolicyLanguage

/// What stands behind a tunnel header.
enum TunnelContent {
    /// Nothing that is read here.
    case none
    case truncated
    case layer(PacketReading)
}

private enum UDPPort {
    static let vxlan: UInt16 = 4789
    static let geneve: UInt16 = 6081
}

/// Protocol types of GRE and GENEVE.
private enum ContentType: UInt16 {
    case ipv4 = 0x0800
    case ipv6 = 0x86dd
    case ethernet = 0x6558
}

extension PacketReading {
    /// The tunnel that the header announces; nil where it carries no packet, or its payload was not read.
    var tunnel: Encapsulation? {
        guard payload != nil, let proto, let family = source?.family else { return nil }
        switch (proto.rawValue, family) {
        case (4, .ipv4), (41, .ipv6): return .ipip
        case (4, .ipv6): return .ipv4InIPv6
        case (41, .ipv4): return .ipv6InIPv4
        case (47, _): return .gre
        default: break
        }
        guard proto == .udp else { return nil }
        if destinationPort == UDPPort.vxlan { return .vxlan }
        return destinationPort == UDPPort.geneve ? .geneve : nil
    }

    func content(of tunnel: Encapsulation) -> TunnelContent {
        let carried = Window((payload ?? [])[...])
        switch tunnel {
        case .ipip: return .layer(PacketReading(carried, source?.family == .ipv4 ? .ipv4 : .ipv6, in: self))
        case .ipv4InIPv6: return .layer(PacketReading(carried, .ipv4, in: self))
        case .ipv6InIPv4: return .layer(PacketReading(carried, .ipv6, in: self))
        case .gre: return contentOfGRE(carried)
        case .vxlan: return contentOfVXLAN(carried)
        case .geneve: return contentOfGENEVE(carried)
        }
    }

    // 1
    private func contentOfGRE(_ header: Window) -> TunnelContent {
        if header.count < 4 { return .truncated }
        let flags = header.number(0)
        let version = flags & 0x0007
        let hasRouting = flags & 0x4000 != 0
        guard version == 0, !hasRouting, let type = ContentType(rawValue: header.number(2)) else {
            return .none
        }
        let optional: [UInt16] = [0x8000, 0x2000, 0x1000]
        let length = 4 + 4 * optional.count { flags & $0 != 0 }
        return layer(type, behind: length, of: header)
    }

    // 2
    private func contentOfVXLAN(_ header: Window) -> TunnelContent {
        if header.count < 8 { return .truncated }
        let hasIdentifier = header.byte(0) & 0x08 != 0
        return hasIdentifier ? layer(.ethernet, behind: 8, of: header) : .none
    }

    // 3
    private func contentOfGENEVE(_ header: Window) -> TunnelContent {
        if header.count < 8 { return .truncated }
        let version = header.byte(0) >> 6
        guard version == 0, let type = ContentType(rawValue: header.number(2)) else { return .none }
        return layer(type, behind: 8 + 4 * Int(header.byte(0) & 0x3f), of: header)
    }

    private func layer(_ type: ContentType, behind length: Int, of header: Window) -> TunnelContent {
        if header.count < length { return .truncated }
        let content = header.behind(length)
        switch type {
        case .ipv4: return .layer(PacketReading(content, .ipv4, in: self))
        case .ipv6: return .layer(PacketReading(content, .ipv6, in: self))
        case .ethernet: return .layer(PacketReading(ethernet: content, in: self))
        }
    }
}
