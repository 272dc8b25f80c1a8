// SPDX-License-Identifier: Apache-2.0
// A signature's header in checked form: protocols, addresses and ports, variables resolved.
import NetworkTypes

/// Protocols that rule headers and `app-layer-protocol` name, by Suricata's words.
public enum ApplicationProtocol: String, Sendable, CaseIterable, Hashable {
    /// HTTP/1 and HTTP/2.
    case http
    case http1, http2, tls, ssh, dns, quic, ftp, smtp, imap, pop3, smb, dcerpc, nfs, tftp, ike, krb5, dhcp
    case snmp, sip, rfb, mqtt, rdp, modbus, dnp3, enip, ntp, pgsql, telnet, ldap, websocket, doh2, mdns
    case bittorrentDHT = "bittorrent-dht"
    case ftpData = "ftp-data"
    case msn, irc, jabber, rpc, radius, http3
    /// Recognised as nothing (`app-layer-protocol:failed`, `unknown`).
    case failed, unknown

    /// By a rule's word, also by its other ones (`ssl`, `ikev2`); nil for none.
    public init?(word: some StringProtocol) {
        switch word {
        case "ssl": self = .tls
        case "ikev2": self = .ike
        default: self.init(rawValue: String(word))
        }
    }

    /// Whether a flow recognised as `other` is one of this: `http` holds HTTP/1 and HTTP/2; SMB carries
    /// DCERPC.
    @inlinable public func includes(_ other: ApplicationProtocol) -> Bool {
        if self == other { return true }
        switch self {
        case .http: return other == .http1 || other == .http2
        case .dns, .http2: return other == .doh2
        case .dcerpc: return other == .smb
        default: return false
        }
    }
}

/// The IP protocols of a signature.
public struct TransportProtocols: Hashable, Sendable {
    /// A bit for each IP protocol number: all of them for `ip`.
    public private(set) var low: UInt128
    public private(set) var high: UInt128

    /// Whether a packet of this IP protocol is meant.
    @inlinable public func contains(_ proto: IPProtocol) -> Bool {
        let bit = UInt128(1) << UInt128(proto.rawValue & 127)
        return (proto.rawValue < 128 ? low : high) & bit != 0
    }

    public static let all = TransportProtocols(low: .max, high: .max)

    init(low: UInt128, high: UInt128) {
        self.low = low
        self.high = high
    }

    init(_ protocols: [IPProtocol]) {
        self.init(low: 0, high: 0)
        for proto in protocols { insert(proto) }
    }

    mutating func insert(_ proto: IPProtocol) {
        let bit = UInt128(1) << UInt128(proto.rawValue & 127)
        if proto.rawValue < 128 { low |= bit } else { high |= bit }
    }

    func subtracting(_ other: TransportProtocols) -> TransportProtocols {
        TransportProtocols(low: low & ~other.low, high: high & ~other.high)
    }

    func union(_ other: TransportProtocols) -> TransportProtocols {
        TransportProtocols(low: low | other.low, high: high | other.high)
    }

    /// The IP protocols of both.
    public func intersection(_ other: TransportProtocols) -> TransportProtocols {
        TransportProtocols(low: low & other.low, high: high & other.high)
    }

    public var isAll: Bool { low == .max && high == .max }
    public var isEmpty: Bool { low == 0 && high == 0 }
}

/// Which packets a signature looks at. Addresses and ports are the packet's (source to destination); with
/// `isBidirectional` also the other way round.
public struct SignatureHeader: Hashable, Sendable {
    public internal(set) var transports = TransportProtocols.all
    /// nil: both families.
    public internal(set) var family: AddressFamily?
    /// The flow's protocol must be this; by the header's word, or by the buffers that the signature inspects.
    public internal(set) var application: ApplicationProtocol?
    public internal(set) var source = AddressSet.all
    public internal(set) var destination = AddressSet.all
    public internal(set) var sourcePorts = IntervalSet<UInt16>.all
    public internal(set) var destinationPorts = IntervalSet<UInt16>.all
    /// `<>`: either way round.
    public internal(set) var isBidirectional = false
    /// `=>`: requests and responses of one transaction are inspected together.
    public internal(set) var isTransactional = false
    /// Neither address nor port is restricted: the comparison can be left out.
    public internal(set) var isAnyToAny = false
}

/// What `flow:` asks of the flow. Without it everything may be, in both directions.
public struct FlowConditions: Hashable, Sendable {
    /// The connection's state as the stream engine sees it.
    public enum State: Sendable { case any, established, notEstablished, stateless }

    /// Packets from client to server are inspected; settled by `flow` and by the buffers.
    public internal(set) var toServer = true
    /// Packets from server to client are inspected.
    public internal(set) var toClient = true
    /// `stateless` asks for nothing, as `any` does; it needs no flow.
    public internal(set) var state = State.any
    /// `only_frag`: reassembled packets only; `no_frag`: others only; nil: both.
    public internal(set) var isReassembled: Bool?
    /// The text has a direction (`to_server` and the like).
    public internal(set) var hasDirection = false
}
