/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses: all that depends on what sets of addresses hold lies in one value of guard_addresses' inner map,
 * so that it can be replaced at once. Offsets are bytes from the start of that value. Each family's addresses
 * are cut into intervals that have a label; source and destination have labels of their own. */
#ifndef GUARD_ADDRESSES_H
#define GUARD_ADDRESSES_H

#include <linux/types.h>

/* An address is looked up by its top bits: 12 in the root, 6 in a block of groups, 6 in a group. What is left
 * is 8 bits of an IPv4 address, and 104 of an IPv6 address, whose top 32 bits are treated like an IPv4
 * address. */
#define GUARD_ROOT_BITS 12
#define GUARD_LABELS_MAX 65536
#define GUARD_LABEL 0x80000000U /* in a root entry or tree value: a label in the low 16 bits */

/* 64 neighbouring /24s. In the root: its block's offset / 8, or GUARD_LABEL and the label of all of it. */
struct guard_address_group {
	__u64 differs; /* bit n: the /24 has an entry, as it is not wholly of `label` */
	__u32 entries; /* offset / 8 of __u64[bits in differs] */
	__u32 label;
};

/* An entry's top two bits. */
enum guard_address_entry {
	GUARD_ENTRY_LABEL = 0, /* bits 0-15: the label of all */
	GUARD_ENTRY_RANGE, /* 32-39 to 40-47: last bytes that have label 16-31, the others label 0-15 */
	GUARD_ENTRY_BITMAP, /* 32-61: offset / 8 of 256 bits; 1: label 16-31, 0: label 0-15 */
	GUARD_ENTRY_TREE, /* 0-31: a tree value */
};

/* A tree of boundaries finds the last one that is not above a key. Keys have 63 bits, so that comparing is a
 * subtraction; keys that are not used are GUARD_NO_KEY. IPv4's key is the last byte; IPv6's are bits 24 to 86
 * of the address, and then, where that finds a tree and not a label, the last 41. A tree value: GUARD_LABEL
 * and a label, or 27-30 levels of nodes above the leaves, 0-26 offset / 32 of the top node. */
#define GUARD_NO_KEY (1ULL << 63)
#define GUARD_TREE_SHIFT 27
#define GUARD_TREE_OFFSET ((1U << GUARD_TREE_SHIFT) - 1)
#define GUARD_TREE_LEVELS 8 /* at most: 8 to the power of it leaves, more than the largest value can have */
#define GUARD_TREE_SHORT 15 /* in place of the levels: a struct guard_tree_short */

struct guard_tree_node {
	__u64 keys[7]; /* where children 1 to 7 begin */
	__u32 children; /* offset / 32 of the first; they lie one behind the other */
	__u32 padding;
};

struct guard_tree_leaf {
	__u64 keys[5]; /* where values 1 to 5 begin */
	__u32 values[6];
};

/* For most trees of IPv6: one prefix. */
struct guard_tree_short {
	__u64 keys[2];
	__u32 values[3];
	__u32 padding;
};

/* What a label stands for. */
struct guard_label {
	__u32 row; /* offset of its row */
	__u32 sets; /* offset of __u16: how many, then the slots of the named sets that hold it; 0: none */
};

/* The labels of one family's sources or destinations. */
struct guard_partition {
	__u32 root; /* __u32[1 << GUARD_ROOT_BITS]; 0: every address has label 0 */
	__u32 labels; /* struct guard_label[label_room] */
	__u32 label_count;
	__u32 label_room;
};

struct guard_addresses_header {
	__u32 used; /* bytes */
	__u32 unread_row; /* the row for source and destination where no IP header was read */
	__u32 control; /* what the controller needs to change sets; never read in the kernel. 0: none */
	__u32 control_size;
	struct guard_partition partitions[4]; /* GUARD_PARTITION */
};

/* The number of a partition: `side` 0 is the source, 1 the destination. */
#define GUARD_PARTITION(family, side) (((family) == 4 ? 0 : 2) + (side))

/* An IPv6 address as two numbers in host order. */
struct guard_address6 {
	__u64 high;
	__u64 low;
};

_Static_assert(sizeof(struct guard_address_group) == 16, "layout");
_Static_assert(sizeof(struct guard_tree_node) == 64, "layout");
_Static_assert(sizeof(struct guard_tree_leaf) == 64, "layout");
_Static_assert(sizeof(struct guard_tree_short) == 32, "layout");
_Static_assert(sizeof(struct guard_addresses_header) == 80, "layout");

/* An address's leading `prefix` bits; IPv4 in the low 32 bits of `low`, at most 32 of them. */
static inline __attribute__((always_inline)) void guard_mask_prefix(__u64 *high, __u64 *low, __u32 family,
                                                                    __u32 prefix)
{
	if (family == 4) {
		*high = 0;
		*low = prefix ? *low >> ((32 - prefix) & 63) << ((32 - prefix) & 63) : 0;
	} else if (prefix <= 64) {
		*high = prefix ? *high >> ((64 - prefix) & 63) << ((64 - prefix) & 63) : 0;
		*low = 0;
	} else {
		*low = *low >> ((128 - prefix) & 63) << ((128 - prefix) & 63);
	}
}

#endif
