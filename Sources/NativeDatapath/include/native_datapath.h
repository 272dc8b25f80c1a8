/* SPDX-License-Identifier: Apache-2.0 */
/* The XDP program compiled for the host: an engine holds one compiled policy and all state of its own. In:
 * frames. Out: the program's answers and counters. No privileges, no kernel. Engines do not know of each
 * other: each may be used by one thread at a time, several by several threads. */
#ifndef NATIVE_DATAPATH_H
#define NATIVE_DATAPATH_H

#include "../../../xdp/abi/guard_abi.h"

struct native_datapath;

/* A frame from its Ethernet header on. The program finds the first `linear` bytes in its context and the rest
 * only by bpf_xdp_load_bytes, as where a driver spreads a packet over several buffers. */
struct native_frame {
	const void *bytes;
	__u32 length;
	__u32 linear; /* bytes; above `length`: all of them */
};

/* A compiled policy: a configuration, and the values of guard_tables and of guard_addresses' inner map. */
struct native_image {
	const struct guard_config *config;
	const void *tables;
	__u64 tables_size; /* bytes */
	const void *addresses; /* the front of the value; the rest, up to config->addresses_size, is zero */
	__u64 addresses_size;
};

/* An engine for a compiled policy, of which it keeps a copy. NULL where memory is out or the parts do not
 * belong together. */
struct native_datapath *native_datapath_create(const struct native_image *image);

/* Another compiled policy for an engine, with the state that it has, as an apply would. 0, or the negative
 * errno (EINVAL, ENOMEM), with the engine as it was. */
int native_datapath_load(struct native_datapath *datapath, const struct native_image *image);

/* The number of the label that an address has as a source (side 0) or destination (1). */
__u32 native_datapath_label(const struct native_datapath *datapath, __u8 family, int side,
                            const struct guard_address6 *address);
void native_datapath_destroy(struct native_datapath *datapath);

/* Runs the program on a frame. `trace` asks (time and interface) and holds the answer, where the
 * configuration is a replay's; without that the clock is the host's and nothing is answered. Returns the XDP
 * action. */
int native_datapath_run(struct native_datapath *datapath, const struct native_frame *frame,
                        struct guard_trace *trace);

/* Adds a ban or replaces it. 0, or the negative errno: EINVAL for a prefix that cannot be, E2BIG where
 * GUARD_BANS_MAX prefixes are banned, ENOMEM. */
int native_datapath_ban(struct native_datapath *datapath, const struct guard_ban_key *prefix,
                        const struct guard_ban *ban);

/* The ban of exactly this prefix with its counters, until the next ban is added; NULL: none. */
const struct guard_ban *native_datapath_find_ban(const struct native_datapath *datapath,
                                                 const struct guard_ban_key *prefix);

/* Packets by reason and verdict: guard_counter[GUARD_REASONS * GUARD_VERDICTS]. */
const struct guard_counter *native_datapath_reasons(const struct native_datapath *datapath);

/* What a rule's slot has counted. */
struct guard_rule_counters native_datapath_rule(const struct native_datapath *datapath, __u32 slot);

/* Hits by set slot: guard_set_counters[GUARD_SETS]. */
const struct guard_set_counters *native_datapath_sets(const struct native_datapath *datapath);

/* What limits have counted, by slot: guard_limit_counters[GUARD_LIMITS]. */
const struct guard_limit_counters *native_datapath_limits(const struct native_datapath *datapath);

/* The last logged packet, and in `count` how many there were; NULL: none. */
const struct guard_event *native_datapath_logged(const struct native_datapath *datapath, __u64 *count);

#endif
