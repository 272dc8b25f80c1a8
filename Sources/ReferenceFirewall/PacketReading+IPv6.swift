// SPDX-License-Identifier: Apache-2.0
// Reads an IPv6 header (RFC 8200) and its extension headers; the numbered steps are those of docs/policy.md.
import NetworkTypes

private let fixedHeaderLength = 40
private let mostExtensionHeaders = 8

/// Next-header numbers that the chain goes on behind.
private enum ExtensionHeader: UInt8 {
    case hopByHop = 0
    case routing = 43
    case fragment = 44
    case authentication = 51
    case destinationOptions = 60
    case mobility = 135
    case hostIdentity = 139
    case shim6 = 140

    /// What `ip-options` asks for.
    var isOption: Bool { self == .hopByHop || self == .routing || self == .destinationOptions }

    /// The whole header's length in bytes.
    func length(_ header: Window) -> Int {
        switch self {
        case .fragment: 8
        case .authentication: (Int(header.byte(1)) + 2) * 4
        default: (Int(header.byte(1)) + 1) * 8
        }
    }
}

extension PacketReading {
    mutating func readIPv6(_ available: Window) {
        // 1
        if available.count < fixedHeaderLength { return fail(.truncatedIP) }
        if available.byte(0) >> 4 != 6 { return fail(.ipVersion) }
        // 2
        readIPv6Fields(available)
        let payloadLength = Int(available.number(4))
        let nextHeader = available.byte(6)
        if payloadLength == 0, nextHeader == ExtensionHeader.hopByHop.rawValue { return fail(.jumbogram) }
        // 3
        if fixedHeaderLength + payloadLength > available.count, !isCut { fail(.truncatedPacket) }
        let packet = available.upTo(fixedHeaderLength + payloadLength)
        bytesMissing = fixedHeaderLength + payloadLength - packet.count
        // 4
        let l4 = readExtensionHeaders(packet.behind(fixedHeaderLength), startingWith: nextHeader)
        // 5
        if let l4 { readL4(l4) }
    }

    private mutating func readIPv6Fields(_ header: Window) {
        source = header.address(8, .ipv6)
        destination = header.address(24, .ipv6)
        ttl = header.byte(7)
        dscp = UInt8(truncatingIfNeeded: header.number(0) >> 6) & 0x3f
        wholeLength = fixedHeaderLength + Int(header.number(4))
        length = wholeLength.map(UInt16.init(clamping:))
    }

    /// - Returns: what follows the chain; nil where the reading ends in it or with it.
    private mutating func readExtensionHeaders(_ chain: Window, startingWith first: UInt8) -> Window? {
        var rest = chain
        var next = first
        var count = 0
        var sawOptions = false
        while let kind = ExtensionHeader(rawValue: next) {
            count += 1
            if count > mostExtensionHeaders { return end(.tooManyExtensions) }
            if kind == .hopByHop, count > 1 { fail(.hopByHopNotFirst) }
            if rest.count < 8 { return end(.truncatedExtension) }
            if kind == .routing, rest.byte(2) == 0 { fail(.routingType0) }
            if kind.length(rest) > rest.count { return end(.truncatedExtension) }
            sawOptions = sawOptions || kind.isOption
            next = rest.byte(0)
            if kind == .fragment { readFragmentHeader(rest) }
            if fragment == .later { break }
            rest = rest.behind(kind.length(rest))
        }
        proto = IPProtocol(rawValue: next)
        ipOptions = sawOptions
        if fragment == .later { return nil }
        if fragment == nil { fragment = FragmentKind.none }
        return rest
    }

    /// Only the first fragment header that is not atomic counts.
    private mutating func readFragmentHeader(_ header: Window) {
        let offset = header.number(2) >> 3
        let moreFragments = header.number(2) & 1 != 0
        if fragment != nil {
            if offset > 0 || moreFragments { fail(.secondFragmentHeader) }
            return
        }
        if offset > 0 { fragment = .later } else if moreFragments { fragment = .first } else { return }
        fragmentPlace = FragmentPlace(
            identification: UInt32(header.number(4)) << 16 | UInt32(header.number(6)), proto: header.byte(0),
            offset: Int(offset) * 8, count: header.count - 8 + bytesMissing)
    }

    private mutating func end(_ check: MalformedCheck) -> Window? {
        fail(check)
        return nil
    }
}
