// SPDX-License-Identifier: Apache-2.0
// Packets as parts of conversations: which one a packet belongs to, or quotes, and what it does there.
import NetworkTypes
import PolicyLanguage

/// What an ICMP message has to do with echoes.
enum Echo {
    case request, reply

    init?(_ proto: IPProtocol, type: UInt8) {
        switch (proto, type) {
        case (.icmp, 8), (.icmpv6, 128): self = .request
        case (.icmp, 0), (.icmpv6, 129): self = .reply
        default: return nil
        }
    }
}

extension PacketReading {
    /// The TCP segment; nil for other packets, and where its header was not read.
    var segment: Segment? {
        guard proto == .tcp, let tcpFlags, let tcpNumbers else { return nil }
        return Segment(
            flags: tcpFlags, sequence: tcpNumbers.sequence, acknowledged: tcpNumbers.acknowledged,
            hasPayload: payload.map { !$0.isEmpty } ?? false)
    }

    fileprivate var echo: Echo? { proto.flatMap { proto in icmpType.flatMap { Echo(proto, type: $0) } } }

    /// The conversation that the packet belongs to, if connections know its kind.
    fileprivate func conversation(outbound: Bool) -> Conversation? {
        guard let proto, let source, let destination else { return nil }
        var found = Conversation(
            proto: proto, local: outbound ? source : destination, remote: outbound ? destination : source,
            localPort: 0, remotePort: 0)
        if proto == .tcp || proto == .udp {
            guard let sourcePort, let destinationPort else { return nil }
            found.localPort = outbound ? sourcePort : destinationPort
            found.remotePort = outbound ? destinationPort : sourcePort
        } else {
            guard let echo, let icmpIdentifier else { return nil }
            (found.localPort, found.remotePort) = (icmpIdentifier, icmpIdentifier)
            found.isOurEcho = outbound == (echo == .request)
        }
        return found
    }

    private var isICMPError: Bool {
        guard let icmpType else { return false }
        return proto == .icmp ? [3, 4, 11, 12].contains(icmpType) : (1...4).contains(icmpType)
    }

    /// The conversation of the packet that an ICMP error quotes, which its receiver must have sent.
    fileprivate var quotedConversation: Conversation? {
        guard isICMPError, let payload, let destination else { return nil }
        let window = Window(payload[...])
        let quoted = destination.family == .ipv4 ? quotedIPv4(window) : quotedIPv6(window)
        return quoted?.local == destination ? quoted : nil
    }

    private func quotedIPv4(_ header: Window) -> Conversation? {
        let length = Int(header.byte(0) & 15) * 4
        let isLater = header.number(6) & 0x1fff != 0
        guard header.count >= 20, header.byte(0) >> 4 == 4, length >= 20, !isLater else { return nil }
        let ends = Ends(from: header.address(12, .ipv4), to: header.address(16, .ipv4))
        return ends.conversation(IPProtocol(rawValue: header.byte(9)), header.behind(length))
    }

    /// Behind a fragment header too, where that is a first fragment's.
    private func quotedIPv6(_ header: Window) -> Conversation? {
        guard header.count >= 40, header.byte(0) >> 4 == 6 else { return nil }
        let ends = Ends(from: header.address(8, .ipv6), to: header.address(24, .ipv6))
        let content = header.behind(40)
        guard header.byte(6) == 44 else {
            return ends.conversation(IPProtocol(rawValue: header.byte(6)), content)
        }
        guard content.count >= 8, content.number(2) & 0xfff8 == 0 else { return nil }
        return ends.conversation(IPProtocol(rawValue: content.byte(0)), content.behind(8))
    }
}

/// Of a quoted packet.
private struct Ends {
    var from: IPAddress
    var to: IPAddress

    /// - Parameter l4: the quoted packet behind its IP headers.
    func conversation(_ proto: IPProtocol, _ l4: Window) -> Conversation? {
        guard l4.count >= 8 else { return nil }
        var found = Conversation(proto: proto, local: from, remote: to, localPort: 0, remotePort: 0)
        if proto == .tcp || proto == .udp {
            (found.localPort, found.remotePort) = (l4.number(0), l4.number(2))
        } else {
            guard let echo = Echo(proto, type: l4.byte(0)) else { return nil }
            (found.localPort, found.remotePort) = (l4.number(4), l4.number(4))
            found.isOurEcho = echo == .request
        }
        return found
    }
}

extension ConnectionMemory {
    /// A packet that this host sends.
    mutating func send(_ packet: PacketReading) {
        guard let conversation = packet.conversation(outbound: true) else { return }
        if let segment = packet.segment {
            sent(segment, in: conversation)
        } else if packet.echo == .reply {
            answered(conversation)
        } else {
            sent(in: conversation)
        }
    }

    /// Whether a packet that comes in answers what this host opened, or is an error about it. A reply then
    /// counts as the connection's next packet, an error does not.
    mutating func isReply(_ packet: PacketReading) -> Bool {
        if let quoted = quoted(by: packet) { return quoted.opener == .us }
        guard let conversation = packet.conversation(outbound: false) else { return false }
        if let segment = packet.segment { return isReply(segment, in: conversation) }
        return isReply(in: conversation)
    }

    /// Whether it belongs to a connection that this host accepted, or is an error about one.
    func isOfAccepted(_ packet: PacketReading) -> Bool {
        if let quoted = quoted(by: packet) { return quoted.opener == .them }
        guard let conversation = packet.conversation(outbound: false) else { return false }
        if let segment = packet.segment { return isOfAccepted(segment, in: conversation) }
        return isAnswered(conversation)
    }

    /// The live connection that an ICMP error is about.
    func quoted(by packet: PacketReading) -> Connection? {
        packet.quotedConversation.flatMap { find($0) }
    }

    /// A packet passed that is no reply.
    mutating func letIn(_ packet: PacketReading, asksForState: Bool) {
        guard let conversation = packet.conversation(outbound: false) else { return }
        if let segment = packet.segment {
            if asksForState || segment.flags.contains(.rst) { letIn(segment, in: conversation) }
        } else if packet.proto == .udp || (asksForState && packet.echo == .request) {
            letIn(conversation)
        }
    }
}
