/* SPDX-License-Identifier: Apache-2.0 */
/* xdp/guard.bpf.c as it is, and what xdp/egress.bpf.c calls, with the headers
 * of shims/ in place of the kernel's, and what it calls: maps, helpers, and the
 * configuration of the engine that runs on this thread. One translation unit,
 * whose names stay inside. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bans.h"

#pragma GCC visibility push(hidden)
#include "guard.bpf.c"
#include "stages/outbound.bpf.h"
#pragma GCC visibility pop

#undef guard_config
#include "connections.h"

#include "limits.h"
#include "samples.h"

/* The largest piece that the stages read at once: below it the bounds checks of
 * tables.bpf.h would wrap. */
#define TABLES_MIN sizeof(struct guard_pattern)
#define ADDRESSES_MIN sizeof(struct guard_addresses_header)

struct native_datapath {
	struct guard_config config;
	void *tables;
	void *addresses;
	struct guard_trace trace;
	struct guard_payload_window payload;
	struct guard_scratch scratch;
	struct guard_counter reasons[GUARD_REASONS * GUARD_VERDICTS];
	struct guard_rule_counters *rules[GUARD_PAGES]; /* NULL: nothing was counted there */
	struct guard_set_counters sets[GUARD_SETS];
	struct guard_ban_lengths ban_lengths;
	struct guard_ban_upkeep ban_upkeep;
	struct native_bans bans;
	struct native_connections connections;
	struct guard_fragment_group fragments[1 << GUARD_FRAGMENT_GROUPS_BITS];
	struct guard_limited_group limited[GUARD_LIMITED_GROUPS];
	struct native_limits limits;
	struct native_samples samples;
	struct guard_talkers talkers;
	struct guard_event event; /* the last one */
	__u64 events;
	__u64 lost;
	__u32 random;
};

static _Thread_local struct native_datapath *current;

#include "ban_table.h"

/* ---- The kernel's helpers */

static __always_inline void *element(void *values, __u32 count, __u32 size, const void *key)
{
	__u32 index = *(const __u32 *)key;

	return index < count ? (char *)values + (__u64)index * size : NULL;
}

static __always_inline int is_page(const struct native_datapath *datapath, const void *map)
{
	return (__u64)map - (__u64)datapath->rules < sizeof(datapath->rules);
}

/* A counter of a page, which is made when its first counter is asked for. */
static void *page_element(struct guard_rule_counters **page, const void *key)
{
	if (!*page)
		*page = calloc(GUARD_PAGE_SLOTS, sizeof(**page));
	return *page ? element(*page, GUARD_PAGE_SLOTS, sizeof(**page), key) : NULL;
}

static __always_inline void *bpf_map_lookup_elem(const void *map, const void *key)
{
	struct native_datapath *datapath = current;

	if (map == &guard_tables)
		return datapath->tables;
	/* The inner map stands for itself by its place. */
	if (map == &guard_addresses)
		return &datapath->addresses;
	if (map == &datapath->addresses)
		return datapath->addresses;
	if (map == &guard_trace)
		return &datapath->trace;
	if (map == &guard_payload)
		return &datapath->payload;
	if (map == &guard_reasons)
		return element(datapath->reasons, GUARD_REASONS * GUARD_VERDICTS,
		               sizeof(struct guard_counter), key);
	if (map == &guard_rules)
		return page_element(&datapath->rules[0], key);
	if (map == &guard_rule_pages)
		return element(datapath->rules, GUARD_PAGES, sizeof(datapath->rules[0]), key);
	if (is_page(datapath, map))
		return page_element((struct guard_rule_counters **)map, key);
	if (map == &guard_sets)
		return element(datapath->sets, GUARD_SETS, sizeof(struct guard_set_counters), key);
	if (map == &guard_ban_lengths)
		return &datapath->ban_lengths;
	if (map == &guard_ban_upkeep)
		return &datapath->ban_upkeep;
	if (map == &guard_bans)
		return native_bans_find(&datapath->bans, key);
	if (map == &guard_fragments)
		return element(datapath->fragments, 1 << GUARD_FRAGMENT_GROUPS_BITS,
		               sizeof(struct guard_fragment_group), key);
	if (map == &guard_limited)
		return element(datapath->limited, GUARD_LIMITED_GROUPS,
		               sizeof(struct guard_limited_group), key);
	if (map == &guard_buckets)
		return element(datapath->limits.lines, datapath->limits.line_count,
		               sizeof(struct guard_bucket_line), key);
	if (map == &guard_fragment_charges)
		return element(datapath->limits.charges, datapath->limits.charge_groups,
		               sizeof(struct guard_fragment_charges), key);
	if (map == &guard_limits)
		return element(datapath->limits.counters, GUARD_LIMITS, sizeof(struct guard_limit_counters),
		               key);
	if (map == &guard_scratch)
		return &datapath->scratch;
	if (map == &guard_talkers)
		return &datapath->talkers;
	if (map == &guard_lost)
		return &datapath->lost;
	if (is_sample_map(map))
		return sample_element(&datapath->samples, map, key);
	return connection_element(&datapath->connections, map, key);
}

static __always_inline long bpf_map_update_elem(const void *map, const void *key, const void *value,
                                                __u64 flags)
{
	if (map == &guard_bans)
		return store_ban(key, value, flags);
	return native_flows_put(opening_table(&current->connections, map), key, value);
}

static __always_inline long bpf_map_delete_elem(const void *map, const void *key)
{
	if (map == &guard_bans)
		return native_bans_remove(&current->bans, key);
	return native_flows_remove(opening_table(&current->connections, map), key);
}

#include "helpers.h"
#include "answers.h"

/* ---- Engines */

static void *copied(const void *bytes, __u64 size, __u64 room)
{
	void *copy = calloc(1, room);

	return copy ? memcpy(copy, bytes, size) : NULL;
}

int native_datapath_load(struct native_datapath *datapath, const struct native_image *image)
{
	const struct guard_config *config = image->config;
	void *tables, *addresses;
	int error;

	if (config->abi_version != GUARD_ABI_VERSION || config->tables_size != image->tables_size ||
	    image->tables_size < TABLES_MIN || config->addresses_size < image->addresses_size ||
	    image->addresses_size < ADDRESSES_MIN)
		return -EINVAL;
	error = prepare_connections(&datapath->connections, config);
	if (error)
		return error;
	tables = copied(image->tables, image->tables_size, image->tables_size);
	addresses = copied(image->addresses, image->addresses_size, config->addresses_size);
	if (!tables || !addresses || native_limits_make(&datapath->limits, config) ||
	    native_samples_make(&datapath->samples, config)) {
		free(tables);
		free(addresses);
		return -ENOMEM;
	}
	free(datapath->tables);
	free(datapath->addresses);
	datapath->tables = tables;
	datapath->addresses = addresses;
	datapath->config = *config;
	if (datapath->limits.line_count)
		datapath->config.bucket_lines = datapath->limits.line_count;
	if (datapath->samples.line_count)
		datapath->config.sample_lines = datapath->samples.line_count;
	return 0;
}

struct native_datapath *native_datapath_create(const struct native_image *image)
{
	struct native_datapath *datapath = calloc(1, sizeof(*datapath));

	if (!datapath)
		return NULL;
	datapath->random = 1;
	if (native_datapath_load(datapath, image)) {
		native_datapath_destroy(datapath);
		return NULL;
	}
	return datapath;
}

__u32 native_datapath_label(const struct native_datapath *datapath, __u8 family, int side,
                            const struct guard_address6 *address)
{
	struct packet packet = {.family = family, .source = *address, .destination = *address};

	const struct guard_addresses_header *header = datapath->addresses;

	native_config = &datapath->config;
	prepare_lookup(&packet, side != 0);
	return (label_at(header, &packet.lookup) -
	        header->partitions[GUARD_PARTITION(family, side != 0)].labels) /
	       sizeof(struct guard_label);
}

void native_datapath_destroy(struct native_datapath *datapath)
{
	if (!datapath)
		return;
	for (__u32 page = 0; page < GUARD_PAGES; page++)
		free(datapath->rules[page]);
	free(datapath->bans.places);
	native_limits_free(&datapath->limits);
	native_samples_free(&datapath->samples);
	free_connections(&datapath->connections);
	free(datapath->tables);
	free(datapath->addresses);
	free(datapath);
}

/* Makes an engine the one that this thread runs, and a frame its context. */
static struct xdp_md enter(struct native_datapath *datapath, const struct native_frame *frame,
                           const struct guard_trace *trace)
{
	static const char nothing;
	const char *bytes = frame->length ? frame->bytes : &nothing;
	__u32 linear = frame->linear < frame->length ? frame->linear : frame->length;

	current = datapath;
	native_config = &datapath->config;
	datapath->trace = (struct guard_trace){
	        .now_ns = trace->now_ns,
	        .clock_ns = trace->clock_ns,
	        .ifindex = trace->ifindex,
	};
	return (struct xdp_md){
	        .data = (__u64)bytes,
	        .data_end = (__u64)(bytes + linear),
	        .ingress_ifindex = trace->ifindex,
	        .frame_length = frame->length,
	        .frame = bytes,
	};
}

int native_datapath_run(struct native_datapath *datapath, const struct native_frame *frame,
                        struct guard_trace *trace)
{
	struct xdp_md ctx = enter(datapath, frame, trace);
	int action = xdpguard(&ctx);

	*trace = datapath->trace;
	return action;
}

int native_datapath_send(struct native_datapath *datapath, const struct native_frame *frame,
                         struct guard_trace *trace)
{
	struct xdp_md ctx = enter(datapath, frame, trace);
	int is_dropped = 0;

	datapath->trace.sample_slot = GUARD_NO_SLOT;
	datapath->trace.sample_inspector = GUARD_NO_INSPECTOR;
	if (follows_flows() || datapath->config.flags & GUARD_CFG_INSPECT)
		is_dropped = follow_outbound(&ctx);
	*trace = datapath->trace;
	return is_dropped;
}

const struct guard_counter *native_datapath_reasons(const struct native_datapath *datapath)
{
	return datapath->reasons;
}

struct guard_rule_counters native_datapath_rule(const struct native_datapath *datapath, __u32 slot)
{
	const struct guard_rule_counters *page;

	page = slot < GUARD_SLOTS ? datapath->rules[slot / GUARD_PAGE_SLOTS] : NULL;
	return page ? page[slot % GUARD_PAGE_SLOTS] : (struct guard_rule_counters){};
}

#include "limited.h"
#include "scopes.h"

const struct guard_set_counters *native_datapath_sets(const struct native_datapath *datapath)
{
	return datapath->sets;
}

const struct guard_limit_counters *native_datapath_limits(const struct native_datapath *datapath)
{
	return datapath->limits.counters;
}

const struct guard_event *native_datapath_logged(const struct native_datapath *datapath, __u64 *count)
{
	*count = datapath->events;
	return datapath->events ? &datapath->event : NULL;
}

int native_datapath_drop_flow(struct native_datapath *datapath, const struct guard_flow_ends *ends,
                              const struct guard_dropped_flow *flow, __u64 clock_ns)
{
	return drop_flow(&datapath->samples, ends, flow, clock_ns);
}

const struct guard_dropped_flow *native_datapath_find_dropped(const struct native_datapath *datapath,
                                                              const struct guard_flow_ends *ends)
{
	return find_dropped(&datapath->samples, ends);
}

const __u64 *native_datapath_sample_counts(const struct native_datapath *datapath)
{
	return datapath->samples.counts;
}

const struct guard_flow *native_datapath_find_flow(struct native_datapath *datapath,
                                                   const struct guard_flow_key *key)
{
	const struct guard_opening *opening;
	const struct guard_flow *flow;

	current = datapath;
	native_config = &datapath->config;
	flow = find_answered(key);
	opening = flow ? NULL : find_opening(key, IN_UNANSWERED | IN_HALF_OPEN);
	return opening ? &opening->flow : flow;
}
