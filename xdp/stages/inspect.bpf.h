/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Payload inspection in the XDP program: whether a judged packet is sampled. In: what was decided, and what
 * was kept of its first fragment. Out: the decision, with its sample. */
#ifndef GUARD_INSPECT_BPF_H
#define GUARD_INSPECT_BPF_H

#include "stages/fragments.bpf.h"
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

#endif
