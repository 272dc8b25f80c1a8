/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 4: banned sources, in every layer. One hash lookup for each prefix length that bans have; a ban ends
 * by the clock, with no process alive. Cost without bans: one load. */
#ifndef GUARD_BANS_BPF_H
#define GUARD_BANS_BPF_H

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

/* The address's first `length` bits. */
static __always_inline void mask_address(struct guard_ban_key *key, const struct guard_address6 *address,
                                         __u32 length)
{
	if (key->family == 4) {
		key->low = length ? address->low >> (32 - length) << (32 - length) : 0;
	} else if (length <= 64) {
		key->high = length ? address->high >> (64 - length) << (64 - length) : 0;
	} else {
		key->high = address->high;
		key->low = address->low >> (128 - length) << (128 - length);
	}
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
	mask_address(&key, &search->address, key.length & 0xff);
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

/* Bans the source's prefix of a limit, from a packet that went over it. */
static __always_inline void ban_client(const struct packet *packet, const struct guard_limit *limit)
{
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

#endif
