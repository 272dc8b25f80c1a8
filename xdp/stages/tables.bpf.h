/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading guard_tables: every access is bounded by the table's size, which is constant once loaded. Offsets
 * come from the compiler; one that does not fit reads zero, which is an empty row. */
#ifndef GUARD_TABLES_BPF_H
#define GUARD_TABLES_BPF_H

#include "maps.bpf.h"

static __always_inline const void *tables(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&guard_tables, &zero);
}

static __always_inline const void *table_at(const void *tables, __u32 offset, __u32 size)
{
	__u64 at = offset;

	if (at > guard_config.tables_size - size)
		return 0;
	/* The address is made from the register that was compared, not from a copy that the verifier knows
	 * nothing of. */
	asm volatile("" : "+r"(at));
	return tables + at;
}

static __always_inline __u16 table_u16(const void *tables, __u32 offset)
{
	const __u16 *at = table_at(tables, offset, sizeof(*at));

	return at ? *at : 0;
}

static __always_inline __u32 table_u32(const void *tables, __u32 offset)
{
	const __u32 *at = table_at(tables, offset, sizeof(*at));

	return at ? *at : 0;
}

static __always_inline __u64 table_u64(const void *tables, __u32 offset)
{
	const __u64 *at = table_at(tables, offset, sizeof(*at));

	return at ? *at : 0;
}

/* The classifiers' places in guard_config, by the family that they are for. */
#define CLASSIFIER_IPV4 (&guard_config.classifiers[0])
#define CLASSIFIER_IPV6 (&guard_config.classifiers[1])

typedef const struct guard_classifier volatile *classifier;

static __always_inline __u32 row_bytes(classifier classifier)
{
	return (GUARD_ROW_WORDS + classifier->words) * sizeof(__u64);
}

/* How many of the boundaries [first, end) are not above the address: a search in steps of falling powers of
 * two, so that its length is the same for every address and constant for the verifier. */
static __always_inline __u32 search_ipv4(const void *tables, const struct guard_address_table volatile *table,
                                         __u32 address)
{
	__u32 bucket = table->root + (address >> 16) * sizeof(__u32);
	__u32 position = table_u32(tables, bucket);
	__u32 end = table_u32(tables, bucket + sizeof(__u32));
	__u16 low = address & 0xffff;

	for (__u32 step = table->top_step; step; step >>= 1) {
		__u32 next = position + step;

		if (next <= end && table_u16(tables, table->keys + (next - 1) * sizeof(__u16)) <= low)
			position = next;
	}
	return position;
}

static __always_inline __u32 search_ipv6(const void *tables, const struct guard_address_table volatile *table,
                                         const struct guard_address6 *address)
{
	/* From memory, where the verifier knows nothing of it: from a constant 0 it would follow every
	 * search. */
	__u32 position = table_u32(tables, table->root);
	__u32 end = table_u32(tables, table->root + sizeof(__u32));

	for (__u32 step = table->top_step; step; step >>= 1) {
		__u32 next = position + step;
		const struct guard_address6 *key;

		if (next > end)
			continue;
		key = table_at(tables, table->keys + (next - 1) * sizeof(*key), sizeof(*key));
		if (key &&
		    (key->high < address->high || (key->high == address->high && key->low <= address->low)))
			position = next;
	}
	return position;
}

/* The offset of the row of an address: `side` 0 is the source, 1 the destination. */
static __always_inline __u32 search_row(const struct packet *packet, int side)
{
	const struct guard_address6 *address = side ? &packet->destination : &packet->source;
	const struct guard_address_table volatile *table;
	const void *t = tables();
	__u32 position, bytes;

	if (!t)
		return guard_config.unread_row;
	if (packet->family == 4) {
		table = &guard_config.ipv4[side];
		position = search_ipv4(t, table, address->low);
		bytes = row_bytes(CLASSIFIER_IPV4);
	} else {
		table = &guard_config.ipv6[side];
		position = search_ipv6(t, table, address);
		bytes = row_bytes(CLASSIFIER_IPV6);
	}
	return table->rows + table_u16(t, table->classes + position * sizeof(__u16)) * bytes;
}

/* Searches only where the family's addresses fall into more than one class. */
static __always_inline __u32 address_row(const struct packet *packet, int side)
{
	const struct guard_address_table volatile *table;

	if (!packet->family)
		return guard_config.unread_row;
	table = packet->family == 4 ? &guard_config.ipv4[side] : &guard_config.ipv6[side];
	if (!table->enabled)
		return table->rows;
	return search_row(packet, side);
}

/* The offset of the row of an index key's value. */
static __always_inline __u32 index_row(const void *tables, classifier classifier,
                                       const struct guard_index_table volatile *table, __u32 value)
{
	return table->rows + table_u16(tables, table->classes + value * sizeof(__u16)) * row_bytes(classifier);
}

#endif
