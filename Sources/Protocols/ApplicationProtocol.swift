// SPDX-License-Identifier: Apache-2.0
// The application protocols that this module reads, and the answer of the probes that recognise them by their
// first bytes, whatever the port.

/// An application protocol with a parser here.
public enum ApplicationProtocol: UInt8, Hashable, Sendable, CaseIterable {
    case http
    case tls
    case quic
    case dns
    case ssh

    /// The word that signatures and events use.
    public var name: String {
        switch self {
        case .http: "http"
        case .tls: "tls"
        case .quic: "quic"
        case .dns: "dns"
        case .ssh: "ssh"
        }
    }
}

/// What the first bytes of one direction say about a protocol.
public enum ProtocolMatch: UInt8, Hashable, Sendable {
    /// They cannot be that protocol.
    case no
    /// They can still be it: ask again with more bytes.
    case needMore
    /// They are it.
    case match
}
