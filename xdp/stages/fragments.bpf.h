/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 5 under `fragments: track`: what was decided for a first fragment is kept for its later ones, in a
 * table of groups of four places. Bounded memory, one lock and two or three cache lines a fragment; a full
 * group forgets its oldest train. docs/policy.md has the hash and the rules of eviction. */
#ifndef GUARD_FRAGMENTS_BPF_H
#define GUARD_FRAGMENTS_BPF_H

#include "stages/count.bpf.h"

enum fragment_flags {
	FRAGMENT_FAILSAFE = 1 << 0, /* its later ones pass above the bans */
	FRAGMENT_LOG = 1 << 1,
};

/* What was kept for a later fragment. */
struct recalled {
	__u32 slot;
	__u32 monitor_slot;
	__u32 end;
	__u8 verdict;
	__u8 flags; /* enum fragment_flags */
	__u8 is_found;
	__u8 padding;
};

static __always_inline __u64 mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

static __always_inline __u64 fragment_hash(const struct packet_layer *key)
{
	__u64 last = key->fragment_id | (__u64)key->fragment_protocol << 32, hash = guard_config.seed;

	if (key->family == 4)
		return mix(mix(hash, key->source.low << 32 | key->destination.low), last);
	hash = mix(mix(hash, key->source.high), key->source.low);
	return mix(mix(mix(hash, key->destination.high), key->destination.low), last);
}

static __always_inline int is_place_of(const struct guard_fragment *place, const struct packet_layer *key)
{
	return place->id == key->fragment_id && place->source.low == key->source.low &&
	       place->source.high == key->source.high && place->destination.low == key->destination.low &&
	       place->destination.high == key->destination.high && place->family == key->family &&
	       place->protocol == key->fragment_protocol;
}

static __always_inline struct guard_fragment_group *fragment_group(__u64 hash)
{
	__u32 index = hash >> (64 - GUARD_FRAGMENT_GROUPS_BITS);

	return bpf_map_lookup_elem(&guard_fragments, &index);
}

/* Never 0, which marks a free place. */
static __always_inline __u32 fragment_tag(__u64 hash)
{
	return (__u32)hash | 1;
}

static __always_inline int is_alive(__u64 kept, __u64 now)
{
	return now < kept || now - kept < GUARD_FRAGMENT_LIFE_NS;
}

/* A full barrier, as all BPF atomics that fetch are. */
static __always_inline __u32 version_of(struct guard_fragment_group *group, __u32 number)
{
	return __sync_fetch_and_add(&group->versions[number], 0);
}

/* Copies what a place keeps: 1 where it keeps the key, 0 where not, -1 where it was being written. */
static __always_inline int read_place(struct guard_fragment_group *group, __u32 number,
                                      const struct packet_layer *key, __u64 now, struct recalled *found)
{
	const struct guard_fragment *place = &group->places[number];
	__u32 version = version_of(group, number);
	int is_it = is_place_of(place, key) && is_alive(group->times[number], now);

	found->slot = place->slot;
	found->monitor_slot = place->monitor_slot;
	found->end = place->end;
	found->verdict = place->verdict;
	found->flags = place->flags;
	return version & 1 || version_of(group, number) != version ? -1 : is_it;
}

/* Looks for what was kept for a later fragment. */
static __always_inline void recall(const struct packet *packet, struct recalled *found)
{
	struct guard_fragment_group *group;
	struct packet_layer key;
	struct recalled copy = {};
	__u64 hash, now;
	__u32 tag;

	packet_layer(&key, packet);
	hash = fragment_hash(&key);
	tag = fragment_tag(hash);
	group = fragment_group(hash);
	if (!group)
		return;
	now = now_ns();
#pragma unroll
	for (int i = 0; i < GUARD_FRAGMENT_PLACES; i++) {
		int is_it;

		if (group->tags[i] != tag)
			continue;
		is_it = read_place(group, i, &key, now, &copy);
		if (is_it < 0)
			is_it = read_place(group, i, &key, now, &copy);
		if (is_it <= 0)
			continue;
		*found = copy;
		found->is_found = 1;
		return;
	}
}

/* The place of the key, else a free one, else the oldest. */
static __always_inline __u32 choose_place(const struct guard_fragment_group *group,
                                          const struct packet_layer *key, __u32 tag)
{
	__u64 oldest = ~0ULL;
	__u32 chosen = 0;

#pragma unroll
	for (int i = 0; i < GUARD_FRAGMENT_PLACES; i++) {
		/* A free place is older than all. */
		__u64 age = group->tags[i] ? group->times[i] + 1 : 0;

		if (group->tags[i] == tag && is_place_of(&group->places[i], key))
			return i;
		if (age < oldest) {
			oldest = age;
			chosen = i;
		}
	}
	return chosen;
}

/* Makes a place's version odd; where another CPU writes it just now, the next one's. -1: both are taken. */
static __always_inline int claim_place(struct guard_fragment_group *group, __u32 chosen)
{
#pragma unroll
	for (int i = 0; i < 2; i++) {
		__u32 number = (chosen + i) & (GUARD_FRAGMENT_PLACES - 1);
		__u32 version = group->versions[number];

		if (!(version & 1) &&
		    __sync_val_compare_and_swap(&group->versions[number], version, version + 1) == version)
			return number;
	}
	return -1;
}

static __always_inline void remember_layer(const struct packet_layer *key, const struct decision *decision,
                                           __u8 flags)
{
	__u64 hash = fragment_hash(key);
	__u32 tag = fragment_tag(hash), number;
	struct guard_fragment_group *group = fragment_group(hash);
	struct guard_fragment *place;
	int claimed;

	if (!group)
		return;
	claimed = claim_place(group, choose_place(group, key, tag));
	if (claimed < 0)
		return;
	number = claimed & (GUARD_FRAGMENT_PLACES - 1);
	place = &group->places[number];
	group->tags[number] = tag;
	group->times[number] = now_ns();
	place->source = key->source;
	place->destination = key->destination;
	place->id = key->fragment_id;
	place->family = key->family;
	place->protocol = key->fragment_protocol;
	place->end = key->fragment_end;
	place->slot = decision->slot;
	place->monitor_slot = decision->monitor_slot;
	place->verdict = decision->verdict;
	place->flags = flags;
	__sync_fetch_and_add(&group->versions[number], 1);
}

/* The layers around the judged one. A global function, verified by itself. */
__noinline int remember_around(const struct packet *packet, const struct decision *decision, __u8 flags)
{
	struct guard_scratch *room = scratch();

	if (!packet || !decision || !room)
		return 0;
	if (packet->depth > 0 && room->layers[0].fragment == FRAGMENT_FIRST)
		remember_layer(&room->layers[0], decision, flags);
	if (packet->depth > 1 && room->layers[1].fragment == FRAGMENT_FIRST)
		remember_layer(&room->layers[1], decision, flags);
	return 0;
}

/* Keeps a decision for every layer that is a first fragment. */
static __always_inline void remember(const struct packet *packet, const struct decision *decision,
                                     int is_failsafe)
{
	__u8 flags = (is_failsafe ? FRAGMENT_FAILSAFE : 0) | (decision->log ? FRAGMENT_LOG : 0);
	struct packet_layer key;

	if (packet->depth)
		remember_around(packet, decision, flags);
	if (packet->fragment != FRAGMENT_FIRST)
		return;
	packet_layer(&key, packet);
	remember_layer(&key, decision, flags);
}

#endif
