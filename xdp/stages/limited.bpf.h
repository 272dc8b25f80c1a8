/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is limited, for `limits`: what a limit drops is noted under its client, in a table of groups of four
 * records. In: a packet over a rate, its limit, the tag of its bucket. A client that is there costs two
 * neighbouring cache lines, which are counted in without atomics: what two CPUs drop of one client at the
 * same moment may count once, and a drop while a record changes hands may count for the next client. The
 * limits' own counters miss nothing. */
#ifndef GUARD_LIMITED_BPF_H
#define GUARD_LIMITED_BPF_H

#include "stages/rows.bpf.h"

/* The client's addresses, as far as they are part of the limit's key. */
static __always_inline void limited_addresses(struct guard_limited_client *client,
                                              const struct packet *packet, const struct guard_limit *limit)
{
	int whole = limit->key == GUARD_LIMIT_CONNECTION;

	client->family = 0;
	client->source.high = client->source.low = 0;
	client->destination.high = client->destination.low = 0;
	if (!(packet->read & PACKET_IP) || limit->key == GUARD_LIMIT_RULE)
		return;
	client->family = packet->family;
	if (limit->key == GUARD_LIMIT_DESTINATION || whole)
		client->destination = packet->destination;
	if (limit->key == GUARD_LIMIT_DESTINATION)
		return;
	client->source = packet->source;
	if (!whole)
		guard_mask_prefix(&client->source.high, &client->source.low, packet->family,
		                  packet->family == 4 ? limit->prefix4 : limit->prefix6);
}

/* Protocol and ports likewise. */
static __always_inline void limited_service(struct guard_limited_client *client, const struct packet *packet,
                                            const struct guard_limit *limit)
{
	int whole = limit->key == GUARD_LIMIT_CONNECTION;

	client->fields = 0;
	client->protocol = 0;
	client->source_port = client->port = 0;
	if (!client->family || (!whole && limit->key != GUARD_LIMIT_SOURCE_SERVICE))
		return;
	if (packet->read & PACKET_PROTOCOL) {
		client->fields |= GUARD_LIMITED_PROTOCOL;
		client->protocol = packet->protocol;
	}
	if (!(packet->read & PACKET_L4))
		return;
	client->fields |= GUARD_LIMITED_PORT;
	client->port = packet->key;
	if (!whole || packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6)
		return;
	client->fields |= GUARD_LIMITED_SOURCE_PORT;
	client->source_port = packet->source_port;
}

static __always_inline __u32 limited_way(const struct guard_limited_group *group, __u64 tag)
{
#pragma unroll
	for (__u32 i = 0; i < GUARD_LIMITED_WAYS; i++)
		if (group->tags[i] == tag)
			return i;
	return GUARD_LIMITED_WAYS;
}

/* A free record, else the one whose last drop is the longest ago; GUARD_LIMITED_WAYS where all are in use.
 * More clients than there is room for are thus not written at the rate of their packets. */
static __always_inline __u32 oldest_way(const struct guard_limited_group *group, __u64 now)
{
	__u32 oldest = GUARD_LIMITED_WAYS;
	__u64 most = GUARD_LIMITED_IN_USE_NS - 1;

#pragma unroll
	for (__u32 i = 0; i < GUARD_LIMITED_WAYS; i++) {
		__u64 last = group->last_ns[i], age = now > last ? now - last : 0;

		if (!group->tags[i])
			return i;
		if (age <= most)
			continue;
		most = age;
		oldest = i;
	}
	return oldest;
}

static __always_inline void begin_spell(struct guard_limited_group *group, __u32 way, __u64 now)
{
	group->packets[way] = 0;
	group->bytes[way] = 0;
	group->clients[way].since_ns = now;
}

/* Takes a record for a client that has none: 0, or -1 where none gives way or another CPU is faster. The
 * record is written between two changes of its version, from even to odd and on to even, for those who read
 * it. */
static __always_inline int take_record(struct guard_limited_group *group, const struct packet *packet,
                                       const struct guard_limit *limit, const struct excess *excess,
                                       __u32 *taken)
{
	__u32 way = oldest_way(group, excess->now_ns), version, before;
	struct guard_limited_client *client;

	if (way == GUARD_LIMITED_WAYS)
		return -1;
	way &= GUARD_LIMITED_WAYS - 1;
	client = &group->clients[way];
	version = *(volatile __u32 *)&client->version;
	if (version & 1 || __sync_val_compare_and_swap(&client->version, version, version + 1) != version)
		return -1;
	group->tags[way] = excess->tag;
	group->last_ns[way] = excess->now_ns;
	begin_spell(group, way, excess->now_ns);
	client->slot = limit->slot;
	client->key = limit->key;
	limited_addresses(client, packet, limit);
	limited_service(client, packet, limit);
	if (limit->flags & GUARD_LIMIT_MONITOR || guard_config.flags & GUARD_CFG_MONITOR)
		client->fields |= GUARD_LIMITED_WATCHED;
	/* What it returns is used, so that it stays one that fetches: those are full barriers. */
	before = __sync_fetch_and_add(&client->version, 1);
	asm volatile("" : : "r"(before));
	*taken = way;
	return 0;
}

static __always_inline struct guard_limited_group *limited_group(const struct excess *excess)
{
	__u32 index = excess->tag & (GUARD_LIMITED_GROUPS - 1);

	return bpf_map_lookup_elem(&guard_limited, &index);
}

/* Notes a packet that a limit drops, or would without monitor mode. */
static __always_inline void note_excess(const struct packet *packet, const struct guard_limit *limit,
                                        const struct excess *excess)
{
	struct guard_limited_group *group = limited_group(excess);
	__u64 now = excess->now_ns, last;
	__u32 way;

	if (!group)
		return;
	way = limited_way(group, excess->tag);
	if (way == GUARD_LIMITED_WAYS && take_record(group, packet, limit, excess, &way))
		return;
	way &= GUARD_LIMITED_WAYS - 1;
	last = group->last_ns[way];
	if (now > last) {
		/* Nothing was dropped for a while: this is another spell. */
		if (now - last >= GUARD_LIMITED_SPELL_NS)
			begin_spell(group, way, now);
		group->last_ns[way] = now;
	}
	group->packets[way]++;
	group->bytes[way] += excess->bytes;
}

/* The same for a client that has its record, in a spell that goes on, without what makes it too long to be
 * inline: 0, or -1 where that is not so and nothing was noted. */
static __always_inline int note_again(const struct excess *excess)
{
	struct guard_limited_group *group = limited_group(excess);
	__u64 last;
	__u32 way;

	if (!group)
		return -1;
	way = limited_way(group, excess->tag);
	if (way == GUARD_LIMITED_WAYS)
		return -1;
	way &= GUARD_LIMITED_WAYS - 1;
	last = group->last_ns[way];
	if (excess->now_ns > last) {
		if (excess->now_ns - last >= GUARD_LIMITED_SPELL_NS)
			return -1;
		group->last_ns[way] = excess->now_ns;
	}
	group->packets[way]++;
	group->bytes[way] += excess->bytes;
	return 0;
}

#endif
