/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 4: banned sources. One hash lookup for each prefix length that bans have; a ban ends by the clock,
 * with no process alive. Cost without bans: one load. */
#ifndef GUARD_BANS_BPF_H
#define GUARD_BANS_BPF_H

#include "stages/classify.bpf.h"

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
			search->now_ns = now_ns();
		if (search->now_ns >= ban->ends_ns)
			return 0;
	}
	__sync_fetch_and_add(&ban->packets, 1);
	__sync_fetch_and_add(&ban->bytes, search->bytes);
	search->found = 1;
	return 1;
}

static __always_inline int banned(const struct packet *packet)
{
	struct ban_search search = {};
	struct guard_ban_lengths *lengths;
	__u32 zero = 0;

	lengths = bpf_map_lookup_elem(&guard_ban_lengths, &zero);
	if (!lengths)
		return 0;
	if (packet->family == 4) {
		search.lengths[0] = lengths->ipv4;
	} else {
		search.lengths[0] = lengths->ipv6[0];
		search.lengths[1] = lengths->ipv6[1];
		search.lengths[2] = lengths->ipv6[2];
	}
	if (!(search.lengths[0] | search.lengths[1] | search.lengths[2]))
		return 0;
	search.family = packet->family;
	search.address = packet->source;
	search.bytes = packet->end ? packet->end : packet->available;
	bpf_loop(130, ban_step, &search, 0);
	return search.found;
}

#endif
