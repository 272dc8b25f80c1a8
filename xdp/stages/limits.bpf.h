/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rate limits, within stage 6: what a rule with `limit` matches is charged to the token bucket of its key.
 * In: the packet and the limit. Out: whether the limit drops it. */
#ifndef GUARD_LIMITS_BPF_H
#define GUARD_LIMITS_BPF_H

#include "stages/buckets.bpf.h"
#include "stages/limited.bpf.h"

static __always_inline void ban_client(const struct packet *packet, const struct guard_limit *limit);

/* ---- A packet's bucket */

/* The leading bits of an address, hashed. */
static __always_inline __u64 hash_address(__u64 hash, const struct guard_address6 *address, int six,
                                          __u32 prefix)
{
	__u64 high = address->high, low = address->low;

	guard_mask_prefix(&high, &low, six ? 6 : 4, prefix);
	return six ? guard_mix(guard_mix(hash, high), low) : guard_mix(hash, low);
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
	__u64 hash = guard_mix(guard_config.seed, limit->seed);
	int six = packet->family == 6;

	/* Without an IP header there is but one bucket. */
	if (!(packet->read & PACKET_IP) || limit->key == GUARD_LIMIT_RULE)
		return hash ? hash : 1;
	hash = guard_mix(hash, packet->family);
	if (limit->key != GUARD_LIMIT_DESTINATION) {
		int whole = limit->key == GUARD_LIMIT_CONNECTION;

		hash = hash_address(hash, &packet->source, six,
		                    six ? (whole ? 128 : limit->prefix6) : (whole ? 32 : limit->prefix4));
	}
	if (limit->key == GUARD_LIMIT_DESTINATION || limit->key == GUARD_LIMIT_CONNECTION)
		hash = hash_address(hash, &packet->destination, six, six ? 128 : 32);
	if (limit->key == GUARD_LIMIT_SOURCE_SERVICE || limit->key == GUARD_LIMIT_CONNECTION)
		hash = guard_mix(hash, service_word(packet, limit->key == GUARD_LIMIT_CONNECTION));
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

/* The limit's clock. The coarse one ticks every few milliseconds. */
static __always_inline __u64 limit_clock_ns(const struct guard_limit *limit)
{
	if (limit->flags & GUARD_LIMIT_EXACT_CLOCK && !(guard_config.flags & GUARD_CFG_VIRTUAL_CLOCK))
		return bpf_ktime_get_ns();
	return clock_ns();
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

/* A packet that a limit drops. */
static __always_inline void limit_dropped(const struct packet *packet, const struct guard_limit *limit)
{
	if (limit->flags & GUARD_LIMIT_BAN && packet->read & PACKET_IP)
		ban_client(packet, limit);
}

/* Whom a limit charged: of a later fragment its first, which may stand in a layer that this one has not. */
static __always_inline const struct packet *charged_packet(const struct guard_scratch *room)
{
	int is_later =
	        guard_config.flags & GUARD_CFG_FRAGMENTS_TRACK && room->packet.fragment == FRAGMENT_LATER;

	return is_later ? &room->first : &room->packet;
}

/* What room->excess says is over the rate of a limit: 1 where it is dropped; what is only watched goes on. A
 * global function, verified by itself. */
__noinline int judge_excess(__u32 number)
{
	const struct guard_limit *limit = limit_at(number);
	struct guard_scratch *room = scratch();
	struct guard_limit_counters *counters;
	const struct packet *packet;
	const struct excess *excess;
	int watches;

	if (!limit || !room)
		return 0;
	packet = charged_packet(room);
	excess = &room->excess;
	watches = limit->flags & GUARD_LIMIT_MONITOR;
	counters = bpf_map_lookup_elem(&guard_limits, &limit->slot);
	if (counters)
		count_limited(watches || guard_config.flags & GUARD_CFG_MONITOR ? &counters->would_drop
		                                                                : &counters->dropped,
		              excess->bytes);
	note_excess(packet, limit, excess);
	if (watches) {
		if (room->search.would_drop_slot == GUARD_NO_SLOT)
			room->search.would_drop_slot = GUARD_SLOT_OF_LIMIT | limit->slot;
		return 0;
	}
	room->search.limit_slot = limit->slot;
	if (!(guard_config.flags & GUARD_CFG_MONITOR))
		limit_dropped(packet, limit);
	return 1;
}

/* What most packets over a rate come to, without the call: 1 where the limit only drops, and its client has a
 * record; 0 where judge_excess has to see to it, and nothing was done. */
static __always_inline int drop_again(struct guard_scratch *room, const struct guard_limit *limit)
{
	struct guard_limit_counters *counters;

	if (limit->flags & (GUARD_LIMIT_BAN | GUARD_LIMIT_MONITOR) ||
	    guard_config.flags & GUARD_CFG_MONITOR || note_again(&room->excess))
		return 0;
	counters = bpf_map_lookup_elem(&guard_limits, &limit->slot);
	if (counters)
		count_limited(&counters->dropped, room->excess.bytes);
	room->search.limit_slot = limit->slot;
	return 1;
}

/* Charges a packet to a bucket: 1 where that drops it. */
static __always_inline int charge_packet(struct guard_scratch *room, __u32 number,
                                         const struct guard_limit *limit, __u64 tag)
{
	struct guard_limit_counters *counters;
	struct charge *charge = &room->charge;
	__u64 now_ns = limit_clock_ns(limit);

	*charge = (struct charge){
	        .tag = tag,
	        .now = now_ns << GUARD_BUCKET_TIME_SHIFT,
	        .cost = packet_cost(limit, room),
	        .tolerance = limit->tolerance,
	        .line = guard_bucket_line_of(tag, guard_config.bucket_lines),
	};

	if (is_over(charge)) {
		room->excess = (struct excess){.tag = tag, .now_ns = now_ns, .bytes = room->search.bytes};
		return drop_again(room, limit) || judge_excess(number);
	}
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

/* Charges the packet to a limit: 1 where that drops it. */
static __always_inline int charge_limit(struct guard_scratch *room, __u32 number)
{
	const struct guard_limit *limit = limit_at(number);
	__u64 tag;

	if (!limit)
		return 0;
	tag = bucket_tag(limit, &room->packet);
	if (guard_config.flags & GUARD_CFG_FRAGMENTS_TRACK)
		note_charge(room, limit, number, tag);
	return charge_packet(room, number, limit, tag);
}

/* The same for rules that go on under the rate. A global function, verified by itself. */
__noinline int over_limit(__u32 number)
{
	struct guard_scratch *room = scratch();

	return room && charge_limit(room, number);
}

static __always_inline int over_kept_limit(struct guard_scratch *room, __u32 position)
{
	const struct guard_fragment_charge *kept = &room->charges[position & (GUARD_FRAGMENT_CHARGES - 1)];
	const struct guard_limit *limit = limit_at(kept->limit);

	if (!kept->tag || !limit || kept->check != (__u32)limit->seed)
		return 0;
	return charge_packet(room, kept->limit, limit, kept->tag);
}

static long kept_step(__u32 position, void *context)
{
	struct guard_scratch *room = scratch();
	__u32 *is_dropped = context;

	if (!room || position >= room->charge_count)
		return 1;
	if (!over_kept_limit(room, position))
		return 0;
	*is_dropped = 1;
	return 1;
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
