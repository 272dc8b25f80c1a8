/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Token buckets in lines of four, as in a cache; nothing is locked. In: a bucket's name and what is to be
 * taken. Out: whether it was there. Arithmetic and eviction are in docs/policy.md, "Rate limits", as all
 * evaluators forget the same buckets. Cost of a charge: one cache line and one compare-and-swap; over the
 * rate the line is only read. */
#ifndef GUARD_BUCKETS_BPF_H
#define GUARD_BUCKETS_BPF_H

#include "stages/rows.bpf.h"

#define CHARGE_TRIES 8

enum charge_result {
	CHARGE_UNDER, /* the tokens were taken */
	CHARGE_OVER, /* there are not so many: nothing was changed */
	CHARGE_AGAIN, /* another CPU was faster */
};

/* ---- One bucket */

static __always_inline __u64 read_once(const __u64 *word)
{
	return *(const volatile __u64 *)word;
}

/* Takes a charge's tokens from a bucket. A time that is not a little ahead of now is past: a full bucket. */
static __always_inline enum charge_result charge_bucket(__u64 *time, const struct charge *charge)
{
	__u64 seen = read_once(time), next;

	next = (seen - charge->now <= charge->tolerance + GUARD_BUCKET_SECOND ? seen : charge->now) +
	       charge->cost;
	if (next - charge->now > charge->tolerance)
		return CHARGE_OVER;
	return __sync_val_compare_and_swap(time, seen, next) == seen ? CHARGE_UNDER : CHARGE_AGAIN;
}

/* ---- One line */

/* A free way, else that of the fullest bucket: of the time that is the longest ago. One that ran out is full,
 * and nothing is lost with it. */
static __always_inline __u32 choose_way(const struct guard_bucket_line *line, __u64 now)
{
	__u64 from = now + GUARD_BUCKET_AHEAD_MAX + 1, oldest = ~0ULL;
	__u32 chosen = 0;

#pragma unroll
	for (__u32 i = 0; i < GUARD_BUCKET_WAYS; i++) {
		/* Counted from the end of what can be ahead: what is beyond it is the oldest. */
		__u64 age = read_once(&line->times[i]) - from;

		if (!read_once(&line->tags[i]))
			return i;
		if (age >= oldest)
			continue;
		oldest = age;
		chosen = i;
	}
	return chosen;
}

/* Takes a way for a bucket that has none, which is full but for this charge. Between the two exchanges the
 * bucket has the time of the one before it. The way goes through the charge's memory: in a map's value, all
 * ways look alike to the verifier. */
static __always_inline enum charge_result claim_way(struct guard_bucket_line *line, struct charge *charge)
{
	__u32 way;
	__u64 tag, time;

	charge->way = choose_way(line, charge->now);
	asm volatile("" : : : "memory");
	way = charge->way & (GUARD_BUCKET_WAYS - 1);
	tag = read_once(&line->tags[way]);
	time = read_once(&line->times[way]);
	if (charge->cost > charge->tolerance)
		return CHARGE_OVER;
	if (__sync_val_compare_and_swap(&line->tags[way], tag, charge->tag) != tag)
		return CHARGE_AGAIN;
	if (__sync_val_compare_and_swap(&line->times[way], time, charge->now + charge->cost) == time)
		return CHARGE_UNDER;
	return CHARGE_AGAIN;
}

static __always_inline enum charge_result try_charge(struct charge *charge)
{
	struct guard_bucket_line *line = bpf_map_lookup_elem(&guard_buckets, &charge->line);

	if (!line)
		return CHARGE_UNDER;
#pragma unroll
	for (__u32 i = 0; i < GUARD_BUCKET_WAYS; i++)
		if (read_once(&line->tags[i]) == charge->tag)
			return charge_bucket(&line->times[i], charge);
	return claim_way(line, charge);
}

static long charge_step(__u32 number, void *context)
{
	struct charge *charge = *(struct charge **)context;

	charge->result = try_charge(charge);
	return charge->result != CHARGE_AGAIN;
}

/* Whether a bucket has not the tokens. Where all tries lose against other CPUs it is held to be empty: at
 * that rate it nearly is. */
static __always_inline int is_over(struct charge *charge)
{
	charge->result = try_charge(charge);
	if (charge->result == CHARGE_AGAIN)
		bpf_loop(CHARGE_TRIES - 1, charge_step, &charge, 0);
	return charge->result != CHARGE_UNDER;
}

#endif
