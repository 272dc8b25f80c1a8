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

/* Whether `a` and `b` differ before their last `drop` bits; a shift by 64 is none, so it is made of two. */
static __always_inline int differs(__u64 a, __u64 b, __u8 drop)
{
	return ((a ^ b) >> (drop >> 1) >> ((drop + 1) >> 1)) != 0;
}

static __always_inline int entry_addresses(const struct guard_entry *entry, int six,
                                           const struct packet *packet)
{
	const struct guard_entry6 *wide = (const struct guard_entry6 *)entry;
	const struct guard_entry4 *short_one = (const struct guard_entry4 *)entry;

	if (!six)
		return (packet->source.low ^ short_one->source) >> entry->source_drop == 0 &&
		       (packet->destination.low ^ short_one->destination) >> entry->destination_drop == 0;
	return !differs(packet->source.high, wide->source.high, wide->source_drop[0]) &&
	       !differs(packet->source.low, wide->source.low, wide->source_drop[1]) &&
	       !differs(packet->destination.high, wide->destination.high, wide->destination_drop[0]) &&
	       !differs(packet->destination.low, wide->destination.low, wide->destination_drop[1]);
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

static __always_inline int entry_holds(const struct view *view, int six, const struct guard_entry *entry,
                                       const struct packet *packet, const struct search *search)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;

	if (search->service < entry->service_low || search->service > entry->service_high ||
	    search->port < entry->port_low || search->port > entry->port_high)
		return 0;
	if (packet->read & PACKET_IP) {
		if (!entry_addresses(entry, six, packet))
			return 0;
	} else if (entry->order & GUARD_ENTRY_NEEDS_IP) {
		return 0;
	}
	return !classifier->conditions || condition_holds(view, classifier, entry, search);
}

/* The entry at the cursor: 1 where the list needs no further look, as it ends, holds only later rules, or
 * this is the first rule of it that matches. */
static __always_inline int list_step(const struct view *view, int six, const struct packet *packet,
                                     struct search *search)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;
	__u32 size = six ? sizeof(struct guard_entry6) : sizeof(struct guard_entry4);
	const struct guard_entry *entry =
	        table_at(view->tables, classifier->entries + search->cursor * size, size);
	__u32 order;

	if (!entry)
		return 1;
	order = entry->order;
	if ((order & GUARD_ENTRY_NUMBER) >= search->best)
		return 1;
	if ((order & GUARD_ENTRY_NUMBER) >= search->from && entry_holds(view, six, entry, packet, search)) {
		search->best = order & GUARD_ENTRY_NUMBER;
		search->best_order = order;
		search->best_slot = entry->slot;
		return 1;
	}
	search->cursor++;
	return order & GUARD_ENTRY_LAST;
}

static __always_inline int next_entry(const struct view *view, int six)
{
	struct guard_scratch *room = scratch();

	return !room || list_step(view, six, &room->packet, &room->search);
}

static long list_callback4(__u32 index, void *context)
{
	return next_entry(context, 0) ? 1 : 0;
}

static long list_callback6(__u32 index, void *context)
{
	return next_entry(context, 1) ? 1 : 0;
}

/* Looks into the list of a tuple's key. The first entry is tested here: most lists have no other. */
static __always_inline void probe(const struct view *view, int six, const struct guard_tuple *tuple,
                                  const struct packet *packet, struct search *search)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;
	__u64 hash = tuple_hash(tuple, six, packet, search);
	__u32 slot =
	        table_u32(view->tables, classifier->slots + (hash >> classifier->slot_shift) * sizeof(__u32));
	__u32 tag = slot >> GUARD_SLOT_ENTRY_BITS;

	if (!slot || (tag && tag != ((hash >> 24 & GUARD_SLOT_TAG_MASK) | 1)))
		return;
	search->cursor = (slot & ((1 << GUARD_SLOT_ENTRY_BITS) - 1)) - 1;
	if (list_step(view, six, packet, search))
		return;
	if (six)
		bpf_loop(classifier->longest, list_callback6, (void *)view, 0);
	else
		bpf_loop(classifier->longest, list_callback4, (void *)view, 0);
}

/* The next tuple that is left: 1 where no other can hold an earlier rule. */
static __always_inline int tuple_step(const struct view *view, int six, const struct packet *packet,
                                      struct search *search)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;
	const struct guard_tuple *tuple;
	__u32 number;

	if (!search->left)
		return 1;
	number = lowest_bit(search->left);
	search->left &= search->left - 1;
	tuple = table_at(view->tables, classifier->tuples + number * sizeof(*tuple), sizeof(*tuple));
	if (!tuple || number >= classifier->tuple_count || tuple->first >= search->best)
		return 1;
	probe(view, six, tuple, packet, search);
	return 0;
}

static __always_inline int next_tuple(const struct view *view, int six)
{
	struct guard_scratch *room = scratch();

	return !room || tuple_step(view, six, &room->packet, &room->search);
}

static long tuple_callback4(__u32 index, void *context)
{
	return next_tuple(context, 0) ? 1 : 0;
}

static long tuple_callback6(__u32 index, void *context)
{
	return next_tuple(context, 1) ? 1 : 0;
}

/* The lowest rule from search->from on that has a matching entry. */
static __always_inline void best_entry(const struct view *view, int six, const struct packet *packet,
                                       struct search *search)
{
	search->best = NO_RULE;
	search->best_order = 0;
	search->left = search->tuples;
	if (tuple_step(view, six, packet, search))
		return;
	if (six)
		bpf_loop(GUARD_TUPLES_MAX, tuple_callback6, (void *)view, 0);
	else
		bpf_loop(GUARD_TUPLES_MAX, tuple_callback4, (void *)view, 0);
}

#endif
