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

/* The offset of the row of an index key's value. */
static __always_inline __u32 index_row(const void *tables, classifier classifier,
                                       const struct guard_index_table volatile *table, __u32 value)
{
	return table->rows +
	       table_u16(tables, table->classes + value * sizeof(__u16)) * row_bytes(classifier);
}

#endif
