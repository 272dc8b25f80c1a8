// SPDX-License-Identifier: Apache-2.0
// Tests of one packet's headers, and tests of what was recognised in a flow, that look at no buffer.
import NetworkTypes

/// IPv4 header options by the words of `ipopts`.
public enum IPOption: UInt8, Sendable {
    case endOfList = 0, noOperation = 1, security = 0x82, looseRoute = 0x83, timestamp = 0x44
    case extendedSecurity = 0x85, cipso = 0x86, recordRoute = 0x07, streamID = 0x88, strictRoute = 0x89
    case quickStart = 0x19
    /// Any option at all; the number is none of the registry.
    case any = 0xff
}

/// A modifier of `flags` and `fragbits`.
public enum BitMatch: Sendable {
    /// Exactly these bits, of those that are looked at.
    case exact
    /// These, and others may be (`+`).
    case all
    /// One of them (`*`).
    case anyOf
    /// Not all of them (`!`), as Suricata has it; of no bit at all, any bit.
    case notAll
}

/// Fields of a packet that a number is compared with.
public enum PacketField: Sendable {
    case payloadSize, ttl, typeOfService, ipID, tcpSequence, tcpAcknowledgement, tcpWindow, tcpMaxSegmentSize
    case icmpType, icmpCode, icmpID, icmpSequence, icmpv6MTU, fragmentOffset
}

/// One test of the packet. A field that the packet does not have fails it.
public enum PacketTest: Hashable, Sendable {
    case number(PacketField, NumberTest)
    /// The packet's IP protocol is one of these (`ip_proto`).
    case transports(TransportProtocols)
    /// `considered`: the flags looked at; the others may be either.
    case tcpFlags(TCPFlags, BitMatch, considered: TCPFlags)
    /// Bits: 1 more fragments (M), 2 don't fragment (D), 4 reserved (R).
    case fragmentBits(UInt8, BitMatch)
    case ipOption(IPOption)
    /// `sameip`: source is destination.
    case sameAddress
}

/// Ways of a flow.
public enum StreamDirection: String, Sendable { case client, server, both, either }

/// Versions of TLS and SSL, a bit each.
public struct TLSVersions: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let sslv2 = TLSVersions(rawValue: 1)
    public static let sslv3 = TLSVersions(rawValue: 2)
    public static let tls10 = TLSVersions(rawValue: 4)
    public static let tls11 = TLSVersions(rawValue: 8)
    public static let tls12 = TLSVersions(rawValue: 16)
    public static let tls13 = TLSVersions(rawValue: 32)
}

/// What a TLS connection has shown so far, a bit each (`ssl_state`).
public struct TLSStates: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let clientHello = TLSStates(rawValue: 1)
    public static let serverHello = TLSStates(rawValue: 2)
    public static let clientKeyx = TLSStates(rawValue: 4)
    public static let serverKeyx = TLSStates(rawValue: 8)
    public static let unknown = TLSStates(rawValue: 16)
}

/// Which of several records a test is about.
public enum RecordChoice: Hashable, Sendable {
    /// One of them, or all of them and at least one.
    case any, all
    /// The one at this place, from 0; from -1 backwards for the last ones.
    case index(Int)
}

/// One test of a flow's protocol or of a transaction's fields.
public enum ProtocolTest: Hashable, Sendable {
    /// How `app-layer-protocol` chooses whose recognition counts.
    public enum Side: Sendable { case direction, toServer, toClient, either, both, final, original }

    /// The flow's protocol is this one (negated: is recognised, and is not). `isExact`: without what it
    /// includes.
    case application(ApplicationProtocol, isNegated: Bool, side: Side, isExact: Bool)
    /// Payload bytes seen so far in a direction, and one for its SYN (`stream_size`).
    case streamSize(StreamDirection, NumberTest)
    case dnsOpcode(NumberTest)
    case dnsRcode(NumberTest)
    /// The type of the message's questions or, to the client, answers.
    case dnsRRType(NumberTest, RecordChoice)
    /// The record's version is one of them (negated: is none of them).
    case tlsVersion(TLSVersions, isNegated: Bool)
    case tlsState(TLSStates, isNegated: Bool)
    /// SSH protocol version, as in "2.0"; `orCompatible`: 1.99 is 2 as well.
    case sshVersion([UInt8], orCompatible: Bool)
    /// An event of a protocol's parser, as in "http.missing_host_header".
    case event(String)
}
