/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 6: the first rule that matches, found by the engine that the compiler chose for the packet's family.
 * Bit vectors (Lakshman and Stiliadis, SIGCOMM 1998, with a summary word): every rule is a bit of the rows.
 * Tuple space (tuples.bpf.h): most rules are hashed entries, and the rows hold the rest. */
#ifndef GUARD_CLASSIFY_BPF_H
#define GUARD_CLASSIFY_BPF_H

#include "stages/rules.bpf.h"
#include "stages/tuples.bpf.h"

/* The first words of the rows whose bits are rules. */
static __always_inline void begin_bits(const struct view *view, classifier classifier, struct search *search)
{
	search->base = 0;
	if (classifier->words == 1) {
		search->word = rows_word(view, classifier, search, GUARD_ROW_WORDS);
		search->summary = 0;
		return;
	}
	search->word = 0;
	search->summary = rows_word(view, classifier, search, GUARD_ROW_SUMMARY);
	if (classifier->rule_words < 64)
		search->summary &= (1ULL << (classifier->rule_words & 63)) - 1;
}

/* The current word's bits, or the next word's: 1 where there are some or nothing is left. */
static __always_inline int next_word(const struct view *view, classifier classifier, struct search *search)
{
	__u32 bit;

	if (search->word || !search->summary)
		return 1;
	bit = lowest_bit(search->summary);
	search->summary &= search->summary - 1;
	search->base = bit * 64;
	search->word = rows_word(view, classifier, search, GUARD_ROW_WORDS + bit);
	return 0;
}

/* The rule of the lowest bit; there is one. */
static __always_inline __u32 bit_rule(const struct view *view, classifier classifier,
                                      const struct search *search)
{
	__u32 bit = search->base + lowest_bit(search->word);

	return classifier->numbers ? table_u32(view->tables, classifier->numbers + bit * sizeof(__u32)) : bit;
}

/* One step of the search through bits: the next rule of the current word, or the next word. 1 where it ends.
 */
static __always_inline int bits_step(const struct view *view, classifier classifier, struct search *search)
{
	__u32 rule;

	if (!search->word && next_word(view, classifier, search))
		return 1;
	if (!search->word)
		return 0;
	rule = bit_rule(view, classifier, search);
	search->word &= search->word - 1;
	return consider(view, search, rule);
}

static __always_inline int next_bit(const struct view *view, int six)
{
	struct guard_scratch *room = scratch();

	return !room || bits_step(view, six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4, &room->search);
}

static long bits_callback4(__u32 index, void *context)
{
	return next_bit(context, 0) ? 1 : 0;
}

static long bits_callback6(__u32 index, void *context)
{
	return next_bit(context, 1) ? 1 : 0;
}

/* The first step is taken here: most packets need no loop. */
static __always_inline void classify_bits(const struct view *view, int six, struct search *search)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;

	begin_bits(view, classifier, search);
	if (bits_step(view, classifier, search))
		return;
	if (six)
		bpf_loop(GUARD_ROW_BITS_MAX + 64, bits_callback6, (void *)view, 0);
	else
		bpf_loop(GUARD_ROW_BITS_MAX + 64, bits_callback4, (void *)view, 0);
}

static __always_inline int find_word(const struct view *view, int six)
{
	struct guard_scratch *room = scratch();

	return !room || next_word(view, six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4, &room->search);
}

static long word_callback4(__u32 index, void *context)
{
	return find_word(context, 0) ? 1 : 0;
}

static long word_callback6(__u32 index, void *context)
{
	return find_word(context, 1) ? 1 : 0;
}

/* The lowest rule of the bits that are left, where it comes before the best so far: the bit is taken then. */
static __always_inline void best_bit(const struct view *view, int six, struct search *search)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;
	__u32 rule;

	if (!search->word && search->summary && !next_word(view, classifier, search) && !search->word) {
		if (six)
			bpf_loop(64, word_callback6, (void *)view, 0);
		else
			bpf_loop(64, word_callback4, (void *)view, 0);
	}
	if (!search->word)
		return;
	rule = bit_rule(view, classifier, search);
	if (rule >= search->best)
		return;
	search->word &= search->word - 1;
	search->best = rule;
	search->best_order = 0;
}

/* What the best rule of a round does: 1 where the search ends. */
static __always_inline int take_best(const struct view *view, struct search *search)
{
	if (search->best == NO_RULE)
		return 1;
	if (search->best_order & GUARD_ORDER_DECIDES) {
		search->slot = search->best_slot;
		search->verdict = search->best_order >> GUARD_ORDER_VERDICT_SHIFT & 3;
		return 1;
	}
	search->from = search->best + 1;
	return consider(view, search, search->best);
}

/* A further round, for the rules behind one that did not end the search. */
static __always_inline int next_round(const struct view *view, int six)
{
	struct guard_scratch *room = scratch();

	if (!room)
		return 1;
	later_entry(view, six, &room->search);
	if ((six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4)->rule_words)
		best_bit(view, six, &room->search);
	return take_best(view, &room->search);
}

static long round_callback4(__u32 index, void *context)
{
	return next_round(context, 0) ? 1 : 0;
}

static long round_callback6(__u32 index, void *context)
{
	return next_round(context, 1) ? 1 : 0;
}

/* Rounds, each for the lowest matching rule that is left. Bits are only looked at where a rule among them can
 * come before the best entry: those that are left to bits mostly stand at the policy's end. */
static __always_inline void classify_tuples(struct xdp_md *ctx, const struct view *view, int six,
                                            struct guard_scratch *room)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;
	struct packet *packet = &room->packet;
	struct search *search = &room->search;

	search->service = service_value(view->tables, packet);
	search->port = has_ports(packet) ? packet->source_port : 0;
	search->tuples = tuples_for(view, six, packet);
	best_entry(view, six, room);
	if (classifier->rule_words &&
	    (search->best >= classifier->first || !(search->best_order & GUARD_ORDER_DECIDES))) {
		if (!needs_rows(classifier)) {
			find_rows(ctx, view, packet, classifier, search);
			count_sets(view, classifier, packet);
		}
		begin_bits(view, classifier, search);
		best_bit(view, six, search);
	}
	if (take_best(view, search))
		return;
	if (six)
		bpf_loop(classifier->rule_count, round_callback6, (void *)view, 0);
	else
		bpf_loop(classifier->rule_count, round_callback4, (void *)view, 0);
}

/* Finds the deciding rule. */
static __always_inline void classify(struct xdp_md *ctx, const struct view *view, int six,
                                     struct guard_scratch *room)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;

	if (classifier->rule_count == 0)
		return;
	if (needs_rows(classifier))
		count_sets(view, classifier, &room->packet);
	if (classifier->engine == GUARD_ENGINE_TUPLE_SPACE)
		classify_tuples(ctx, view, six, room);
	else
		classify_bits(view, six, &room->search);
}

#endif
