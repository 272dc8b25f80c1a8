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

static __always_inline __u64 fragment_hash(const struct packet_layer *key)
{
	__u64 last = key->fragment_id | (__u64)key->fragment_protocol << 32, hash = guard_config.seed;

	if (key->family == 4)
		return guard_mix(guard_mix(hash, key->source.low << 32 | key->destination.low), last);
	hash = guard_mix(guard_mix(hash, key->source.high), key->source.low);
	return guard_mix(guard_mix(guard_mix(hash, key->destination.high), key->destination.low), last);
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

/* What the first fragments of the key's group were charged to. */
static __always_inline struct guard_fragment_charges *group_charges(const struct packet_layer *key)
{
	__u32 index = fragment_hash(key) >> (64 - GUARD_FRAGMENT_GROUPS_BITS);

	return bpf_map_lookup_elem(&guard_fragment_charges, &index);
}

static __always_inline void read_client(struct packet *first, const struct guard_fragment_client *client)
{
	first->source = client->source;
	first->destination = client->destination;
	first->source_port = client->source_port;
	first->key = client->port;
	first->family = client->family;
	first->protocol = client->protocol;
	first->read = client->read;
	first->never_banned = client->never_banned;
}

static __always_inline void write_client(struct guard_fragment_client *client, const struct packet *first)
{
	client->source = first->source;
	client->destination = first->destination;
	client->source_port = first->source_port;
	client->port = first->key;
	client->family = first->family;
	client->protocol = first->protocol;
	client->read = first->read;
	client->never_banned = first->never_banned;
}

static __always_inline void read_charges(const struct packet_layer *key, __u32 number)
{
	struct guard_scratch *room = scratch();
	struct guard_fragment_charges *kept = group_charges(key);

	if (!room || !kept)
		return;
#pragma unroll
	for (int i = 0; i < GUARD_FRAGMENT_CHARGES; i++)
		room->charges[i] = kept->charges[number][i];
	read_client(&room->first, &kept->clients[number]);
}

static __always_inline void read_sample_tag(const struct guard_fragment *place)
{
	struct guard_scratch *room = scratch();

	if (room)
		room->sample_tag = place->sample_tag;
}

static __always_inline __u64 kept_sample_tag(void)
{
	const struct guard_scratch *room = scratch();

	return room ? room->sample_tag : 0;
}

static __always_inline void write_charges(const struct packet_layer *key, __u32 number)
{
	static const struct guard_fragment_charge none;
	struct guard_scratch *room = scratch();
	struct guard_fragment_charges *kept = group_charges(key);

	if (!room || !kept)
		return;
#pragma unroll
	for (__u32 i = 0; i < GUARD_FRAGMENT_CHARGES; i++)
		kept->charges[number][i] = i < room->charge_count ? room->charges[i] : none;
	/* A later fragment within a layer's first one hands on what was kept for it. */
	if (room->packet.fragment == FRAGMENT_LATER)
		write_client(&kept->clients[number], &room->first);
	else
		write_client(&kept->clients[number], &room->packet);
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
	if (guard_config.flags & GUARD_CFG_LIMITS && is_it)
		read_charges(key, number);
	if (guard_config.flags & GUARD_CFG_INSPECT && is_it)
		read_sample_tag(place);
	return version & 1 || version_of(group, number) != version ? -1 : is_it;
}

/* Looks for what was kept for a later fragment. */
static __always_inline void recall(const struct packet *packet, struct recalled *found)
{
	struct guard_scratch *room = scratch();
	struct guard_fragment_group *group;
	struct recalled copy = {};
	__u64 hash, now;
	__u32 tag;

	if (!room)
		return;
	packet_layer(&room->key, packet);
	hash = fragment_hash(&room->key);
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
		is_it = read_place(group, i, &room->key, now, &copy);
		if (is_it < 0)
			is_it = read_place(group, i, &room->key, now, &copy);
		if (is_it <= 0)
			continue;
		*found = copy;
		found->is_found = 1;
		room->charge_count = GUARD_FRAGMENT_CHARGES;
		return;
	}
}

/* Where to keep a train. */
struct choice {
	__u64 age; /* lower is chosen; ~0: no place */
	__u32 number;
	__u32 version; /* of the place, from before it was looked at */
	__u32 end; /* with the key's own place: what its first fragments had so far */
};

/* A free place is older than all, a dropped train gives way to any other; a passing one only to a passing
 * one. */
static __always_inline __u64 place_age(const struct guard_fragment_group *group, __u32 number, int passes)
{
	__u64 later = group->passes[number] ? 1ULL << 63 : 0;

	if (!group->tags[number])
		return 0;
	if (later && !passes)
		return ~0ULL;
	return later | (group->times[number] + 1) << 1 >> 1;
}

/* The place of the key, else a free one, else the oldest that gives way. */
static __always_inline void choose_place(struct guard_fragment_group *group, const struct packet_layer *key,
                                         __u32 tag, int passes, __u64 now, struct choice *choice)
{
	choice->age = ~0ULL;
	choice->end = 0;
#pragma unroll
	for (int i = 0; i < GUARD_FRAGMENT_PLACES; i++) {
		__u32 version = *(volatile __u32 *)&group->versions[i];
		int is_own = group->tags[i] == tag && is_place_of(&group->places[i], key);
		__u64 age = is_own ? 0 : place_age(group, i, passes);

		if (!is_own && age >= choice->age)
			continue;
		choice->age = age;
		choice->number = i;
		choice->version = version;
		if (!is_own)
			continue;
		if (is_alive(group->times[i], now))
			choice->end = group->places[i].end;
		return;
	}
}

/* Makes the version of a chosen place odd: 0 where it is ours to write, -1 where another CPU changed it since
 * it was looked at. */
static __always_inline int claim_place(struct guard_fragment_group *group, const struct choice *choice)
{
	__u32 *version = &group->versions[choice->number & (GUARD_FRAGMENT_PLACES - 1)];

	if (choice->version & 1)
		return -1;
	return __sync_val_compare_and_swap(version, choice->version, choice->version + 1) == choice->version
	               ? 0
	               : -1;
}

static __always_inline void write_place(struct guard_fragment_group *group, __u32 number,
                                        const struct packet_layer *key, const struct decision *decision,
                                        __u8 flags, __u32 end)
{
	struct guard_fragment *place = &group->places[number];

	group->passes[number] = decision->verdict == GUARD_PASS;
	place->source = key->source;
	place->destination = key->destination;
	place->id = key->fragment_id;
	place->family = key->family;
	place->protocol = key->fragment_protocol;
	place->end = end > key->fragment_end ? end : key->fragment_end;
	place->slot = decision->slot;
	place->monitor_slot = decision->monitor_slot;
	place->verdict = decision->verdict;
	place->flags = flags;
	place->sample_tag = kept_sample_tag();
}

static __always_inline void remember_layer(const struct packet_layer *key, const struct decision *decision,
                                           __u8 flags)
{
	__u64 hash = fragment_hash(key), now = now_ns();
	struct guard_fragment_group *group = fragment_group(hash);
	__u32 tag = fragment_tag(hash), number, before;
	int passes = decision->verdict == GUARD_PASS;
	struct choice choice = {};

	if (!group)
		return;
	choose_place(group, key, tag, passes, now, &choice);
	if (choice.age == ~0ULL)
		return;
	if (claim_place(group, &choice)) {
		choose_place(group, key, tag, passes, now, &choice);
		if (choice.age == ~0ULL || claim_place(group, &choice))
			return;
	}
	number = choice.number & (GUARD_FRAGMENT_PLACES - 1);
	group->tags[number] = tag;
	group->times[number] = now;
	write_place(group, number, key, decision, flags, choice.end);
	if (guard_config.flags & GUARD_CFG_LIMITS)
		write_charges(key, number);
	/* What it returns is used, so that it stays one that fetches: those are full barriers. */
	before = __sync_fetch_and_add(&group->versions[number], 1);
	asm volatile("" : : "r"(before));
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
	struct guard_scratch *room = scratch();

	if (packet->depth)
		remember_around(packet, decision, flags);
	if (packet->fragment != FRAGMENT_FIRST || !room)
		return;
	packet_layer(&room->key, packet);
	remember_layer(&room->key, decision, flags);
}

#endif
