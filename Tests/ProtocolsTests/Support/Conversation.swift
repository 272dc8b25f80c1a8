// SPDX-License-Identifier: Apache-2.0
// A flow as pieces in the order of arrival, and what the parsers make of it. In: text or bytes, whole or
// split. Out: a line of text for each record, so that two readings can be compared.
import NetworkTypes
import TestSupport

@testable import Protocols

/// One direction's bytes, a number of bytes that were not seen, or its end.
enum Piece {
    case bytes(FlowDirection, [UInt8])
    case gap(FlowDirection, Int)
    case end(FlowDirection)
}

/// A flow's pieces.
struct Conversation {
    var pieces: [Piece] = []
    var isDatagrams = false

    mutating func client(_ text: String) { pieces.append(.bytes(.toServer, Array(text.utf8))) }
    mutating func server(_ text: String) { pieces.append(.bytes(.toClient, Array(text.utf8))) }
    mutating func client(_ bytes: [UInt8]) { pieces.append(.bytes(.toServer, bytes)) }
    mutating func server(_ bytes: [UInt8]) { pieces.append(.bytes(.toClient, bytes)) }

    init() {}

    /// A request and a response.
    init(_ request: String, _ response: String = "") {
        client(request)
        if !response.isEmpty { server(response) }
    }

    /// The same bytes in smaller pieces.
    func split(_ random: inout SeededGenerator) -> Conversation {
        var split = self
        split.pieces = pieces.flatMap { piece -> [Piece] in
            guard case .bytes(let direction, let bytes) = piece else { return [piece] }
            let most = random.pick([1, 3, 17, 200, 5000])
            var parts: [Piece] = []
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + 1 + random.below(most))
                parts.append(.bytes(direction, Array(bytes[start..<end])))
                start = end
            }
            return parts
        }
        return split
    }

    /// The bytes of one direction.
    func bytes(_ wanted: FlowDirection) -> [UInt8] {
        pieces.flatMap { piece -> [UInt8] in
            if case .bytes(let direction, let bytes) = piece, direction == wanted { return bytes }
            return []
        }
    }
}

/// What the parsers hand on.
final class Reading {
    var transactions: [HTTPTransaction] = []
    var tls: TLSSession?
    var ssh: SSHSession?
    var quic: [QUICHello] = []
    var dns: [(message: DNSMessage, direction: FlowDirection)] = []
    var anomalies: [String] = []
    var stages: [String] = []
    var appProtocol: ApplicationProtocol?

    init(_ conversation: Conversation, limits: ProtocolLimits = .ofShortDatagrams) {
        if conversation.isDatagrams {
            readDatagrams(conversation, limits)
        } else {
            readStream(conversation, StreamParser(http: HTTPConfiguration(limits: limits)))
        }
    }

    /// A flow of a parser that shares its memory; `each` is called behind each piece.
    init(_ conversation: Conversation, _ parser: StreamParser, each: () -> Void = {}) {
        readStream(conversation, parser, each: each)
    }

    private func readStream(_ conversation: Conversation, _ parser: StreamParser, each: () -> Void = {}) {
        for piece in conversation.pieces {
            switch piece {
            case .bytes(let direction, let bytes): bytes.withUnsafeBytes { parser.feed($0, direction, take) }
            case .gap(let direction, let count): parser.skip(count, direction, take)
            case .end(let direction): parser.end(direction, take)
            }
            each()
        }
        parser.end(.toServer, take)
        parser.end(.toClient, take)
        appProtocol = parser.appProtocol
    }

    private func readDatagrams(_ conversation: Conversation, _ limits: ProtocolLimits) {
        let parser = DatagramParser(limits: limits)
        for case .bytes(let direction, let bytes) in conversation.pieces {
            bytes.withUnsafeBytes { parser.feed($0, direction, take) }
        }
        appProtocol = parser.appProtocol
    }

    func take(_ record: ProtocolRecord) {
        switch record {
        case .http(let transaction, let stage):
            if !transactions.contains(where: { $0 === transaction }) { transactions.append(transaction) }
            // How bodies fall into pieces depends on how the bytes come.
            if stage != .requestBody, stage != .responseBody {
                stages.append("\(transaction.index) \(stage)")
            }
        case .tls(let session, let stage):
            tls = session
            stages.append("tls \(stage)")
        case .ssh(let session, let stage):
            ssh = session
            stages.append("ssh \(stage)")
        case .quic(let hello):
            quic.append(hello)
            stages.append("quic \(hello.direction)")
        case .dns(let message, let direction):
            dns.append((message, direction))
            stages.append("dns \(direction) \(message)")
        case .anomaly(let anomaly):
            anomalies.append(anomaly.name)
            stages.append("anomaly \(anomaly.name)")
        }
    }

    /// Everything that was read, whatever the pieces were.
    var text: String {
        var lines = stages
        for transaction in transactions {
            lines.append("\(transaction.index) \(transaction.request)".withoutPieces)
            lines.append("\(transaction.index) \(transaction.response)".withoutPieces)
        }
        if let tls {
            lines.append("\(String(describing: tls.clientHello)) \(String(describing: tls.serverHello))")
            lines.append("\(tls.certificates) \(tls.clientCertificates) \(tls.alerts) \(tls.isResumed)")
        }
        if let ssh { lines.append("\(ssh.client) \(ssh.server)") }
        lines.append("\(quic)")
        return lines.joined(separator: "\n")
    }
}

extension String {
    /// Without the place of a body's newest piece, which depends on how the bytes came.
    fileprivate var withoutPieces: String {
        guard let start = range(of: "newestStart: ") else { return self }
        let end = self[start...].firstIndex(of: ",") ?? endIndex
        return String(self[..<start]) + String(self[end...])
    }

    private func range(of text: String) -> String.Index? {
        indices.first { self[$0...].hasPrefix(text) }
    }
}

extension [UInt8] {
    /// The bytes as text, for comparing.
    var text: String { String(decoding: self, as: UTF8.self) }
    /// The bytes of a text.
    init(_ text: String) { self = Array(text.utf8) }
}

extension ProtocolLimits {
    /// Tests write Initial packets without the padding that servers ask for.
    static var ofShortDatagrams: ProtocolLimits {
        var limits = ProtocolLimits()
        limits.quicDatagram = 0
        return limits
    }
}
