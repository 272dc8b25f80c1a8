// SPDX-License-Identifier: Apache-2.0
// Packets -> flows -> streams: what no honest sender does. The names are Suricata's where it has the event
// (`decode-event`, `stream-event`, EVE's anomaly.event); "ours" marks those that it has none for.

/// Something wrong with a packet, a datagram or a stream.
public enum Anomaly: UInt8, CaseIterable, Sendable {
    // Of single packets and datagrams.
    case ipv4PacketTooSmall  // fewer than 20 bytes
    case ipv4HeaderTooSmall
    case ipv4LengthBelowHeader
    case ipv4Truncated  // longer, it says, than it is
    case ipv4WrongVersion
    case ipv4OptionInvalid
    case ipv4OptionInvalidLength
    case ipv4OptionPaddingRequired
    case ipv4OptionEndRequired
    case ipv4OptionDuplicate
    case ipv4OptionUnknown
    case ipv4OptionDiscarded  // ours: options for which a host discards the packet, a source route's too
    case ipv4WithICMPv6
    case ipv4WrongChecksum  // ours
    case ipv4FragmentTooLarge  // ping of death: ends behind byte 65,535
    case ipv4FragmentOverlap  // the datagram is discarded, as under IPv6
    case ipv4FragmentDiffers  // ours
    case ipv4FragmentInside  // ours: teardrop: lies within another, or ends before one that it overlaps
    case ipv4FragmentEndDiffers  // ours: two last fragments, or bytes behind the last one (nestea, bonk)
    case ipv4FragmentTiny  // ours: the first one does not hold the L4 header (RFC 1858)
    case ipv4FragmentIgnored  // no room for it
    case ipv6PacketTooSmall  // fewer than 40 bytes
    case ipv6Truncated
    case ipv6WrongVersion
    case ipv6ExtensionTruncated
    case ipv6FragmentHeaderTwice
    case ipv6FragmentHeaderUseless  // an atomic fragment
    case ipv6RoutingTwice
    case ipv6HopByHopTwice
    case ipv6DestinationTwice
    case ipv6AuthenticationTwice
    case ipv6RoutingTypeZero
    case ipv6FragmentReserved
    case ipv6DataAfterNone
    case ipv6ExtensionDiscarded  // ours: a header, or an option in it, for which a host discards the packet
    case ipv6UnknownNextHeader
    case ipv6WithICMPv4
    case ipv6FragmentTooLarge
    case ipv6FragmentOverlap  // RFC 5722: the datagram is discarded
    case ipv6FragmentEndDiffers  // ours
    case ipv6FragmentTiny  // ours: the first one does not hold the L4 header (RFC 7112)
    case ipv6FragmentInvalidLength  // not a multiple of 8, and not the last
    case ipv6FragmentIgnored
    case wrongVersion  // neither 4 nor 6
    case tooManyLayers  // a ninth extension header
    case icmpv4TooSmall
    case icmpv6TooSmall
    case icmpWrongChecksum  // ours
    case tcpTooSmall
    case tcpHeaderTooSmall
    case tcpHeaderTooLong  // header longer than the packet
    case tcpOptionInvalidLength
    case tcpOptionDuplicate
    case tcpWrongChecksum  // ours
    case udpTooSmall  // longer, it says, than the packet
    case udpHeaderTooSmall  // fewer than 8 bytes
    case udpLengthInvalid  // fewer than 8 bytes, it says
    case udpWrongChecksum  // ours
    case sctpTooSmall
    // Of TCP connections.
    case synAckWrongAck  // SYN+ACK that acknowledges another SYN
    case synAckWrongDirection  // SYN+ACK of who sent the SYN
    case synAckDifferentAck
    case synAckDifferentSequence
    case synDifferentSequence
    case synToClient
    case handshakeWrongAck  // an ACK that does not fit the SYN+ACK
    case handshakeDataInjected  // data sent before the SYN+ACK, for another one
    case synDataIgnored  // data in the SYN that the server did not take
    case handshakeWrongDirection  // an ACK of the server's before the handshake's end
    case establishedSYN  // a SYN with the same number
    case establishedSYNDiffers
    case establishedSYNToClient
    case establishedSYNACK
    case establishedSYNACKDiffers
    case establishedSYNACKToServer
    case outOfWindow  // data that the receiver offered no room for
    case finOutOfWindow  // FIN at another place than the first one, or data behind one
    case finWithSYN
    case finWithoutSession
    case resetWithoutSession
    case resetInvalid  // RST whose number the receiver does not take (RFC 5961)
    case resetSuspected  // data goes on behind an RST
    case invalidAck  // acknowledges what was not sent, or long ago
    case brokenAck  // an acknowledgement number without ACK flag
    case withoutAck  // ours: no ACK flag in a connection that has begun
    case urgentData  // ours: an urgent pointer: its byte stays in the stream
    case timestampOld  // a timestamp that the receiver takes for an old duplicate's (RFC 7323 5)
    case signatureUnexpected  // ours: an MD5 signature without a key, or none with one (RFC 2385)
    case sequenceGap
    case overlapDiffers
}

extension Anomaly {
    /// Of TCP connections; the others are of single packets and datagrams.
    public var isOfStream: Bool { rawValue >= Anomaly.synAckWrongAck.rawValue }

    /// EVE's `anomaly.event`: `decoder.ipv4.trunc_pkt`, `stream.reassembly_seq_gap`.
    public var name: String { (isOfStream ? "stream." : "decoder.") + word }

    /// The name as `decode-event` and `stream-event` have it, without what stands before the first dot of
    /// `name`.
    public var word: String { Self.words[Int(rawValue)] }

    private static let words: [String] = [
        "ipv4.pkt_too_small",
        "ipv4.hlen_too_small",
        "ipv4.iplen_smaller_than_hlen",
        "ipv4.trunc_pkt",
        "ipv4.wrong_ip_version",
        "ipv4.opt_invalid",
        "ipv4.opt_invalid_len",
        "ipv4.opt_pad_required",
        "ipv4.opt_eol_required",
        "ipv4.opt_duplicate",
        "ipv4.opt_unknown",
        "ipv4.opt_discarded",
        "ipv4.icmpv6",
        "ipv4.invalid_checksum",
        "ipv4.frag_pkt_too_large",
        "ipv4.frag_overlap",
        "ipv4.frag_overlap_different_data",
        "ipv4.frag_inside",
        "ipv4.frag_end_differs",
        "ipv4.frag_tiny",
        "ipv4.frag_ignored",
        "ipv6.pkt_too_small",
        "ipv6.trunc_pkt",
        "ipv6.wrong_ip_version",
        "ipv6.trunc_exthdr",
        "ipv6.exthdr_dupl_fh",
        "ipv6.exthdr_useless_fh",
        "ipv6.exthdr_dupl_rh",
        "ipv6.exthdr_dupl_hh",
        "ipv6.exthdr_dupl_dh",
        "ipv6.exthdr_dupl_ah",
        "ipv6.rh_type_0",
        "ipv6.fh_non_zero_reserved_field",
        "ipv6.data_after_none_header",
        "ipv6.exthdr_discarded",
        "ipv6.unknown_next_header",
        "ipv6.icmpv4",
        "ipv6.frag_pkt_too_large",
        "ipv6.frag_overlap",
        "ipv6.frag_end_differs",
        "ipv6.frag_tiny",
        "ipv6.frag_invalid_length",
        "ipv6.frag_ignored",
        "ipraw.invalid_ip_version",
        "too_many_layers",
        "icmpv4.pkt_too_small",
        "icmpv6.pkt_too_small",
        "icmp.invalid_checksum",
        "tcp.pkt_too_small",
        "tcp.hlen_too_small",
        "tcp.invalid_optlen",
        "tcp.opt_invalid_len",
        "tcp.opt_duplicate",
        "tcp.invalid_checksum",
        "udp.pkt_too_small",
        "udp.hlen_too_small",
        "udp.hlen_invalid",
        "udp.invalid_checksum",
        "sctp.pkt_too_small",
        "3whs_synack_with_wrong_ack",
        "3whs_synack_in_wrong_direction",
        "3whs_synack_resend_with_diff_ack",
        "3whs_synack_resend_with_diff_seq",
        "3whs_syn_resend_diff_seq_on_syn_recv",
        "3whs_syn_toclient_on_syn_recv",
        "3whs_wrong_seq_wrong_ack",
        "3whs_ack_data_inject",
        "3whs_synack_tfo_data_ignored",
        "3whs_ack_in_wrong_dir",
        "est_syn_resend",
        "est_syn_resend_diff_seq",
        "est_syn_toclient",
        "est_synack_resend",
        "est_synack_resend_with_diff_seq",
        "est_synack_toserver",
        "est_packet_out_of_window",
        "fin_out_of_window",
        "fin_syn",
        "fin_but_no_session",
        "rst_but_no_session",
        "rst_invalid_ack",
        "suspected_rst_inject",
        "pkt_invalid_ack",
        "pkt_broken_ack",
        "pkt_without_ack",
        "urgent_data",
        "pkt_invalid_timestamp",
        "pkt_md5_unexpected",
        "reassembly_seq_gap",
        "reassembly_overlap_different_data",
    ]
}

/// A set of anomalies, without memory of its own.
public struct AnomalySet: Equatable, Sendable, Sequence {
    private var bits: UInt128 = 0

    public init() {}

    public var isEmpty: Bool { bits == 0 }
    public func contains(_ anomaly: Anomaly) -> Bool { bits >> UInt128(anomaly.rawValue) & 1 == 1 }
    public mutating func insert(_ anomaly: Anomaly) { bits |= 1 << UInt128(anomaly.rawValue) }
    public mutating func formUnion(_ other: AnomalySet) { bits |= other.bits }

    /// The anomalies in the order of their declaration.
    public func makeIterator() -> Iterator { Iterator(bits: bits) }

    /// Goes over the anomalies of a set.
    public struct Iterator: IteratorProtocol {
        var bits: UInt128

        public mutating func next() -> Anomaly? {
            guard bits != 0 else { return nil }
            let lowest = bits.trailingZeroBitCount
            bits &= bits &- 1
            return Anomaly(rawValue: UInt8(truncatingIfNeeded: lowest))
        }
    }
}
