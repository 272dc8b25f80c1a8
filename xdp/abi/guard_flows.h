/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The layout of the tables of connections. Written by the egress program and the XDP program, read by the
 * controller. Integers are in host order. */
#ifndef GUARD_FLOWS_H
#define GUARD_FLOWS_H

#include "guard_addresses.h"

#define GUARD_FLOWS (1 << 18) /* by default: places for answered connections */
#define GUARD_HALF_OPEN (1 << 16) /* places for those that nobody answered yet */
#define GUARD_MARK_LINES (1 << 16) /* 4 MiB */
#define GUARD_MARK_WAYS 4

enum guard_flow_state {
	GUARD_FLOW_HALF_OPEN = 0, /* UDP, ICMP: not answered */
	GUARD_FLOW_ESTABLISHED, /* UDP, ICMP: answered */
	GUARD_FLOW_CLOSING, /* TCP: a FIN or RST was seen */
};

enum guard_flow_opener {
	GUARD_OPENED_HERE = 0, /* by this host */
	GUARD_OPENED_THERE, /* by the other side: this host accepted it */
};

/* A connection as this host sees it. ICMP echo has its identifier for both ports. */
struct guard_flow_key {
	struct guard_address6 local;
	struct guard_address6 remote;
	__u16 local_port;
	__u16 remote_port;
	__u8 family; /* 4 or 6 */
	__u8 protocol;
	__u16 padding;
};

struct guard_flow {
	__u64 opened_ns; /* CLOCK_MONOTONIC, as all times here */
	__u64 seen_ns; /* its timeout began */
	__u64 packets; /* of both directions, as far as they were looked up */
	__u64 bytes; /* of IP packets */
	__u32 sequence; /* of an accepted one's SYN+ACK, and what it acknowledged */
	__u32 acknowledged;
	__u8 state; /* enum guard_flow_state */
	__u8 opener; /* enum guard_flow_opener */
	__u8 padding[6];
};

/* UDP and ICMP echo that the other side began and that was let in: one cache line. A tag is a keyed hash
 * whose lowest bit says that this host answered; 0: free. */
struct guard_mark_line {
	__u64 tags[GUARD_MARK_WAYS];
	__u64 times[GUARD_MARK_WAYS]; /* ns: of the last packet */
};

/* Local ports by 64 a word: on which this host ever opened connections, and those of UDP on which it was
 * ever spoken to. */
enum guard_port_words {
	GUARD_PORTS_TCP = 0,
	GUARD_PORTS_UDP = 1024,
	GUARD_PORTS_SERVED = 2048,
	GUARD_PORT_WORDS = 3072,
};

/* What happened to the tables of connections. */
struct guard_flow_totals {
	__u64 opened; /* by this host */
	__u64 accepted;
	__u64 failed; /* no place could be had */
	__u64 mark_lost_ns; /* when a mark that still counted last gave way to another, to the second; 0:
	                       never */
};

_Static_assert(sizeof(struct guard_flow_key) == 40, "layout");
_Static_assert(sizeof(struct guard_flow) == 48, "layout");
_Static_assert(sizeof(struct guard_mark_line) == 64, "layout");

#endif
