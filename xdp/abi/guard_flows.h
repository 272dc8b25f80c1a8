/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The layout of the tables of connections. Written by the egress program and the XDP program, read by the
 * controller. Integers are in host order. */
#ifndef GUARD_FLOWS_H
#define GUARD_FLOWS_H

#include "guard_addresses.h"
#include "guard_buckets.h"

#define GUARD_FLOWS (1 << 18) /* by default: how many answered connections are meant to have a place */
#define GUARD_FLOW_PLACES 15 /* of a group: with its tags 1 KiB */
#define GUARD_FLOW_GROUP 8 /* connections that make a group: with so many each, groups are half full */
#define GUARD_UNANSWERED (1 << 15) /* places for those that this host opened and nobody answered yet */
#define GUARD_HALF_OPEN (1 << 16) /* places for those that it accepted and whose handshake is not over */
#define GUARD_MARK_LINES (1 << 16) /* 4 MiB */
#define GUARD_MARK_WAYS 4

enum guard_flow_state {
	GUARD_FLOW_HALF_OPEN = 0, /* UDP, ICMP: not answered */
	GUARD_FLOW_ESTABLISHED, /* UDP, ICMP: answered */
	GUARD_FLOW_CLOSING, /* TCP: a FIN or RST was seen */
	GUARD_FLOW_COOKIE, /* TCP: its client brought a cookie, and this host has not shown yet that it took
	                      it. Stands among the half-open ones, for nothing but tables bounds how many
	                      there are */
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

/* What is kept of a connection. Three words, so that a packet of it touches one cache line. */
struct guard_flow {
	__u64 seen_ns; /* its timeout began: CLOCK_MONOTONIC, as all times here */
	/* Low 40 bits: packets of both directions, as far as they were looked up. Top 3 bits: its state, enum
	 * guard_flow_state, and GUARD_FLOW_THERE. Between: the high bits of guard_flow_opened_ns. */
	__u64 packets;
	__u64 bytes; /* low 48 bits: of IP packets. Above them the low bits of guard_flow_opened_ns */
};

#define GUARD_FLOW_PACKETS_BITS 40
#define GUARD_FLOW_BYTES_BITS 48
#define GUARD_FLOW_STATE_SHIFT 61
#define GUARD_FLOW_STATE 3
#define GUARD_FLOW_THERE 4 /* the other side opened it and this host accepted; else this host opened it */
#define GUARD_FLOW_OPENED_SHIFT 24 /* ns a step: 16.8 ms, which lasts 73 years */

/* A connection that is not answered yet, or half open. */
struct guard_opening {
	struct guard_flow flow;
	__u32 sequence; /* of an accepted one's SYN+ACK, and what it acknowledged */
	__u32 acknowledged;
};

/* A place for an answered connection: one cache line. Whoever changes the key owns the place meanwhile: the
 * last 8 bytes of the key go by a compare-and-swap from what they were to GUARD_FLOW_OWNED, and on to what
 * they will be, 0 for none. */
struct guard_flow_place {
	struct guard_flow_key key;
	struct guard_flow flow;
};

#define GUARD_FLOW_OWNED 1ULL /* no key is so: it has a family */

/* The places that a key can stand in, and where: tags[i] is of the key in places[i - 1], 0 for none. A key
 * stands in the place that its hash says, if that was free, so that the tags are mostly not looked at. */
struct guard_flow_group {
	__u32 tags[GUARD_FLOW_PLACES + 1]; /* the first is not used */
	struct guard_flow_place places[GUARD_FLOW_PLACES];
};

/* How many connections a table for at least so many is made for: a power of two, as groups are told apart by
 * bits of a hash. At most 2^31. */
static inline __attribute__((always_inline)) __u32 guard_flow_count(__u32 asked)
{
	if (asked <= 1)
		return 1;
	return asked > 1U << 31 ? 1U << 31 : 1U << (32 - __builtin_clz(asked - 1));
}

/* Groups of guard_flows for a number of connections, a power of two. */
static inline __attribute__((always_inline)) __u32 guard_flow_groups(__u32 flows)
{
	return flows < GUARD_FLOW_GROUP ? 1 : flows / GUARD_FLOW_GROUP;
}

static inline __attribute__((always_inline)) __u64 guard_flow_hash(__u64 seed,
                                                                   const struct guard_flow_key *key)
{
	__u64 hash = guard_mix(seed, key->local.low ^ (__u64)key->protocol << 56);

	hash = guard_mix(guard_mix(hash, key->remote.low), (__u64)key->local_port << 16 | key->remote_port);
	return key->family == 4 ? hash : guard_mix(guard_mix(hash, key->local.high), key->remote.high);
}

/* Which group; how many there are is a power of two. */
static inline __attribute__((always_inline)) __u32 guard_flow_group_of(__u64 hash, __u32 groups)
{
	return (__u32)(hash >> 32) & (groups - 1);
}

/* Never 0. */
static inline __attribute__((always_inline)) __u32 guard_flow_tag(__u64 hash)
{
	return (__u32)hash | 1;
}

/* The tag's number, from 1 on, of the place that a key takes if it is free. */
static inline __attribute__((always_inline)) __u32 guard_flow_first(__u64 hash)
{
	return 1 + ((__u32)(hash & 0xffff) * GUARD_FLOW_PLACES >> 16);
}

/* Its state, and GUARD_FLOW_THERE. */
static inline __attribute__((always_inline)) __u64 guard_flow_state_of(const struct guard_flow *flow)
{
	return flow->packets >> GUARD_FLOW_STATE_SHIFT;
}

/* How long a connection lasts without a further packet, in ns; state: enum guard_flow_state. */
static inline __attribute__((always_inline)) __u64 guard_flow_timeout_ns(const struct guard_flow_key *key,
                                                                         __u8 state)
{
	const __u64 second = 1000000000;

	if (state != GUARD_FLOW_ESTABLISHED && state != GUARD_FLOW_COOKIE)
		return 30 * second;
	if (key->protocol == 6) /* TCP */
		return 5 * 24 * 3600 * second;
	return key->protocol == 17 /* UDP */ ? 120 * second : 30 * second;
}

/* Modulo 2^40. */
static inline __attribute__((always_inline)) __u64 guard_flow_packets(const struct guard_flow *flow)
{
	return flow->packets & ((1ULL << GUARD_FLOW_PACKETS_BITS) - 1);
}

/* Modulo 2^48. */
static inline __attribute__((always_inline)) __u64 guard_flow_bytes(const struct guard_flow *flow)
{
	return flow->bytes & ((1ULL << GUARD_FLOW_BYTES_BITS) - 1);
}

/* When a connection was opened: CLOCK_MONOTONIC in ns, to 17 ms. A counter of packets or bytes that comes
 * round makes it a step younger. */
static inline __attribute__((always_inline)) __u64 guard_flow_opened_ns(const struct guard_flow *flow)
{
	__u64 high = flow->packets << (64 - GUARD_FLOW_STATE_SHIFT);

	high >>= 64 - GUARD_FLOW_STATE_SHIFT + GUARD_FLOW_PACKETS_BITS;
	return (high << (64 - GUARD_FLOW_BYTES_BITS) | flow->bytes >> GUARD_FLOW_BYTES_BITS)
	       << GUARD_FLOW_OPENED_SHIFT;
}

/* Without packets. */
static inline __attribute__((always_inline)) void guard_flow_begin(struct guard_flow *flow, __u64 now_ns,
                                                                   __u64 state)
{
	__u64 opened = now_ns >> GUARD_FLOW_OPENED_SHIFT, high = opened >> (64 - GUARD_FLOW_BYTES_BITS);

	high <<= 64 - GUARD_FLOW_STATE_SHIFT + GUARD_FLOW_PACKETS_BITS;
	flow->seen_ns = now_ns;
	flow->packets = high >> (64 - GUARD_FLOW_STATE_SHIFT) | state << GUARD_FLOW_STATE_SHIFT;
	flow->bytes = opened << GUARD_FLOW_BYTES_BITS;
}

/* UDP and ICMP echo that the other side began and that was let in: one cache line. A tag is a keyed hash
 * whose lowest bit says that this host answered; 0: free. */
struct guard_mark_line {
	__u64 tags[GUARD_MARK_WAYS];
	__u64 times[GUARD_MARK_WAYS]; /* ns: of the last packet */
};

/* Local ports by 64 a word: on which this host ever opened connections. Then those of UDP by one a word: ns,
 * to the second, when a packet of a conversation was last seen that the other side began; 0: never. */
enum guard_port_words {
	GUARD_PORTS_TCP = 0,
	GUARD_PORTS_UDP = 1024,
	GUARD_PORTS_SERVED = 2048,
	GUARD_PORT_WORDS = 2048 + 65536,
};

/* What happened to the tables of connections. */
struct guard_flow_totals {
	__u64 opened; /* by this host */
	__u64 accepted;
	__u64 failed; /* no place could be had */
	__u64 displaced; /* answered ones that still counted and gave way to another in a full group */
	__u64 mark_lost_ns; /* when a mark that still counted last gave way to another, to the second; 0:
	                       never */
};

_Static_assert(sizeof(struct guard_flow_key) == 40, "layout");
_Static_assert(sizeof(struct guard_flow) == 24, "layout");
_Static_assert(sizeof(struct guard_opening) == 32, "layout");
_Static_assert(sizeof(struct guard_flow_place) == 64, "layout");
_Static_assert(sizeof(struct guard_flow_group) == 1024, "layout");
_Static_assert(sizeof(struct guard_mark_line) == 64, "layout");

#endif
