// SPDX-License-Identifier: Apache-2.0
// IP protocol numbers (IANA), ICMP type names and TCP flags, by the words that policies and packet text
// use.

/// An IP protocol number, as in IPv4's protocol field and the last IPv6 next-header field.
public struct IPProtocol: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let icmp = IPProtocol(rawValue: 1)
    public static let tcp = IPProtocol(rawValue: 6)
    public static let udp = IPProtocol(rawValue: 17)
    public static let gre = IPProtocol(rawValue: 47)
    public static let esp = IPProtocol(rawValue: 50)
    public static let icmpv6 = IPProtocol(rawValue: 58)
    public static let sctp = IPProtocol(rawValue: 132)

    /// Protocols that have a word of their own; all others are written `proto/N`.
    public static let names: [(name: String, value: IPProtocol)] = [
        ("tcp", .tcp), ("udp", .udp), ("icmp", .icmp), ("icmpv6", .icmpv6), ("sctp", .sctp), ("gre", .gre),
        ("esp", .esp),
    ]

    public init?(name: some StringProtocol) {
        guard let found = Self.names.first(where: { $0.name == name }) else { return nil }
        self = found.value
    }

    public var name: String? { Self.names.first { $0.value == self }?.name }
    /// TCP, UDP and SCTP: source and destination port are read.
    public var hasPorts: Bool { self == .tcp || self == .udp || self == .sctp }
    /// ICMP and ICMPv6: a type is read.
    public var hasTypes: Bool { self == .icmp || self == .icmpv6 }

    /// Bytes of the L4 header's fixed part (RFC 9293, 768, 9260, 792, 4443); 0 for protocols that are not
    /// read.
    public var fixedHeaderLength: Int {
        switch self {
        case .tcp: 20
        case .sctp: 12
        case .udp, .icmp, .icmpv6: 8
        default: 0
        }
    }
}

/// ICMP and ICMPv6 types that have a word (IANA registries); others are written as numbers.
public enum ICMPTypeNames {
    public static let icmp: [(name: String, type: UInt8)] = [
        ("echo-reply", 0), ("destination-unreachable", 3), ("source-quench", 4), ("redirect", 5),
        ("echo-request", 8), ("router-advertisement", 9), ("router-solicitation", 10), ("time-exceeded", 11),
        ("parameter-problem", 12), ("timestamp-request", 13), ("timestamp-reply", 14),
    ]
    public static let icmpv6: [(name: String, type: UInt8)] = [
        ("destination-unreachable", 1), ("packet-too-big", 2), ("time-exceeded", 3), ("parameter-problem", 4),
        ("echo-request", 128), ("echo-reply", 129), ("mld-query", 130), ("mld-report", 131),
        ("mld-done", 132),
        ("router-solicitation", 133), ("router-advertisement", 134), ("neighbour-solicitation", 135),
        ("neighbour-advertisement", 136), ("redirect", 137), ("mld2-report", 143),
    ]

    /// The protocol's types that have a name; none for protocols without types.
    public static func table(_ proto: IPProtocol) -> [(name: String, type: UInt8)] {
        switch proto {
        case .icmp: icmp
        case .icmpv6: icmpv6
        default: []
        }
    }

    /// Also with the American spelling, `neighbor-solicitation`.
    public static func type(named name: some StringProtocol, of proto: IPProtocol) -> UInt8? {
        let american = "neighbor-"
        let spelt = name.hasPrefix(american) ? "neighbour-" + name.dropFirst(american.count) : String(name)
        return table(proto).first { $0.name == spelt }?.type
    }

    public static func name(of type: UInt8, in proto: IPProtocol) -> String? {
        table(proto).first { $0.type == type }?.name
    }
}

/// The TCP flags byte (RFC 9293 3.1): bit 0 FIN to bit 7 CWR.
public struct TCPFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let fin = TCPFlags(rawValue: 0x01)
    public static let syn = TCPFlags(rawValue: 0x02)
    public static let rst = TCPFlags(rawValue: 0x04)
    public static let psh = TCPFlags(rawValue: 0x08)
    public static let ack = TCPFlags(rawValue: 0x10)
    public static let urg = TCPFlags(rawValue: 0x20)
    public static let ece = TCPFlags(rawValue: 0x40)
    public static let cwr = TCPFlags(rawValue: 0x80)

    public static let names: [(name: String, flag: TCPFlags)] = [
        ("fin", .fin), ("syn", .syn), ("rst", .rst), ("psh", .psh), ("ack", .ack), ("urg", .urg),
        ("ece", .ece),
        ("cwr", .cwr),
    ]

    public init?(name: some StringProtocol) {
        guard let found = Self.names.first(where: { $0.name == name }) else { return nil }
        self = found.flag
    }

    /// The names of the set flags in bit order, as in ["syn", "ack"].
    public var setNames: [String] { Self.names.filter { contains($0.flag) }.map(\.name) }
}
