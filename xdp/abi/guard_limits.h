/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rate limits in the one layout: a limit as the compiler writes it, and the buckets that all generations
 * share.
 */
#ifndef GUARD_LIMITS_H
#define GUARD_LIMITS_H

#include <linux/types.h>

#include "guard_addresses.h"

/* What shares one bucket of a limit. */
enum guard_limit_key {
	GUARD_LIMIT_SOURCE = 0, /* by its prefix */
	GUARD_LIMIT_DESTINATION,
	GUARD_LIMIT_SOURCE_SERVICE, /* the source's prefix, protocol and destination port or type */
	GUARD_LIMIT_CONNECTION, /* the five-tuple */
	GUARD_LIMIT_RULE, /* all packets */
};

#define GUARD_LIMIT_BYTES 1 /* the cost is per byte of the IP packet, not per packet */
#define GUARD_LIMIT_BAN 2 /* over the rate the source's prefix is banned */
#define GUARD_LIMIT_MONITOR 4 /* what it would drop goes on as if under the rate */
#define GUARD_LIMIT_EXACT_CLOCK 8 /* the burst is gone within a few ticks of the coarse clock */

/* Times of buckets are in 1/256 ns, modulo 2^64: 834 days. One is ahead of now by at most a burst, which
 * fills within 100 days, and a second of slack; all others are past. */
#define GUARD_BUCKET_TIME_SHIFT 8
#define GUARD_BUCKET_SECOND (1000000000ULL << GUARD_BUCKET_TIME_SHIFT)
#define GUARD_BURST_SECONDS_MAX (100 * 86400)
#define GUARD_BUCKET_AHEAD_MAX ((GUARD_BURST_SECONDS_MAX + 1) * GUARD_BUCKET_SECOND)
#define GUARD_LIMITED_LENGTH_MAX 65575 /* bytes: of the longest IP packet; what is longer counts as it */

/* A token bucket as the generic cell rate algorithm has it (ITU-T I.371, appendix A): the theoretical arrival
 * time says all. */
struct guard_limit {
	__u64 seed; /* of its keys' hashes: the limit's name and definition, so that a changed one begins anew
	             */
	__u64 cost; /* bucket time a packet; with BYTES, a byte, in 2^-cost_shift of it */
	__u64 tolerance; /* bucket time: the burst's */
	__u64 ban_ns;
	__u32 slot; /* of its counters and name */
	__u8 key; /* enum guard_limit_key */
	__u8 flags; /* GUARD_LIMIT_* */
	__u8 prefix4; /* leading bits of a source that are one client */
	__u8 prefix6;
	__u8 cost_shift;
	__u8 padding[7];
};

/* Buckets that a key can stand in: one cache line. A tag is a keyed hash of limit and key, 0 for none; the
 * time is the bucket's theoretical arrival time. */
#define GUARD_BUCKET_WAYS 4
#define GUARD_BUCKET_LINES (1 << 18) /* by default: 16 MiB */

struct guard_bucket_line {
	__u64 tags[GUARD_BUCKET_WAYS];
	__u64 times[GUARD_BUCKET_WAYS];
};

/* What a first fragment was charged to, for its later ones. Beside the places of guard_fragments. */
#define GUARD_FRAGMENT_CHARGES 4

struct guard_fragment_charge {
	__u64 tag; /* of the bucket; 0: none */
	__u32 check; /* the low half of the limit's seed: it is still that limit */
	__u32 limit; /* index in the configuration's limits */
};

/* Whose these charges are: of the first fragment's judged header, what keys of limits, their bans and records
 * of who is limited ask. A later fragment may have but a tunnel's header around it. */
struct guard_fragment_client {
	struct guard_address6 source;
	struct guard_address6 destination;
	__u16 source_port;
	__u16 port; /* destination port or ICMP type */
	__u8 family; /* 4, 6, or 0: no IP header was read */
	__u8 protocol;
	__u8 read; /* which of these were, in the program's own bits */
	__u8 never_banned;
};

_Static_assert(sizeof(struct guard_limit) == 48, "layout");
_Static_assert(sizeof(struct guard_bucket_line) == 64, "layout");
_Static_assert(sizeof(struct guard_fragment_charge) == 16, "layout");
_Static_assert(sizeof(struct guard_fragment_client) == 40, "layout");

#endif
