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

/* Runs the egress program on a frame that this host sends, where the policy follows connections or inspects
 * flows. `trace` asks as above, and holds what is sampled. 1 where the frame is dropped, being of a dropped
 * flow. */
int native_datapath_send(struct native_datapath *datapath, const struct native_frame *frame,
                         struct guard_trace *trace);

/* Drops a flow's packets from now on, in place of what was said of it before. `clock_ns` is the program's:
 * what has ended gives way where the table is full. 0, or the negative errno: EINVAL where no policy with
 * inspectors was loaded, E2BIG where GUARD_DROPPED_FLOWS flows are dropped, ENOMEM. */
int native_datapath_drop_flow(struct native_datapath *datapath, const struct guard_flow_ends *ends,
                              const struct guard_dropped_flow *flow, __u64 clock_ns);

/* The dropped flow of these ends with its counters, until the next one is added; NULL: none. */
const struct guard_dropped_flow *native_datapath_find_dropped(const struct native_datapath *datapath,
                                                              const struct guard_flow_ends *ends);

/* Tells which flows an inspector needs; without, all. 0, or the negative errno: EINVAL where no policy with
 * inspectors was loaded, or from GUARD_SCOPES on, ENOMEM. */
int native_datapath_set_scope(struct native_datapath *datapath, __u32 inspector,
                              const struct guard_sample_scope *scope);

/* Packets that scopes left out: guard_counter[GUARD_SCOPES]. */
const struct guard_counter *native_datapath_unneeded(const struct native_datapath *datapath);

/* __u64[GUARD_SAMPLE_COUNTS]. */
const __u64 *native_datapath_sample_counts(const struct native_datapath *datapath);

/* The connection of exactly this key, until the next frame; NULL: not known. */
const struct guard_flow *native_datapath_find_flow(struct native_datapath *datapath,
                                                   const struct guard_flow_key *key);

/* Adds a ban or replaces it. 0, or the negative errno: EINVAL for a prefix that cannot be, E2BIG where
 * GUARD_BANS_MAX prefixes are banned, ENOMEM. */
int native_datapath_ban(struct native_datapath *datapath, const struct guard_ban_key *prefix,
                        const struct guard_ban *ban);

/* The ban of exactly this prefix with its counters, until the next ban is added; NULL: none. */
const struct guard_ban *native_datapath_find_ban(const struct native_datapath *datapath,
                                                 const struct guard_ban_key *prefix);

/* What a limit with GUARD_LIMIT_BAN does at a time of the program's clock to the client that an address
 * (`client` without its length) is to it. 1 where it is banned now, 0 where there was no room. */
int native_datapath_ban_client(struct native_datapath *datapath, const struct guard_ban_key *client,
                               const struct guard_limit *limit, __u64 clock_ns);

/* Bans in the table, those that have ended included. */
__u32 native_datapath_ban_count(const struct native_datapath *datapath);
const struct guard_ban_upkeep *native_datapath_ban_upkeep(const struct native_datapath *datapath);

/* Packets by reason and verdict: guard_counter[GUARD_REASONS * GUARD_VERDICTS]. */
const struct guard_counter *native_datapath_reasons(const struct native_datapath *datapath);

/* What a rule's slot has counted. */
struct guard_rule_counters native_datapath_rule(const struct native_datapath *datapath, __u32 slot);

/* A packet over a limit's rate, as far as it is noted under its client: `client` has the packet's own
 * addresses and ports; `fields` is 0 where neither protocol nor ports were read. */
struct native_excess {
	struct guard_limit limit;
	struct guard_limited_client client;
	__u64 tag; /* of the bucket */
	__u32 bytes;
};

/* Notes a packet over a limit's rate at a time of the program's clock, as the stage of limits does. */
void native_datapath_note_limited(struct native_datapath *datapath, const struct native_excess *excess,
                                  __u64 clock_ns);

/* Who was limited: guard_limited_group[GUARD_LIMITED_GROUPS]. */
const struct guard_limited_group *native_datapath_limited(const struct native_datapath *datapath);

/* Hits by set slot: guard_set_counters[GUARD_SETS]. */
const struct guard_set_counters *native_datapath_sets(const struct native_datapath *datapath);

/* What limits have counted, by slot: guard_limit_counters[GUARD_LIMITS]. */
const struct guard_limit_counters *native_datapath_limits(const struct native_datapath *datapath);

/* The last logged packet, and in `count` how many there were; NULL: none. */
const struct guard_event *native_datapath_logged(const struct native_datapath *datapath, __u64 *count);

#endif
