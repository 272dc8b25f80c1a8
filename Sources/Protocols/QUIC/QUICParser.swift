// SPDX-License-Identifier: Apache-2.0
// One QUIC connection's Initial packets. In: both directions' datagrams, in any order. Out: a record with
// each side's hello, as soon as its bytes are whole.
import NetworkTypes

/// One QUIC connection, as far as onlookers can read it.
public final class QUICParser {
    private let limits: ProtocolLimits
    private var reporter: AnomalyReporter
    private var sides = [Side(), Side()]
    /// The id and version that keys come from: those of the client's first packet, or of the one behind a
    /// retry.
    private var origin: (version: QUICVersion, id: [UInt8])?

    private struct Side {
        var stream = QUICCryptoStream()
        var packets = 0
        var isDone = false
    }

    /// A connection from its first datagram on.
    public init(limits: ProtocolLimits = ProtocolLimits()) {
        self.limits = limits
        reporter = AnomalyReporter(limit: limits.anomalies)
    }

    /// Both hellos were read, or no more packets will be.
    public var isFinished: Bool { sides[0].isDone && sides[1].isDone }

    /// Anomalies that were not handed on because the flow had too many.
    public var suppressedAnomalies: Int { reporter.suppressed }

    /// One datagram's payload.
    public func feed(
        _ datagram: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void
    ) {
        guard !sides[direction].isDone else { return }
        if let version = GoogleHello.version(datagram), readGoogle(version, datagram, direction, sink) {
            return
        }
        var reader = ByteReader(datagram)
        // A datagram rarely coalesces more than three packets; padding ends the search.
        for _ in 0..<8 where !sides[direction].isDone {
            guard let packet = QUICPacket(&reader) else { return }
            read(packet, direction, sink)
        }
    }

    private func read(_ packet: QUICPacket, _ direction: FlowDirection, _ sink: RecordSink) {
        guard let bytes = packet.initial else { return }
        sides[direction].packets &+= 1
        guard sides[direction].packets <= limits.quicPackets else {
            sides[direction].isDone = true
            return report("initial_packets_over_limit", direction, sink)
        }
        guard let frames = open(packet, bytes, direction) else {
            // Without the client's first packet the server's cannot be opened; that says nothing bad.
            if direction == .toServer { report("decrypt_failed", direction, sink) }
            return
        }
        var hello = QUICHello(version: packet.version, direction: direction)
        hello.destinationID = packet.destinationID
        hello.sourceID = packet.sourceID
        take(frames, hello, sink)
    }

    /// A decrypted packet's frames; `hello` has the packet's version, direction and ids.
    package func take(_ frames: [UInt8], _ hello: QUICHello, _ sink: (ProtocolRecord) -> Void) {
        let direction = hello.direction
        let limit = limits.quicCrypto
        let isRead = frames.withUnsafeBytes { frames in
            QUICFrames.crypto(hello.version.cryptoFrame, frames) {
                sides[direction].stream.add($0, at: $1, limit: limit)
            }
        }
        if !isRead { report("invalid_frame", direction, sink) }
        if sides[direction].stream.isOverLimit {
            sides[direction].isDone = true
            return report("crypto_over_limit", direction, sink)
        }
        handOn(hello, sink)
    }

    /// Opens a packet with the connection's keys, or, for a client behind a retry, with those of its own id.
    private func open(_ packet: QUICPacket, _ bytes: [UInt8], _ direction: FlowDirection) -> [UInt8]? {
        if let origin, let keys = QUICKeys(origin.version, destinationID: origin.id, direction),
            let frames = keys.open(bytes, numberPlace: packet.numberPlace)
        {
            return frames
        }
        guard direction == .toServer,
            let keys = QUICKeys(packet.version, destinationID: packet.destinationID, direction),
            let frames = keys.open(bytes, numberPlace: packet.numberPlace)
        else { return nil }
        origin = (packet.version, packet.destinationID)
        return frames
    }

    private func handOn(_ known: QUICHello, _ sink: RecordSink) {
        var hello = known
        let direction = known.direction
        let stream = sides[direction].stream.prefix
        let isRead = stream.withUnsafeBytes { stream -> Bool? in
            if known.version.isGoogle { return hello.readGoogle(stream) }
            var reader = ByteReader(stream)
            guard let type = reader.u8(), let length = reader.u24() else { return nil }
            guard type == (direction == .toServer ? 1 : 2) else { return false }
            guard let body = reader.take(length) else { return length > limits.quicCrypto ? false : nil }
            if direction == .toServer {
                hello.clientHello = TLSClientHello(body, transport: "q")
                hello.serverName = hello.clientHello?.serverName
            } else {
                hello.serverHello = TLSServerHello(body)
            }
            return hello.clientHello != nil || hello.serverHello != nil
        }
        guard let isRead else { return }
        sides[direction].isDone = true
        guard isRead else { return report("invalid_handshake_message", direction, sink) }
        sink(.quic(hello))
    }

    /// Google's QUIC before its version 50, which encrypts nothing here.
    private func readGoogle(
        _ version: QUICVersion, _ datagram: UnsafeRawBufferPointer, _ direction: FlowDirection,
        _ sink: RecordSink
    ) -> Bool {
        guard version.rawValue < 0x5130_3530 else { return false }
        guard direction == .toServer else { return true }
        var hello = QUICHello(version: version, direction: direction)
        guard hello.readGoogle(datagram) == true else { return true }
        sides[direction].isDone = true
        sink(.quic(hello))
        return true
    }

    private func report(_ name: StaticString, _ direction: FlowDirection, _ sink: RecordSink) {
        if reporter.admits() { sink(.anomaly(ProtocolAnomaly(.quic, direction, name))) }
    }
}
