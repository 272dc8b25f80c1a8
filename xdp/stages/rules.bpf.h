/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a rule does whose keys match: what neither rows nor entries can say (payload, end time), and whether
 * it ends the search. */
#ifndef GUARD_RULES_BPF_H
#define GUARD_RULES_BPF_H

#include "stages/limits.bpf.h"
#include "stages/rows.bpf.h"

/* Whether one of the rule's patterns matches the payload window. */
static __always_inline int payload_matches(const struct view *view, const struct guard_rule *rule,
                                           __u32 length)
{
	__u32 zero = 0;
	const struct guard_payload_window *window = bpf_map_lookup_elem(&guard_payload, &zero);

	if (!window)
		return 0;
	for (__u32 i = 0; i < GUARD_PATTERNS_MAX; i++) {
		const struct guard_pattern *pattern;
		__u64 bytes[2];
		__u32 offset;

		if (i >= rule->pattern_count)
			break;
		pattern = table_at(view->tables,
		                   guard_config.patterns + (rule->pattern_first + i) * sizeof(*pattern),
		                   sizeof(*pattern));
		if (!pattern)
			break;
		offset = pattern->offset & (GUARD_PAYLOAD_WINDOW - 1);
		__builtin_memcpy(bytes, window->bytes + offset, sizeof(bytes));
		if (offset + pattern->length <= length &&
		    (bytes[0] & pattern->mask[0]) == pattern->value[0] &&
		    (bytes[1] & pattern->mask[1]) == pattern->value[1])
			return 1;
	}
	return 0;
}

static __always_inline int has_expired(struct search *search, const struct guard_rule *rule)
{
	if (!search->now_ns)
		search->now_ns = now_ns();
	return search->now_ns >= rule->expires_ns;
}

/* A rule with neither flag, or both, asks nothing. */
static __always_inline int state_matches(const struct search *search, const struct guard_rule *rule)
{
	__u8 asked = rule->flags & (GUARD_RULE_NEW | GUARD_RULE_ESTABLISHED);

	return !asked || asked & (search->is_established ? GUARD_RULE_ESTABLISHED : GUARD_RULE_NEW);
}

/* What a rule whose rows match does: 1 where it decides, 0 to go on. */
static __always_inline int consider(const struct view *view, struct search *search, __u32 number)
{
	const struct guard_rule *rule =
	        table_at(view->tables, guard_config.rules + number * sizeof(*rule), sizeof(*rule));

	if (!rule)
		return 0;
	if (rule->flags & GUARD_RULE_EXPIRES && has_expired(search, rule))
		return 0;
	if (guard_config.flags & GUARD_CFG_STATE && !state_matches(search, rule))
		return 0;
	if (guard_config.flags & GUARD_CFG_PAYLOAD && rule->pattern_count &&
	    !payload_matches(view, rule, search->payload_length))
		return 0;
	if (rule->log_every && (rule->log_every == 1 || bpf_get_prandom_u32() % rule->log_every == 0))
		search->log = 1;
	if (guard_config.flags & GUARD_CFG_LIMITS && rule->action == GUARD_ACTION_CONTINUE &&
	    rule->limit != GUARD_NO_LIMIT && over_limit(rule->limit)) {
		search->slot = rule->slot;
		search->verdict = GUARD_ACTION_DROP;
		return 1;
	}
	if (guard_config.flags & GUARD_CFG_INSPECT && rule->inspector != GUARD_NO_INSPECTOR &&
	    search->inspector == GUARD_NO_INSPECTOR) {
		search->inspector = rule->inspector;
		search->inspect_slot = rule->slot;
	}
	if (rule->action == GUARD_ACTION_CONTINUE)
		return 0;
	if (rule->flags & GUARD_RULE_MONITOR) {
		if (search->would_drop_slot == GUARD_NO_SLOT)
			search->would_drop_slot = rule->slot;
		return 0;
	}
	search->slot = rule->slot;
	search->verdict = rule->action;
	search->limit = rule->limit;
	search->cookies = rule->cookies;
	return 1;
}

#endif
