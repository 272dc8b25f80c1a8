/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map: who writes it, who reads it, why this size. Maps of a generation come and go with its program;
 * shared maps are pinned and outlive every program. */
#ifndef GUARD_MAPS_BPF_H
#define GUARD_MAPS_BPF_H

#include "abi/guard_abi.h"
#include "stages/packet.bpf.h"
#include "stages/search.bpf.h"

#include <config.bpf.h>

/* ---- of a generation */

/* The compiled policy. Written once through mmap before the program is attached, then only read. One element
 * whose size the controller sets to what this policy needs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(key_size, 4);
	__uint(value_size, 8);
	__uint(max_entries, 1);
} guard_tables SEC(".maps");

/* What depends on sets of addresses: a struct guard_addresses_header and what it tells of. An inner map is
 * written through mmap before it takes its place here, and then only read: a set changes by one more map. Of
 * the size that this policy needs, with room for sets to grow. */
struct guard_addresses_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(key_size, 4);
	__uint(value_size, 8);
	__uint(max_entries, 1);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, 1);
	__array(values, struct guard_addresses_map);
} guard_addresses SEC(".maps");

/* Who applied which policy, for status, found through the program. Never read in the kernel. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 8);
	__uint(max_entries, 1);
} guard_info SEC(".maps");

/* Replay's question and answer, written and read through mmap. One run at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct guard_trace);
	__uint(max_entries, 1);
} guard_trace SEC(".maps");

/* The window of L4 payload that patterns look at: scratch space, as the stack cannot be read at a variable
 * offset from a bpf_loop callback. 16 bytes more than the window, so that a pattern is always read as two
 * words. */
struct guard_payload_window {
	__u8 bytes[GUARD_PAYLOAD_WINDOW + 16];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_payload_window);
	__uint(max_entries, 1);
} guard_payload SEC(".maps");

/* The place that a new connection takes: stages/answered.bpf.h. */
struct guard_flow_choice {
	__u64 rank; /* how much is lost with it */
	__u64 end; /* of its key, and when it was seen, as it was chosen */
	__u64 seen_ns;
	__u32 line; /* its number, from 1 on */
	__u32 padding;
};

/* The packet under judgement, room to read the layers of tunnels, and the search for its rule. In a map
 * rather than on the stack: the verifier does not follow what a map holds, so that all paths of the parser
 * meet again behind it, and all steps of a search look alike. */
struct guard_scratch {
	struct packet packet;
	struct packet inner[GUARD_TUNNELS_MAX];
	struct packet_layer layers[GUARD_TUNNELS_MAX]; /* around the judged header, the outer first */
	struct packet_layer key; /* of the judged header, for the fragment table */
	struct guard_flow_key flow_key; /* of the judged header, or of what it quotes */
	struct guard_opening opening; /* to be stored; of an answered connection `flow` alone */
	struct guard_flow_choice choice; /* of the place that a new connection takes */
	__u64 fit; /* enum flow_fit: what the tables of connections say of the packet */
	struct search search;
	struct charge charge;
	struct excess excess;
	struct decision decision;
	struct guard_ban ban; /* that a limit makes */
	struct guard_flow_ends ends; /* of the judged header's flow */
	struct guard_sample sample; /* of this packet, where it is sampled */
	__u64 sample_tag; /* of its flow, or its first fragment's, where that is sampled; 0: it is not */
	/* of the packet, or of its first fragment */
	struct guard_fragment_charge charges[GUARD_FRAGMENT_CHARGES];
	__u32 charge_count;
	struct packet first; /* of a later fragment's first: what guard_fragment_client keeps of it */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_scratch);
	__uint(max_entries, 1);
} guard_scratch SEC(".maps");

static __always_inline struct guard_scratch *scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&guard_scratch, &zero);
}

/* ---- shared by all generations, pinned under these names */

/* Packets by reason and verdict. The program adds; the controller reads. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_counter);
	__uint(max_entries, GUARD_REASONS *GUARD_VERDICTS);
} guard_reasons SEC(".maps");

/* Packets by rule slot. A slot belongs to a rule name for good, so that counts survive every apply. This is
 * the first page of slots, which most policies never leave. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_rule_counters);
	__uint(max_entries, GUARD_PAGE_SLOTS);
} guard_rules SEC(".maps");

/* The further pages by number, 0 left empty: made by the controller when a policy needs them, as per-CPU
 * counters of a million rules would take 32 MB a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, GUARD_PAGES);
	__array(
	        values, struct {
		        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
		        __type(key, __u32);
		        __type(value, struct guard_rule_counters);
		        __uint(max_entries, GUARD_PAGE_SLOTS);
	        });
} guard_rule_pages SEC(".maps");

/* Rule names to slots: the controller's; never read in the kernel. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct guard_rule_name);
	__type(value, __u32);
	__uint(max_entries, GUARD_SLOTS);
} guard_slots SEC(".maps");

/* Hits of named sets by slot. The program adds; a slot belongs to a set's name for good. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_set_counters);
	__uint(max_entries, GUARD_SETS);
} guard_sets SEC(".maps");

/* Set names to slots: the controller's; never read in the kernel. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct guard_rule_name);
	__type(value, __u32);
	__uint(max_entries, GUARD_SETS);
} guard_set_slots SEC(".maps");

/* Banned prefixes. The controller adds and removes; the program checks the end time and counts, adds those of
 * limits, and clears ended ones away when it needs room. Preallocated, never evicted: a full table is an
 * error for whoever bans. The controller may make it of another size. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct guard_ban_key);
	__type(value, struct guard_ban);
	__uint(max_entries, GUARD_BANS_MAX);
} guard_bans SEC(".maps");

/* The prefix lengths that bans have: without bans, one load a packet. The program sets bits, the controller
 * sets and clears them through mmap, both by atomics. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct guard_ban_lengths);
	__uint(max_entries, 1);
} guard_ban_lengths SEC(".maps");

/* How the program keeps guard_bans tidy. The controller reads, and adds to what was lost. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct guard_ban_upkeep);
	__uint(max_entries, 1);
} guard_ban_upkeep SEC(".maps");

/* First fragments of the last 30 seconds: written and read by the program alone. A place: what was decided
 * for one; free where its tag in the group is 0. */
struct guard_fragment {
	struct guard_address6 source; /* the key */
	struct guard_address6 destination;
	__u32 id;
	__u8 family;
	__u8 protocol;
	__u16 end; /* bytes of the datagram that the first fragment has */
	__u32 slot; /* what was decided; GUARD_NO_SLOT: no rule */
	__u32 monitor_slot;
	__u8 verdict;
	__u8 flags; /* enum fragment_flags */
	__u8 padding[6];
	__u64 sample_tag; /* of the flow, where it is sampled; 0: it is not */
};

/* No lock: that costs more than all the rest. A place is written between two changes of its version, from
 * even to odd and on to even; whoever reads looks at the version before and after. */
struct guard_fragment_group {
	__u32 versions[GUARD_FRAGMENT_PLACES];
	__u32 tags[GUARD_FRAGMENT_PLACES]; /* of the keys' hashes, never 0 */
	__u64 times[GUARD_FRAGMENT_PLACES]; /* ns: when kept */
	__u8 passes[GUARD_FRAGMENT_PLACES]; /* the first fragment passed */
	__u32 padding;
	struct guard_fragment places[GUARD_FRAGMENT_PLACES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_fragment_group);
	__uint(max_entries, 1 << GUARD_FRAGMENT_GROUPS_BITS);
} guard_fragments SEC(".maps");

/* Room to put an answer together. */
#define GUARD_ANSWER_ROOM 2048
#define GUARD_SEGMENT_MAX 60 /* bytes of a TCP header with options */
#define GUARD_ANSWER_SUM_MAX 1536 /* bytes that a checksum is taken over, at most */

struct guard_answer {
	__u8 packet[GUARD_ANSWER_ROOM]; /* from its IP header on */
	__u8 link[24]; /* Ethernet and up to two tags */
	__u8 segment[GUARD_SEGMENT_MAX + 20]; /* the TCP header that is answered, and room to read on */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_answer);
	__uint(max_entries, 1);
} guard_answer SEC(".maps");

/* What was sent and what was withheld, enum guard_answer_count. The program adds; the controller reads. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, GUARD_ANSWERS);
} guard_answers SEC(".maps");

/* Settings of this network namespace that `apply` changed with consent, as they were. The controller's; never
 * read in the kernel. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_settings);
	__uint(max_entries, 1);
} guard_settings SEC(".maps");

/* The budget of answers and the time of the last cookie: the program's own. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_answer_state);
	__uint(max_entries, 1);
} guard_answer_state SEC(".maps");
/* What the first fragments in guard_fragments were charged to, and as whom, group by group: written and read
 * with them, by the program alone. A policy without limits, or that does not track fragments, has one group.
 */
struct guard_fragment_charges {
	struct guard_fragment_charge charges[GUARD_FRAGMENT_PLACES][GUARD_FRAGMENT_CHARGES];
	struct guard_fragment_client clients[GUARD_FRAGMENT_PLACES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_fragment_charges);
	__uint(max_entries, 1);
} guard_fragment_charges SEC(".maps");

/* For the generations to come: the controller's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_host);
	__uint(max_entries, 1);
} guard_host SEC(".maps");

#include "client_maps.bpf.h"
#include "sample_maps.bpf.h"

/* Sources lately seen, for top. Written by the program on its own CPU, overwritten round and round. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_talkers);
	__uint(max_entries, 1);
} guard_talkers SEC(".maps");

/* Logged packets, read by `events`. Full when nobody reads: what does not fit is counted in guard_lost. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, GUARD_EVENTS_BYTES);
} guard_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} guard_lost SEC(".maps");

#endif
