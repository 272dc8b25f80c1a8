// SPDX-License-Identifier: Apache-2.0
// A UDP flow's application protocol. In: both directions' datagrams. Out: records. Recognises the protocol by
// the first datagrams, whatever the port.
import NetworkTypes

/// A UDP flow's application protocol.
public final class DatagramParser {
    private let limits: ProtocolLimits
    private var state = State.probing(left: 8)

    private enum State {
        /// This many more datagrams are looked at.
        case probing(left: Int)
        case unknown
        case dns(DNSParser)
        case quic(QUICParser)
    }

    /// A flow from any datagram on.
    public init(limits: ProtocolLimits = ProtocolLimits()) { self.limits = limits }

    /// The protocol, once recognised.
    public var appProtocol: ApplicationProtocol? {
        switch state {
        case .probing, .unknown: nil
        case .dns: .dns
        case .quic: .quic
        }
    }

    /// The datagrams are no protocol that is read here, or all that can be read was.
    public var isFinished: Bool {
        switch state {
        case .unknown: true
        case .quic(let parser): parser.isFinished
        case .probing, .dns: false
        }
    }

    /// Anomalies that were not handed on because the flow had too many.
    public var suppressedAnomalies: Int {
        switch state {
        case .probing, .unknown: 0
        case .dns(let parser): parser.suppressedAnomalies
        case .quic(let parser): parser.suppressedAnomalies
        }
    }

    /// One datagram's payload.
    public func feed(
        _ datagram: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void
    ) {
        switch state {
        case .unknown: return
        case .probing(let left):
            state = recognise(datagram, direction) ?? (left > 1 ? .probing(left: left - 1) : .unknown)
            if appProtocol != nil { feed(datagram, direction, sink) }
        case .dns(let parser): parser.feed(datagram: datagram, direction, sink)
        case .quic(let parser): parser.feed(datagram, direction, sink)
        }
    }

    private func recognise(_ datagram: UnsafeRawBufferPointer, _ direction: FlowDirection) -> State? {
        if DNSParser.probe(datagram: datagram, direction) == .match { return .dns(DNSParser(limits: limits)) }
        if QUICParser.probe(datagram, direction) == .match { return .quic(QUICParser(limits: limits)) }
        return nil
    }
}
