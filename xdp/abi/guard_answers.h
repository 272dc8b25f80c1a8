/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the XDP program sends itself: answers to rejected packets, and SYN cookies. Their counters, and the
 * state that all generations and CPUs share. */
#ifndef GUARD_ANSWERS_H
#define GUARD_ANSWERS_H

#include <linux/types.h>

/* Indexes of guard_answers, __u64 each. A frame that was sent is one that was handed to the driver: what it
 * does with it nobody tells. */
enum guard_answer_count {
	GUARD_ANSWER_RST = 0, /* sent */
	GUARD_ANSWER_ICMP,
	GUARD_COOKIES_SENT,
	GUARD_COOKIES_VALID, /* acknowledgements that brought a cookie of this host's */
	GUARD_COOKIES_INVALID, /* others of connections that are not known, while cookies could come */
	/* why a packet with the verdict reject, or a SYN beyond its rate, got no answer */
	GUARD_WITHHELD_BUDGET,
	GUARD_WITHHELD_UNFIT, /* malformed, or in a tunnel */
	GUARD_WITHHELD_FRAGMENT,
	GUARD_WITHHELD_SOURCE, /* that no packet from a wire can have */
	GUARD_WITHHELD_DESTINATION, /* a group's, of the network or of the link */
	GUARD_WITHHELD_RST,
	GUARD_WITHHELD_ICMP, /* that asks nothing */
	GUARD_WITHHELD_FAILED, /* the frame could not be changed */
	GUARD_ANSWERS,
};

/* A token bucket for all answers to rejected packets: so many at once, one more each millisecond. */
#define GUARD_ANSWER_BURST 1000
#define GUARD_ANSWER_INTERVAL_NS 1000000ULL

/* Bytes of the packet that an ICMP error quotes: RFC 1812 4.3.2.3, RFC 4443 2.4 (c). */
#define GUARD_QUOTE4_MAX 548
#define GUARD_QUOTE6_MAX 1232

/* What cookies may agree to, as the stack of this host does. */
enum guard_cookie_offer {
	GUARD_COOKIE_TIMESTAMPS = 1, /* without it none of the others */
	GUARD_COOKIE_SACK = 2,
	GUARD_COOKIE_SCALE = 4,
};

struct guard_answer_state {
	__u64 budget_ns; /* the bucket's theoretical arrival time on CLOCK_MONOTONIC */
	__u64 cookie_sent_ns; /* when the last cookie was sent, CLOCK_MONOTONIC; 0: never */
};

/* Settings as they were before `apply` changed them, each one higher; 0: it was not changed. */
struct guard_settings {
	__u32 syncookies; /* net.ipv4.tcp_syncookies */
	__u32 timestamps; /* net.ipv4.tcp_timestamps */
};

static inline const char *guard_answer_name(enum guard_answer_count count)
{
	switch (count) {
	case GUARD_ANSWER_RST: return "rst";
	case GUARD_ANSWER_ICMP: return "icmp";
	case GUARD_COOKIES_SENT: return "sent";
	case GUARD_COOKIES_VALID: return "valid";
	case GUARD_COOKIES_INVALID: return "invalid";
	case GUARD_WITHHELD_BUDGET: return "budget";
	case GUARD_WITHHELD_UNFIT: return "unfit";
	case GUARD_WITHHELD_FRAGMENT: return "fragment";
	case GUARD_WITHHELD_SOURCE: return "source";
	case GUARD_WITHHELD_DESTINATION: return "destination";
	case GUARD_WITHHELD_RST: return "rst";
	case GUARD_WITHHELD_ICMP: return "icmp";
	case GUARD_WITHHELD_FAILED: return "failed";
	default: return "unknown";
	}
}

#endif
