// SPDX-License-Identifier: Apache-2.0
// DNS over UDP (a datagram is a message) and TCP (two bytes of length in front of each). In: bytes.
// Out: a record for each whole message.
import NetworkTypes

/// One DNS conversation.
public final class DNSParser {
    private let limits: ProtocolLimits
    private var reporter: AnomalyReporter
    /// TCP: bytes of the message that is not whole yet, its length in front.
    private var pending: [[UInt8]] = [[], []]
    private var hasEnded = [false, false]

    /// A conversation from any message on.
    public init(limits: ProtocolLimits = ProtocolLimits()) {
        self.limits = limits
        reporter = AnomalyReporter(limit: limits.anomalies)
    }

    /// Anomalies that were not handed on because the flow had too many.
    public var suppressedAnomalies: Int { reporter.suppressed }

    /// One datagram's payload.
    public func feed(
        datagram: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void
    ) {
        var reader = DNSReader(datagram, limits: limits)
        let message = reader.read()
        for name in reader.anomalies { report(name, direction, sink) }
        guard let message else { return report("malformed_data", direction, sink) }
        sink(.dns(message, direction))
    }

    /// The next bytes of a TCP direction.
    public func feed(
        _ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void
    ) {
        guard !hasEnded[direction] else { return }
        var rest = bytes
        while !rest.isEmpty {
            let count = pending[direction].count
            let wanted = count < 2 ? 2 : 2 &+ Int(pending[direction][0]) << 8 &+ Int(pending[direction][1])
            let piece = rest.prefix(wanted &- count)
            pending[direction].append(contentsOf: piece)
            rest = UnsafeRawBufferPointer(rebasing: rest[(rest.startIndex &+ piece.count)...])
            guard let whole = takeWhole(direction) else { continue }
            whole.withUnsafeBytes {
                feed(datagram: UnsafeRawBufferPointer(rebasing: $0[2...]), direction, sink)
            }
        }
    }

    private func takeWhole(_ direction: FlowDirection) -> [UInt8]? {
        let pending = pending[direction]
        guard pending.count >= 2, pending.count == 2 &+ (Int(pending[0]) << 8 | Int(pending[1])) else {
            return nil
        }
        self.pending[direction] = []
        return pending
    }

    /// Bytes of a TCP direction were not seen: where the next message starts is not known.
    public func skip(_ count: Int, _ direction: FlowDirection) {
        guard count > 0 else { return }
        hasEnded[direction] = true
        pending[direction] = []
    }

    private func report(_ name: StaticString, _ direction: FlowDirection, _ sink: RecordSink) {
        if reporter.admits() { sink(.anomaly(ProtocolAnomaly(.dns, direction, name))) }
    }
}

// MARK: - Probes

extension DNSParser {
    /// Whether a datagram is a DNS message: the header's counts and flags make sense, and the first question
    /// can be read. Of one with several questions, which is rare, all of it must be readable.
    public static func probe(
        datagram: UnsafeRawBufferPointer, _ direction: FlowDirection
    ) -> ProtocolMatch {
        var limits = ProtocolLimits()
        guard datagram.count >= 17, hasPlausibleHeader(datagram, of: datagram.count) else { return .no }
        let isUsual = hasOneQuestion(datagram)
        if isUsual { limits.dnsRecords = 1 }
        var reader = DNSReader(datagram, limits: limits)
        guard let message = reader.read(), !message.questions.isEmpty,
            message.questions.allSatisfy({ [1, 3, 4, 254, 255].contains($0.recordClass & 0x7fff) }),
            isUsual || !message.isIncomplete && reader.isAtEnd
        else { return .no }
        // Who asks is the client, but for a flow whose first packet was not seen.
        return .match
    }

    /// Whether the first bytes of a TCP direction are DNS messages with their lengths in front. Servers
    /// answer a header without a question, or what is no message, with an error and read on: such messages
    /// may stand before the first that is one.
    public static func probe(_ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection) -> ProtocolMatch {
        passOver(bytes, direction).answer
    }

    /// How many of the first bytes are whole messages that are none, and what those behind them are.
    static func passOver(
        _ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection
    ) -> (count: Int, answer: ProtocolMatch) {
        var count = 0
        while bytes.count >= count &+ 2 {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[count...])
            let length = Int(rest[0]) << 8 | Int(rest[1])
            let answer = probe(rest, length, direction)
            guard answer == .no else { return (count, answer) }
            // No longer than may be held of a direction; other protocols have longer ones here as a rule.
            guard 2 &+ length <= ProtocolLimits().probe else { return (count, .no) }
            guard rest.count >= 2 &+ length else { return (count, .needMore) }
            count &+= 2 &+ length
        }
        return (count, .needMore)
    }

    /// Whether the first message, which has this length, is one.
    private static func probe(
        _ bytes: UnsafeRawBufferPointer, _ length: Int, _ direction: FlowDirection
    ) -> ProtocolMatch {
        guard length >= 17 else { return .no }
        guard bytes.count >= 14 else { return .needMore }
        let message = UnsafeRawBufferPointer(rebasing: bytes[2...].prefix(length))
        guard hasPlausibleHeader(message, of: length) else { return .no }
        if !hasOneQuestion(message), message.count < length {
            // No more is held of a direction before its protocol is known.
            return 2 &+ length <= ProtocolLimits().probe ? .needMore : .no
        }
        if message.count >= min(length, 270) { return probe(datagram: message, direction) }
        return probe(datagram: message, direction) == .match ? .match : .needMore
    }

    /// More than one is answered by some servers, and by none as many.
    private static let mostQuestions: UInt16 = 16

    /// A question of one byte's name behind the header; a record of the root (RFC 1035 section 4.1).
    private static let smallestMessage = 17
    private static let smallestRecord = 11

    private static func hasOneQuestion(_ message: UnsafeRawBufferPointer) -> Bool {
        message[4] == 0 && message[5] == 1
    }

    /// One question as a rule, few records or no more than fit, an opcode that is in use.
    /// - Parameter length: the message's, of which the first bytes may be all that is there.
    private static func hasPlausibleHeader(_ message: UnsafeRawBufferPointer, of length: Int) -> Bool {
        var reader = ByteReader(message)
        guard reader.u16() != nil, let flags = reader.u16(), let questions = reader.u16(),
            let answers = reader.u16(), let authorities = reader.u16(), let additionals = reader.u16()
        else { return false }
        let isResponse = flags & 0x8000 != 0
        let opcode = (flags >> 11) & 15
        guard 1...mostQuestions ~= questions, opcode <= 6, opcode != 3 else { return false }
        if isResponse { return answers <= 4096 && authorities <= 4096 && additionals <= 4096 }
        // Updates (5) and notifications (4) bring records along; what else does is answered all the same. A
        // query's response code says nothing: servers answer whatever it is.
        let records = Int(answers) + Int(authorities) + Int(additionals)
        return opcode >= 4 || max(answers, authorities, additionals) <= 16
            || records * smallestRecord <= length - smallestMessage
    }
}
