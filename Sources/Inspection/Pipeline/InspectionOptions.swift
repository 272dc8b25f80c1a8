// SPDX-License-Identifier: Apache-2.0
// What a run of the inspector may set besides the policy: bounds, and how packets are read.

/// Options of an inspector.
public struct InspectionOptions: Sendable {
    /// TCP, UDP and ICMP packets with a wrong checksum are not inspected: their receiver drops them.
    public var verifyChecksums = true
    /// TCP flows whose handshake was not seen are followed all the same.
    public var midstream = true
    /// Only one direction is sampled, as without the egress program: what a client sends counts without the
    /// server's answer.
    public var isOneSided = false
    /// Alerts that one packet may raise, those of the first signatures in their order; what the others ask
    /// for is done all the same.
    public var alertsPerPacket = 64
    /// Which address of an `X-Forwarded-For` header an alert tells as `xff`.
    public var forwardedFor = ForwardedFor.last
    /// Data is looked at once its receiver acknowledged it and its sender goes on, as who only watches does:
    /// what never arrived is not looked at, and an answer comes a round trip later.
    public var waitsForAcknowledgement = false
    /// Packets with the same addresses and ports in different VLANs are of different flows.
    public var separatesVLANs = true
    /// Flows that are followed at a time; the least recently used one gives way.
    public var flowCount = 100_000
    /// Mixed into the flow table's hash: random where packets come from a wire, so that nobody can choose
    /// flows of one bucket; 0 in a replay, so that it can be repeated.
    public var seed: UInt64 = 0
    /// Whether the time spent on each signature is measured.
    public var profilesSignatures = false
    /// Whether packets of a flow that a finding dropped are fed all the same, each to be told as dropped:
    /// where no firewall stands before the inspector.
    public var tellsDroppedPackets = false
    /// Whether protocol events (http, dns, tls, quic, ssh) are written besides alerts and flows.
    public var writesProtocolEvents = true
    /// Whether the ends of flows and anomalies are written.
    public var writesFlowEvents = true

    /// What alerts tell beside their signature.
    public var alertContents: AlertContents = .flow

    public init() {}
}

/// Parts of an `alert` event that can be left out.
public struct AlertContents: OptionSet, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The flow, its protocol, and the transaction that was found: `flow`, `app_proto`, `direction`, `http`
    /// and the like.
    public static let flow = AlertContents(rawValue: 1)
    /// The bytes that were looked at, at most 4 KiB: `payload` in base64, `payload_printable`, `stream`.
    public static let payload = AlertContents(rawValue: 2)
    /// The packet with its link header, at most 24 KiB, in base64: `packet`, `packet_info`.
    public static let packet = AlertContents(rawValue: 4)
}

/// Whom an `X-Forwarded-For` header is believed.
public enum ForwardedFor: Sendable {
    /// The proxy stands before this server, and wrote the last one.
    case last
    /// The proxies stand before the clients, and the first of them wrote the client.
    case first
}
