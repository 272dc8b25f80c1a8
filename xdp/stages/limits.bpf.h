/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rate limits, within stage 6: what a rule with `limit` matches is charged to the token bucket of its key.
 * In: the packet and the limit. Out: whether the limit drops it. */
#ifndef GUARD_LIMITS_BPF_H
#define GUARD_LIMITS_BPF_H

#include "stages/buckets.bpf.h"

static __always_inline void ban_client(const struct packet *packet, const struct guard_limit *limit);

/* ---- A packet's bucket */

/* The leading bits of an address, hashed. */
static __always_inline __u64 hash_address(__u64 hash, const struct guard_address6 *address, int six,
                                          __u32 prefix)
{
	__u64 high, low;

	if (!six)
		return mix(hash, address->low >> (32 - (prefix & 63)) << (32 - (prefix & 63)));
	high = prefix < 64 ? address->high >> (64 - prefix) << (64 - prefix) : address->high;
	low = prefix > 64 ? address->low >> (128 - prefix) << (128 - prefix) : 0;
	return mix(mix(hash, high), low);
}

/* Protocol and destination port or type, and with `both` the source port; zeros where they were not read. */
static __always_inline __u64 service_word(const struct packet *packet, int both)
{
	__u64 word = packet->read & PACKET_PROTOCOL ? (__u64)packet->protocol << 16 : 0;

	if (packet->read & PACKET_L4)
		word |= packet->key;
	if (both && has_ports(packet))
		word |= (__u64)packet->source_port << 32;
	return word;
}

/* Names the bucket that a packet is charged to; never 0. */
static __always_inline __u64 bucket_tag(const struct guard_limit *limit, const struct packet *packet)
{
	__u64 hash = mix(guard_config.seed, limit->seed);
	int six = packet->family == 6;

	/* Without an IP header there is but one bucket. */
	if (!(packet->read & PACKET_IP) || limit->key == GUARD_LIMIT_RULE)
		return hash ? hash : 1;
	hash = mix(hash, packet->family);
	if (limit->key != GUARD_LIMIT_DESTINATION) {
		int whole = limit->key == GUARD_LIMIT_CONNECTION;

		hash = hash_address(hash, &packet->source, six,
		                    six ? (whole ? 128 : limit->prefix6) : (whole ? 32 : limit->prefix4));
	}
	if (limit->key == GUARD_LIMIT_DESTINATION || limit->key == GUARD_LIMIT_CONNECTION)
		hash = hash_address(hash, &packet->destination, six, six ? 128 : 32);
	if (limit->key == GUARD_LIMIT_SOURCE_SERVICE || limit->key == GUARD_LIMIT_CONNECTION)
		hash = mix(hash, service_word(packet, limit->key == GUARD_LIMIT_CONNECTION));
	return hash ? hash : 1;
}

/* The length that counts: the IP packet's, or without an IP header the frame's. */
static __always_inline __u64 charged_length(const struct guard_scratch *room)
{
	__u32 length = room->search.bytes;

	if (room->packet.read & PACKET_IP)
		return room->packet.length;
	if (length < ETH_HLEN)
		return ETH_HLEN;
	return length < GUARD_LIMITED_LENGTH_MAX ? length : GUARD_LIMITED_LENGTH_MAX;
}

/* What a packet takes. */
static __always_inline __u64 packet_cost(const struct guard_limit *limit, const struct guard_scratch *room)
{
	__u64 length;

	if (!(limit->flags & GUARD_LIMIT_BYTES))
		return limit->cost;
	length = charged_length(room);
	return (length * limit->cost + ((1ULL << (limit->cost_shift & 63)) >> 1)) >> (limit->cost_shift & 63);
}

/* The clock in bucket time. The coarse one ticks every few milliseconds. */
static __always_inline __u64 bucket_now(const struct guard_limit *limit)
{
	if (limit->flags & GUARD_LIMIT_EXACT_CLOCK && !(guard_config.flags & GUARD_CFG_VIRTUAL_CLOCK))
		return bpf_ktime_get_ns() << GUARD_BUCKET_TIME_SHIFT;
	return clock_ns() << GUARD_BUCKET_TIME_SHIFT;
}

/* ---- What follows */

static __always_inline const struct guard_limit *limit_at(__u32 number)
{
	const void *at = tables();

	if (!at || number >= guard_config.limit_count)
		return 0;
	return table_at(at, guard_config.limits + number * sizeof(struct guard_limit),
	                sizeof(struct guard_limit));
}

static __always_inline void count_limited(struct guard_counter *counter, __u32 bytes)
{
	counter->packets++;
	counter->bytes += bytes;
}

/* A packet that a limit drops: the one place where who is limited could be noted. */
static __always_inline void limit_dropped(const struct packet *packet, const struct guard_limit *limit,
                                          __u64 tag)
{
	if (limit->flags & GUARD_LIMIT_BAN && packet->read & PACKET_IP)
		ban_client(packet, limit);
}

/* 1 where a packet over a limit's rate is dropped; what is only watched goes on. */
static __always_inline int judge_excess(struct guard_scratch *room, const struct guard_limit *limit,
                                        __u64 tag)
{
	struct guard_limit_counters *counters = bpf_map_lookup_elem(&guard_limits, &limit->slot);
	int watches = limit->flags & GUARD_LIMIT_MONITOR;

	if (counters)
		count_limited(watches || guard_config.flags & GUARD_CFG_MONITOR ? &counters->would_drop
		                                                                : &counters->dropped,
		              room->search.bytes);
	if (watches) {
		if (room->search.would_drop_slot == GUARD_NO_SLOT)
			room->search.would_drop_slot = GUARD_SLOT_OF_LIMIT | limit->slot;
		return 0;
	}
	room->search.limit_slot = limit->slot;
	if (!(guard_config.flags & GUARD_CFG_MONITOR))
		limit_dropped(&room->packet, limit, tag);
	return 1;
}

/* Charges a packet to a bucket: 1 where that drops it. */
static __always_inline int charge_packet(struct guard_scratch *room, const struct guard_limit *limit,
                                         __u64 tag)
{
	struct guard_limit_counters *counters;
	struct charge charge = {
	        .tag = tag,
	        .now = bucket_now(limit),
	        .cost = packet_cost(limit, room),
	        .tolerance = limit->tolerance,
	        /* Upper bits: a product's depend on all of its factor's. */
	        .line = tag >> 32 & (guard_config.bucket_lines - 1),
	};

	if (is_over(&charge))
		return judge_excess(room, limit, tag);
	counters = bpf_map_lookup_elem(&guard_limits, &limit->slot);
	if (counters)
		count_limited(&counters->passed, room->search.bytes);
	return 0;
}

/* Keeps a charge for the later fragments of a train. */
static __always_inline void note_charge(struct guard_scratch *room, const struct guard_limit *limit,
                                        __u32 number, __u64 tag)
{
	__u32 count = room->charge_count;

	if (count >= GUARD_FRAGMENT_CHARGES)
		return;
	room->charges[count] = (struct guard_fragment_charge){
	        .tag = tag,
	        .check = (__u32)limit->seed,
	        .limit = number,
	};
	room->charge_count = count + 1;
}

/* Charges the packet to a limit of its rule: 1 where that drops it. A global function, verified by itself. */
__noinline int over_limit(__u32 number)
{
	const struct guard_limit *limit = limit_at(number);
	struct guard_scratch *room = scratch();
	__u64 tag;

	if (!limit || !room)
		return 0;
	tag = bucket_tag(limit, &room->packet);
	if (guard_config.flags & GUARD_CFG_FRAGMENTS_TRACK)
		note_charge(room, limit, number, tag);
	return charge_packet(room, limit, tag);
}

static __always_inline int over_kept_limit(struct guard_scratch *room, __u32 position)
{
	const struct guard_fragment_charge *kept = &room->charges[position & (GUARD_FRAGMENT_CHARGES - 1)];
	const struct guard_limit *limit = limit_at(kept->limit);

	if (!kept->tag || !limit || kept->check != (__u32)limit->seed)
		return 0;
	return charge_packet(room, limit, kept->tag);
}

static long kept_step(__u32 position, void *context)
{
	struct guard_scratch *room = scratch();
	__u32 *is_dropped = context;

	if (!room || position >= room->charge_count)
		return 1;
	*is_dropped = over_kept_limit(room, position);
	return *is_dropped;
}

/* Charges a later fragment to what its first was charged to: 1 where that drops it. A global function,
 * verified by itself. */
__noinline int over_kept_limits(void)
{
	__u32 is_dropped = 0;

	bpf_loop(GUARD_FRAGMENT_CHARGES, kept_step, &is_dropped, 0);
	return is_dropped;
}

#endif
