// SPDX-License-Identifier: Apache-2.0
// The connections of this host, as a list of what both sides did so far; docs/policy.md, "Connections". In:
// what was sent and what came in. Out: whether a packet that comes in belongs to one of them.
import NetworkTypes
import PolicyLanguage

/// The two ends of a conversation. ICMP echo has its identifier for both ports, and is a conversation of its
/// own for either asker.
struct Conversation: Hashable {
    var proto: IPProtocol
    var local: IPAddress
    var remote: IPAddress
    var localPort: UInt16
    var remotePort: UInt16
    /// ICMP echo: this host asks.
    var isOurEcho = false
}

/// Nanoseconds on a clock that never goes back: it stands still while a capture's times do.
struct ConnectionClock {
    private(set) var now: UInt64 = 0
    private var latest: Int64?

    mutating func advance(to time: Int64) {
        let time = max(0, time)
        if let latest {
            if time > latest {
                let (sum, isBeyond) = now.addingReportingOverflow(UInt64(time - latest))
                now = isBeyond ? .max : sum
            }
        } else {
            now = UInt64(time)
        }
        latest = time
    }
}

/// What is known of one conversation.
struct Connection {
    enum Opener { case us, them }
    enum Phase {
        /// TCP: the handshake goes on; else: nobody answered.
        case asked
        case answered
        /// TCP: a FIN or RST was seen.
        case ending
    }

    var opener: Opener
    var phase: Phase
    /// When its timeout began, on the connections' clock.
    var since: UInt64
    /// Of the SYN+ACK with which this host accepted it: the number that acknowledges it, and the one that it
    /// acknowledged itself.
    var awaited: UInt32 = 0
    var acknowledged: UInt32 = 0

    func isOver(_ conversation: Conversation, at now: UInt64) -> Bool {
        let seconds: UInt64
        switch (conversation.proto, phase) {
        case (.tcp, .answered): seconds = 5 * 24 * 60 * 60
        case (.udp, .answered): seconds = 2 * 60
        default: seconds = 30
        }
        return now >= since && now - since >= seconds * 1_000_000_000
    }
}

/// A TCP segment as far as connections ask.
struct Segment {
    var flags: TCPFlags
    var sequence: UInt32
    var acknowledged: UInt32
    var hasPayload: Bool

    var isFirst: Bool { flags.contains(.syn) && !flags.contains(.ack) }
    var isSecond: Bool { flags.isSuperset(of: [.syn, .ack]) }
    var ends: Bool { !flags.isDisjoint(with: [.fin, .rst]) }
}

/// All connections, of either opener. Nothing is forgotten before its time: the engines' tables are bounded,
/// and what they forget when one is full is no part of what a policy means. What this host opened stands in
/// one where nobody else can take its place.
struct ConnectionMemory {
    private var known: [Conversation: Connection] = [:]
    private(set) var clock = ConnectionClock()

    mutating func advance(to time: Int64) { clock.advance(to: time) }

    func find(_ conversation: Conversation) -> Connection? {
        guard let connection = known[conversation], !connection.isOver(conversation, at: clock.now) else {
            return nil
        }
        return connection
    }

    private mutating func begin(_ conversation: Conversation, by opener: Connection.Opener) {
        known[conversation] = Connection(opener: opener, phase: .asked, since: clock.now)
    }

    private mutating func go(_ conversation: Conversation, to phase: Connection.Phase) {
        known[conversation]?.phase = phase
        known[conversation]?.since = clock.now
    }
}

// What this host sends.
extension ConnectionMemory {
    mutating func sent(_ segment: Segment, in conversation: Conversation) {
        if segment.isFirst { return begin(conversation, by: .us) }
        if segment.isSecond { return accept(segment, conversation) }
        guard let connection = known[conversation] else { return }
        if connection.phase == .asked {
            if isEndOfHandshake(segment, connection, conversation) {
                go(conversation, to: segment.ends ? .ending : .answered)
            }
        } else if find(conversation) != nil {
            go(conversation, to: segment.ends ? .ending : connection.phase)
        }
    }

    /// Where both sides send a SYN, both opened it.
    private mutating func accept(_ segment: Segment, _ conversation: Conversation) {
        if let known = find(conversation), known.opener == .us, known.phase == .asked {
            return go(conversation, to: .asked)
        }
        begin(conversation, by: .them)
        known[conversation]?.awaited = segment.sequence &+ 1
        known[conversation]?.acknowledged = segment.acknowledged
    }

    private func isEndOfHandshake(
        _ segment: Segment, _ connection: Connection, _ conversation: Conversation
    ) -> Bool {
        if segment.flags.contains(.rst) { return false }
        switch connection.opener {
        case .us: return find(conversation) != nil
        case .them:
            let acknowledgesMore =
                segment.flags.contains(.ack) && segment.acknowledged != connection.acknowledged
            return segment.flags.contains(.fin) || segment.hasPayload || acknowledgesMore
        }
    }

    /// A datagram, or an echo request: it begins a conversation, or goes on with one.
    mutating func sent(in conversation: Conversation) {
        guard let connection = find(conversation) else { return begin(conversation, by: .us) }
        go(conversation, to: connection.opener == .them ? .answered : connection.phase)
    }

    /// An echo reply answers, and begins nothing.
    mutating func answered(_ conversation: Conversation) {
        if find(conversation)?.opener == .them { go(conversation, to: .answered) }
    }
}

// What comes in.
extension ConnectionMemory {
    /// Whether a segment is one of a connection that this host opened; it then counts as its next one.
    mutating func isReply(_ segment: Segment, in conversation: Conversation) -> Bool {
        guard !segment.isFirst, let connection = find(conversation), connection.opener == .us else {
            return false
        }
        if connection.phase == .asked {
            if segment.flags.contains(.rst) {
                go(conversation, to: .ending)
            } else if segment.isSecond {
                go(conversation, to: .answered)
            } else {
                // A peer with an older connection acknowledges what it expects; RFC 9293 3.5.1, RFC 5961 4.
                return segment.flags.contains(.ack)
            }
        } else {
            go(conversation, to: segment.ends ? .ending : connection.phase)
        }
        return true
    }

    /// Whether a segment is one of a connection that this host accepted. Before the handshake's end it must
    /// show that its sender has seen the SYN+ACK.
    func isOfAccepted(_ segment: Segment, in conversation: Conversation) -> Bool {
        guard !segment.isFirst, let connection = find(conversation), connection.opener == .them else {
            return false
        }
        if connection.phase != .asked { return true }
        return segment.flags.contains(.ack) && segment.acknowledged == connection.awaited
    }

    /// Such a segment was let in.
    mutating func letIn(_ segment: Segment, in conversation: Conversation) {
        guard isOfAccepted(segment, in: conversation), let connection = find(conversation) else { return }
        if segment.ends {
            go(conversation, to: .ending)
        } else if connection.phase == .asked {
            go(conversation, to: .answered)
        }
    }

    /// Whether a datagram or an echo reply answers what this host began.
    mutating func isReply(in conversation: Conversation) -> Bool {
        guard find(conversation)?.opener == .us else { return false }
        go(conversation, to: .answered)
        return true
    }

    /// Whether this host answered what the other side began.
    func isAnswered(_ conversation: Conversation) -> Bool {
        guard let connection = find(conversation) else { return false }
        return connection.opener == .them && connection.phase == .answered
    }

    /// A datagram or an echo request of the other side was let in.
    mutating func letIn(_ conversation: Conversation) {
        if let connection = find(conversation) {
            if connection.opener == .them { go(conversation, to: connection.phase) }
        } else {
            begin(conversation, by: .them)
        }
    }
}
