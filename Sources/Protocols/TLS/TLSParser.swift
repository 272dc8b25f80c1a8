// SPDX-License-Identifier: Apache-2.0
// One TLS connection's records (RFC 8446 section 5). In: both directions' bytes in order. Out: records at
// each step of the handshake, until everything is encrypted. TLSParser+Handshake reads the messages.
import NetworkTypes

/// One TLS connection.
public final class TLSParser {
    /// What is known so far.
    public let session = TLSSession()
    let limits: ProtocolLimits
    private var sides = [Side(), Side()]
    private var reporter: AnomalyReporter
    private var saidFinished = false
    /// The server asked for another ClientHello.
    var isRetryAsked = false

    /// A connection from its first byte on.
    public init(limits: ProtocolLimits = ProtocolLimits()) {
        self.limits = limits
        reporter = AnomalyReporter(limit: limits.anomalies)
    }

    /// Nothing more can be read in either direction: no further bytes are needed.
    public var isFinished: Bool { sides[0].isDone && sides[1].isDone }

    /// Anomalies that were not handed on because the flow had too many.
    public var suppressedAnomalies: Int { reporter.suppressed }

    /// The next bytes of a direction.
    public func feed(
        _ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void
    ) {
        var rest = bytes
        while !rest.isEmpty, !sides[direction].isDone {
            let count = step(rest, direction, sink)
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        sayFinished(sink)
    }

    /// Bytes of a direction were not seen: its handshake cannot be read on.
    public func skip(_ count: Int, _ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void) {
        guard count > 0 else { return }
        sides[direction].end()
        sayFinished(sink)
    }

    /// The direction has ended.
    public func end(_ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void) {
        sides[direction].end()
        sayFinished(sink)
    }

    private func sayFinished(_ sink: RecordSink) {
        guard isFinished, !saidFinished else { return }
        saidFinished = true
        sink(.tls(session, .finished))
    }

    func report(_ name: StaticString, _ direction: FlowDirection, _ sink: RecordSink) {
        if reporter.admits() { sink(.anomaly(ProtocolAnomaly(.tls, direction, name))) }
    }

    /// What cannot be read ends the direction.
    private func fail(_ name: StaticString, _ direction: FlowDirection, _ sink: RecordSink) {
        sides[direction].end()
        report(name, direction, sink)
    }
}

/// One direction's records.
private struct Side {
    /// The bytes of a record's header so far.
    var header: [UInt8] = []
    /// Bytes of the record that are still to come, where the header is whole.
    var recordLeft = 0
    /// The content type of that record.
    var type: UInt8 = 0
    /// Handshake bytes that are no whole message yet.
    var handshake: [UInt8] = []
    /// Bytes of a handshake message that nobody wants, still to come.
    var skipLeft = 0
    /// An alert's bytes.
    var alert: [UInt8] = []
    /// ChangeCipherSpec was seen: handshake records are encrypted.
    var isEncrypted = false
    /// It was seen before a ServerHello: they are, but for another ClientHello.
    var isChanged = false
    var isFirst = true
    var isDone = false
    /// Bytes of early data that may still be passed over: as many as servers are ready for, and more.
    var earlyLeft = 65_536

    mutating func end() {
        isDone = true
        header = []
        handshake = []
    }
}

// MARK: - Records

extension TLSParser {
    /// Reads a part of a record, and says how many bytes that took.
    private func step(
        _ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: RecordSink
    ) -> Int {
        if sides[direction].recordLeft == 0 { return readHeader(bytes, direction, sink) }
        let piece = UnsafeRawBufferPointer(rebasing: bytes.prefix(sides[direction].recordLeft))
        sides[direction].recordLeft &-= piece.count
        switch sides[direction].type {
        case 20: changeCipher(direction)
        case 21: readAlert(piece, direction, sink)
        case 22 where sides[direction].isEncrypted: sides[direction].end()
        case 22: readHandshake(piece, direction, sink)
        default: break
        }
        return piece.count
    }

    /// Around a retry request ChangeCipherSpec encrypts nothing, and hellos follow; a client may send it
    /// right behind its first hello (RFC 8446 section 5 and appendix D.4). Before 1.3 it stands behind the
    /// server's.
    private func changeCipher(_ direction: FlowDirection) {
        if session.serverHello != nil {
            sides[direction].isEncrypted = true
        } else if direction == .toServer {
            sides[direction].isChanged = true
        } else {
            sides[direction].isEncrypted = !isRetryAsked
        }
    }

    private func readHeader(
        _ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: RecordSink
    ) -> Int {
        let count = min(5 &- sides[direction].header.count, bytes.count)
        sides[direction].header.append(contentsOf: bytes.prefix(count))
        let header = sides[direction].header
        guard header.count == 5 else { return count }
        sides[direction].header = []
        if sides[direction].isFirst, header[0] & 0x80 != 0, header[2] == 1 {
            startVersion2(header, direction, sink)
            return count
        }
        sides[direction].isFirst = false
        let length = Int(header[3]) << 8 | Int(header[4])
        guard (20...24).contains(header[0]) else {
            fail("invalid_record_type", direction, sink)
            return count
        }
        guard header[1] == 3 else {
            fail("invalid_record_version", direction, sink)
            return count
        }
        // RFC 5246 section 6.2.3: at most 2^14 + 2048.
        guard length <= 18_432 else {
            fail("invalid_record_length", direction, sink)
            return count
        }
        sides[direction].type = header[0]
        sides[direction].recordLeft = length
        sides[direction].alert = []
        if header[0] == 23, !isEarlyData(length, direction) { sides[direction].end() }
        return count
    }

    /// Whether application data of this length is a client's before it knows that the server wants another
    /// hello, which then discards it (RFC 8446 section 4.2.10). From any other on all is encrypted, as it is
    /// behind TLS 1.3's ServerHello.
    private func isEarlyData(_ length: Int, _ direction: FlowDirection) -> Bool {
        guard direction == .toServer, session.serverHello == nil else { return false }
        // An empty record counts too.
        sides[direction].earlyLeft &-= length &+ 5
        return sides[direction].earlyLeft >= 0
    }

    /// A ClientHello of SSL 2.0, which later versions take too (RFC 5246 appendix E.2): its 15-bit length
    /// counts from the third byte on. What follows it are ordinary records.
    private func startVersion2(_ header: [UInt8], _ direction: FlowDirection, _ sink: RecordSink) {
        sides[direction].isFirst = false
        let length = Int(header[0] & 0x7f) << 8 | Int(header[1])
        guard length >= 9 else { return fail("invalid_ssl_record", direction, sink) }
        sides[direction].type = 22
        sides[direction].recordLeft = length &- 3
        // Type 255 is nobody's: it marks this hello for the handshake reader.
        let body = UInt32(length &- 1)
        sides[direction].handshake = [
            255, UInt8(truncatingIfNeeded: body >> 16), UInt8(truncatingIfNeeded: body >> 8),
            UInt8(truncatingIfNeeded: body), header[3], header[4],
        ]
    }

    private func readAlert(
        _ piece: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: RecordSink
    ) {
        guard !sides[direction].isEncrypted else { return }
        sides[direction].alert.append(contentsOf: piece.prefix(3 &- min(3, sides[direction].alert.count)))
        let alert = sides[direction].alert
        guard sides[direction].recordLeft == 0, alert.count == 2, session.alerts.count < 8 else { return }
        session.alerts.append(TLSAlert(direction: direction, level: alert[0], description: alert[1]))
        sink(.tls(session, .alert))
        if alert[0] == 2 { sides[direction].end() }
    }

    // MARK: - Handshake messages

    private func readHandshake(
        _ piece: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: RecordSink
    ) {
        var rest = piece
        if sides[direction].skipLeft > 0 {
            let count = min(sides[direction].skipLeft, rest.count)
            sides[direction].skipLeft &-= count
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        sides[direction].handshake.append(contentsOf: rest)
        let pending = sides[direction].handshake
        var start = 0
        while !sides[direction].isDone, start < pending.count {
            guard let length = readMessage(pending[start...], direction, sink) else { break }
            start &+= length
        }
        if start > 0, !sides[direction].isDone { sides[direction].handshake = Array(pending[start...]) }
    }

    /// Reads the next message, where it is whole, and says how many bytes that took.
    private func readMessage(
        _ pending: ArraySlice<UInt8>, _ direction: FlowDirection, _ sink: RecordSink
    ) -> Int? {
        if sides[direction].isChanged, session.serverHello == nil {
            guard pending.withUnsafeBytes(Self.mayBeHello) else {
                sides[direction].end()
                return nil
            }
            guard pending.count >= 39 else { return nil }
        }
        guard pending.count >= 4 else { return nil }
        let (length, type) = pending.withUnsafeBytes { head in
            (Int(head[1]) << 16 | Int(head[2]) << 8 | Int(head[3]), head[0])
        }
        guard wants(type) else {
            let there = min(4 &+ length, pending.count)
            sides[direction].skipLeft = 4 &+ length &- there
            return there
        }
        guard length <= limits.tlsHandshake else {
            fail("handshake_message_over_limit", direction, sink)
            return nil
        }
        guard pending.count &- 4 >= length else { return nil }
        let isRead = pending.withUnsafeBytes {
            read(type, UnsafeRawBufferPointer(rebasing: $0[4..<(4 &+ length)]), direction, sink)
        }
        if !isRead { fail("invalid_handshake_message", direction, sink) }
        return 4 &+ length
    }

    /// Whether a message can begin as a ClientHello of less than 64 KiB does: type, length, length of the
    /// session id. What is encrypted does so twice in a million times. Servers take any version there
    /// (RFC 8446 section 4.1.2).
    private static func mayBeHello(_ message: UnsafeRawBufferPointer) -> Bool {
        let known: [(place: Int, most: UInt8, least: UInt8)] = [(0, 1, 1), (1, 0, 0), (38, 32, 0)]
        return known.allSatisfy {
            message.count <= $0.place || ($0.least...$0.most).contains(message[$0.place])
        }
    }

    /// Client and server hello, certificates, and SSL 2.0's client hello.
    private func wants(_ type: UInt8) -> Bool { type == 1 || type == 2 || type == 11 || type == 255 }
}
