/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tuple space search (Srinivasan, Suri, Varghese, SIGCOMM 1999; merged as TupleMerge, Daly and others 2019):
 * rules are entries in lists that a hash of some of the packet's bits finds. A tuple says which bits. The
 * first bits of both addresses say which tuples can hold an entry at all, and once an entry is found, only
 * tuples with an earlier rule are looked at. */
#ifndef GUARD_TUPLES_BPF_H
#define GUARD_TUPLES_BPF_H

#include "stages/rows.bpf.h"

/* Odd numbers with well mixed bits, of SplitMix and of xxHash; Sources/MapCompiler/TupleHash.swift has the
 * same. */
#define HASH_1 0x9e3779b97f4a7c15ULL
#define HASH_2 0xbf58476d1ce4e5b9ULL
#define HASH_3 0x94d049bb133111ebULL
#define HASH_4 0xc2b2ae3d27d4eb4fULL
#define HASH_5 0x165667b19e3779f9ULL
#define HASH_6 0xd6e8feb86659fd93ULL

/* Steps that are taken without a call, which costs some 10 ns. */
#define TUPLES_INLINE 8
#define ENTRIES_INLINE 4

/* The set that a hash of an IPv6 address's first bits leads to; numbers of sets are two bytes. */
static __always_inline __u16 hashed_set(const struct view *view, __u32 table, __u32 mask, __u64 bits)
{
	return table_u16(view->tables, table + (bits * HASH_1 >> 48 & mask) * sizeof(__u16));
}

static __always_inline __u64 tuple_set(const struct view *view, classifier classifier, __u16 number)
{
	return table_u64(view->tables, classifier->tuple_sets + number * sizeof(__u64));
}

/* The tuples with an entry whose source (side 0) or destination begins like the packet's. */
static __always_inline __u64 side_tuples(const struct view *view, int six, const struct packet *packet,
                                         int side)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;
	const struct guard_tuple_side volatile *at = &classifier->sides[side];
	const struct guard_address6 *address = side ? &packet->destination : &packet->source;
	__u32 top = six ? address->high >> 48 : (__u32)address->low >> 16;
	__u64 tuples = 0;
	__u16 set;

	if (!at->root)
		return ~0ULL;
	set = table_u16(view->tables, at->root + top * sizeof(__u16));
	if (!six && set & GUARD_SIDE_BLOCK) {
		top = (set & (GUARD_SIDE_BLOCK - 1)) * 256 + (address->low >> 8 & 255);
		set = table_u16(view->tables, at->blocks + top * sizeof(__u16));
	}
	tuples = tuple_set(view, classifier, set);
	if (six && at->wide)
		tuples |= tuple_set(view, classifier,
		                    hashed_set(view, at->wide, at->wide_mask, address->high >> 32));
	if (six && at->narrow)
		tuples |= tuple_set(view, classifier,
		                    hashed_set(view, at->narrow, at->narrow_mask, address->high >> 16));
	return tuples;
}

static __always_inline __u64 tuples_for(const struct view *view, int six, const struct packet *packet)
{
	/* Where no address was read the entries decide: some hold for every packet. */
	if (!(packet->read & PACKET_IP))
		return ~0ULL;
	return side_tuples(view, six, packet, 0) & side_tuples(view, six, packet, 1);
}

/* The hash of the packet's bits that a tuple names. Products of words are added, not chained, so that they
 * are computed at once. */
static __always_inline __u64 tuple_hash(const struct guard_tuple *tuple, int six, const struct packet *packet,
                                        const struct search *search)
{
	__u64 rest = (__u64)(search->service & tuple->service_mask) << 32 |
	             (search->port & tuple->port_mask) << 8 | tuple->number;
	__u64 hash = rest * HASH_1;

	if (six) {
		hash += (packet->source.high & tuple->source_mask.high) * HASH_2;
		hash += (packet->source.low & tuple->source_mask.low) * HASH_3;
		hash += (packet->destination.high & tuple->destination_mask.high) * HASH_4;
		hash += (packet->destination.low & tuple->destination_mask.low) * HASH_5;
	} else {
		hash += ((packet->source.low & tuple->source_mask.low) << 32 |
		         (packet->destination.low & tuple->destination_mask.low)) *
		        HASH_2;
	}
	return (hash ^ hash >> 32) * HASH_6;
}

/* The bits before the last `drop` in which `a` and `b` differ; a shift by 64 is none, so it is made of two.
 */
static __always_inline __u64 difference(__u64 a, __u64 b, __u8 drop)
{
	return (a ^ b) >> (drop >> 1) >> ((drop + 1) >> 1);
}

static __always_inline __u64 address_difference(const struct guard_entry *entry, int six,
                                                const struct packet *packet)
{
	const struct guard_entry6 *wide = (const struct guard_entry6 *)entry;
	const struct guard_entry4 *narrow = (const struct guard_entry4 *)entry;

	if (!six)
		return (packet->source.low ^ narrow->source) >> entry->source_drop |
		       (packet->destination.low ^ narrow->destination) >> entry->destination_drop;
	return difference(packet->source.high, wide->source.high, wide->source_drop[0]) |
	       difference(packet->source.low, wide->source.low, wide->source_drop[1]) |
	       difference(packet->destination.high, wide->destination.high, wide->destination_drop[0]) |
	       difference(packet->destination.low, wide->destination.low, wide->destination_drop[1]);
}

/* The sign bit is set where a value lies outside of its interval. */
static __always_inline __u64 outside(const struct guard_entry *entry, const struct search *search)
{
	__u64 service = search->service, port = search->port;

	return (service - entry->service_low) | (entry->service_high - service) | (port - entry->port_low) |
	       (entry->port_high - port);
}

/* Whether the row bit that the entry asks for is set. */
static __always_inline int condition_holds(const struct view *view, classifier classifier,
                                           const struct guard_entry *entry, const struct search *search)
{
	__u32 bit = entry->condition - 1;

	if (!entry->condition)
		return 1;
	return rows_word(view, classifier, search, GUARD_ROW_WORDS + bit / 64) >> (bit & 63) & 1;
}

/* Whether the packet is what the entry says, but for its condition. One branch for all comparisons: which of
 * them fails is not foreseeable, but most entries that are looked at match. */
static __always_inline int entry_fits(int six, const struct guard_entry *entry, const struct packet *packet,
                                      const struct search *search)
{
	__u64 misfit = outside(entry, search) >> 63;

	if (packet->read & PACKET_IP)
		misfit |= address_difference(entry, six, packet);
	else
		misfit |= entry->order & GUARD_ORDER_NEEDS_IP;
	return misfit == 0;
}

enum list_look {
	LOOK_FURTHER, /* at the next entry */
	LOOK_DONE, /* the list ends, holds only later rules, or this is the first rule of it that matches */
	LOOK_CLOSER, /* the entry asks for a condition */
};

/* The entry at `position` of a list. `quick`: without conditions. */
static __always_inline enum list_look look_at(const struct view *view, int six, __u32 position, int quick,
                                              const struct guard_scratch *room, struct search *search)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;
	__u32 size = six ? sizeof(struct guard_entry6) : sizeof(struct guard_entry4);
	const struct guard_entry *entry = table_at(view->tables, classifier->entries + position * size, size);
	__u32 order;

	if (!entry)
		return LOOK_DONE;
	order = entry->order;
	if ((order & GUARD_ORDER_NUMBER) >= search->best)
		return LOOK_DONE;
	if ((order & GUARD_ORDER_NUMBER) >= search->from && entry_fits(six, entry, &room->packet, search)) {
		if (quick && classifier->conditions && entry->condition)
			return LOOK_CLOSER;
		if (quick || !classifier->conditions || condition_holds(view, classifier, entry, search)) {
			search->best = order & GUARD_ORDER_NUMBER;
			search->best_order = order;
			search->best_slot = entry->slot;
			return LOOK_DONE;
		}
	}
	return order & GUARD_ORDER_LAST ? LOOK_DONE : LOOK_FURTHER;
}

/* Finds the list of the next tuple that is left, 1 + the position of its first entry, for the cursor; 0 where
 * it has none for the packet. Returns 1 where no tuple that is left can hold an earlier rule. */
static __always_inline int next_list(const struct view *view, int six, const struct packet *packet,
                                     struct search *search)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;
	const struct guard_tuple *tuple;
	__u32 number, slot, tag;
	__u64 hash;

	if (!search->left)
		return 1;
	number = lowest_bit(search->left);
	search->left &= search->left - 1;
	tuple = table_at(view->tables, classifier->tuples + number * sizeof(*tuple), sizeof(*tuple));
	if (!tuple || number >= classifier->tuple_count || tuple->first >= search->best)
		return 1;
	hash = tuple_hash(tuple, six, packet, search);
	slot = table_u32(view->tables, classifier->slots + (hash >> classifier->slot_shift) * sizeof(__u32));
	tag = slot >> GUARD_SLOT_ENTRY_BITS;
	search->cursor = slot & ((1 << GUARD_SLOT_ENTRY_BITS) - 1);
	if (tag && tag != ((hash >> 24 & GUARD_SLOT_TAG_MASK) | 1))
		search->cursor = 0;
	return 0;
}

/* Looks at the first entries of the list at the cursor: 1 where that was all, else the cursor is where to go
 * on. */
static __always_inline int search_list(const struct view *view, int six, struct guard_scratch *room,
                                       struct search *search)
{
	__u32 first = search->cursor;

#pragma clang loop unroll(disable)
	for (int i = 0; i < ENTRIES_INLINE; i++) {
		enum list_look look = look_at(view, six, first - 1 + i, 1, room, search);

		search->cursor = first + i;
		if (look == LOOK_DONE)
			return 1;
		if (look == LOOK_CLOSER)
			return 0;
	}
	search->cursor = first + ENTRIES_INLINE;
	return 0;
}

/* One step of the rest of a search: the entry at the cursor, or the next list. 1 where it ends. */
static __always_inline int entry_step(const struct view *view, int six)
{
	struct guard_scratch *room = scratch();

	if (!room)
		return 1;
	if (!room->search.cursor)
		return next_list(view, six, &room->packet, &room->search);
	if (look_at(view, six, room->search.cursor - 1, 0, room, &room->search) == LOOK_DONE)
		room->search.cursor = 0;
	else
		room->search.cursor++;
	return 0;
}

static long entry_callback4(__u32 index, void *context)
{
	return entry_step(context, 0) ? 1 : 0;
}

static long entry_callback6(__u32 index, void *context)
{
	return entry_step(context, 1) ? 1 : 0;
}

static __always_inline void search_rest(const struct view *view, int six)
{
	/* Each step takes an entry or a tuple. */
	if (six)
		bpf_loop(CLASSIFIER_IPV6->entry_count + GUARD_TUPLES_MAX + 1, entry_callback6, (void *)view,
		         0);
	else
		bpf_loop(CLASSIFIER_IPV4->entry_count + GUARD_TUPLES_MAX + 1, entry_callback4, (void *)view,
		         0);
}

static __always_inline void begin_search(struct search *search)
{
	search->best = NO_RULE;
	search->best_order = 0;
	search->left = search->tuples;
	search->cursor = 0;
}

/* The lowest rule that has a matching entry. The first tuples and entries are looked at without a call. */
static __always_inline void best_entry(const struct view *view, int six, struct guard_scratch *room)
{
	struct search *search = &room->search;

	begin_search(search);
#pragma clang loop unroll(disable)
	for (int i = 0; i < TUPLES_INLINE; i++) {
		if (next_list(view, six, &room->packet, search))
			return;
		if (search->cursor && !search_list(view, six, room, search))
			return search_rest(view, six);
		search->cursor = 0;
	}
	search_rest(view, six);
}

/* The lowest rule from search->from on. */
static __always_inline void later_entry(const struct view *view, int six, struct search *search)
{
	begin_search(search);
	search_rest(view, six);
}

#endif
