// SPDX-License-Identifier: Apache-2.0
// A UDP flow's application protocol. In: both directions' datagrams. Out: records. Recognises the protocol by
// each datagram, whatever the port and whatever came before it.
import NetworkTypes

/// A UDP flow's application protocol.
///
/// Each datagram is looked at, however many were nothing that is read here: an endpoint drops those, and
/// answers the next one. A few bytes tell most of them, and nothing is kept of them, so that there is no need
/// for a bound on their number.
public final class DatagramParser {
    private let limits: ProtocolLimits
    private var dns: DNSParser?
    private var quic: QUICParser?
    /// What the last datagram was that was recognised.
    public private(set) var appProtocol: ApplicationProtocol?

    /// A flow from any datagram on.
    public init(limits: ProtocolLimits = ProtocolLimits()) { self.limits = limits }

    /// Anomalies that were not handed on because the flow had too many.
    public var suppressedAnomalies: Int { (dns?.suppressedAnomalies ?? 0) + (quic?.suppressedAnomalies ?? 0) }

    /// One datagram's payload. What is no protocol by itself belongs to the one that was recognised last.
    public func feed(
        _ datagram: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void
    ) {
        appProtocol = recognise(datagram, direction) ?? appProtocol
        switch appProtocol {
        case .dns:
            let parser = dns ?? DNSParser(limits: limits)
            dns = parser
            parser.feed(datagram: datagram, direction, sink)
        case .quic:
            let parser = quic ?? QUICParser(limits: limits)
            quic = parser
            parser.feed(datagram, direction, sink)
        default: break
        }
    }

    private func recognise(
        _ datagram: UnsafeRawBufferPointer, _ direction: FlowDirection
    ) -> ApplicationProtocol? {
        if DNSParser.probe(datagram: datagram, direction) == .match { return .dns }
        return QUICParser.probe(datagram, direction) == .match ? .quic : nil
    }
}
