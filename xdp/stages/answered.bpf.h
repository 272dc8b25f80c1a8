/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* guard_flows, the table of answered connections: finding, keeping and forgetting one. Nothing is locked: a
 * place belongs to whoever swapped the end of its key for GUARD_FLOW_OWNED. In: a key. Out: what is known of
 * it. Cost of a connection that stands where its hash says: one cache line. */
#ifndef GUARD_ANSWERED_BPF_H
#define GUARD_ANSWERED_BPF_H

#include "stages/rows.bpf.h"
#include "stages/transport.bpf.h"

#define SECOND_NS 1000000000ULL
#define KEEP_TRIES 4

static __always_inline int asks_state(void)
{
	return (guard_config.flags & GUARD_CFG_STATE) != 0;
}

/* ---- The words of a connection: two CPUs may write them at once, then one packet is not counted, or one
 * change of state not kept, as in any table that nothing locks */

static __always_inline __u8 flow_state(const struct guard_flow *flow)
{
	return guard_flow_state_of(flow) & GUARD_FLOW_STATE;
}

static __always_inline int is_opened_here(const struct guard_flow *flow)
{
	return !(guard_flow_state_of(flow) & GUARD_FLOW_THERE);
}

/* Its timeout begins anew. */
static __always_inline void see_flow(struct guard_flow *flow, __u64 state, __u64 now)
{
	__u64 mask = (__u64)GUARD_FLOW_STATE << GUARD_FLOW_STATE_SHIFT;

	flow->seen_ns = now;
	if (flow_state(flow) != state)
		flow->packets = (flow->packets & ~mask) | state << GUARD_FLOW_STATE_SHIFT;
}

static __always_inline void count_flow(struct guard_flow *flow, const struct packet *packet)
{
	flow->packets++;
	flow->bytes += packet->length;
}

/* The coarse clock may be read a moment before what another CPU stored. */
static __always_inline int lasts(__u64 since, __u64 now, __u64 timeout)
{
	return now < since || now - since < timeout;
}

static __always_inline int flow_lasts(const struct guard_flow *flow, const struct guard_flow_key *key,
                                      __u64 now)
{
	return lasts(flow->seen_ns, now, guard_flow_timeout_ns(key, flow_state(flow)));
}

static __always_inline struct guard_flow_totals *flow_totals(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&guard_flow_totals, &zero);
}

/* ---- Places */

static __always_inline __u64 flow_hash(const struct guard_flow_key *key)
{
	return guard_flow_hash(guard_config.seed, key);
}

static __always_inline struct guard_flow_group *flow_group(__u64 hash)
{
	__u32 index = guard_flow_group_of(hash, guard_flow_groups(guard_config.flow_count));

	return bpf_map_lookup_elem(&guard_flows, &index);
}

/* The place of a tag's number, which a mask bounds for the verifier. */
static __always_inline struct guard_flow_place *flow_place(struct guard_flow_group *group, __u64 line)
{
	asm volatile("" : "+r"(line));
	return (struct guard_flow_place *)group + (line & GUARD_FLOW_PLACES);
}

static __always_inline void set_flow_tag(struct guard_flow_group *group, __u64 line, __u32 tag)
{
	asm volatile("" : "+r"(line));
	group->tags[line & GUARD_FLOW_PLACES] = tag;
}

/* Ports, family and protocol: the last 8 bytes of a key, by which its place is owned. */
static __always_inline __u64 *key_end(struct guard_flow_key *key)
{
	return (__u64 *)((void *)key + __builtin_offsetof(struct guard_flow_key, local_port));
}

static __always_inline __u64 read_key_end(const struct guard_flow_key *key)
{
	return *(const volatile __u64 *)((const void *)key +
	                                 __builtin_offsetof(struct guard_flow_key, local_port));
}

static __always_inline int same_addresses(const struct guard_flow_key *one,
                                          const struct guard_flow_key *other)
{
	return !((one->remote.low ^ other->remote.low) | (one->local.low ^ other->local.low) |
	         (one->remote.high ^ other->remote.high) | (one->local.high ^ other->local.high));
}

/* Whether a place's key is `key`. Its end is read before and after the addresses: where another CPU writes
 * the key meanwhile, the two do not both fit. */
static __always_inline int same_key(const struct guard_flow_key *stored, const struct guard_flow_key *key)
{
	if (read_key_end(stored) != read_key_end(key))
		return 0;
	asm volatile("" : : : "memory");
	if (!same_addresses(stored, key))
		return 0;
	asm volatile("" : : : "memory");
	return read_key_end(stored) == read_key_end(key);
}

/* The number of a place other than `except` that a key stands in; 0: it has none. A global function, verified
 * by itself. */
__noinline int seek_flow(const struct guard_flow_key *key, __u32 except)
{
	struct guard_flow_group *group;
	__u64 hash;

	if (!key)
		return 0;
	hash = flow_hash(key);
	group = flow_group(hash);
	if (!group)
		return 0;
#pragma unroll
	for (__u32 i = 1; i <= GUARD_FLOW_PLACES; i++)
		if (group->tags[i] == guard_flow_tag(hash) && i != except &&
		    same_key(&group->places[i - 1].key, key))
			return i;
	return 0;
}

/* The answered connection of a key, also one whose time is over. Its place may be given to another while the
 * caller still has it: then the other was seen, as with the kernel's own tables of the LRU kind. */
static __always_inline struct guard_flow *find_answered(const struct guard_flow_key *key)
{
	__u64 hash = flow_hash(key);
	struct guard_flow_group *group = flow_group(hash);
	struct guard_flow_place *place;
	__u32 line;

	if (!group)
		return 0;
	place = flow_place(group, guard_flow_first(hash));
	if (same_key(&place->key, key))
		return &place->flow;
	line = seek_flow(key, 0);
	return line ? &flow_place(group, line)->flow : 0;
}

/* ---- Owned places: the exchanges are full barriers, so that whoever sees a key's end sees all that was
 * written before it */

/* 0: the place is this CPU's, if its key still ended so; until it is released nobody finds what it has. */
static __always_inline int own_flow_place(struct guard_flow_place *place, __u64 end)
{
	return end == GUARD_FLOW_OWNED ||
	       __sync_val_compare_and_swap(key_end(&place->key), end, GUARD_FLOW_OWNED) != end;
}

static __always_inline void release_flow_place(struct guard_flow_place *place, __u64 end)
{
	__u64 was = __sync_val_compare_and_swap(key_end(&place->key), GUARD_FLOW_OWNED, end);

	asm volatile("" : : "r"(was));
}

#define OWN_RANK (1ULL << 63) /* no time is so late */

/* How much would be lost with what a place has: 0 nothing, as it is free or its time is over; the more, the
 * later it was seen; ~0 where another CPU owns it. Where no rule asks for the state, replies to what this
 * host opened depend on its place, and hardly anything on the places of what it accepted, which others fill.
 */
static __always_inline void rank_flow_place(struct guard_flow_choice *choice,
                                            const struct guard_flow_place *place, __u32 line, __u64 now)
{
	__u64 end = read_key_end(&place->key), seen = *(const volatile __u64 *)&place->flow.seen_ns, rank = 0;

	if (end == GUARD_FLOW_OWNED)
		rank = ~0ULL;
	else if (end && lasts(seen, now, guard_flow_timeout_ns(&place->key, flow_state(&place->flow))))
		rank = seen | 1 | (!asks_state() && is_opened_here(&place->flow) ? OWN_RANK : 0);
	if (rank >= choice->rank)
		return;
	choice->rank = rank;
	choice->line = line;
	choice->end = end;
	choice->seen_ns = seen;
}

/* Chooses the place of a new connection: the first that its hash says, else the first of those with the least
 * to lose. The choice goes through memory: there all ways to it look alike to the verifier. */
static __always_inline void choose_flow_place(struct guard_flow_choice *choice,
                                              struct guard_flow_group *group, __u64 hash, __u64 now)
{
	choice->end = GUARD_FLOW_OWNED;
	choice->rank = ~0ULL;
	rank_flow_place(choice, flow_place(group, guard_flow_first(hash)), guard_flow_first(hash), now);
	asm volatile("" : : : "memory");
	if (!choice->rank)
		return;
#pragma unroll
	for (__u32 i = 1; i <= GUARD_FLOW_PLACES; i++) {
		rank_flow_place(choice, &group->places[i - 1], i, now);
		asm volatile("" : : : "memory");
	}
}

/* Writes room->flow_key and room->opening.flow into the chosen place: 0, or -1 where another CPU has it, or
 * had it since it was chosen: it may have a live connection now. */
static __always_inline int take_flow_place(struct guard_scratch *room, struct guard_flow_group *group,
                                           __u64 hash)
{
	struct guard_flow_place *place = flow_place(group, room->choice.line);

	if (own_flow_place(place, room->choice.end))
		return -1;
	if (room->choice.end && place->flow.seen_ns != room->choice.seen_ns) {
		release_flow_place(place, room->choice.end);
		return -1;
	}
	set_flow_tag(group, room->choice.line, guard_flow_tag(hash));
	place->key.local = room->flow_key.local;
	place->key.remote = room->flow_key.remote;
	place->flow = room->opening.flow;
	release_flow_place(place, read_key_end(&room->flow_key));
	return 0;
}

/* Empties a place, if its key still is this one. */
static __always_inline void empty_flow_place(struct guard_flow_group *group, __u32 line,
                                             const struct guard_flow_key *key)
{
	struct guard_flow_place *place = flow_place(group, line);
	__u64 end = read_key_end(key);

	if (own_flow_place(place, end))
		return;
	if (!same_addresses(&place->key, key)) {
		release_flow_place(place, end);
		return;
	}
	set_flow_tag(group, line, 0);
	release_flow_place(place, 0);
}

/* What is known of a key anew, in its place: 0, or -1 where the place is another CPU's. */
static __always_inline int renew_flow_place(struct guard_scratch *room, struct guard_flow_group *group,
                                            __u32 line)
{
	struct guard_flow_place *place = flow_place(group, line);
	__u64 end = read_key_end(&room->flow_key);
	int is_other;

	if (own_flow_place(place, end))
		return -1;
	is_other = !same_addresses(&place->key, &room->flow_key);
	if (!is_other)
		place->flow = room->opening.flow;
	release_flow_place(place, end);
	return is_other ? -1 : 0;
}

/* Two CPUs may have kept one key in two places at once. Both look for the other's after they wrote their own,
 * so that one of them sees both: the later place is emptied. */
static __always_inline void part_twins(struct guard_scratch *room, struct guard_flow_group *group)
{
	for (int tries = 0; tries < KEEP_TRIES; tries++) {
		__u32 own = room->choice.line, twin = seek_flow(&room->flow_key, own);

		if (!twin)
			return;
		empty_flow_place(group, twin > own ? twin : own, &room->flow_key);
		if (twin < own)
			return;
	}
}

/* Keeps room->opening.flow as what is known of room->flow_key: 0, or -1 where no place could be had. A global
 * function, verified by itself. */
__noinline int keep_flow(__u64 now)
{
	struct guard_scratch *room = scratch();
	struct guard_flow_totals *totals = flow_totals();
	struct guard_flow_group *group;
	__u64 hash;

	if (!room || !totals)
		return -1;
	hash = flow_hash(&room->flow_key);
	group = flow_group(hash);
	for (int tries = 0; group && tries < KEEP_TRIES; tries++) {
		__u32 line = seek_flow(&room->flow_key, 0);

		if (line && !renew_flow_place(room, group, line))
			return 0;
		if (line)
			continue;
		choose_flow_place(&room->choice, group, hash, now);
		if (take_flow_place(room, group, hash))
			continue;
		if (room->choice.rank)
			__sync_fetch_and_add(&totals->displaced, 1);
		part_twins(room, group);
		return 0;
	}
	return -1;
}

/* Forgets a connection. A global function, verified by itself. */
__noinline int forget_flow(const struct guard_flow_key *key)
{
	struct guard_flow_group *group;

	if (!key)
		return 0;
	group = flow_group(flow_hash(key));
	for (int tries = 0; group && tries < KEEP_TRIES; tries++) {
		__u32 line = seek_flow(key, 0);

		if (!line)
			break;
		empty_flow_place(group, line, key);
	}
	return 0;
}

#endif
