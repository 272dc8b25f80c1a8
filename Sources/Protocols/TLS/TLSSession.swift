// SPDX-License-Identifier: Apache-2.0
// A TLS connection as far as it is readable: both hellos, the server's certificates, alerts. In: what the
// handshake parser reads. Out: the fields of signatures' `tls.*`, `ja3*` and `ja4*` buffers and the `tls`
// event.
import NetworkTypes

/// What has just become known of a TLS connection.
public enum TLSStage: UInt8, Hashable, Sendable {
    /// `clientHello` is known.
    case clientHello
    /// `secondHello` is known.
    case secondHello
    /// `serverHello` and the version are known.
    case serverHello
    /// `certificates` of the server are known.
    case certificates
    /// `clientCertificates` are known.
    case clientCertificates
    /// One more readable alert is in `alerts`.
    case alert
    /// Everything from here on is encrypted in both directions, or nothing more can be read.
    case finished
}

/// A TLS connection as far as it is readable.
public final class TLSSession {
    /// The first ClientHello.
    public internal(set) var clientHello: TLSClientHello?
    /// The one behind it, which answers a retry request, where it names another server or other protocols. It
    /// must not (RFC 8446 section 4.1.2), but servers take what it says.
    public internal(set) var secondHello: TLSClientHello?
    /// The first ServerHello that is not a retry request.
    public internal(set) var serverHello: TLSServerHello?
    /// The server's chain (up to TLS 1.2), its own certificate first.
    public internal(set) var certificates: [TLSCertificate] = []
    /// The client's chain (up to TLS 1.2).
    public internal(set) var clientCertificates: [TLSCertificate] = []
    /// Readable alerts, at most 8.
    public internal(set) var alerts: [TLSAlert] = []
    /// The handshake was resumed: the server took up a session, and sent no certificate.
    public internal(set) var isResumed = false

    init() {}

    /// The name of the server that is meant, as far as it was said.
    public var serverName: [UInt8]? { secondHello?.serverName ?? clientHello?.serverName }

    /// The version that was agreed on, or else the highest that the client offers.
    public var version: TLSVersion? { serverHello?.version ?? clientHello?.highestVersion }
}

/// A protocol version as on the wire.
public struct TLSVersion: RawRepresentable, Hashable, Sendable, Comparable {
    /// The number on the wire: 0x0303 is TLS 1.2.
    public let rawValue: UInt16
    /// A version by its number on the wire.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// By number.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// As events write it; drafts of TLS 1.3 name themselves, unknown versions are `UNDETERMINED`.
    public var name: String {
        switch rawValue {
        case 0x0002: "SSLv2"
        case 0x0300: "SSLv3"
        case 0x0301: "TLSv1"
        case 0x0302: "TLS 1.1"
        case 0x0303: "TLS 1.2"
        case 0x0304: "TLS 1.3"
        case 0x7f00...0x7fff: "TLS 1.3 draft-\(rawValue & 0xff)"
        case 0xfb00...0xfbff: "TLS 1.3 draft-\(rawValue & 0xff) (FB)"
        default: "UNDETERMINED"
        }
    }
}

/// An alert that was sent in the clear.
public struct TLSAlert: Hashable, Sendable {
    /// Who sent it: `toServer` is the client's.
    public let direction: FlowDirection
    /// 1 warning, 2 fatal.
    public let level: UInt8
    /// RFC 8446 section 6: 40 is handshake_failure.
    public let description: UInt8
}

/// What a client offers. Lists are in wire order and hold GREASE values too.
public struct TLSClientHello: Sendable {
    /// The legacy version field.
    public internal(set) var legacyVersion = TLSVersion(rawValue: 0)
    /// The supported_versions extension; empty where it is missing.
    public internal(set) var supportedVersions: [TLSVersion] = []
    /// The 32 random bytes, big endian as on the wire: 4 of time and 28 of random before TLS 1.3.
    public internal(set) var random: [UInt8] = []
    /// The session id, at most 32 bytes.
    public internal(set) var sessionID: [UInt8] = []
    /// Cipher suites.
    public internal(set) var cipherSuites: [UInt16] = []
    /// Extension types.
    public internal(set) var extensions: [UInt16] = []
    /// The supported_groups extension.
    public internal(set) var groups: [UInt16] = []
    /// The ec_point_formats extension.
    public internal(set) var pointFormats: [UInt8] = []
    /// The signature_algorithms extension.
    public internal(set) var signatureAlgorithms: [UInt16] = []
    /// The host_name of the server_name extension: bytes as sent, not necessarily a name.
    public internal(set) var serverName: [UInt8]?
    /// The protocols of the ALPN extension.
    public internal(set) var applicationProtocols: [[UInt8]] = []
    /// What JA3 hashes: `771,4865-4866,0-23,29-23,0`.
    public internal(set) var ja3Text: [UInt8] = []
    /// JA3: 32 hexadecimal digits.
    public internal(set) var ja3: [UInt8] = []
    /// JA4: `t13d1516h2_8daaf6152771_e5627efa2ab1`; with `q` in front from QUIC.
    public internal(set) var ja4: [UInt8] = []

    /// The highest version offered, GREASE values left out.
    public var highestVersion: TLSVersion {
        supportedVersions.filter { !isGrease($0.rawValue) }.max() ?? legacyVersion
    }
}

/// What a server chose.
public struct TLSServerHello: Sendable {
    /// The legacy version field.
    public internal(set) var legacyVersion = TLSVersion(rawValue: 0)
    /// The supported_versions extension's one version, or else the legacy version.
    public internal(set) var version = TLSVersion(rawValue: 0)
    /// The 32 random bytes as on the wire.
    public internal(set) var random: [UInt8] = []
    /// The session id, at most 32 bytes.
    public internal(set) var sessionID: [UInt8] = []
    /// The cipher suite.
    public internal(set) var cipherSuite: UInt16 = 0
    /// Extension types.
    public internal(set) var extensions: [UInt16] = []
    /// The protocol of the ALPN extension.
    public internal(set) var applicationProtocol: [UInt8]?
    /// What JA3S hashes: `771,49200,65281-0`.
    public internal(set) var ja3sText: [UInt8] = []
    /// JA3S: 32 hexadecimal digits.
    public internal(set) var ja3s: [UInt8] = []
}

/// A certificate, as far as it could be read. Names as RFC 2253 text in certificate order: `C=US, O=Example`.
public struct TLSCertificate: Sendable {
    /// The certificate as sent (DER).
    public internal(set) var der: [UInt8] = []
    /// The subject's name.
    public internal(set) var subject: [UInt8] = []
    /// The issuer's name.
    public internal(set) var issuer: [UInt8] = []
    /// The serial number as text: `01:AB`.
    public internal(set) var serial: [UInt8] = []
    /// The start of its validity, seconds since 1970 UTC.
    public internal(set) var notBefore: Int64?
    /// The end of its validity, seconds since 1970 UTC.
    public internal(set) var notAfter: Int64?
    /// SHA-1 over `der` as text: `01:ab` for each byte.
    public internal(set) var fingerprint: [UInt8] = []
    /// The DNS names of the subjectAltName extension, at most 64.
    public internal(set) var alternativeNames: [[UInt8]] = []
}

/// RFC 8701's reserved values, which clients send at random.
func isGrease(_ value: UInt16) -> Bool { value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff }
