// SPDX-License-Identifier: Apache-2.0
// The Initial packets of a flow, which may carry several QUIC connections. In: both directions' datagrams, in
// any order. Out: a record with each side's hello, as soon as its bytes are whole.
import NetworkTypes

/// The QUIC connections of one flow, as far as onlookers can read them.
///
/// Memory is bounded by the connections that are kept and by what they hold in all, the work of a datagram by
/// its length. No number of packets ends the reading: whoever sends what cannot be opened, or opens and says
/// nothing, hides nothing behind it.
public final class QUICParser {
    private let limits: ProtocolLimits
    private var reporter: AnomalyReporter
    /// The one that was used last stands last.
    private var connections: [QUICConnection] = []
    /// Hellos that were handed on, newest last: one that is sent again says nothing new.
    private var told: [Told] = []
    private var numbers = 0
    /// For how many ids keys may still be made in this datagram, and how often its packets may be tried with
    /// those of connections that their ids only might mean. Both cost more than the packet's length says.
    private var left = (ids: 0, guesses: 0)
    /// Keys of the last id that is no connection's: junk in front of a packet has its id as a rule.
    private var unused: QUICConnection?

    private struct Told {
        let version: QUICVersion
        let digest: [UInt8]
        let connection: Int
    }

    /// A flow from any datagram on.
    public init(limits: ProtocolLimits = ProtocolLimits()) {
        self.limits = limits
        reporter = AnomalyReporter(limit: limits.anomalies)
    }

    /// Anomalies that were not handed on because the flow had too many.
    public var suppressedAnomalies: Int { reporter.suppressed }

    /// Connections that are kept.
    var connectionCount: Int { connections.count }
    /// Bytes that their streams hold.
    var heldBytes: Int { connections.reduce(0) { $0 &+ $1.held } }

    /// One datagram's payload.
    public func feed(
        _ datagram: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void
    ) {
        // A short header, or Google's flags: the least that must be asked of the packets of a long flow.
        guard let first = datagram.first, first & 0x80 != 0 || first & 0x09 == 0x09 else { return }
        if let version = GoogleHello.version(datagram), readGoogle(version, datagram, direction, sink) {
            return
        }
        left = (limits.quicIDs, limits.quicGuesses)
        var reader = ByteReader(datagram)
        // Servers discard Initial packets in less (RFC 9000 section 14.1).
        guard direction == .toClient || datagram.count >= limits.quicDatagram else { return }
        // Receivers read all packets of a datagram, so junk in front must not hide the last one.
        while let packet = QUICPacket(&reader) { read(packet, direction, sink) }
    }

    private func read(_ packet: QUICPacket, _ direction: FlowDirection, _ sink: RecordSink) {
        guard let bytes = packet.initial else { return }
        var hello = QUICHello(version: packet.version, direction: direction)
        hello.destinationID = packet.destinationID
        hello.sourceID = packet.sourceID
        if direction == .toServer,
            takeByOriginal(hello, sink, { $0.open(packet, bytes, .toServer, most: limits.quicNumbers) })
        {
            return
        }
        guard let frames = open(packet, bytes, direction, sink) else {
            // Without the client's first packet the server's cannot be opened; that says nothing bad.
            if direction == .toServer { report("decrypt_failed", direction, sink) }
            return
        }
        takeNewest(frames, hello, sink)
    }

    /// A decrypted packet's frames; `hello` has the packet's version, direction and ids.
    package func take(_ frames: [UInt8], _ hello: QUICHello, _ sink: (ProtocolRecord) -> Void) {
        guard !takeByOriginal(hello, sink, { _ in frames }),
            let made = QUICConnection(
                hello.version, originalID: hello.destinationID, clientID: hello.sourceID)
        else { return }
        add(made, sink)
        takeNewest(frames, hello, sink)
    }

    /// Frames of the connection that was used last.
    private func takeNewest(_ frames: [UInt8], _ hello: QUICHello, _ sink: RecordSink) {
        guard let newest = connections.indices.last else { return }
        let direction = hello.direction
        // By number: the subscript for directions copies.
        let side = Int(direction.rawValue)
        var isWithinLimit = true
        let isRead = frames.withUnsafeBytes { frames in
            QUICFrames.crypto(hello.version.cryptoFrame, frames) {
                let fits = connections[newest].streams[side].add($0, at: $1, limit: limits.quicCrypto)
                if !fits { isWithinLimit = false }
            }
        }
        if !isRead { report("invalid_frame", direction, sink) }
        // Servers differ in what they hold, and some pass over what they do not: so does this.
        if !isWithinLimit { report("crypto_over_limit", direction, sink) }
        handOn(hello, sink)
        while heldBytes > limits.quicHeld {
            if let newest = connections.indices.last, connections[newest].streams[side].forgetStart() {
                report("hellos_over_limit", direction, sink)
            } else if connections.count > 1 {
                forgetOne(sink)
            } else {
                break
            }
        }
    }

    private func report(_ name: StaticString, _ direction: FlowDirection, _ sink: RecordSink) {
        if reporter.admits() { sink(.anomaly(ProtocolAnomaly(.quic, direction, name))) }
    }
}

// MARK: - Connections

extension QUICParser {
    /// Takes a client's packet with the first id of a connection: as who reads all that have that id, and, if
    /// others came with another source id, as who discards those (RFC 9000 section 7.2) and keeps to its own.
    /// - Parameter open: gives its frames; nil where it is none of that connection.
    /// - Returns: false where there is no such connection, or it is none of theirs.
    private func takeByOriginal(
        _ hello: QUICHello, _ sink: RecordSink, _ open: (inout QUICConnection) -> [UInt8]?
    ) -> Bool {
        let clientID = hello.sourceID
        let isAlone = place(of: hello, nil) == nil && place(of: hello, clientID) != nil
        var isOpened = false
        for id in isAlone ? [clientID] : [nil, clientID] {
            var frames: [UInt8]?
            if let place = place(of: hello, id) {
                frames = open(&connections[place])
                if frames != nil { use(place) }
            } else if let other = connections.first(where: { $0.begins(hello) }) {
                var made = other.sibling(id)
                frames = open(&made)
                if frames != nil { keep(made, sink) }
            }
            guard let frames else { continue }
            isOpened = true
            takeNewest(frames, hello, sink)
        }
        return isOpened
    }

    /// The connection with the packet's first id and this client's.
    private func place(of hello: QUICHello, _ clientID: [UInt8]?) -> Int? {
        connections.firstIndex { $0.clientID == clientID && $0.begins(hello) }
    }

    /// Opens a packet with the keys of the connection that its ids mean, with those of its own id (a new
    /// connection, or one behind a retry), or with those of connections that it may be of. The connection is
    /// then the last one.
    private func open(
        _ packet: QUICPacket, _ bytes: [UInt8], _ direction: FlowDirection, _ sink: RecordSink
    ) -> [UInt8]? {
        let fits = connections.map { $0.fit(packet, direction) }
        if let place = fits.lastIndex(of: .both), let frames = tryKeys(place, packet, bytes, direction) {
            return frames
        }
        let isKnown = connections.contains { $0.begins(packet) }
        if direction == .toServer, !isKnown, let frames = openFirst(packet, bytes, sink) { return frames }
        for place in connections.indices.reversed() where fits[place] == .client && left.guesses > 0 {
            left.guesses &-= 1
            if let frames = tryKeys(place, packet, bytes, direction) { return frames }
        }
        return nil
    }

    /// Opens a packet that begins a connection.
    private func openFirst(_ packet: QUICPacket, _ bytes: [UInt8], _ sink: RecordSink) -> [UInt8]? {
        if unused?.begins(packet) != true {
            guard left.ids > 0 else { return nil }
            left.ids &-= 1
            unused = QUICConnection(
                packet.version, originalID: packet.destinationID, clientID: packet.sourceID)
        }
        guard var connection = unused,
            let frames = connection.open(packet, bytes, .toServer, most: limits.quicNumbers)
        else {
            return nil
        }
        connection.clientID = packet.sourceID
        unused = nil
        add(connection, sink)
        return frames
    }

    private func tryKeys(
        _ place: Int, _ packet: QUICPacket, _ bytes: [UInt8], _ direction: FlowDirection
    ) -> [UInt8]? {
        guard let frames = connections[place].open(packet, bytes, direction, most: limits.quicNumbers)
        else { return nil }
        if direction == .toClient { connections[place].serverID = packet.sourceID }
        use(place)
        return frames
    }

    private func use(_ place: Int) {
        if place != connections.indices.last { connections.append(connections.remove(at: place)) }
    }

    private func add(_ connection: QUICConnection, _ sink: RecordSink) {
        keep(connection, sink)
        connections[connections.count &- 1].number = numbers
        numbers &+= 1
    }

    private func keep(_ connection: QUICConnection, _ sink: RecordSink) {
        if connections.count >= max(1, limits.quicConnections) { forgetOne(sink) }
        connections.append(connection)
    }

    /// Forgets the oldest connection whose client's hello was read, else the oldest: not the one in use.
    private func forgetOne(_ sink: RecordSink) {
        if let place = connections.dropLast().firstIndex(where: \.isTold) {
            connections.remove(at: place)
        } else {
            connections.removeFirst()
            report("connections_over_limit", .toServer, sink)
        }
    }
}

// MARK: - Hellos

extension QUICParser {
    /// Hands on the hellos of the connection that was used last, where they are whole.
    private func handOn(_ known: QUICHello, _ sink: RecordSink) {
        let newest = connections.count &- 1
        let side = Int(known.direction.rawValue)
        handOnSeconds(known, sink)
        var hello = known
        guard let read = read(&hello, connections[newest].streams[side].first) else { return }
        let isKept = connections[newest].streams[side].firstWasRead(read.length, read.digest, limits)
        if !isKept { report("hellos_over_limit", known.direction, sink) }
        // The one that was read before may be the receiver's: what stands behind it is read on.
        guard !read.digest.isEmpty else {
            return report("invalid_handshake_message", known.direction, sink)
        }
        handOn(hello, read.digest, isSecond: false, sink)
        // Google's has no retry requests.
        if known.version.isGoogle { return connections[newest].streams[side].endSeconds() }
        // It may have come before the first one was whole.
        handOnSeconds(known, sink)
    }

    private func handOnSeconds(_ known: QUICHello, _ sink: RecordSink) {
        let side = Int(known.direction.rawValue)
        guard let newest = connections.indices.last else { return }
        for start in connections[newest].streams[side].starts.indices {
            for reading in 0..<2 { handOnSecond(start, reading, known, sink) }
        }
    }

    private func handOnSecond(_ start: Int, _ reading: Int, _ known: QUICHello, _ sink: RecordSink) {
        let newest = connections.count &- 1
        let side = Int(known.direction.rawValue)
        var hello = known
        guard let second = connections[newest].streams[side].starts[start].readings[reading],
            let read = read(&hello, second)
        else { return }
        guard !read.digest.isEmpty else {
            return connections[newest].streams[side].endSecond(start, reading)
        }
        connections[newest].streams[side].secondWasRead(start, reading, read.length)
        handOn(hello, read.digest, isSecond: true, sink)
    }

    private func handOn(_ hello: QUICHello, _ digest: [UInt8], isSecond: Bool, _ sink: RecordSink) {
        let newest = connections.count &- 1
        let former = told.first { $0.digest == digest && $0.version == hello.version }
        if let former {
            connections[newest].number = former.connection
        } else if hello.direction == .toServer, connections[newest].isTold, !isSecond {
            connections[newest].number = numbers
            numbers &+= 1
        }
        if hello.direction == .toServer { markTold(connections[newest]) }
        var hello = hello
        hello.connection = connections[newest].number
        if former == nil { tell(hello, digest, sink) }
    }

    /// Of all that have its first id: they stand for one, and another hello is another's.
    private func markTold(_ connection: QUICConnection) {
        for place in connections.indices
        where connections[place].begins(as: connection) {
            connections[place].isTold = true
        }
    }

    /// Reads a stream's hello and says how long it is and what tells it from others: nothing where it is
    /// none, nil where it is not whole yet.
    private func read(
        _ hello: inout QUICHello, _ stream: QUICCryptoStream
    ) -> (length: Int, digest: [UInt8])? {
        guard stream.count > 0 else { return nil }
        if hello.version.isGoogle {
            let isRead = stream.prefix(limits.quicCrypto).withUnsafeBytes { hello.readGoogle($0) }
            return isRead.map { (stream.count, $0 ? digest(ofGoogle: hello) : []) }
        }
        let head = stream.prefix(4)
        guard let type = head.first else { return nil }
        guard type == (hello.direction == .toServer ? 1 : 2) else { return (stream.count, []) }
        guard head.count == 4 else { return nil }
        let length = 4 &+ (Int(head[1]) << 16 | Int(head[2]) << 8 | Int(head[3]))
        guard length <= limits.quicCrypto else { return (stream.count, []) }
        guard stream.count >= length else { return nil }
        stream.prefix(length).withUnsafeBytes {
            let body = UnsafeRawBufferPointer(rebasing: $0[4...])
            if hello.direction == .toServer {
                hello.clientHello = TLSClientHello(body, transport: "q")
                hello.serverName = hello.clientHello?.serverName
            } else {
                hello.serverHello = TLSServerHello(body)
            }
        }
        let isHello = hello.clientHello != nil || hello.serverHello != nil
        return (length, isHello ? Hashing.sha256(stream.prefix(length)) : [])
    }

    private func digest(ofGoogle hello: QUICHello) -> [UInt8] {
        Hashing.sha256((hello.serverName ?? []) + [0] + (hello.userAgent ?? []))
    }

    private func tell(_ hello: QUICHello, _ digest: [UInt8], _ sink: RecordSink) {
        if told.count >= max(1, limits.quicConnections) { told.removeFirst() }
        told.append(Told(version: hello.version, digest: digest, connection: hello.connection))
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
        let digest = digest(ofGoogle: hello)
        guard !told.contains(where: { $0.digest == digest && $0.version == version }) else { return true }
        hello.connection = numbers
        numbers &+= 1
        tell(hello, digest, sink)
        return true
    }
}
