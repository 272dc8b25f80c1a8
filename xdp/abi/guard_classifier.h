/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What finds a packet's rule: rows of bits for keys of few values, and the tuple space. Offsets are bytes
 * from the start of guard_tables. */
#ifndef GUARD_CLASSIFIER_H
#define GUARD_CLASSIFIER_H

#include "guard_addresses.h"

/* Keys whose value is an index: class = classes[value]. Value 0 is "not read" in every table. */
enum guard_dimension {
	GUARD_DIM_SERVICE = 0, /* service_base[protocol] (+ 1 + port or type, where read) */
	GUARD_DIM_SOURCE_PORT, /* 1 + port */
	GUARD_DIM_TCP_FLAGS, /* 1 + flags */
	GUARD_DIM_INTERFACE, /* 1 + position in guard_config.interfaces */
	GUARD_DIM_VLAN, /* 1: no tag, 2 + id */
	GUARD_DIM_INNER_VLAN, /* likewise */
	GUARD_DIM_LENGTH, /* 1 + bytes, at most 65535 */
	GUARD_DIM_TTL, /* 1 + TTL or hop limit */
	GUARD_DIM_DSCP, /* 1 + DSCP */
	GUARD_DIM_IP_OPTIONS, /* 1: none, 2: some */
	GUARD_DIM_FRAGMENT, /* 1: none, 2: first, 3: later */
	GUARD_DIMS,
};

struct guard_index_table {
	__u32 enabled;
	__u32 domain; /* number of values */
	__u32 classes; /* __u16[domain] */
	__u32 rows;
	__u32 row_count;
};

/* A row: one bit for each rule that can still match. */
enum guard_row_words {
	GUARD_ROW_HEAD = 0, /* failsafe entries, and in source rows the flags below */
	GUARD_ROW_SUMMARY = 1, /* bit w: word w is not zero */
	GUARD_ROW_WORDS = 2, /* the first of the classifier's words: bit b of word w is its bit 64 * w + b */
};

#define GUARD_HEAD_NEVER_BAN (1ULL << 63)

/* How the rules of a family are searched. */
enum guard_engine {
	GUARD_ENGINE_BIT_VECTORS = 0, /* a bit of the rows for each rule */
	GUARD_ENGINE_TUPLE_SPACE, /* hashed entries; bits for the rules and conditions that no entry can say
	                           */
};

/* What part of a packet is the key of a tuple's entries: these bits of it. IPv4 in the low 32 bits. */
struct guard_tuple {
	struct guard_address6 source_mask;
	struct guard_address6 destination_mask;
	__u32 service_mask;
	__u32 port_mask;
	__u32 first; /* the lowest rule number among its entries */
	__u32 number; /* its own, a part of the key */
};

/* Where a source or destination has entries, by its first bits: numbers of tuple sets. */
struct guard_tuple_side {
	__u32 root; /* __u16[65536] by the first 16 bits; with GUARD_SIDE_BLOCK the number of a block. 0: none
	             */
	__u32 blocks; /* __u16[][256] by the next 8 bits */
	__u32 wide; /* IPv6: __u16[wide_mask + 1] by a hash of the first 32 bits; 0: none */
	__u32 wide_mask;
	__u32 narrow; /* IPv6: likewise by the first 48 bits */
	__u32 narrow_mask;
};

#define GUARD_SIDE_BLOCK 0x8000
#define GUARD_TUPLES_MAX 64

/* What an entry asks of a packet beside its addresses, and what it leads to. A rule has one entry or several.
 */
struct guard_entry {
	__u32 service_low; /* values of GUARD_DIM_SERVICE, both included */
	__u32 service_high;
	__u16 port_low; /* source ports, both included; 0 stands for none too */
	__u16 port_high;
	__u32 order; /* enum guard_entry_order */
	__u32 slot; /* the rule's counters, with GUARD_ORDER_DECIDES */
	__u16 condition; /* 1 + the row bit that must be set too; 0: none */
	__u8 source_drop; /* IPv4: address bits behind the prefix, 0 to 32 */
	__u8 destination_drop;
};

enum guard_entry_order {
	GUARD_ORDER_NUMBER = 0xffffff, /* the rule's number */
	GUARD_ORDER_VERDICT_SHIFT = 24, /* two bits: with DECIDES, enum guard_verdict */
	GUARD_ORDER_NEEDS_IP = 1 << 28, /* no match where no IP header was read */
	GUARD_ORDER_DECIDES = 1 << 29, /* nothing else is asked of the rule, and it ends the search */
	GUARD_ORDER_LAST = 1 << 30, /* the last of its list */
};

struct guard_entry4 {
	struct guard_entry rest;
	__u32 source;
	__u32 destination;
};

struct guard_entry6 {
	struct guard_entry rest;
	struct guard_address6 source;
	struct guard_address6 destination;
	__u8 source_drop[2]; /* bits behind the prefix in the high and in the low word, 0 to 64 */
	__u8 destination_drop[2];
	__u8 padding[4];
};

/* A slot: the entry that its list begins with, 1 + its position; 0: nothing. Above it a tag of the key, 0
 * where keys share the slot. A list is in rule order. */
#define GUARD_SLOT_ENTRY_BITS 20
#define GUARD_SLOT_TAG_MASK 0xfff

struct guard_classifier {
	__u32 engine; /* enum guard_engine */
	__u32 rule_count; /* rules that can match this family */
	__u32 words; /* words of a row after the summary */
	__u32 rule_words; /* the first ones, whose bits are rules; the others' are conditions of entries */
	__u32 numbers; /* __u32[64 * rule_words]: rule numbers of the bits; 0: a bit is the rule of its number
	                */
	__u32 first; /* the lowest of those */
	__u32 conditions; /* how many bits are conditions */
	__u32 tuples; /* struct guard_tuple[tuple_count], ascending by `first` */
	__u32 tuple_count;
	__u32 slots; /* __u32[1 << (64 - slot_shift)], by the first bits of the key's hash */
	__u32 slot_shift;
	__u32 entries; /* struct guard_entry4 or guard_entry6 [entry_count] */
	__u32 entry_count;
	__u32 longest; /* the longest list */
	__u32 tuple_sets; /* __u64[]: sets of tuples */
	__u32 addresses; /* rows of addresses take part in the search */
	struct guard_tuple_side sides[2];
	struct guard_index_table index[GUARD_DIMS];
};

_Static_assert(sizeof(struct guard_tuple) == 48, "layout");
_Static_assert(sizeof(struct guard_entry4) == 32, "layout");
_Static_assert(sizeof(struct guard_entry6) == 64, "layout");

#endif
