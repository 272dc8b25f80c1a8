/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Payload inspection in the XDP program: whether a judged packet is sampled, and what becomes of one that
 * should be and cannot (`on-overload`). In: what was decided, and what was kept of its first fragment. Out:
 * the decision, with its sample. */
#ifndef GUARD_INSPECT_BPF_H
#define GUARD_INSPECT_BPF_H

#include "stages/fragments.bpf.h"
#include "stages/sample_frame.bpf.h"
#include "stages/scopes.bpf.h"

/* Whether the packet is sampled: as its first rule with an inspector asks, or as its first fragment was. A
 * limit's and a cookie's drops are not, what no rule has seen, and what no signature of that inspector could
 * match. */
static __always_inline void choose_sample(struct guard_scratch *room, struct decision *decision,
                                          const struct recalled *found)
{
	if (decision->reason == GUARD_REASON_FRAGMENT && found->is_found) {
		decision->is_sampled = room->sample_tag && sample_known();
		return;
	}
	room->sample_tag = 0;
	if (room->packet.family && room->search.inspector != GUARD_NO_INSPECTOR &&
	    (decision->reason == GUARD_REASON_RULE || decision->reason == GUARD_REASON_DEFAULT))
		decision->is_sampled = is_sample_needed(room->search.inspector) && sample_asked();
}

/* Whether the inspector said not long ago that it works. */
static __always_inline int is_served(void)
{
	__u32 key = GUARD_READER_UNTIL;
	const __u64 *until = bpf_map_lookup_elem(&guard_sample_wake, &key);

	return until && bpf_ktime_get_ns() < *until;
}

/* Gives a packet back to its flow's budget: what is dropped comes again, and is to be sampled then. */
static __always_inline void return_budget(const struct guard_scratch *room)
{
	struct guard_sample_line *line = sample_line(room->sample.flow);
	__u32 way;

	if (!line)
		return;
	way = sample_way(line, room->sample.flow);
	if (way == GUARD_SAMPLE_WAYS)
		return;
	way &= GUARD_SAMPLE_WAYS - 1;
	__sync_fetch_and_add(&line->packets[way], -1);
	__sync_fetch_and_add(&line->bytes[way], -(__u64)room->packet.length);
}

/* Gives the sample of a packet that came in: 1 where that cannot be, and its inspector then has the packet
 * dropped. A global function, verified by itself. */
__noinline int sample_or_drop(struct xdp_md *ctx, __u32 flags)
{
	struct guard_scratch *room = scratch();
	const struct guard_inspector *inspector;
	int drops, is_lost;

	if (!room)
		return 0;
	inspector = inspector_at(room->sample.inspector);
	drops = inspector && inspector->flags & GUARD_INSPECTOR_DROP;
	if (drops && !is_served()) {
		count_sample(GUARD_SAMPLES_LOST_UNREAD, 1);
		is_lost = 1;
	} else {
		is_lost = put_sample(ctx, flags);
	}
	if (!is_lost || !drops || flags & GUARD_SAMPLE_DROPPED)
		return 0;
	return_budget(room);
	count_sample(GUARD_SAMPLES_OVERLOADED, 1);
	return 1;
}

/* Gives the sample of a packet that was chosen. Where that has the packet dropped, the rule that let it on
 * stays its rule, and the detail says why it did not pass. In a replay nobody reads: the trace says what
 * would be sampled. */
static __always_inline void give_chosen(struct xdp_md *ctx, struct guard_scratch *room,
                                        struct decision *decision)
{
	if (!(guard_config.flags & GUARD_CFG_INSPECT) || !decision->is_sampled ||
	    guard_config.flags & GUARD_CFG_VIRTUAL_CLOCK ||
	    !sample_or_drop(ctx, decision->verdict == GUARD_PASS ? 0 : GUARD_SAMPLE_DROPPED))
		return;
	room->packet.detail = GUARD_DETAIL_OVERLOAD;
	if (guard_config.flags & GUARD_CFG_MONITOR) {
		decision->would_drop = 1;
		decision->would_drop_slot = decision->slot;
	} else {
		decision->verdict = GUARD_DROP;
	}
}

#endif
