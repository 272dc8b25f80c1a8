/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From an address to its label and row. In: addresses of a packet, and the value of guard_addresses' inner
 * map, which is looked up once a packet, so that no packet sees two states of a set. Out: offsets of rows in
 * it. What costs is memory that is not in a cache: an IPv4 address in no set reads one such line, one in a
 * set mostly two. */
#ifndef GUARD_ADDRESSES_BPF_H
#define GUARD_ADDRESSES_BPF_H

#include "maps.bpf.h"

static __always_inline const void *addresses(void)
{
	__u32 zero = 0;
	void *map;

	if (!(guard_config.flags & GUARD_CFG_ADDRESSES))
		return 0;
	map = bpf_map_lookup_elem(&guard_addresses, &zero);
	return map ? bpf_map_lookup_elem(map, &zero) : 0;
}

/* As table_at: bounded by the value's size, which is constant once loaded. */
static __always_inline const void *address_at(const void *addresses, __u64 offset, __u32 size)
{
	__u64 at = offset;

	if (at > guard_config.addresses_size - size)
		return 0;
	asm volatile("" : "+r"(at));
	return addresses + at;
}

static __always_inline __u32 address_u32(const void *addresses, __u64 offset)
{
	const __u32 *at = address_at(addresses, offset, sizeof(*at));

	return at ? *at : 0;
}

static __always_inline __u64 address_u64(const void *addresses, __u64 offset)
{
	const __u64 *at = address_at(addresses, offset, sizeof(*at));

	return at ? *at : 0;
}

static __always_inline const struct guard_addresses_header *addresses_header(const void *addresses)
{
	return addresses;
}

/* BPF has no such instruction. */
static __always_inline __u32 bits_set(__u64 bits)
{
	bits -= bits >> 1 & 0x5555555555555555ULL;
	bits = (bits & 0x3333333333333333ULL) + (bits >> 2 & 0x3333333333333333ULL);
	bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return bits * 0x0101010101010101ULL >> 56;
}

/* 1 where a node's key is above the searched one. In arithmetic: a branch would be mispredicted, and the
 * verifier would follow every way through a tree. */
static __always_inline __u32 is_above(__u64 key, __u64 searched)
{
	return (searched - key) >> 63;
}

static __always_inline __u32 short_value(const void *addresses, __u64 at, __u64 key)
{
	const struct guard_tree_short *leaf = address_at(addresses, at, sizeof(*leaf));
	__u64 position;

	if (!leaf)
		return GUARD_LABEL;
	position = 2 - is_above(leaf->keys[0], key) - is_above(leaf->keys[1], key);
	return address_u32(addresses,
	                   at + __builtin_offsetof(struct guard_tree_short, values) + position * 4);
}

static __always_inline __u32 leaf_value(const void *addresses, __u64 at, __u64 key)
{
	const struct guard_tree_leaf *leaf = address_at(addresses, at, sizeof(*leaf));
	__u64 position = 5;

	if (!leaf)
		return GUARD_LABEL;
#pragma unroll
	for (int i = 0; i < 5; i++)
		position -= is_above(leaf->keys[i], key);
	return address_u32(addresses, at + __builtin_offsetof(struct guard_tree_leaf, values) + position * 4);
}

/* The value of a key in a tree: a label or a further tree. A function of its own: it is long, and only
 * addresses close to a set's need it. */
static __noinline __u32 tree_value(const void *addresses, __u32 tree, __u64 key)
{
	__u64 at = (__u64)(tree & GUARD_TREE_OFFSET) * 32;
	__u32 levels = tree >> GUARD_TREE_SHIFT & 15;

	if (levels == GUARD_TREE_SHORT)
		return short_value(addresses, at, key);
	for (int i = 0; i < GUARD_TREE_LEVELS && levels; i++, levels--) {
		const struct guard_tree_node *node = address_at(addresses, at, sizeof(*node));
		__u64 position = 7;

		if (!node)
			return GUARD_LABEL;
#pragma unroll
		for (int k = 0; k < 7; k++)
			position -= is_above(node->keys[k], key);
		at = ((__u64)node->children + position * 2) * 32;
	}
	return leaf_value(addresses, at, key);
}

static __always_inline __u32 tree_label(const void *addresses, __u32 tree, __u64 key, __u64 low)
{
	__u32 value = tree_value(addresses, tree, key);

	if (!(value & GUARD_LABEL))
		value = tree_value(addresses, value, low);
	return value & 0xffff;
}

/* Where an address's /24, or its like of IPv6, stands. */
static __always_inline __u64 address_entry(const void *addresses, __u32 root, __u32 top)
{
	__u32 block = address_u32(addresses, root + (top >> (32 - GUARD_ROOT_BITS)) * sizeof(block));
	const struct guard_address_group *group;
	__u64 bit = 1ULL << (top >> 8 & 63);

	if (block & GUARD_LABEL)
		return block & 0xffff;
	group = address_at(addresses, (__u64)block * 8 + (top >> 14 & 63) * sizeof(*group), sizeof(*group));
	if (!group)
		return 0;
	if (!(group->differs & bit))
		return group->label & 0xffff;
	return address_u64(addresses, ((__u64)group->entries + bits_set(group->differs & (bit - 1))) * 8);
}

/* The number of an address's label in a partition. `top` is an IPv4 address, or the first 32 bits of an IPv6
 * address, whose trees go on with `key` and `low`. Both families take one way: the verifier then looks at it
 * once. */
static __always_inline __u32 address_label(const void *addresses, __u32 root, __u32 top, __u64 key, __u64 low)
{
	__u64 entry = address_entry(addresses, root, top);
	__u8 byte = top, first, length;
	int is_second;

	switch (entry >> 62) {
	case GUARD_ENTRY_LABEL: return entry & 0xffff;
	case GUARD_ENTRY_RANGE:
		first = entry >> 32;
		length = (entry >> 40) - first;
		is_second = (__u8)(byte - first) <= length;
		break;
	case GUARD_ENTRY_BITMAP:
		is_second = address_u64(addresses, (entry >> 32 & 0x3fffffff) * 8 + (byte >> 6) * 8) >>
		                    (byte & 63) &
		            1;
		break;
	default: return tree_label(addresses, entry, key, low);
	}
	return (is_second ? entry >> 16 : entry) & 0xffff;
}

/* What is looked for: the parts of an address, and its partition. */
static __always_inline void prepare_lookup(struct packet *packet, int side)
{
	const struct guard_address6 *address = side ? &packet->destination : &packet->source;
	struct packet_lookup *lookup = &packet->lookup;

	lookup->partition = __builtin_offsetof(struct guard_addresses_header, partitions) +
	                    GUARD_PARTITION(packet->family, side) * sizeof(struct guard_partition);
	if (packet->family == 4) {
		lookup->top = address->low;
		lookup->key = address->low & 0xff;
		lookup->low = 0;
	} else {
		lookup->top = address->high >> 32;
		lookup->key = (address->high << 24 | address->low >> 40) >> 1;
		lookup->low = address->low & ((1ULL << 41) - 1);
	}
}

/* The offset of the label of what is looked for. */
static __always_inline __u32 label_at(const void *addresses, const struct packet_lookup *lookup)
{
	__u32 root =
	        address_u32(addresses, lookup->partition + __builtin_offsetof(struct guard_partition, root));
	__u32 label = root ? address_label(addresses, root, lookup->top, lookup->key, lookup->low) : 0;

	return address_u32(addresses,
	                   lookup->partition + __builtin_offsetof(struct guard_partition, labels)) +
	       label * sizeof(struct guard_label);
}

/* Looks up an address of the packet: its label and row; without an IP header the label is 0. Each step's
 * results are kept in the packet, which lies in a map: what the verifier knows of them on each way through a
 * step it forgets there, and the ways meet again. */
static __always_inline void look_up(const void *addresses, struct packet *packet, int side)
{
	__u32 at;

	if (!addresses)
		return;
	packet->labels[side] = 0;
	if (packet->family) {
		prepare_lookup(packet, side);
		asm volatile("" : : : "memory");
		packet->labels[side] = label_at(addresses, &packet->lookup);
	}
	asm volatile("" : : : "memory");
	at = packet->labels[side];
	packet->rows[side] = at ? address_u32(addresses, at) : addresses_header(addresses)->unread_row;
	asm volatile("" : : : "memory");
}

/* What is left of a list of sets' slots to count. */
struct set_list {
	const void *addresses;
	__u32 at; /* offset of the first slot */
	__u32 side;
};

static __always_inline void count_set(const struct set_list *list, __u64 number)
{
	const __u16 *slot = address_at(list->addresses, list->at + number * sizeof(*slot), sizeof(*slot));
	struct guard_set_counters *counters;
	__u32 key = slot ? *slot : GUARD_SETS;

	counters = bpf_map_lookup_elem(&guard_sets, &key);
	if (!counters)
		return;
	if (list->side)
		counters->destination++;
	else
		counters->source++;
}

static long count_callback(__u32 index, void *context)
{
	count_set(context, index + 1ULL);
	return 0;
}

/* Counts a packet in the sets of a list, of which the first is counted here: most addresses are in one set or
 * none. A function of its own: what it leaves on the stack would go on with every way behind it. */
static __noinline int count_list(const void *addresses, __u32 at, __u32 side)
{
	struct set_list list = {.addresses = addresses, .at = at + sizeof(__u16), .side = side};
	const __u16 *count = address_at(addresses, at, sizeof(*count));

	if (!count || !*count)
		return 0;
	count_set(&list, 0);
	if (*count > 1)
		bpf_loop(*count - 1, count_callback, &list, 0);
	return 0;
}

/* Counts a packet in the sets that hold its source, or destination. */
static __always_inline void count_label(const void *addresses, __u32 label_at, int side)
{
	__u32 at = 0;

	if (label_at)
		at = address_u32(addresses, label_at + __builtin_offsetof(struct guard_label, sets));
	if (at)
		count_list(addresses, at, side);
}

#endif
