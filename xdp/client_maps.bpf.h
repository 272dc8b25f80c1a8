/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps of limits and connections, which policies that need them share. A part of maps.bpf.h. */
#ifndef GUARD_CLIENT_MAPS_BPF_H
#define GUARD_CLIENT_MAPS_BPF_H

#include "abi/guard_abi.h"

/* Token buckets of all limits: written and read by the program alone. Groups like those of a cache; a bucket
 * gives way when it is the fullest of its line. A policy without limits has one line. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* its values begin at a page: a line is one cache line */
	__type(key, __u32);
	__type(value, struct guard_bucket_line);
	__uint(max_entries, 1);
} guard_buckets SEC(".maps");

/* What limits did, by slot. A slot belongs to a limit's name for good. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_limit_counters);
	__uint(max_entries, GUARD_LIMITS);
} guard_limits SEC(".maps");

/* Limit names to slots: the controller's; never read in the kernel. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct guard_rule_name);
	__type(value, __u32);
	__uint(max_entries, GUARD_LIMITS);
} guard_limit_slots SEC(".maps");

/* Clients that limits dropped packets of, for `limits`. Written by the program, read through mmap, which also
 * aligns groups to cache lines. A policy without limits has one group. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct guard_limited_group);
	__uint(max_entries, 1);
} guard_limited SEC(".maps");

/* Answered connections, written by the egress program and the XDP program. Groups like those of a cache, with
 * about twice as many places as connections are meant to have: a full group forgets the connection that was
 * not seen for longest. The kernel's LRU hash took three to four cache lines a packet, of which the later
 * waited for the earlier, and a call. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* its values begin at a page: a place is one cache line */
	__type(key, __u32);
	__type(value, struct guard_flow_group);
	__uint(max_entries, 1);
} guard_flows SEC(".maps");

/* Connections that this host opened and nobody answered yet: written by the egress program, moved on by both.
 * A flood of what this host itself answers or drops has no place here; of what it forwards, or asks others
 * for in the name of its clients, each packet may have one. A full table forgets the one that was not looked
 * at for longest. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct guard_flow_key);
	__type(value, struct guard_opening);
	__uint(max_entries, 1);
} guard_unanswered SEC(".maps");

/* TCP connections that this host accepted and whose handshake is not over, apart: a SYN flood, which this
 * host answers, pushes out no others. Written by the egress program, where cookies came back by the XDP
 * program too; forgets as guard_unanswered does. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct guard_flow_key);
	__type(value, struct guard_opening);
	__uint(max_entries, 1);
} guard_half_open SEC(".maps");

/* Where the other side began: made by the XDP program, without an insertion that a flood would make dear. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_mark_line);
	__uint(max_entries, 1);
} guard_flow_marks SEC(".maps");

/* Bits of ports, enum guard_port_words: what is attacked mostly has none, and costs one load. The programs
 * and, for connections that ran before them, the controller set them, by atomics. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} guard_flow_ports SEC(".maps");

/* Added to by both programs, read by the controller. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_flow_totals);
	__uint(max_entries, 1);
} guard_flow_totals SEC(".maps");

#endif
