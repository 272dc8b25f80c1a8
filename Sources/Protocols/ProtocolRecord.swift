// SPDX-License-Identifier: Apache-2.0
// What the parsers hand on: a record as soon as a part of a message is whole, so that signatures can judge
// that part before the rest has come. Classes among the payloads are live: later bytes fill them further.
import NetworkTypes

/// One step of an application protocol.
public enum ProtocolRecord {
    /// A request or response came as far as the stage says.
    case http(HTTPTransaction, HTTPStage)
    /// A handshake came as far as the stage says.
    case tls(TLSSession, TLSStage)
    /// A client's or server's hello within Initial packets.
    case quic(QUICHello)
    /// A whole DNS message.
    case dns(DNSMessage, FlowDirection)
    /// A side's banner or key exchange.
    case ssh(SSHSession, SSHStage)
    /// Something that the protocol forbids, or that a bound of ours refused.
    case anomaly(ProtocolAnomaly)
}

/// Something that the protocol forbids, or that a bound of ours refused.
public struct ProtocolAnomaly: Hashable, Sendable {
    /// The protocol that was being read.
    public let appProtocol: ApplicationProtocol
    /// The direction whose bytes showed it.
    public let direction: FlowDirection
    /// The word of Suricata's `app-layer-event` for it where there is one, in lower case; else one of ours.
    public let name: String

    init(_ appProtocol: ApplicationProtocol, _ direction: FlowDirection, _ name: StaticString) {
        self.appProtocol = appProtocol
        self.direction = direction
        self.name = name.description
    }
}
