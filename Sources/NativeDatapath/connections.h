/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of connections of one engine, which native.c includes behind the maps that they stand for. */
#ifndef NATIVE_CONNECTIONS_H
#define NATIVE_CONNECTIONS_H

#include "flows.h"

struct native_connections {
	struct guard_flow_group *groups; /* NULL: no policy follows connections */
	__u32 group_count;
	struct native_flows unanswered;
	struct native_flows half_open;
	struct guard_mark_line *marks; /* NULL likewise */
	__u64 ports[GUARD_PORT_WORDS];
	struct guard_flow_totals totals;
};

/* guard_unanswered or guard_half_open; NULL for any other map. */
static __always_inline struct native_flows *opening_table(struct native_connections *connections,
                                                          const void *map)
{
	if (map == &guard_unanswered)
		return &connections->unanswered;
	return map == &guard_half_open ? &connections->half_open : NULL;
}

/* What bpf_map_lookup_elem finds in one of these maps; NULL for any other. */
static __always_inline void *connection_element(struct native_connections *connections, const void *map,
                                                const void *key)
{
	struct native_flows *openings = opening_table(connections, map);
	__u32 index;

	if (openings)
		return native_flows_find(openings, key);
	index = *(const __u32 *)key;
	if (map == &guard_flows)
		return index < connections->group_count ? &connections->groups[index] : NULL;
	if (map == &guard_flow_marks)
		return connections->marks && index < GUARD_MARK_LINES ? &connections->marks[index] : NULL;
	if (map == &guard_flow_ports)
		return index < GUARD_PORT_WORDS ? &connections->ports[index] : NULL;
	return map == &guard_flow_totals ? &connections->totals : NULL;
}

/* Tables keep the size that they have. 0, or the negative errno. */
static int prepare_connections(struct native_connections *connections, const struct guard_config *config)
{
	if (!(config->flags & (GUARD_CFG_OPENED | GUARD_CFG_STATE)) || connections->marks)
		return 0;
	if (!config->flow_count || config->flow_count & (config->flow_count - 1))
		return -EINVAL;
	connections->unanswered.capacity = GUARD_UNANSWERED;
	connections->half_open.capacity = GUARD_HALF_OPEN;
	connections->groups = calloc(guard_flow_groups(config->flow_count), sizeof(*connections->groups));
	if (!connections->groups)
		return -ENOMEM;
	connections->group_count = guard_flow_groups(config->flow_count);
	connections->marks = calloc(GUARD_MARK_LINES, sizeof(*connections->marks));
	if (connections->marks)
		return 0;
	free(connections->groups);
	connections->groups = NULL;
	connections->group_count = 0;
	return -ENOMEM;
}

static void free_connections(struct native_connections *connections)
{
	free(connections->groups);
	native_flows_free(&connections->unanswered);
	native_flows_free(&connections->half_open);
	free(connections->marks);
}

#endif
