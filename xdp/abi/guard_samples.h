/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Payload inspection in the one layout: inspectors as the compiler writes them, the budgets of flows, the
 * samples that go to user space, and the flows that an inspector had dropped. Integers are in host order.
 */
#ifndef GUARD_SAMPLES_H
#define GUARD_SAMPLES_H

#include <linux/types.h>

#include "guard_addresses.h"
#include "guard_buckets.h"
#include "guard_scopes.h"

#define GUARD_NO_INSPECTOR 0xffffU
#define GUARD_INSPECTORS 4096 /* of one policy, at most */

enum guard_inspector_flags {
	GUARD_INSPECTOR_DROP = 1 << 0, /* on-overload: drop */
};

/* What an inspector wants of each flow. */
struct guard_inspector {
	__u64 bytes; /* of IP packets; 0: no bound */
	__u32 packets; /* 0: no bound */
	__u32 every; /* one flow in so many */
	__u32 flags; /* enum guard_inspector_flags */
	__u32 padding;
};

/* ---- Flows */

/* A flow's two ends, the lower one first, so that both directions are one key. Ports are 0 for protocols
 * without them and where they were not read. */
struct guard_flow_ends {
	struct guard_address6 lower; /* IPv4 in the low 32 bits of low */
	struct guard_address6 upper;
	__u16 lower_port;
	__u16 upper_port;
	__u8 family; /* 4 or 6 */
	__u8 protocol;
	__u16 padding;
};

/* Words, in this order: family << 8 | protocol; the lower address and the upper one, each one word in IPv4,
 * its two halves in IPv6; lower port << 16 | upper port. */
static inline __attribute__((always_inline)) __u64 guard_ends_hash(__u64 seed,
                                                                   const struct guard_flow_ends *ends)
{
	__u64 hash = guard_mix(seed, (__u64)ends->family << 8 | ends->protocol);

	if (ends->family == 6)
		hash = guard_mix(hash, ends->lower.high);
	hash = guard_mix(hash, ends->lower.low);
	if (ends->family == 6)
		hash = guard_mix(hash, ends->upper.high);
	hash = guard_mix(hash, ends->upper.low);
	return guard_mix(hash, (__u64)ends->lower_port << 16 | ends->upper_port);
}

/* The name of a flow's budget, never 0, which marks a free place. */
static inline __attribute__((always_inline)) __u64 guard_sample_tag(__u64 ends_hash, __u64 inspectors_seed)
{
	__u64 tag = guard_mix(ends_hash, inspectors_seed);

	return tag ? tag : 1;
}

/* Whether one flow in `every` is this one: by the upper half of its hash. */
static inline __attribute__((always_inline)) int guard_is_chosen(__u64 ends_hash, __u32 every)
{
	return every < 2 || (__u32)(ends_hash >> 32) % every == 0;
}

#define GUARD_SAMPLE_LINES (1 << 16) /* by default: 8 MiB, 262,144 flows */
#define GUARD_SAMPLE_WAYS 4
#define GUARD_SAMPLE_IDLE_NS 120000000000ULL /* but for TCP, a flow without packets for so long is over */
#define GUARD_OWNER_SLOT_BITS 20

/* What was sampled of the flows that a tag can stand for: two cache lines. The flow without packets for the
 * longest time gives way. */
struct guard_sample_line {
	__u64 tags[GUARD_SAMPLE_WAYS]; /* 0: free */
	__u64 seen_ns[GUARD_SAMPLE_WAYS]; /* the program's clock: the last packet */
	__u64 bytes[GUARD_SAMPLE_WAYS];
	__u32 packets[GUARD_SAMPLE_WAYS];
	__u32 owners[GUARD_SAMPLE_WAYS]; /* inspector << GUARD_OWNER_SLOT_BITS | the asking rule's slot */
};

/* ---- Samples */

#define GUARD_SAMPLE_RING (1 << 26) /* bytes by default */
#define GUARD_SAMPLE_RING_MIN 4096 /* of a policy without inspectors */
#define GUARD_SAMPLE_FRAME 9216 /* bytes of a frame that comes in, at most; what is longer is cut */
#define GUARD_SAMPLE_WAKE_NS 200000ULL /* a reader is woken at most this often */

enum guard_sample_flags {
	GUARD_SAMPLE_CUT = 1 << 0, /* the frame was longer */
	GUARD_SAMPLE_DROPPED = 1 << 1, /* its verdict was to drop or to reject it */
	GUARD_SAMPLE_SENT = 1 << 2, /* this host sends it; else it came in */
};

/* What stands before each sampled frame in the ring. The record may be longer than both. */
struct guard_sample {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 flow; /* keyed hash of its flow, the same in both directions */
	__u64 inspectors_seed; /* the configuration's: what `inspector` counts in */
	__u32 frame_length; /* bytes */
	__u32 captured_length; /* bytes that follow */
	__u32 slot; /* of the rule that asked */
	__u32 ifindex;
	__u32 network; /* offset of the judged IP header in the frame */
	__u16 inspector; /* position in the policy */
	__u8 flags; /* enum guard_sample_flags */
	__u8 padding;
};

/* Words of guard_sample_wake. */
enum guard_sample_reader {
	GUARD_READER_WOKEN = 0, /* when the reader was last woken: the programs' own */
	GUARD_READER_UNTIL, /* until when somebody inspects, unless it is said again: the controller's */
	GUARD_READER_WORDS,
};

/* Indexes of guard_sample_counts, __u64 each. */
enum guard_sample_count {
	GUARD_SAMPLES_RECEIVED = 0, /* given to the ring */
	GUARD_SAMPLES_SENT,
	GUARD_SAMPLES_BYTES, /* of both */
	GUARD_SAMPLES_LOST_FULL, /* the ring was full */
	GUARD_SAMPLES_LOST_COPY, /* the frame could not be read */
	GUARD_SAMPLES_CUT, /* given, but not whole */
	GUARD_SAMPLES_BEYOND_BUDGET, /* packets of flows whose budget was used up */
	GUARD_SAMPLES_NOT_CHOSEN, /* packets of flows left out by `every` */
	GUARD_SAMPLES_FLOWS, /* budgets begun */
	GUARD_SAMPLES_FORGOTTEN, /* flows that gave way before their time was over */
	GUARD_FLOWS_DROPPED, /* packets that came in, of dropped flows */
	GUARD_FLOWS_DROPPED_SENT, /* packets of this host's, of dropped flows */
	GUARD_SAMPLES_LOST_UNREAD, /* not given, as nobody inspects, and on-overload is drop */
	GUARD_SAMPLES_OVERLOADED, /* packets that came in, dropped by on-overload */
	GUARD_SAMPLES_NOT_NEEDED, /* packets that no signature of their inspector could match */
	GUARD_SAMPLES_LOST_PLACE, /* their flow had no place in its line, as others had all of them */
	GUARD_SAMPLE_COUNTS,
};

/* ---- Dropped flows */

#define GUARD_DROPPED_FLOWS 65536 /* at most; memory as they come */

struct guard_dropped_flow {
	__u64 ends_ns; /* CLOCK_MONOTONIC; GUARD_FOREVER: never */
	__u64 since_ns;
	__u64 packets; /* that came in */
	__u64 bytes;
	__u64 sent_packets; /* of this host's */
	__u64 sent_bytes;
	__u32 sid; /* of the signature; 0: none */
	__u32 slot; /* of the rule that had it inspected; GUARD_NO_SLOT: none */
	__u32 spared; /* failsafe or never-ban let one of its packets pass: this host's go out too */
	__u32 padding;
};

_Static_assert(sizeof(struct guard_inspector) == 24, "layout");
_Static_assert(sizeof(struct guard_flow_ends) == 40, "layout");
_Static_assert(sizeof(struct guard_sample_line) == 128, "layout");
_Static_assert(sizeof(struct guard_sample) == 48, "layout");
_Static_assert(sizeof(struct guard_dropped_flow) == 64, "layout");

#endif
