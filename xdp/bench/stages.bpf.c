/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For scripts/bench: the program's stages on varied packets. BPF_PROG_TEST_RUN repeats one frame, which is
 * made of slots here: each run judges the next slot and writes a template into one that comes up later, so
 * that no read waits for a write. BENCH_MODE says what runs; a stage's cost is the difference of two modes or
 * policies. BENCH_TEMPLATES, a power of two, and BENCH_FRAME, a multiple of 8, may be given too. */

#define BENCH_NOTHING 0
#define BENCH_HEADERS 1 /* parse and sanity */
#define BENCH_FILTER 2
#define BENCH_FLOOD 3 /* the filter, with one of BENCH_SOURCES IPv4 sources in turn */
#define BENCH_OUTBOUND 4 /* what the egress program does, but for its own kind of frame */
#define BENCH_UNINSPECTED 5 /* the filter, as if it knew no inspection */
#define BENCH_LINE 6 /* the flood, and before it one cache line of a large table is read */
#define BENCH_LINES 7 /* nothing, but that one cache line of 100,000 is read, each in turn */
#define BENCH_WIDE 8 /* the same, in a table of twice the size */
#define BENCH_EXCHANGE 9 /* as BENCH_LINE, but that a word of the line is exchanged */

#if BENCH_MODE == BENCH_UNINSPECTED
#include "abi/guard_abi.h"
#define GUARD_CFG_INSPECT 0
#endif

#define xdpguard xdpguard_filter
#include "guard.bpf.c"
#include "stages/outbound.bpf.h"
#undef xdpguard

#ifndef BENCH_TEMPLATES
#define BENCH_TEMPLATES 4096 /* a power of two */
#endif
#ifndef BENCH_SOURCES
#define BENCH_SOURCES 10000000
#endif
#ifndef BENCH_FRAME
#define BENCH_FRAME 128
#endif

struct bench_frame {
	__u64 words[BENCH_FRAME / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct bench_frame);
	__uint(max_entries, BENCH_TEMPLATES);
} bench_frames SEC(".maps");

/* Of 10 million sources. */
#define BENCH_MANY (BENCH_MODE == BENCH_FLOOD || BENCH_MODE == BENCH_LINE || BENCH_MODE == BENCH_EXCHANGE)

/* As large as the token buckets, or as the connections. */
#define BENCH_LINE_COUNT (BENCH_MODE == BENCH_WIDE ? 2 * GUARD_BUCKET_LINES : GUARD_BUCKET_LINES)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct guard_bucket_line);
	__uint(max_entries, BENCH_LINE_COUNT);
} bench_lines SEC(".maps");

static __u32 bench_next;

#define BENCH_SLOTS (3456 / BENCH_FRAME) /* what fits into a page beside the kernel's own */
#define BENCH_AHEAD 13

_Static_assert(BENCH_SLOTS > BENCH_AHEAD && BENCH_SLOTS <= 64, "slots are a 6-bit number");

/* Behind Ethernet: IPv4's source, from 1.0.0.0 on, in an order that no cache foresees. */
static __always_inline void write_source(struct bench_frame *to, __u32 run)
{
	__u32 number = (guard_mix(run, 0) >> 32) % BENCH_SOURCES;

	*(__be32 *)((void *)to + 26) = bpf_htonl(0x01000000 + number);
}

/* 0, or -1 where the frame is too short. */
static __always_inline int write_ahead(struct xdp_md *ctx, __u32 run)
{
	__u32 index = run & (BENCH_TEMPLATES - 1), slot = (run + BENCH_AHEAD) % BENCH_SLOTS;
	const struct bench_frame *frame = bpf_map_lookup_elem(&bench_frames, &index);
	struct bench_frame *to;

	/* The verifier knows no bounds of a remainder. */
	asm volatile("" : "+r"(slot));
	to = (struct bench_frame *)(long)ctx->data + (slot & 63);
	/* One pointer for the comparison and the writes. */
	asm volatile("" : "+r"(to));
	if (!frame || (void *)(to + 1) > (void *)(long)ctx->data_end)
		return -1;
	*to = *frame;
	if (BENCH_MANY)
		write_source(to, run);
	return 0;
}

static __always_inline int headers(struct xdp_md *ctx)
{
	struct guard_scratch *room = scratch();
	struct decision decision = {};

	if (!room)
		return XDP_ABORTED;
	packet_clear(&room->packet);
	parse(ctx, &room->packet);
	return judge_headers(ctx, &room->packet, &decision) ? XDP_DROP : XDP_PASS;
}

/* A line that nothing foresees: mixed once, numbers in turn have lines at one distance from each other, which
 * the processor notices. */
static __always_inline void touch_line(__u32 number)
{
	__u32 index = guard_bucket_line_of(guard_mix(guard_mix(number, 1), 1), BENCH_LINE_COUNT);
	struct guard_bucket_line *line = bpf_map_lookup_elem(&bench_lines, &index);
	__u64 was = 0;

	if (line && BENCH_MODE == BENCH_EXCHANGE)
		was = __sync_val_compare_and_swap(&line->times[0], 0, 1);
	else if (line)
		was = read_once(&line->tags[0]);
	asm volatile("" : : "r"(was));
}

static __always_inline int run_stage(struct xdp_md *ctx, __u32 run)
{
	if (BENCH_MODE == BENCH_LINE || BENCH_MODE == BENCH_EXCHANGE)
		touch_line(run);
	if (BENCH_MODE == BENCH_LINES || BENCH_MODE == BENCH_WIDE)
		touch_line(run % 100000);
	if (BENCH_MODE == BENCH_HEADERS)
		return headers(ctx);
	if (BENCH_MODE == BENCH_OUTBOUND)
		follow_outbound(ctx);
	return BENCH_MODE == BENCH_FILTER || BENCH_MANY || BENCH_MODE == BENCH_UNINSPECTED ? filter(ctx)
	                                                                                   : XDP_PASS;
}

SEC("xdp.frags")
int xdpguard(struct xdp_md *ctx)
{
	__u32 run = bench_next++;
	int offset = run % BENCH_SLOTS * BENCH_FRAME, action;

	if (write_ahead(ctx, run) || bpf_xdp_adjust_head(ctx, offset))
		return XDP_ABORTED;
	action = run_stage(ctx, run);
	return bpf_xdp_adjust_head(ctx, -offset) ? XDP_ABORTED : action;
}
