// SPDX-License-Identifier: Apache-2.0
// Rules in text and packets in a few words -> the sids that match: what most tests here say.

import Diagnostics
import NetworkTypes
import Signatures
import Testing

@testable import SignatureMatching

/// A matcher with rules of the test's own; a rule that is not loaded fails the test.
func matcher(
    _ rules: String, settings: SignatureEngine.Settings = SignatureEngine.Settings(),
    sourceLocation: SourceLocation = #_sourceLocation
) throws -> SignatureMatcher {
    let set = loadSignatures([SourceText(path: "test.rules", bytes: Array(rules.utf8))])
    #expect(set.counts.loaded == set.counts.rules, "\(set.diagnostics)", sourceLocation: sourceLocation)
    let engine = try SignatureEngine(set, settings: settings)
    #expect(engine.refused.isEmpty, sourceLocation: sourceLocation)
    return try SignatureMatcher(engine)
}

/// 192.0.2.7 port 40000 to 198.51.100.1 port 80, or back.
func header(
    _ transport: IPProtocol = .tcp, _ direction: FlowDirection = .toServer, destinationPort: UInt16 = 80
) -> PacketHeader {
    let client = IPAddress(v4: 0xc000_0207)
    let server = IPAddress(v4: 0xc633_6401)
    let isRequest = direction == .toServer
    var header = PacketHeader(
        transport: transport, source: isRequest ? client : server, destination: isRequest ? server : client)
    header.sourcePort = isRequest ? 40_000 : destinationPort
    header.destinationPort = isRequest ? destinationPort : 40_000
    header.direction = direction
    header.isEstablished = true
    header.timeNanoseconds = 1_000_000_000
    return header
}

extension SignatureMatcher {
    /// Reported sids of a packet with this payload, in order.
    func sids(
        _ payload: [UInt8], _ header: PacketHeader = header(), fields: PacketFields = PacketFields(),
        flow: FlowMatchState? = FlowMatchState()
    ) -> [UInt32] {
        payload.withUnsafeBytes { bytes in
            var fields = fields
            if fields.payloadSize == nil { fields.payloadSize = UInt32(bytes.count) }
            var packet = InspectedPacket(header: header, fields: fields)
            packet.payload = bytes
            return sids(packet, flow)
        }
    }

    func sids(
        _ payload: String, _ header: PacketHeader = header(), fields: PacketFields = PacketFields(),
        flow: FlowMatchState? = FlowMatchState()
    ) -> [UInt32] {
        sids(Array(payload.utf8), header, fields: fields, flow: flow)
    }

    /// Reported sids of stream bytes.
    func sids(stream: String, at offset: UInt64 = 0, flow: FlowMatchState = FlowMatchState()) -> [UInt32] {
        Array(stream.utf8).withUnsafeBytes { bytes in
            var packet = InspectedPacket(header: header())
            packet.stream = StreamChunk(bytes: bytes, streamOffset: offset)
            return sids(packet, flow)
        }
    }

    /// Reported sids of transactions.
    func sids(
        _ transactions: InspectedTransaction..., header given: PacketHeader? = nil,
        flow: FlowMatchState? = FlowMatchState()
    ) -> [UInt32] {
        var packet = InspectedPacket(
            header: given ?? header(.tcp, transactions.first?.direction ?? .toServer))
        packet.transactions = transactions
        return sids(packet, flow)
    }

    func sids(_ packet: InspectedPacket, _ flow: FlowMatchState?) -> [UInt32] {
        inspect(packet, flow: flow).filter(\.isReported).map { engine.signatures[$0.signature].sid }
    }
}

/// A complete transaction with these buffers.
func transaction(
    _ buffers: [(Buffer, String)], _ direction: FlowDirection = .toServer,
    _ application: ApplicationProtocol = .http1
) -> InspectedTransaction {
    let transaction = InspectedTransaction(direction: direction, application: application)
    for (buffer, text) in buffers { transaction.append(buffer, Array(text.utf8)) }
    transaction.isComplete = true
    return transaction
}
