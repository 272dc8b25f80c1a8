// SPDX-License-Identifier: Apache-2.0
// What is known of a flow's protocol: identifiers, confidence, risks, and the names that came with them.
// In: nDPI's numbers. Out: values that outlive the flow.

import CNDPI

/// nDPI's number of a protocol; 0 is unknown. Numbers are of this library version: policies and events use
/// names.
public struct ProtocolID: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// No protocol, "Unknown".
    public static let unknown = ProtocolID(rawValue: 0)
}

/// A protocol and what is spoken inside it, as TLS and Google. Either may be unknown; where only one is known
/// it may stand in either place, as nDPI leaves it.
public struct ProtocolPair: Hashable, Sendable {
    public let master: ProtocolID
    public let application: ProtocolID

    public init(master: ProtocolID, application: ProtocolID) {
        self.master = master
        self.application = application
    }

    /// Nothing was recognised.
    public static let unknown = ProtocolPair(master: .unknown, application: .unknown)

    /// Neither place has a protocol.
    public var isUnknown: Bool { master == .unknown && application == .unknown }

    /// The protocol is in one of the two places: `TLS.Google` involves TLS and Google. Only a flow of which
    /// nothing is known involves `.unknown`.
    public func involves(_ id: ProtocolID) -> Bool {
        id == .unknown ? isUnknown : master == id || application == id
    }
}

/// How a protocol was found, in rising order of trust.
public enum DetectionConfidence: UInt8, Comparable, Sendable {
    /// Nothing was found.
    case unknown = 0
    /// A guess by port number: nothing in the payload says so.
    case port = 1
    /// A guess by one of the addresses, which belongs to a known network.
    case address = 2
    /// The two hosts spoke it in another flow a short time before; nDPI 4.2 says so of all BitTorrent, also
    /// where it recognised the payload.
    case cache = 3
    /// The payload was recognised.
    case payload = 4

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// The confidence as ndpiReader prints it, as in "Match by port".
    public var name: String {
        switch self {
        case .unknown: "Unknown"
        case .port: "Match by port"
        case .address: "Match by IP"
        case .cache: "DPI (cache)"
        case .payload: "DPI"
        }
    }
}

/// What is suspicious in a flow, one bit for each of nDPI's risks.
public struct DetectionRisks: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Nothing is.
    public static let none = DetectionRisks(rawValue: 0)

    /// The risks' names as ndpiReader prints them, by number, as in "TLS Expired Certificate".
    public var names: [String] {
        (0..<UInt32(NDPI_MAX_RISK.rawValue)).compactMap { number in
            guard rawValue >> number & 1 == 1 else { return nil }
            return ndpi_risk2str(ndpi_risk_enum(number)).map { String(cString: $0) }
        }
    }
}

/// The final answer on one flow.
public struct DetectedProtocol: Hashable, Sendable {
    /// The protocol's numbers, for a policy's `protocols:`.
    public let protocols: ProtocolPair
    /// The name as ndpiReader prints it, as in "TLS.Google"; "Unknown" where nothing was found.
    public let name: String
    /// The kind of protocol as ndpiReader prints it, as in "Web"; "Unspecified" where nothing was found.
    public let category: String
    /// nDPI's number of the category; 0 is unspecified.
    public let categoryNumber: Int
    public let confidence: DetectionConfidence
    public let risks: DetectionRisks
    /// The host that the client named (SNI, HTTP Host, DNS question, and others), at most 79 bytes, as the
    /// packets had it: not text until it is escaped. Empty where none was seen.
    public let hostName: [UInt8]
    /// JA3 of the client's and of the server's hello, 32 hexadecimal digits; nil without a hello.
    public let ja3Client: String?
    public let ja3Server: String?
}
