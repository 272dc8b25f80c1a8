// SPDX-License-Identifier: Apache-2.0
// An SSH connection as far as it is readable (RFC 4253): both banners and key exchange offers. Out: the
// fields of signatures' `ssh.*` buffers and the `ssh` event.

/// What has just become known of an SSH connection.
public enum SSHStage: UInt8, Hashable, Sendable {
    /// `client.banner` is known.
    case clientBanner
    /// `server.banner` is known.
    case serverBanner
    /// `client.keyExchange` is known.
    case clientKeyExchange
    /// `server.keyExchange` is known.
    case serverKeyExchange
}

/// An SSH connection as far as it is readable.
public final class SSHSession {
    /// Who opened the connection.
    public internal(set) var client = SSHPeer()
    /// Who was called.
    public internal(set) var server = SSHPeer()

    init() {}
}

/// One side.
public struct SSHPeer: Sendable {
    /// The first line.
    public internal(set) var banner: SSHBanner?
    /// What the side offers.
    public internal(set) var keyExchange: SSHKeyExchange?
}

/// A side's first line, such as `SSH-2.0-OpenSSH_9.2p1 Debian-2`.
public struct SSHBanner: Hashable, Sendable {
    /// The line without its end, at most 255 bytes.
    public let line: [UInt8]
    /// `2.0`.
    public let protocolVersion: [UInt8]
    /// `OpenSSH_9.2p1`.
    public let softwareVersion: [UInt8]
    /// `Debian-2`.
    public let comment: [UInt8]
}

/// A side's offer, as HASSH reads it.
public struct SSHKeyExchange: Hashable, Sendable {
    /// Key exchange, encryption, MAC and compression of the side's own direction, joined with `;`.
    public let hasshText: [UInt8]
    /// MD5 over it: 32 hexadecimal digits.
    public let hassh: [UInt8]
}
