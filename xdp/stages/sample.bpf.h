/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which packets are sampled for an inspector, within the budget of their flow. In: a judged packet. Out: the
 * head of its sample. For the XDP program and the egress program alike. docs/policy.md has the hash and the
 * rules of eviction. */
#ifndef GUARD_SAMPLE_BPF_H
#define GUARD_SAMPLE_BPF_H

#include "stages/flow_drops.bpf.h"

static __always_inline const struct guard_inspector *inspector_at(__u32 number)
{
	const void *at = tables();

	if (!at || number >= guard_config.inspector_count)
		return 0;
	return table_at(at, guard_config.inspectors + number * sizeof(struct guard_inspector),
	                sizeof(struct guard_inspector));
}

static __always_inline struct guard_sample_line *sample_line(__u64 tag)
{
	__u32 index = guard_bucket_line_of(tag, guard_config.sample_lines);

	return bpf_map_lookup_elem(&guard_sample_flows, &index);
}

/* The place of a flow; GUARD_SAMPLE_WAYS where it has none. */
static __always_inline __u32 sample_way(const struct guard_sample_line *line, __u64 tag)
{
#pragma unroll
	for (__u32 i = 0; i < GUARD_SAMPLE_WAYS; i++)
		if (line->tags[i] == tag)
			return i;
	return GUARD_SAMPLE_WAYS;
}

/* A free place, else the one that was not seen for longest; of equal ones the first. */
static __always_inline __u32 oldest_flow(const struct guard_sample_line *line)
{
	__u64 oldest = ~0ULL;
	__u32 way = 0;

#pragma unroll
	for (__u32 i = 0; i < GUARD_SAMPLE_WAYS; i++) {
		__u64 seen = line->tags[i] ? line->seen_ns[i] + 1 : 0;

		if (seen >= oldest)
			continue;
		oldest = seen;
		way = i;
	}
	return way;
}

static __always_inline int is_idle(const struct guard_sample_line *line, __u32 way, __u64 now)
{
	__u64 seen = line->seen_ns[way & (GUARD_SAMPLE_WAYS - 1)];

	return now > seen && now - seen >= GUARD_SAMPLE_IDLE_NS;
}

static __always_inline void begin_budget(struct guard_sample_line *line, __u32 way)
{
	way &= GUARD_SAMPLE_WAYS - 1;
	line->packets[way] = 0;
	line->bytes[way] = 0;
}

/* A place for a flow that has none: 0, or not where another CPU took it at the same moment. The counts come
 * before the tag, so that nobody finds the flow with those of the one before it. */
static __always_inline int take_place(struct guard_sample_line *line, __u64 tag, __u64 now, __u32 *taken)
{
	__u32 way = oldest_flow(line) & (GUARD_SAMPLE_WAYS - 1);
	__u64 before = line->tags[way];
	int forgets = before && !is_idle(line, way, now);

	begin_budget(line, way);
	line->seen_ns[way] = now;
	*taken = way;
	if (__sync_val_compare_and_swap(&line->tags[way], before, tag) != before)
		return -1;
	if (forgets)
		count_sample(GUARD_SAMPLES_FORGOTTEN, 1);
	count_sample(GUARD_SAMPLES_FLOWS, 1);
	return 0;
}

/* Charges a packet to its flow's budget: 1 where that had room, and the sample's head is written. */
static __always_inline int charge_budget(struct guard_scratch *room, struct guard_sample_line *line,
                                         __u32 way, __u64 tag)
{
	const struct guard_inspector *inspector;
	__u32 owner;

	way &= GUARD_SAMPLE_WAYS - 1;
	owner = line->owners[way];
	inspector = inspector_at(owner >> GUARD_OWNER_SLOT_BITS);
	if (!inspector)
		return 0;
	if ((inspector->packets && line->packets[way] >= inspector->packets) ||
	    (inspector->bytes && line->bytes[way] >= inspector->bytes)) {
		count_sample(GUARD_SAMPLES_BEYOND_BUDGET, 1);
		return 0;
	}
	__sync_fetch_and_add(&line->packets[way], 1);
	__sync_fetch_and_add(&line->bytes[way], room->packet.length);
	room->sample.flow = tag;
	room->sample.inspectors_seed = guard_config.inspectors_seed;
	room->sample.slot = owner & ((1 << GUARD_OWNER_SLOT_BITS) - 1);
	room->sample.inspector = owner >> GUARD_OWNER_SLOT_BITS;
	room->sample.network = room->packet.network;
	return 1;
}

/* The place of the packet's flow, made where there is none; GUARD_SAMPLE_WAYS where it cannot be had. */
static __always_inline __u32 place_flow(struct guard_scratch *room, struct guard_sample_line *line, __u64 tag)
{
	__u32 way = sample_way(line, tag);
	__u64 now = clock_ns();

	if (way == GUARD_SAMPLE_WAYS) {
		if (take_place(line, tag, now, &way) && take_place(line, tag, now, &way))
			return GUARD_SAMPLE_WAYS;
		return way;
	}
	if (begins_flow(&room->packet) || (!is_tcp(&room->packet) && is_idle(line, way, now)))
		begin_budget(line, way);
	line->seen_ns[way & (GUARD_SAMPLE_WAYS - 1)] = now;
	return way;
}

/* A packet that a rule wants inspected: 1 where it is sampled. A global function, verified by itself. */
__noinline int sample_asked(void)
{
	struct guard_scratch *room = scratch();
	const struct guard_inspector *inspector;
	struct guard_sample_line *line;
	__u32 way, owner;
	__u64 hash, tag;

	if (!room)
		return 0;
	inspector = inspector_at(room->search.inspector);
	if (!inspector)
		return 0;
	flow_ends(&room->packet, &room->ends);
	hash = guard_ends_hash(guard_config.seed, &room->ends);
	if (!guard_is_chosen(hash, inspector->every)) {
		count_sample(GUARD_SAMPLES_NOT_CHOSEN, 1);
		return 0;
	}
	tag = guard_sample_tag(hash, guard_config.inspectors_seed);
	room->sample_tag = tag;
	line = sample_line(tag);
	if (!line)
		return 0;
	way = place_flow(room, line, tag);
	if (way == GUARD_SAMPLE_WAYS) {
		count_sample(GUARD_SAMPLES_LOST_PLACE, 1);
		return 0;
	}
	way &= GUARD_SAMPLE_WAYS - 1;
	owner = room->search.inspector << GUARD_OWNER_SLOT_BITS |
	        (room->search.inspect_slot & ((1 << GUARD_OWNER_SLOT_BITS) - 1));
	if (line->owners[way] != owner)
		line->owners[way] = owner;
	return charge_budget(room, line, way, tag);
}

/* A later fragment of a packet whose flow is sampled: 1 where it is too. A global function, verified by
 * itself. */
__noinline int sample_known(void)
{
	struct guard_scratch *room = scratch();
	struct guard_sample_line *line;
	__u64 tag;
	__u32 way;

	if (!room)
		return 0;
	tag = room->sample_tag;
	line = sample_line(tag);
	if (!line)
		return 0;
	way = sample_way(line, tag);
	if (way == GUARD_SAMPLE_WAYS) {
		count_sample(GUARD_SAMPLES_LOST_PLACE, 1);
		return 0;
	}
	line->seen_ns[way & (GUARD_SAMPLE_WAYS - 1)] = clock_ns();
	return charge_budget(room, line, way, tag);
}

/* A packet that this host sends: 1 where its flow is sampled, and it is too. It begins no flow. A global
 * function, verified by itself. */
__noinline int sample_reply(void)
{
	struct guard_scratch *room = scratch();
	struct guard_sample_line *line;
	__u64 tag, now;
	__u32 way;

	if (!room)
		return 0;
	flow_ends(&room->packet, &room->ends);
	tag = guard_sample_tag(guard_ends_hash(guard_config.seed, &room->ends), guard_config.inspectors_seed);
	line = sample_line(tag);
	if (!line)
		return 0;
	way = sample_way(line, tag);
	if (way == GUARD_SAMPLE_WAYS)
		return 0;
	now = clock_ns();
	if (!is_tcp(&room->packet) && is_idle(line, way, now))
		return 0;
	if (begins_flow(&room->packet))
		begin_budget(line, way);
	line->seen_ns[way & (GUARD_SAMPLE_WAYS - 1)] = now;
	return charge_budget(room, line, way, tag);
}

/* ---- Replay: the program says what is sampled, and gives no samples. */

static __always_inline void answer_sample(struct guard_trace *trace, const struct guard_sample *sample)
{
	trace->sample_slot = sample ? sample->slot : GUARD_NO_SLOT;
	trace->sample_inspector = sample ? sample->inspector : GUARD_NO_INSPECTOR;
}

static __always_inline void answer_reply(const struct guard_sample *sample)
{
	__u32 zero = 0;
	struct guard_trace *trace = bpf_map_lookup_elem(&guard_trace, &zero);

	if (trace)
		answer_sample(trace, sample);
}

#endif
