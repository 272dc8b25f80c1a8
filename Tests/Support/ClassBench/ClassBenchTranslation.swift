// SPDX-License-Identifier: Apache-2.0
// A ClassBench set in the policy language, its headers as frames. In: rules, headers. Out: a policy whose
// rule N is called rN, and frames for which the answers to the headers hold exactly.
//
// A ClassBench rule looks at five numbers, and every packet has all of them; in the language only TCP, UDP
// and SCTP have ports. Two ways of saying a set, chosen by its rules:
// - plain: where rules ask ports of TCP and UDP alone (most sets). `service: tcp/80`, `proto/47`, a rule for
//   any protocol has no `service`. Ports of headers of other protocols are left out: no rule asks for them.
// - in the TTL: where a rule asks ports of any protocol, or of one that has none (fw2 and fw4 do, of ICMP,
//   IGMP and others). All frames are UDP, and the protocol's number stands in the TTL: `ttl: 1` with
//   `source-port: 25` is ICMP with source port 25.
// IPv6 sets: hop-by-hop options (0) and AH (51) are extension headers there and no packet's protocol, so
// rules and headers of them get the numbers that RFC 3692 leaves for experiments, 253 and 254.
import NetworkTypes

public struct ClassBenchTranslation: Sendable {
    /// Whether frames are UDP with their protocol in the TTL.
    public let protocolIsTTL: Bool

    public init(_ rules: [ClassBenchRule]) {
        protocolIsTTL = rules.contains { rule in
            let asksPorts = rule.sourcePorts != Self.all || rule.destinationPorts != Self.all
            return asksPorts && rule.proto != IPProtocol.tcp.rawValue
                && rule.proto != IPProtocol.udp.rawValue
        }
    }

    /// The policy's text. Addresses that no packet from a wire can have are among the traces', and what would
    /// be essential too: the rules judge everything.
    public func policy(_ rules: [ClassBenchRule], named name: String) -> String {
        var text = """
            policy: \(name)
            default: drop
            stateful: false
            spoofed: pass
            essential: []
            rules:

            """
        text.reserveCapacity(rules.count * 160)
        for (number, rule) in rules.enumerated() {
            text += "  - { name: r\(number), source: \(Self.text(rule.source)), "
            text += "destination: \(Self.text(rule.destination))\(protocolKeys(rule)), action: drop }\n"
        }
        return text
    }

    /// A frame that the policy's rules judge as the set's judge the header.
    public func frame(_ header: ClassBenchHeader) -> [UInt8] {
        let proto = Self.proto(header.proto, header.source.family)
        var packet = PacketDescription(
            proto: protocolIsTTL ? .udp : proto, source: header.source, destination: header.destination)
        if protocolIsTTL { packet.ttl = proto.rawValue }
        if packet.proto.hasPorts {
            packet.sourcePort = header.sourcePort
            packet.destinationPort = header.destinationPort
        }
        if packet.proto == .tcp { packet.tcpFlags = .syn }
        if packet.proto.hasTypes { packet.icmpType = packet.proto == .icmp ? 8 : 128 }
        return packet.frame()
    }

    private func protocolKeys(_ rule: ClassBenchRule) -> String {
        let ports = rule.destinationPorts == Self.all ? nil : Self.text(rule.destinationPorts)
        let proto = rule.proto.map { Self.proto($0, rule.source.address.family) }
        var keys = ""
        if protocolIsTTL {
            if let proto { keys += ", ttl: \(proto.rawValue)" }
            if let ports { keys += ", service: udp/\(ports)" }
        } else if let proto {
            let word = proto.name ?? "proto/\(proto.rawValue)"
            keys += ", service: \(word)" + (ports.map { "/\($0)" } ?? "")
        }
        if rule.sourcePorts != Self.all { keys += ", source-port: \(Self.text(rule.sourcePorts))" }
        return keys
    }

    private static let all: ClosedRange<UInt16> = 0...65535

    private static func proto(_ number: UInt8, _ family: AddressFamily) -> IPProtocol {
        switch (family, number) {
        case (.ipv6, 0): IPProtocol(rawValue: 253)
        case (.ipv6, 51): IPProtocol(rawValue: 254)
        default: IPProtocol(rawValue: number)
        }
    }

    private static func text(_ ports: ClosedRange<UInt16>) -> String {
        ports.count == 1 ? "\(ports.lowerBound)" : "\(ports.lowerBound)-\(ports.upperBound)"
    }

    /// Colons would have a meaning of YAML's.
    private static func text(_ prefix: Prefix) -> String {
        prefix.address.family == .ipv4 ? "\(prefix)" : "\"\(prefix)\""
    }
}
