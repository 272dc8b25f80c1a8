/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets are lists of places; all places in use are one list by age. */
#include "flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static __u32 *bucket_of(const struct native_flows *flows, const struct guard_flow_key *key)
{
	const __u64 multiplier = 0x9e3779b97f4a7c15ULL;
	__u64 words[sizeof(*key) / sizeof(__u64)], hash = 0;

	memcpy(words, key, sizeof(words));
	for (__u32 i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		hash = (hash ^ words[i]) * multiplier;
		hash ^= hash >> 32;
	}
	return &flows->buckets[hash & (flows->capacity - 1)];
}

static struct native_flow *place(const struct native_flows *flows, __u32 link)
{
	return link ? &flows->places[link - 1] : NULL;
}

static void take_out_of_ages(struct native_flows *flows, struct native_flow *flow)
{
	struct native_flow *older = place(flows, flow->older), *newer = place(flows, flow->newer);

	*(older ? &older->newer : &flows->oldest) = flow->newer;
	*(newer ? &newer->older : &flows->newest) = flow->older;
}

static void make_newest(struct native_flows *flows, struct native_flow *flow)
{
	__u32 link = 1 + (flow - flows->places);
	struct native_flow *before = place(flows, flows->newest);

	flow->older = flows->newest;
	flow->newer = 0;
	*(before ? &before->newer : &flows->oldest) = link;
	flows->newest = link;
}

/* The link to a connection in its bucket's list, or the list's end. */
static __u32 *link_to(const struct native_flows *flows, const struct guard_flow_key *key)
{
	__u32 *link = bucket_of(flows, key);

	while (*link && memcmp(&place(flows, *link)->key, key, sizeof(*key)))
		link = &place(flows, *link)->next;
	return link;
}

struct guard_opening *native_flows_find(struct native_flows *flows, const struct guard_flow_key *key)
{
	struct native_flow *flow = flows->places ? place(flows, *link_to(flows, key)) : NULL;

	if (!flow)
		return NULL;
	take_out_of_ages(flows, flow);
	make_newest(flows, flow);
	return &flow->value;
}

int native_flows_remove(struct native_flows *flows, const struct guard_flow_key *key)
{
	struct native_flow *flow;
	__u32 *link, freed;

	if (!flows->places)
		return -ENOENT;
	link = link_to(flows, key);
	if (!*link)
		return -ENOENT;
	freed = *link;
	flow = place(flows, freed);
	take_out_of_ages(flows, flow);
	*link = flow->next;
	flow->next = flows->unused;
	flows->unused = freed;
	flows->count--;
	return 0;
}

/* A place for a further connection: one that never had any is last used before
 * the oldest gives way. */
static __u32 new_place(struct native_flows *flows)
{
	__u32 link = flows->unused;

	if (!link && flows->used < flows->capacity)
		return ++flows->used;
	if (!link) {
		native_flows_remove(flows, &place(flows, flows->oldest)->key);
		link = flows->unused;
	}
	flows->unused = place(flows, link)->next;
	return link;
}

static int allocate(struct native_flows *flows)
{
	if (flows->places)
		return 0;
	flows->places = calloc(flows->capacity, sizeof(*flows->places));
	flows->buckets = calloc(flows->capacity, sizeof(*flows->buckets));
	if (flows->places && flows->buckets)
		return 0;
	native_flows_free(flows);
	return -ENOMEM;
}

int native_flows_put(struct native_flows *flows, const struct guard_flow_key *key,
                     const struct guard_opening *value)
{
	struct guard_opening *known = native_flows_find(flows, key);
	__u32 *bucket, link;

	if (known) {
		*known = *value;
		return 0;
	}
	if (allocate(flows))
		return -ENOMEM;
	link = new_place(flows);
	bucket = bucket_of(flows, key);
	*place(flows, link) = (struct native_flow){.key = *key, .value = *value, .next = *bucket};
	*bucket = link;
	make_newest(flows, place(flows, link));
	flows->count++;
	return 0;
}

void native_flows_free(struct native_flows *flows)
{
	free(flows->places);
	free(flows->buckets);
	*flows = (struct native_flows){.capacity = flows->capacity};
}
