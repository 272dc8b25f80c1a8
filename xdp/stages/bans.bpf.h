/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 4: banned sources, in every layer. One hash lookup for each prefix length that bans have; a ban ends
 * by the clock, with no process alive. Cost without bans: one load. And the bans that limits make. */
#ifndef GUARD_BANS_BPF_H
#define GUARD_BANS_BPF_H

#include <linux/errno.h>

#include "stages/classify.bpf.h"
#include "stages/tunnel.bpf.h"

/* An address to look for. */
struct suspect {
	struct guard_address6 address;
	__u32 family; /* 4 or 6 */
	__u32 bytes; /* of the packet, for the ban's counter */
};

struct ban_search {
	struct guard_address6 address;
	__u64 now_ns;
	__u64 lengths[3]; /* still to look at */
	__u32 family;
	__u32 bytes;
	__u32 found;
};

/* Fills in the first `key->length` bits of an address. */
static __always_inline void ban_address(struct guard_ban_key *key, const struct guard_address6 *address)
{
	key->high = address->high;
	key->low = address->low;
	guard_mask_prefix(&key->high, &key->low, key->family, key->length & 0xff);
}

/* The next length to look up; 1 where there is none. */
static __always_inline int next_length(struct ban_search *search, __u32 *length)
{
	for (int i = 0; i < 3; i++) {
		__u64 bits = search->lengths[i];

		if (!bits)
			continue;
		*length = i * 64 + lowest_bit(bits);
		search->lengths[i] = bits & (bits - 1);
		return 0;
	}
	return 1;
}

static long ban_step(__u32 index, void *context)
{
	struct ban_search *search = context;
	struct guard_ban_key key = {.family = search->family};
	struct guard_ban *ban;

	if (next_length(search, &key.length))
		return 1;
	ban_address(&key, &search->address);
	ban = bpf_map_lookup_elem(&guard_bans, &key);
	if (!ban)
		return 0;
	if (ban->ends_ns != GUARD_FOREVER) {
		if (!search->now_ns)
			search->now_ns = clock_ns();
		if (search->now_ns >= ban->ends_ns)
			return 0;
	}
	__sync_fetch_and_add(&ban->packets, 1);
	__sync_fetch_and_add(&ban->bytes, search->bytes);
	search->found = 1;
	return 1;
}

/* Whether a ban holds for an address. A global function, verified by itself. */
__noinline int is_banned(const struct suspect *suspect)
{
	struct ban_search search = {};
	struct guard_ban_lengths *lengths;
	__u32 zero = 0;

	lengths = bpf_map_lookup_elem(&guard_ban_lengths, &zero);
	if (!lengths || !suspect)
		return 0;
	if (suspect->family == 4) {
		search.lengths[0] = lengths->ipv4;
	} else {
		search.lengths[0] = lengths->ipv6[0];
		search.lengths[1] = lengths->ipv6[1];
		search.lengths[2] = lengths->ipv6[2];
	}
	if (!(search.lengths[0] | search.lengths[1] | search.lengths[2]))
		return 0;
	search.family = suspect->family;
	search.address = suspect->address;
	search.bytes = suspect->bytes;
	bpf_loop(130, ban_step, &search, 0);
	return search.found;
}

/* Reads the layer behind `packet` and looks for its source: 1 banned, 0 not, -1 where nothing can be read. */
static __always_inline int inner_banned(struct xdp_md *ctx, const struct packet *packet, struct packet *inner,
                                        __u32 bytes)
{
	struct suspect suspect = {.bytes = bytes};
	__u32 tunnel = tunnel_of(packet);

	if (!tunnel || read_inner(ctx, packet, tunnel, inner) != OPENED || !inner->family)
		return -1;
	suspect.address = inner->source;
	suspect.family = inner->family;
	return is_banned(&suspect) != 0;
}

/* The layers below the judged one. A global function, verified by itself. */
__noinline int banned_below(struct xdp_md *ctx, const struct packet *packet)
{
	struct guard_scratch *room = scratch();
	__u32 bytes;
	int banned;

	if (!packet || !room || packet->depth >= GUARD_TUNNELS_MAX)
		return 0;
	bytes = packet_bytes(ctx, packet);
	banned = inner_banned(ctx, packet, &room->inner[0], bytes);
	if (banned || packet->depth >= GUARD_TUNNELS_MAX - 1)
		return banned > 0;
	return inner_banned(ctx, &room->inner[0], &room->inner[1], bytes) > 0;
}

/* The layers around the judged one. A global function, verified by itself. */
__noinline int banned_around(struct xdp_md *ctx, const struct packet *packet)
{
	struct guard_scratch *room = scratch();
	struct suspect suspect = {};

	if (!packet || !room)
		return 0;
	suspect.bytes = packet_bytes(ctx, packet);
	for (int i = 0; i < GUARD_TUNNELS_MAX && i < packet->depth; i++) {
		suspect.address = room->layers[i].source;
		suspect.family = room->layers[i].family;
		if (is_banned(&suspect))
			return 1;
	}
	return 0;
}

static __always_inline int any_bans(void)
{
	struct guard_ban_lengths *lengths;
	__u32 zero = 0;

	lengths = bpf_map_lookup_elem(&guard_ban_lengths, &zero);
	return lengths && lengths->ipv4 | lengths->ipv6[0] | lengths->ipv6[1] | lengths->ipv6[2];
}

/* Whether a layer's source is banned. `may_be_banned`: the judged layer's is not in never-ban. */
static __always_inline int banned(struct xdp_md *ctx, const struct packet *packet, int may_be_banned)
{
	struct suspect suspect = {.address = packet->source, .family = packet->family};

	if (!any_bans())
		return 0;
	if (packet->depth && banned_around(ctx, packet))
		return 1;
	if (may_be_banned) {
		suspect.bytes = packet_bytes(ctx, packet);
		if (is_banned(&suspect))
			return 1;
	}
	return tunnel_of(packet) && banned_below(ctx, packet);
}

/* ---- Bans that limits make. */

struct clearing {
	__u64 now_ns;
	__u64 cleared;
};

static long clear_if_ended(void *map, const struct guard_ban_key *key, struct guard_ban *ban, void *context)
{
	struct clearing *clearing = context;

	if (clearing->now_ns < ban->ends_ns || ban->ends_ns == GUARD_FOREVER)
		return 0;
	if (!bpf_map_delete_elem(&guard_bans, key))
		clearing->cleared++;
	return 0;
}

static __always_inline struct guard_ban_upkeep *ban_upkeep(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&guard_ban_upkeep, &zero);
}

/* Clears ended bans away, at most once a second: it looks at every ban. 1 where it did. */
static __always_inline int clear_ended_bans(__u64 now_ns)
{
	struct clearing clearing = {.now_ns = now_ns};
	struct guard_ban_upkeep *upkeep = ban_upkeep();
	__u64 due, next;

	if (!upkeep)
		return 0;
	due = *(volatile __u64 *)&upkeep->next_clearing_ns;
	if (now_ns < due)
		return 0;
	next = now_ns + GUARD_BAN_CLEARING_NS;
	if (next < now_ns)
		next = GUARD_FOREVER;
	if (__sync_val_compare_and_swap(&upkeep->next_clearing_ns, due, next) != due)
		return 0;
	/* Whoever bans from outside waits for the end, as a ban that comes in the place of an ended one may
	 * be taken for that. Atomics that fetch are full barriers. */
	__sync_fetch_and_add(&upkeep->clearings_begun, 1);
	bpf_for_each_map_elem(&guard_bans, clear_if_ended, &clearing, 0);
	__sync_fetch_and_add(&upkeep->cleared, clearing.cleared);
	__sync_fetch_and_add(&upkeep->clearings_done, 1);
	return 1;
}

static __always_inline void count_lost_ban(void)
{
	struct guard_ban_upkeep *upkeep = ban_upkeep();

	if (upkeep)
		__sync_fetch_and_add(&upkeep->lost, 1);
}

/* Tells whoever keeps bans through a reboot that there is something new. */
static __always_inline void count_made_ban(void)
{
	struct guard_ban_upkeep *upkeep = ban_upkeep();

	if (upkeep)
		__sync_fetch_and_add(&upkeep->made, 1);
}

/* The bit comes behind the ban: the controller, which clears bits that it finds no ban for, looks once more
 * behind that. Between the two a ban that is the first of its length may not hold yet. */
static __always_inline void note_length(const struct guard_ban_key *key)
{
	struct guard_ban_lengths *lengths;
	__u64 *word, before;
	__u32 zero = 0;

	lengths = bpf_map_lookup_elem(&guard_ban_lengths, &zero);
	if (!lengths)
		return;
	if (key->family == 4)
		word = &lengths->ipv4;
	else if (key->length < 64)
		word = &lengths->ipv6[0];
	else if (key->length < 128)
		word = &lengths->ipv6[1];
	else
		word = &lengths->ipv6[2];
	/* What it returns is used, so that it stays one that fetches: those are full barriers. */
	before = __sync_fetch_and_or(word, 1ULL << (key->length & 63));
	asm volatile("" : : "r"(before));
}

/* Gives the prefix's ban a longer life, or a new one where it has ended. -EEXIST where another CPU changed it
 * meanwhile. The controller may take the ban out at any time, and its place may then be another's, whose end
 * is another: a change is lost then, and the client's next packet over the rate bans again. */
static __always_inline int lengthen_ban(struct guard_ban *ban, const struct guard_ban *longer)
{
	__u64 ends = *(volatile __u64 *)&ban->ends_ns;

	if (ends >= longer->ends_ns)
		return 0;
	if (__sync_val_compare_and_swap(&ban->ends_ns, ends, longer->ends_ns) != ends)
		return -EEXIST;
	ban->origin = GUARD_BAN_LIMIT;
	ban->limit_slot = longer->limit_slot;
	if (longer->since_ns < ends)
		return 0;
	ban->since_ns = longer->since_ns;
	ban->packets = 0;
	ban->bytes = 0;
	return 0;
}

static __always_inline long put_ban(const struct guard_ban_key *key, const struct guard_ban *made)
{
	struct guard_ban *ban = bpf_map_lookup_elem(&guard_bans, key);

	if (ban)
		return lengthen_ban(ban, made);
	return bpf_map_update_elem(&guard_bans, key, made, BPF_NOEXIST);
}

/* A global function, verified by itself. 1 where the client is banned now. */
__noinline int ban_source(const struct packet *packet, const struct guard_limit *limit)
{
	struct guard_scratch *room = scratch();
	struct guard_ban_key key = {};
	long result = -EEXIST;
	__u64 now;

	if (!packet || !limit || !room || !packet->family || packet->never_banned)
		return 0;
	key.family = packet->family;
	key.length = packet->family == 4 ? limit->prefix4 : limit->prefix6;
	ban_address(&key, &packet->source);
	now = clock_ns();
	__builtin_memset(&room->ban, 0, sizeof(room->ban));
	room->ban.since_ns = now;
	room->ban.ends_ns = now + limit->ban_ns;
	/* For ever is only what was asked for. */
	if (room->ban.ends_ns < now || room->ban.ends_ns == GUARD_FOREVER)
		room->ban.ends_ns = GUARD_FOREVER - 1;
	room->ban.origin = GUARD_BAN_LIMIT;
	room->ban.limit_slot = limit->slot;
	for (int tries = 0; tries < 4 && result == -EEXIST; tries++)
		result = put_ban(&key, &room->ban);
	if (result == -E2BIG && clear_ended_bans(now))
		result = put_ban(&key, &room->ban);
	if (result) {
		count_lost_ban();
		return 0;
	}
	note_length(&key);
	count_made_ban();
	return 1;
}

/* Bans the client that a packet's source is to a limit for the limit's time, from the next packet on. Where a
 * ban of that prefix runs already the later end wins. */
static __always_inline void ban_client(const struct packet *packet, const struct guard_limit *limit)
{
	ban_source(packet, limit);
}

#endif
