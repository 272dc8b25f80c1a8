// SPDX-License-Identifier: Apache-2.0
// A packet description as one line of text, and back: "tcp 192.0.2.1:40000 > 192.0.2.2:22 syn ttl 64".
// In: a PacketDescription or its text. Out: the other one. Parsing is PacketTextParser's.

/// Why a text is not a packet.
public struct PacketTextError: Error, Hashable, Sendable {
    /// Lower case, no full stop, the user's text in quotes.
    public var message: String
    /// A way out; nil where there is nothing to say.
    public var help: String?
    /// Where it is wrong, in UTF-8 bytes from the text's start; the text's length where something is missing.
    public var offset: Int

    public init(_ message: String, at offset: Int, help: String? = nil) {
        self.message = message
        self.help = help
        self.offset = offset
    }

    /// - Parameters:
    ///   - what: the number's name, as in "port".
    ///   - meant: what was to be written.
    static func leadingZero(
        _ what: String, of text: Substring, at offset: Int, meant: String
    ) -> PacketTextError {
        PacketTextError("\(what) '\(text)' has a leading zero", at: offset, help: "write \(meant)")
    }
}

extension PacketDescription {
    /// Reads the one-line notation: protocol, source, ">", destination, then words in any order.
    ///
    /// What a text leaves out is what an ordinary packet has: a TCP packet without flags carries ACK
    /// (`no-flags` is the null packet), an ICMP or ICMPv6 packet without a type is an echo request.
    public init(parsing text: String) throws(PacketTextError) {
        var parser = PacketTextParser(text)
        self = try parser.parse()
    }

    /// The canonical text, which parses to the same description wherever ports and types are those of the
    /// protocol.
    public var text: String {
        var words = [flowText]
        if proto == .tcp, fragment != .later, tcpFlags.isEmpty { words.append("no-flags") }
        if let length { words.append("len \(length)") }
        if let ttl { words.append("ttl \(ttl)") }
        if let dscp { words.append("dscp \(dscp)") }
        words += vlans.map { "vlan \($0)" }
        if let interface { words.append("on \(interface)") }
        if established { words.append("established") }
        if !payload.isEmpty { words.append("payload " + payload.map(Self.hexPair).joined()) }
        return words.joined(separator: " ")
    }

    /// What replay, events and diffs show of a packet: protocol, addresses, ports, TCP flags or ICMP type,
    /// fragment.
    public var flowText: String {
        var words = [
            proto.name ?? "ip", Self.endpoint(source, sourcePort), ">",
            Self.endpoint(destination, destinationPort),
        ]
        words += tcpFlags.setNames
        if let icmpType { words.append(ICMPTypeNames.name(of: icmpType, in: proto) ?? String(icmpType)) }
        if proto.name == nil { words.append("proto \(proto.rawValue)") }
        if fragment != .none { words.append("frag \(fragment.rawValue)") }
        return words.joined(separator: " ")
    }

    private static func endpoint(_ address: IPAddress, _ port: UInt16?) -> String {
        guard let port else { return address.description }
        return address.family == .ipv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
    }

    private static func hexPair(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}
