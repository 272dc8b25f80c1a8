/* SPDX-License-Identifier: Apache-2.0 */
/* The state of payload inspection in an engine: budgets of flows, counters, dropped flows. Made with the
 * first policy that has inspectors, and kept. The ring of samples has no reader here, and is always full.
 * Part of native.c. */
#ifndef NATIVE_SAMPLES_H
#define NATIVE_SAMPLES_H

#define DROPPED_CAPACITY (2 * GUARD_DROPPED_FLOWS) /* a power of two */

struct native_dropped {
	struct guard_flow_ends ends; /* family 0: a free place */
	struct guard_dropped_flow flow;
};

struct native_samples {
	struct guard_sample_line *lines;
	__u32 line_count; /* 0: no policy had inspectors */
	__u32 dropped_count;
	struct guard_sample_scope *scopes; /* of GUARD_SCOPES inspectors; NULL until one was told */
	struct native_dropped *dropped; /* an open hash; NULL until the first one */
	__u64 counts[GUARD_SAMPLE_COUNTS];
	__u64 reader[GUARD_READER_WORDS];
	struct guard_counter unneeded[GUARD_SCOPES];
	__u64 dropped_any;
};

static void native_samples_free(struct native_samples *samples)
{
	free(samples->lines);
	free(samples->scopes);
	free(samples->dropped);
}

/* 0, or the negative errno. */
static int native_samples_make(struct native_samples *samples, const struct guard_config *config)
{
	if (!(config->flags & GUARD_CFG_INSPECT) || samples->line_count)
		return 0;
	if (!config->sample_lines || config->sample_lines & (config->sample_lines - 1))
		return -EINVAL;
	samples->lines = calloc(config->sample_lines, sizeof(*samples->lines));
	if (!samples->lines)
		return -ENOMEM;
	samples->line_count = config->sample_lines;
	return 0;
}

/* 0, or the negative errno. */
static int set_scope(struct native_samples *samples, __u32 inspector, const struct guard_sample_scope *scope)
{
	if (!samples->line_count || inspector >= GUARD_SCOPES)
		return -EINVAL;
	if (!samples->scopes)
		samples->scopes = calloc(GUARD_SCOPES, sizeof(*samples->scopes));
	if (!samples->scopes)
		return -ENOMEM;
	samples->scopes[inspector] = *scope;
	return 0;
}

/* The place of a flow, or the free one where it would stand. */
static struct native_dropped *dropped_place(struct native_dropped *places, const struct guard_flow_ends *ends)
{
	for (__u32 at = guard_ends_hash(0, ends);; at++) {
		struct native_dropped *place = &places[at & (DROPPED_CAPACITY - 1)];

		if (!place->ends.family || !memcmp(&place->ends, ends, sizeof(*ends)))
			return place;
	}
}

static struct guard_dropped_flow *find_dropped(const struct native_samples *samples,
                                               const struct guard_flow_ends *ends)
{
	struct native_dropped *place;

	if (!samples->dropped)
		return NULL;
	place = dropped_place(samples->dropped, ends);
	return place->ends.family ? &place->flow : NULL;
}

/* Leaves out flows that have ended. 0, or -ENOMEM. */
static int clear_ended_flows(struct native_samples *samples, __u64 clock_ns)
{
	struct native_dropped *kept = calloc(DROPPED_CAPACITY, sizeof(*kept));

	if (!kept)
		return -ENOMEM;
	samples->dropped_count = 0;
	for (__u32 i = 0; samples->dropped && i < DROPPED_CAPACITY; i++) {
		const struct native_dropped *place = &samples->dropped[i];

		if (!place->ends.family ||
		    (place->flow.ends_ns != GUARD_FOREVER && clock_ns >= place->flow.ends_ns))
			continue;
		*dropped_place(kept, &place->ends) = *place;
		samples->dropped_count++;
	}
	free(samples->dropped);
	samples->dropped = kept;
	return 0;
}

static int drop_flow(struct native_samples *samples, const struct guard_flow_ends *ends,
                     const struct guard_dropped_flow *flow, __u64 clock_ns)
{
	struct native_dropped *place;
	int error;

	if (!samples->line_count || (ends->family != 4 && ends->family != 6))
		return -EINVAL;
	if (!samples->dropped || samples->dropped_count >= GUARD_DROPPED_FLOWS) {
		error = clear_ended_flows(samples, clock_ns);
		if (error)
			return error;
	}
	place = dropped_place(samples->dropped, ends);
	if (!place->ends.family) {
		if (samples->dropped_count >= GUARD_DROPPED_FLOWS)
			return -E2BIG;
		samples->dropped_count++;
		place->ends = *ends;
	}
	place->flow = *flow;
	samples->dropped_any = 1;
	return 0;
}

static __always_inline int is_sample_map(const void *map)
{
	return map == &guard_sample_flows || map == &guard_sample_counts || map == &guard_sample_wake ||
	       map == &guard_sample_scopes || map == &guard_scope_counts || map == &guard_dropped_flows ||
	       map == &guard_dropped_any;
}

/* What bpf_map_lookup_elem finds in one of these maps. */
static __always_inline void *sample_element(struct native_samples *samples, const void *map, const void *key)
{
	__u32 index;

	if (map == &guard_dropped_flows)
		return find_dropped(samples, key);
	index = *(const __u32 *)key;
	if (map == &guard_sample_flows)
		return index < samples->line_count ? &samples->lines[index] : NULL;
	if (map == &guard_sample_counts)
		return index < GUARD_SAMPLE_COUNTS ? &samples->counts[index] : NULL;
	if (map == &guard_sample_wake)
		return index < GUARD_READER_WORDS ? &samples->reader[index] : NULL;
	if (map == &guard_sample_scopes)
		return samples->scopes && index < GUARD_SCOPES ? &samples->scopes[index] : NULL;
	if (map == &guard_scope_counts)
		return index < GUARD_SCOPES ? &samples->unneeded[index] : NULL;
	return &samples->dropped_any;
}

#endif
