/* SPDX-License-Identifier: Apache-2.0 */
/* The state of limits in an engine: made with the first policy that has some, and kept, as a swap leaves
 * buckets as they are. */
#ifndef NATIVE_LIMITS_H
#define NATIVE_LIMITS_H

struct native_limits {
	struct guard_bucket_line *lines;
	__u32 line_count; /* 0: no policy had limits */
	__u32 charge_groups;
	struct guard_fragment_charges *charges;
	struct guard_limit_counters counters[GUARD_LIMITS];
};

static void native_limits_free(struct native_limits *limits)
{
	free(limits->lines);
	free(limits->charges);
	limits->line_count = 0;
	limits->charge_groups = 0;
}

/* 0, or -ENOMEM. */
static int native_limits_make(struct native_limits *limits, const struct guard_config *config)
{
	if (!(config->flags & GUARD_CFG_LIMITS) || limits->line_count)
		return 0;
	limits->lines = calloc(config->bucket_lines, sizeof(*limits->lines));
	limits->charges = calloc(1 << GUARD_FRAGMENT_GROUPS_BITS, sizeof(*limits->charges));
	if (!limits->lines || !limits->charges) {
		native_limits_free(limits);
		limits->lines = NULL;
		limits->charges = NULL;
		return -ENOMEM;
	}
	limits->line_count = config->bucket_lines;
	limits->charge_groups = 1 << GUARD_FRAGMENT_GROUPS_BITS;
	return 0;
}

#endif
