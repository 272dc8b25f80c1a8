/* SPDX-License-Identifier: Apache-2.0 */
/* guard_unanswered and guard_half_open on the host: hashes of connections that,
 * when they are full, forget the one that was not looked at for longest. */
#ifndef NATIVE_FLOWS_H
#define NATIVE_FLOWS_H

#include "native_datapath.h"

struct native_flow {
	struct guard_flow_key key;
	struct guard_opening value;
	__u32 next; /* in its bucket, or of the free places; all links are 1 + a
	               position, 0: none */
	__u32 older;
	__u32 newer;
};

struct native_flows {
	struct native_flow *places; /* NULL until the first connection */
	__u32 *buckets; /* as many as places */
	__u32 capacity; /* a power of two */
	__u32 count;
	__u32 used; /* places that ever had a connection */
	__u32 unused; /* the first of those that have none any more */
	__u32 newest;
	__u32 oldest;
};

/* NULL where the connection is not known. */
struct guard_opening *native_flows_find(struct native_flows *flows, const struct guard_flow_key *key);

/* 0, or -ENOMEM. */
int native_flows_put(struct native_flows *flows, const struct guard_flow_key *key,
                     const struct guard_opening *value);

/* 0, or -ENOENT. */
int native_flows_remove(struct native_flows *flows, const struct guard_flow_key *key);

void native_flows_free(struct native_flows *flows);

#endif
