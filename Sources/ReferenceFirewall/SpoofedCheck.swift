// SPDX-License-Identifier: Apache-2.0
// Sources that no packet from a wire can have; docs/policy.md, "Spoofed", in its order.
import NetworkTypes

/// The checks that make a packet spoofed, by the words that `detail` shows.
enum SpoofedCheck: String, CaseIterable {
    case loopback = "loopback source"
    case thisNetwork = "this-network source"
    case multicast = "multicast or reserved source"
    case mapped = "ipv4-mapped source"
    case unspecified = "unspecified source"
    case same = "source is destination"
    case own = "own address as source"
}

extension PacketReading {
    /// The first check that fails; nil where none does, and where no IP header was read.
    func spoofed(on interface: String?, ownAddresses: Set<IPAddress>) -> SpoofedCheck? {
        guard let source, let destination, interface != "lo" else { return nil }
        let found = source.family == .ipv4 ? spoofedIPv4(source.bits) : spoofedIPv6(source.bits)
        if let found { return found }
        if source == destination { return .same }
        return ownAddresses.contains(source) ? .own : nil
    }

    private func spoofedIPv4(_ source: UInt128) -> SpoofedCheck? {
        if source >> 24 == 127 { return .loopback }
        if source >> 24 == 0 {
            let isDHCPClient = source == 0 && proto == .udp && sourcePort == 68 && destinationPort == 67
            return isDHCPClient ? nil : .thisNetwork
        }
        return source >> 29 == 0b111 ? .multicast : nil
    }

    private func spoofedIPv6(_ source: UInt128) -> SpoofedCheck? {
        if source == 1 { return .loopback }
        if source >> 120 == 0xff { return .multicast }
        if source >> 32 == 0xffff { return .mapped }
        if source != 0 { return nil }
        // A host that looks for its first address (RFC 4861, 4862) or joins groups (RFC 3810) has none yet.
        let isFirstAddress = proto == .icmpv6 && (icmpType == 133 || icmpType == 135 || icmpType == 143)
        return isFirstAddress ? nil : .unspecified
    }
}
