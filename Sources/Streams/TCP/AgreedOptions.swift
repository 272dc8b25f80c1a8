// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: what both ends agreed on that decides whether a segment is taken at all: timestamps
// (RFC 7323 5: one older than the last is discarded) and signatures (RFC 2385: a host discards a signature
// that it has no key for, and a segment without one that it has a key for). As Linux has them.
import NetworkTypes

/// The options of one segment that say whether it is taken.
struct SegmentMarks {
    /// The sender's clock, and what it echoes of the other's.
    var timestamp: UInt32?
    var echo: UInt32 = 0
    /// It carries an MD5 signature.
    var isSigned = false

    /// As tcp_parse_options: of several timestamps the last counts; what does not fit ends the reading.
    init(_ options: UnsafeRawBufferPointer) {
        var list = TCPOptionList(options)
        while let option = list.next() {
            if option.kind == 8, option.content.count == 8 {
                timestamp = option.content.loadUnaligned(as: UInt32.self).bigEndian
                echo = option.content.loadUnaligned(fromByteOffset: 4, as: UInt32.self).bigEndian
            }
            if option.kind == 19, option.content.count == 16 { isSigned = true }
        }
    }
}

struct AgreedOptions {
    /// Who sent timestamps where it counts: in the SYN or SYN+ACK, or in a connection that was picked up.
    private var tellsTime = PerDirection(false, false)
    /// The newest timestamp of each sender that its receiver has; 0: none that counts.
    private var newest = PerDirection<UInt32>(0, 0)
    /// The timestamps of the first and the last SYN+ACK.
    private var answered: (first: UInt32, last: UInt32)?
    /// Who signs: said by SYN and SYN+ACK alone, as any other segment may be one that its receiver discards;
    /// nil where they were not seen.
    private var signs = PerDirection<Bool?>(nil, nil)

    /// The client's SYN, or the one that counts among several.
    mutating func begin(_ marks: SegmentMarks) {
        tellsTime.toServer = marks.timestamp != nil
        newest.toServer = marks.timestamp ?? 0
        signs.toServer = marks.isSigned
    }

    /// The server's SYN+ACK: it echoes the timestamp of the SYN that it took.
    mutating func answer(_ marks: SegmentMarks) {
        tellsTime.toClient = marks.timestamp != nil
        newest.toClient = marks.timestamp ?? 0
        signs.toClient = marks.isSigned
        answered = marks.timestamp.map { ($0, $0) }
        if marks.timestamp != nil { newest.toServer = marks.echo }
    }

    /// The same SYN+ACK, sent again.
    mutating func answerAgain(_ marks: SegmentMarks) {
        if let first = answered?.first, let last = marks.timestamp { answered = (first, last) }
    }

    /// Whether a client's segment that ends the handshake echoes no SYN+ACK's timestamp: Linux discards it
    /// (tcp_check_req, since 6.14).
    func isStrange(_ marks: SegmentMarks) -> Bool {
        guard let answered, tellsTime.toServer, marks.timestamp != nil, marks.echo != 0 else { return false }
        return marks.echo &- answered.first > answered.last &- answered.first
    }

    /// Why a segment is not taken, before its numbers are looked at; nil where nothing is against it.
    /// - Parameter isOneSided: the other side is never seen. Whether it agreed on timestamps, and which of
    ///   them it has, nobody knows then: none is refused.
    func refusal(
        _ marks: SegmentMarks, _ packet: DecodedPacket, _ direction: Direction, isOneSided: Bool
    ) -> Anomaly? {
        guard !packet.tcpFlags.contains(.syn) else { return nil }
        // Who signs has a key, and who has a key signs.
        let expected = signs[direction.reversed] ?? (isOneSided ? signs[direction] : nil)
        if let expected, expected != marks.isSigned { return .signatureUnexpected }
        // Linux takes a reset whatever its timestamp.
        guard let timestamp = marks.timestamp, !packet.tcpFlags.contains(.rst) else { return nil }
        guard tellsTime[direction], tellsTime[direction.reversed] else { return nil }
        let recent = newest[direction]
        let age = Int32(bitPattern: recent &- timestamp)
        return recent != 0 && age > Self.mostAge ? .timestampOld : nil
    }

    /// A segment was taken.
    /// - Parameter isNext: it begins at or before what its receiver acknowledged, and reaches to what that
    ///   expects: then Linux remembers its timestamp (tcp_replace_ts_recent).
    mutating func take(_ marks: SegmentMarks, _ direction: Direction, isNext: Bool, isMidstream: Bool) {
        guard let timestamp = marks.timestamp else { return }
        if isMidstream { tellsTime[direction] = true }
        let isNewer = Int32(bitPattern: timestamp &- newest[direction]) >= 0
        if isNext, isNewer || newest[direction] == 0 { newest[direction] = timestamp }
    }

    /// Ticks that a timestamp may go back (Linux's TCP_PAWS_WINDOW).
    private static let mostAge: Int32 = 1
}
