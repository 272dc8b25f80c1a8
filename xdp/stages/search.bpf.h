/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The search for a packet's rule, while it goes on. */
#ifndef GUARD_SEARCH_BPF_H
#define GUARD_SEARCH_BPF_H

#include "abi/guard_abi.h"

#define NO_RULE 0xffffffffU

/* What is looked up for a packet, and how far the search has come. */
struct search {
	__u64 summary; /* words still to look at */
	__u64 word; /* bits of the current word still to look at */
	__u64 tuples; /* that may hold an entry for the packet */
	__u64 left; /* of those, still to look at */
	__u64 now_ns; /* 0: not read yet */
	__u32 source; /* offsets of rows */
	__u32 destination;
	__u32 rows[GUARD_DIMS];
	__u32 base; /* bit 0 of `word` */
	__u32 service; /* values as entries have them */
	__u32 port;
	__u32 from; /* rules below this number have been considered */
	__u32 best; /* the lowest matching rule found in this round; NO_RULE: none */
	__u32 best_order; /* of its entry; 0 where it was found by a bit */
	__u32 best_slot;
	__u32 cursor; /* position in the list of entries */
	__u32 payload_length; /* bytes in guard_payload */
	/* what was found */
	__u32 slot; /* the deciding rule's, GUARD_NO_SLOT: none */
	__u32 would_drop_slot; /* the first rule in monitor mode that would drop; GUARD_NO_SLOT: none */
	__u8 verdict;
	__u8 log;
	__u8 is_established; /* the packet's state, where some rule asks for it */
	__u8 padding[3];
	__u16 limit; /* the deciding rule's, which is charged behind the search; GUARD_NO_LIMIT: none */
	__u16 cookies; /* likewise */
	/* of limits */
	__u32 limit_slot; /* that dropped the packet; GUARD_NO_SLOT: none */
	__u32 bytes; /* of the frame up to the end of its IP packet */
	/* of the first rule with an inspector */
	__u32 inspect_slot;
	__u32 inspector; /* GUARD_NO_INSPECTOR: none */
};

/* What is to be taken from which bucket. Times and costs are in 1/256 ns. */
struct charge {
	__u64 tag;
	__u64 now;
	__u64 cost;
	__u64 tolerance;
	__u32 line;
	__u32 way; /* that a new bucket takes in its line */
	__u32 result; /* enum charge_result */
	__u32 padding;
};

/* A packet over a limit's rate. */
struct excess {
	__u64 tag; /* of its bucket */
	__u64 now_ns; /* the program's clock */
	__u32 bytes;
	__u32 padding;
};

/* A packet's fate. */
struct decision {
	__u32 slot; /* GUARD_NO_SLOT: no rule decided */
	__u32 would_drop_slot; /* the rule to name for it */
	__u32 monitor_slot; /* the first rule, or with GUARD_SLOT_OF_LIMIT limit, in monitor mode that would
	                       have dropped the packet */
	__u32 limit_slot; /* with GUARD_REASON_LIMIT: which */
	__u8 verdict; /* enum guard_verdict */
	__u8 reason; /* enum guard_reason */
	__u8 detail; /* enum guard_detail */
	__u8 log;
	__u8 would_drop; /* it passes because of monitor mode */
	__u8 is_sampled; /* its head and its flow's tag stand in guard_scratch */
	__u8 padding[2];
};

static __always_inline void search_clear(struct search *search)
{
	search->now_ns = 0;
	search->from = 0;
	search->slot = GUARD_NO_SLOT;
	search->would_drop_slot = GUARD_NO_SLOT;
	search->log = 0;
	search->limit = GUARD_NO_LIMIT;
	search->cookies = GUARD_NO_LIMIT;
	search->limit_slot = GUARD_NO_SLOT;
	search->is_established = 0;
	search->inspector = GUARD_NO_INSPECTOR;
}

#endif
