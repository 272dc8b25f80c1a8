/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps of payload inspection, which policies with inspectors share. A part of maps.bpf.h. */
#ifndef GUARD_SAMPLE_MAPS_BPF_H
#define GUARD_SAMPLE_MAPS_BPF_H

#include "abi/guard_abi.h"

/* What was sampled of each flow: written and read by both programs alone. Groups like those of a cache; the
 * flow that was not seen for longest gives way. A policy without inspectors has one line. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* its values begin at a page: a line is two cache lines */
	__type(key, __u32);
	__type(value, struct guard_sample_line);
	__uint(max_entries, 1);
} guard_sample_flows SEC(".maps");

/* Samples, each a struct guard_sample and the frame behind it: written by both programs, read by the
 * inspector. Full when nobody reads: what does not fit is counted. A policy without inspectors has a page. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, GUARD_SAMPLE_RING_MIN);
} guard_samples SEC(".maps");

/* enum guard_sample_count. The programs add; the controller reads. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, GUARD_SAMPLE_COUNTS);
} guard_sample_counts SEC(".maps");

/* Which flows inspectors need, by their position in the policy: whoever reads the samples writes, the XDP
 * program reads. Shared, as what the reader searches for may change while a policy runs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_sample_scope);
	__uint(max_entries, 1);
} guard_sample_scopes SEC(".maps");

/* Packets and bytes of IP packets that guard_sample_scopes left out, by inspector. The program adds. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_counter);
	__uint(max_entries, 1);
} guard_scope_counts SEC(".maps");

/* Of the samples' reader: enum guard_sample_reader, times of CLOCK_MONOTONIC in ns. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, GUARD_READER_WORDS);
} guard_sample_wake SEC(".maps");

/* Flows whose packets are dropped. The controller adds and removes; the programs check the end time and
 * count. A full table is an error for whoever adds. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct guard_flow_ends);
	__type(value, struct guard_dropped_flow);
	__uint(max_entries, GUARD_DROPPED_FLOWS);
} guard_dropped_flows SEC(".maps");

/* Not 0 where guard_dropped_flows may have some: without, one load a packet. The controller's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} guard_dropped_any SEC(".maps");

#endif
