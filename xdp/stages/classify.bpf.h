/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 6: the first rule that matches, found by the engine that the compiler chose for the packet's family.
 * Bit vectors (Lakshman and Stiliadis, SIGCOMM 1998, with a summary word): every rule is a bit of the rows.
 * Tuple space (tuples.bpf.h): most rules are hashed entries, and the rows hold the rest. */
#ifndef GUARD_CLASSIFY_BPF_H
#define GUARD_CLASSIFY_BPF_H

#include "stages/rules.bpf.h"
#include "stages/tuples.bpf.h"

/* The first words of the rows whose bits are rules. */
static __always_inline void begin_bits(const struct view *view, classifier classifier)
{
	struct search *search = view->search;
	search->base = 0;
	if (classifier->words == 1) {
		search->word = rows_word(view, classifier, GUARD_ROW_WORDS);
		search->summary = 0;
		return;
	}
	search->word = 0;
	search->summary = rows_word(view, classifier, GUARD_ROW_SUMMARY);
	if (classifier->rule_words < 64)
		search->summary &= (1ULL << (classifier->rule_words & 63)) - 1;
}

/* The current word's bits, or the next word's: 1 where there are some or nothing is left. */
static __always_inline int next_word(const struct view *view, classifier classifier)
{
	struct search *search = view->search;
	__u32 bit;

	if (search->word || !search->summary)
		return 1;
	bit = lowest_bit(search->summary);
	search->summary &= search->summary - 1;
	search->base = bit * 64;
	search->word = rows_word(view, classifier, GUARD_ROW_WORDS + bit);
	return 0;
}

/* The rule of the lowest bit; there is one. */
static __always_inline __u32 bit_rule(const struct view *view, classifier classifier)
{
	const struct search *search = view->search;
	__u32 bit = search->base + lowest_bit(search->word);

	return classifier->numbers ? table_u32(view->tables, classifier->numbers + bit * sizeof(__u32)) : bit;
}

/* One step of the search through bits: the next rule of the current word, or the next word. 1 where it ends.
 */
static __always_inline int bits_step(const struct view *view, classifier classifier)
{
	struct search *search = view->search;
	__u32 rule;

	if (!search->word && next_word(view, classifier))
		return 1;
	if (!search->word)
		return 0;
	rule = bit_rule(view, classifier);
	search->word &= search->word - 1;
	return consider(view, rule);
}

static long bits_callback4(__u32 index, void *context)
{
	return bits_step(context, CLASSIFIER_IPV4) ? 1 : 0;
}

static long bits_callback6(__u32 index, void *context)
{
	return bits_step(context, CLASSIFIER_IPV6) ? 1 : 0;
}

/* The first step is taken here: most packets need no loop. */
static __always_inline void classify_bits(struct view *view, int six)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;

	begin_bits(view, classifier);
	if (bits_step(view, classifier))
		return;
	if (six)
		bpf_loop(GUARD_ROW_BITS_MAX + 64, bits_callback6, view, 0);
	else
		bpf_loop(GUARD_ROW_BITS_MAX + 64, bits_callback4, view, 0);
}

static long word_callback4(__u32 index, void *context)
{
	return next_word(context, CLASSIFIER_IPV4) ? 1 : 0;
}

static long word_callback6(__u32 index, void *context)
{
	return next_word(context, CLASSIFIER_IPV6) ? 1 : 0;
}

/* The lowest rule of the bits that are left, where it comes before the best so far: the bit is taken then. */
static __always_inline void best_bit(struct view *view, int six)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;
	struct search *search = view->search;
	__u32 rule;

	if (!search->word && search->summary && !next_word(view, classifier) && !search->word) {
		if (six)
			bpf_loop(64, word_callback6, view, 0);
		else
			bpf_loop(64, word_callback4, view, 0);
	}
	if (!search->word)
		return;
	rule = bit_rule(view, classifier);
	if (rule >= search->best)
		return;
	search->word &= search->word - 1;
	search->best = rule;
	search->best_order = 0;
}

/* What the best rule of a round does: 1 where the search ends. */
static __always_inline int take_best(const struct view *view)
{
	struct search *search = view->search;

	if (search->best == NO_RULE)
		return 1;
	if (search->best_order & GUARD_ORDER_DECIDES) {
		search->slot = search->best_slot;
		search->verdict = search->best_order >> GUARD_ORDER_VERDICT_SHIFT & 3;
		return 1;
	}
	search->from = search->best + 1;
	return consider(view, search->best);
}

/* A further round, for the rules behind one that did not end the search. */
static __always_inline int next_round(struct view *view, int six)
{
	later_entry(view, six);
	if ((six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4)->rule_words)
		best_bit(view, six);
	return take_best(view);
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
static __always_inline void classify_tuples(struct xdp_md *ctx, struct view *view, int six)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;
	struct search *search = view->search;

	search->service = service_value(view->tables, view->packet);
	search->port = has_ports(view->packet) ? view->packet->source_port : 0;
	search->tuples = tuples_for(view, six);
	best_entry(view, six);
	if (classifier->rule_words &&
	    (search->best >= classifier->first || !(search->best_order & GUARD_ORDER_DECIDES))) {
		if (!needs_rows(classifier))
			find_rows(ctx, view, classifier);
		begin_bits(view, classifier);
		best_bit(view, six);
	}
	if (take_best(view))
		return;
	if (six)
		bpf_loop(classifier->rule_count, round_callback6, view, 0);
	else
		bpf_loop(classifier->rule_count, round_callback4, view, 0);
}

/* Finds the deciding rule. */
static __always_inline void classify(struct xdp_md *ctx, struct view *view, int six)
{
	classifier classifier = six ? CLASSIFIER_IPV6 : CLASSIFIER_IPV4;

	if (classifier->rule_count == 0)
		return;
	if (classifier->engine == GUARD_ENGINE_TUPLE_SPACE)
		classify_tuples(ctx, view, six);
	else
		classify_bits(view, six);
}

#endif
