/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words for a packet's fate: verdicts, reasons and details, each with its number and its printable name.
 */
#ifndef GUARD_WORDS_H
#define GUARD_WORDS_H

enum guard_verdict {
	GUARD_PASS = 0,
	GUARD_DROP = 1,
	GUARD_REJECT = 2,
	GUARD_VERDICTS =
	        4, /* room, a power of two: counters are indexed by reason * GUARD_VERDICTS + verdict */
};

/* Why a packet met its verdict. Every packet has exactly one. */
enum guard_reason {
	GUARD_REASON_RULE = 0,
	GUARD_REASON_DEFAULT,
	GUARD_REASON_BAN,
	GUARD_REASON_LIMIT,
	GUARD_REASON_MALFORMED,
	GUARD_REASON_SPOOFED,
	GUARD_REASON_FRAGMENT,
	GUARD_REASON_FAILSAFE,
	GUARD_REASON_ESSENTIAL,
	GUARD_REASON_ESTABLISHED,
	GUARD_REASON_FLOW,
	GUARD_REASON_SYN_COOKIE,
	GUARD_REASON_OUTBOUND, /* replay only */
	GUARD_REASON_NON_IP,
	GUARD_REASONS = 16, /* room */
};

/* Which check found a packet malformed or spoofed; which essential traffic it is. */
enum guard_detail {
	GUARD_DETAIL_NONE = 0,
	/* malformed, in the order in which they are judged within a layer */
	GUARD_DETAIL_TRUNCATED_ETHERNET,
	GUARD_DETAIL_TRUNCATED_VLAN,
	GUARD_DETAIL_TOO_MANY_TAGS,
	GUARD_DETAIL_TRUNCATED_IP,
	GUARD_DETAIL_IP_VERSION,
	GUARD_DETAIL_IP_HEADER_LENGTH,
	GUARD_DETAIL_IP_LENGTH_ZERO,
	GUARD_DETAIL_IP_LENGTH,
	GUARD_DETAIL_JUMBOGRAM,
	GUARD_DETAIL_TRUNCATED_PACKET,
	GUARD_DETAIL_EXTENSION_ORDER,
	GUARD_DETAIL_ROUTING_TYPE_0,
	GUARD_DETAIL_TOO_MANY_EXTENSIONS,
	GUARD_DETAIL_TRUNCATED_EXTENSION,
	GUARD_DETAIL_TINY_FRAGMENT,
	GUARD_DETAIL_FRAGMENT_OFFSET_1,
	GUARD_DETAIL_FRAGMENT_TWICE,
	GUARD_DETAIL_FRAGMENT_OVERLAP,
	GUARD_DETAIL_TRUNCATED_L4,
	GUARD_DETAIL_TCP_HEADER_LENGTH,
	GUARD_DETAIL_TCP_FLAGS,
	GUARD_DETAIL_UDP_LENGTH,
	GUARD_DETAIL_TRUNCATED_TUNNEL,
	/* spoofed */
	GUARD_DETAIL_SPOOF_LOOPBACK,
	GUARD_DETAIL_SPOOF_THIS_NETWORK,
	GUARD_DETAIL_SPOOF_MULTICAST,
	GUARD_DETAIL_SPOOF_MAPPED,
	GUARD_DETAIL_SPOOF_UNSPECIFIED,
	GUARD_DETAIL_SPOOF_SAME,
	GUARD_DETAIL_SPOOF_OWN,
	/* essential */
	GUARD_DETAIL_ND,
	GUARD_DETAIL_RA,
	GUARD_DETAIL_PMTU,
	GUARD_DETAIL_DHCP,
	/* state */
	GUARD_DETAIL_NO_STATE,
	/* a rule's, the default's or a fragment's, where it should be inspected and cannot */
	GUARD_DETAIL_OVERLOAD,
	GUARD_DETAILS,
};

static inline const char *guard_reason_name(enum guard_reason reason)
{
	switch (reason) {
	case GUARD_REASON_RULE: return "rule";
	case GUARD_REASON_DEFAULT: return "default";
	case GUARD_REASON_BAN: return "ban";
	case GUARD_REASON_LIMIT: return "limit";
	case GUARD_REASON_MALFORMED: return "malformed";
	case GUARD_REASON_SPOOFED: return "spoofed";
	case GUARD_REASON_FRAGMENT: return "fragment";
	case GUARD_REASON_FAILSAFE: return "failsafe";
	case GUARD_REASON_ESSENTIAL: return "essential";
	case GUARD_REASON_ESTABLISHED: return "established";
	case GUARD_REASON_FLOW: return "flow";
	case GUARD_REASON_SYN_COOKIE: return "syn-cookie";
	case GUARD_REASON_OUTBOUND: return "outbound";
	case GUARD_REASON_NON_IP: return "non-ip";
	default: return "unknown";
	}
}

static inline const char *guard_detail_name(enum guard_detail detail)
{
	switch (detail) {
	case GUARD_DETAIL_NONE: return "";
	case GUARD_DETAIL_TRUNCATED_ETHERNET: return "truncated ethernet header";
	case GUARD_DETAIL_TRUNCATED_VLAN: return "truncated vlan tag";
	case GUARD_DETAIL_TOO_MANY_TAGS: return "more than two vlan tags";
	case GUARD_DETAIL_TRUNCATED_IP: return "truncated ip header";
	case GUARD_DETAIL_IP_VERSION: return "ip version";
	case GUARD_DETAIL_IP_HEADER_LENGTH: return "ip header length";
	case GUARD_DETAIL_IP_LENGTH_ZERO: return "ip length zero";
	case GUARD_DETAIL_IP_LENGTH: return "ip length";
	case GUARD_DETAIL_JUMBOGRAM: return "jumbogram";
	case GUARD_DETAIL_TRUNCATED_PACKET: return "truncated packet";
	case GUARD_DETAIL_EXTENSION_ORDER: return "hop-by-hop not first";
	case GUARD_DETAIL_ROUTING_TYPE_0: return "routing type 0";
	case GUARD_DETAIL_TOO_MANY_EXTENSIONS: return "too many extension headers";
	case GUARD_DETAIL_TRUNCATED_EXTENSION: return "truncated extension header";
	case GUARD_DETAIL_TINY_FRAGMENT: return "tiny fragment";
	case GUARD_DETAIL_FRAGMENT_OFFSET_1: return "fragment offset 1";
	case GUARD_DETAIL_FRAGMENT_TWICE: return "second fragment header";
	case GUARD_DETAIL_FRAGMENT_OVERLAP: return "overlapping fragment";
	case GUARD_DETAIL_TRUNCATED_L4: return "truncated l4 header";
	case GUARD_DETAIL_TCP_HEADER_LENGTH: return "tcp header length";
	case GUARD_DETAIL_TCP_FLAGS: return "tcp flags";
	case GUARD_DETAIL_UDP_LENGTH: return "udp length";
	case GUARD_DETAIL_TRUNCATED_TUNNEL: return "truncated tunnel header";
	case GUARD_DETAIL_SPOOF_LOOPBACK: return "loopback source";
	case GUARD_DETAIL_SPOOF_THIS_NETWORK: return "this-network source";
	case GUARD_DETAIL_SPOOF_MULTICAST: return "multicast or reserved source";
	case GUARD_DETAIL_SPOOF_MAPPED: return "ipv4-mapped source";
	case GUARD_DETAIL_SPOOF_UNSPECIFIED: return "unspecified source";
	case GUARD_DETAIL_SPOOF_SAME: return "source is destination";
	case GUARD_DETAIL_SPOOF_OWN: return "own address as source";
	case GUARD_DETAIL_ND: return "nd";
	case GUARD_DETAIL_RA: return "ra";
	case GUARD_DETAIL_PMTU: return "pmtu";
	case GUARD_DETAIL_DHCP: return "dhcp";
	case GUARD_DETAIL_NO_STATE: return "no state";
	case GUARD_DETAIL_OVERLOAD: return "overload";
	default: return "unknown";
	}
}

#endif
