// SPDX-License-Identifier: Apache-2.0
// The transactions of one flow: which record belongs to which buffers, and which events are still to be
// written.
import NetworkTypes
import Protocols
import SignatureMatching
import Signatures

/// A record that an alert or an event tells of.
enum TransactionRecord {
    case http(HTTPTransaction)
    case tls(TLSSession)
    case quic(QUICHello)
    case dns(DNSMessage, number: Int)
    case ssh(SSHSession)
    case anomaly(ProtocolAnomaly)
}

/// A transaction side that signatures look at, and the record that it is of.
struct TransactionUnit {
    var side: InspectedTransaction
    var record: TransactionRecord
}

struct TransactionTable {
    /// HTTP transactions of which one side is not whole, by their number on the connection, oldest first.
    private(set) var openHTTP: [OpenHTTP] = []
    /// TLS or SSH: one for each flow.
    var handshake: HandshakeBuffers?
    /// QUIC's, by the number of the connection, the newest last.
    private var quic: [(connection: Int, buffers: HandshakeBuffers)] = []
    /// TLS's or SSH's record, for the event at the handshake's end.
    var record: TransactionRecord?
    /// The handshake's event was written.
    var isHandshakeTold = false
    /// DNS messages so far.
    private var dnsCount = 0

    struct OpenHTTP {
        let transaction: HTTPTransaction
        /// Nil where no signature looks at HTTP.
        let buffers: HTTPBuffers?
    }

    /// Transactions that are remembered; the parser has a bound of its own.
    private static let most = 64
    private static let mostQUIC = 32

    /// The one that gives way to a transaction that is not here yet; nil where there is room.
    func surplus(_ transaction: HTTPTransaction) -> HTTPTransaction? {
        guard openHTTP.count >= Self.most, !openHTTP.contains(where: { $0.transaction === transaction }),
            let oldest = openHTTP.first
        else { return nil }
        return (openHTTP.first { $0.transaction.isGivenUp } ?? oldest).transaction
    }

    /// The buffers of a transaction that goes on, or begins.
    mutating func buffers(of transaction: HTTPTransaction, make: () -> HTTPBuffers?) -> HTTPBuffers? {
        if let open = openHTTP.last(where: { $0.transaction === transaction }) { return open.buffers }
        let former = transaction.continues.flatMap { index in
            openHTTP.last { $0.transaction.index == index }?.buffers
        }
        let buffers = make()
        if let former { buffers?.goOn(from: former) }
        openHTTP.append(OpenHTTP(transaction: transaction, buffers: buffers))
        return buffers
    }

    /// Whether more of the transaction is looked at.
    func isOpen(_ transaction: HTTPTransaction) -> Bool {
        openHTTP.contains { $0.transaction === transaction }
    }

    /// Forgets a transaction that is whole, or given up.
    mutating func close(_ transaction: HTTPTransaction) {
        openHTTP.removeAll { $0.transaction === transaction }
        transaction.isTold = true
    }

    /// The side of HTTP that is being read: requests come one after the other, and so do the answers, to the
    /// oldest first. Nil where signatures do not look at it.
    func unitInWork(_ way: FlowDirection) -> TransactionUnit? {
        let open =
            way == .toServer ? openHTTP.last : openHTTP.first { $0.buffers?.response.isComplete != true }
        guard let open, let buffers = open.buffers else { return nil }
        return TransactionUnit(
            side: way == .toServer ? buffers.request : buffers.response, record: .http(open.transaction))
    }

    /// The handshake's buffers, made at first sight.
    mutating func handshake(_ make: () -> HandshakeBuffers) -> HandshakeBuffers {
        if let handshake { return handshake }
        let made = make()
        handshake = made
        return made
    }

    /// A side of TLS's or SSH's handshake, and what is known of that; nil where it is another protocol's.
    mutating func handshakeUnit(
        _ application: Signatures.ApplicationProtocol, _ way: FlowDirection, else unknown: TransactionRecord
    ) -> TransactionUnit? {
        let side = handshake { HandshakeBuffers(application) }.side(way)
        guard side.application == application else { return nil }
        return TransactionUnit(side: side, record: record ?? unknown)
    }

    /// The buffers of a QUIC connection, made at first sight. Of more connections than the parser remembers
    /// the oldest ones' are forgotten.
    mutating func quic(_ connection: Int) -> HandshakeBuffers {
        if let known = quic.last(where: { $0.connection == connection }) { return known.buffers }
        if quic.count >= Self.mostQUIC { quic.removeFirst() }
        let made = HandshakeBuffers(.quic)
        quic.append((connection, made))
        return made
    }

    /// The number of the next DNS message, from 0: each message is a transaction of its own.
    mutating func nextDNSNumber() -> Int {
        defer { dnsCount &+= 1 }
        return dnsCount
    }
}
