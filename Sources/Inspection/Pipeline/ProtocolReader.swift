// SPDX-License-Identifier: Apache-2.0
// A flow's application protocol, recognised by its first bytes and read from then on: TCP streams and UDP
// datagrams behind one face. In: bytes of a direction. Out: records.
import NetworkTypes
import Protocols

/// The parser of one flow.
enum ProtocolReader {
    case stream(StreamParser)
    case datagrams(DatagramParser)

    /// The protocol, once recognised.
    var application: Protocols.ApplicationProtocol? {
        switch self {
        case .stream(let parser): parser.appProtocol
        case .datagrams(let parser): parser.appProtocol
        }
    }

    /// What each direction speaks, once recognised.
    var applications: (toServer: Protocols.ApplicationProtocol?, toClient: Protocols.ApplicationProtocol?) {
        switch self {
        case .stream(let parser): (parser.appProtocol(of: .toServer), parser.appProtocol(of: .toClient))
        case .datagrams(let parser): (parser.appProtocol, parser.appProtocol)
        }
    }

    /// The protocol is not sure enough to forbid the flow for it.
    var isGuess: Bool {
        guard case .stream(let parser) = self else { return false }
        return parser.isGuess
    }

    /// Further bytes change nothing.
    var isFinished: Bool {
        switch self {
        case .stream(let parser): parser.isFinished
        case .datagrams: false
        }
    }

    func feed(_ bytes: UnsafeRawBufferPointer, _ way: FlowDirection, _ sink: (ProtocolRecord) -> Void) {
        switch self {
        case .stream(let parser): parser.feed(bytes, way, sink)
        case .datagrams(let parser): parser.feed(bytes, way, sink)
        }
    }

    func skip(_ count: Int, _ way: FlowDirection, _ sink: (ProtocolRecord) -> Void) {
        if case .stream(let parser) = self { parser.skip(count, way, sink) }
    }

    func end(_ way: FlowDirection, _ sink: (ProtocolRecord) -> Void) {
        if case .stream(let parser) = self { parser.end(way, sink) }
    }
}
