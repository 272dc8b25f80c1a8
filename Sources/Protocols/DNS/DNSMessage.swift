// SPDX-License-Identifier: Apache-2.0
// A DNS message (RFC 1035 and those that add record types): the fields of signatures' `dns.*` buffers and the
// `dns` event. Numbers are in host order.

/// A whole message.
public struct DNSMessage: Sendable {
    /// The transaction id.
    public internal(set) var id: UInt16 = 0
    /// The flags word as on the wire, QR in bit 15.
    public internal(set) var flags: UInt16 = 0
    /// What is asked.
    public internal(set) var questions: [DNSQuestion] = []
    /// The answer section.
    public internal(set) var answers: [DNSResource] = []
    /// The authority section.
    public internal(set) var authorities: [DNSResource] = []
    /// The additional section, without OPT's pseudo record.
    public internal(set) var additionals: [DNSResource] = []
    /// Bytes of the message.
    public internal(set) var length = 0
    /// The message ends before its counts say, or a bound ended the reading; what was read is there.
    public internal(set) var isIncomplete = false

    /// Response, not query.
    public var isResponse: Bool { flags & 0x8000 != 0 }
    /// 0 is a standard query.
    public var opcode: UInt8 { UInt8(truncatingIfNeeded: flags >> 11) & 0x0f }
    /// 0 is no error, 3 is no such name (the header's 4 bits).
    public var responseCode: UInt8 { UInt8(truncatingIfNeeded: flags) & 0x0f }
    /// Authoritative answer.
    public var isAuthoritative: Bool { flags & 0x0400 != 0 }
    /// Truncated by the sender.
    public var isTruncated: Bool { flags & 0x0200 != 0 }
    /// Recursion desired.
    public var recursionDesired: Bool { flags & 0x0100 != 0 }
    /// Recursion available.
    public var recursionAvailable: Bool { flags & 0x0080 != 0 }
    /// The reserved bit.
    public var reservedBit: Bool { flags & 0x0040 != 0 }
}

/// A question.
public struct DNSQuestion: Hashable, Sendable {
    /// Labels joined with dots, without a last one; bytes as sent, at most 1025.
    public let name: [UInt8]
    /// The record type asked for.
    public let type: DNSType
    /// 1 is Internet.
    public let recordClass: UInt16
}

/// A resource record.
public struct DNSResource: Sendable {
    /// As a question's.
    public let name: [UInt8]
    /// The record type.
    public let type: DNSType
    /// 1 is Internet.
    public let recordClass: UInt16
    /// Time to live, seconds.
    public let ttl: UInt32
    /// The record's data as sent (names in it may point elsewhere in the message).
    public let rawData: [UInt8]
    /// The record's data, read.
    public let data: DNSData
}

/// A record's data.
public enum DNSData: Sendable, Equatable {
    /// A: 4 bytes, AAAA: 16 bytes.
    case address([UInt8])
    /// CNAME, NS, PTR, DNAME, MB, MG, MR, MD, MF.
    case name([UInt8])
    /// Lower preference first.
    case mailExchange(preference: UInt16, name: [UInt8])
    case service(DNSService)
    case startOfAuthority(DNSAuthority)
    /// One text for each string.
    case text([[UInt8]])
    case keyFingerprint(algorithm: UInt8, type: UInt8, fingerprint: [UInt8])
    /// CAA: flags, tag, value.
    case certificateAuthority(flags: UInt8, tag: [UInt8], value: [UInt8])
    /// NULL and all other types.
    case other([UInt8])
}

/// SRV's data.
public struct DNSService: Sendable, Equatable {
    /// Lower first.
    public let priority: UInt16
    /// A share of those with the same priority.
    public let weight: UInt16
    /// The port.
    public let port: UInt16
    /// The host.
    public let target: [UInt8]
}

/// SOA's data; times in seconds.
public struct DNSAuthority: Sendable, Equatable {
    /// The primary server.
    public let primary: [UInt8]
    /// The mailbox of who is responsible.
    public let mailbox: [UInt8]
    /// The zone's version.
    public let serial: UInt32
    /// Between a secondary's looks.
    public let refresh: UInt32
    /// Until it tries again.
    public let retry: UInt32
    /// Until it gives up.
    public let expire: UInt32
    /// The least time to live.
    public let minimum: UInt32
}

/// A record type.
public struct DNSType: RawRepresentable, Hashable, Sendable {
    /// The number on the wire: 1 is A.
    public let rawValue: UInt16
    /// A type by its number on the wire.
    public init(rawValue: UInt16) { self.rawValue = rawValue }
}
