/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A sample: the frame with its head, given to the ring of samples. Cost: 70 to 400 ns by its length. */
#ifndef GUARD_SAMPLE_FRAME_BPF_H
#define GUARD_SAMPLE_FRAME_BPF_H

#include "stages/sample.bpf.h"

/* The egress program's context has another name for it, and longer packets. */
#ifndef SAMPLE_INTERFACE
#define SAMPLE_INTERFACE(ctx) ((ctx)->ingress_ifindex)
#define SAMPLE_LONGEST GUARD_SAMPLE_FRAME
#endif

/* A reader is woken at most every 200 us: a burst costs one wakeup, not one for each sample. Whoever reads
 * looks again a millisecond after the last sample, for those that came without one. */
static __always_inline __u64 sample_wakeup(__u64 now)
{
	__u32 key = GUARD_READER_WOKEN;
	__u64 *woken = bpf_map_lookup_elem(&guard_sample_wake, &key);

	if (!woken || (__s64)(now - *woken) < (__s64)GUARD_SAMPLE_WAKE_NS)
		return BPF_RB_NO_WAKEUP;
	*woken = now;
	return BPF_RB_FORCE_WAKEUP;
}

/* From 1 to `room`, a power of two, already; said in arithmetic, as Linux 6.1 learns no lower bound from a
 * comparison. */
static __always_inline __u32 bounded(__u32 length, const __u32 room)
{
	asm volatile("" : "+r"(length));
	return ((length - 1) & (room - 1)) + 1;
}

/* Copies the frame's first bytes to a record that has room for `room`. */
static __always_inline int load_frame(struct xdp_md *ctx, __u8 *to, __u32 length, const __u32 room)
{
	if (room != GUARD_SAMPLE_FRAME)
		return bpf_xdp_load_bytes(ctx, 0, to, bounded(length, room)) != 0;
	if (length <= 8192)
		return bpf_xdp_load_bytes(ctx, 0, to, bounded(length, 8192)) != 0;
	if (bpf_xdp_load_bytes(ctx, 0, to, 8192))
		return 1;
	return bpf_xdp_load_bytes(ctx, 8192, to + 8192, bounded(length - 8192, 1024)) != 0;
}

/* The ring takes records of a constant size alone: that of the frame's size class. 1 where it is lost. */
static __always_inline int give_sample(struct xdp_md *ctx, const struct guard_sample *head, const __u32 room)
{
	struct guard_sample *record = bpf_ringbuf_reserve(&guard_samples, sizeof(*record) + room, 0);

	if (!record) {
		count_sample(GUARD_SAMPLES_LOST_FULL, 1);
		return 1;
	}
	*record = *head;
	if (load_frame(ctx, (__u8 *)(record + 1), head->captured_length, room)) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		count_sample(GUARD_SAMPLES_LOST_COPY, 1);
		return 1;
	}
	count_sample(head->flags & GUARD_SAMPLE_SENT ? GUARD_SAMPLES_SENT : GUARD_SAMPLES_RECEIVED, 1);
	count_sample(GUARD_SAMPLES_BYTES, head->captured_length);
	if (head->flags & GUARD_SAMPLE_CUT)
		count_sample(GUARD_SAMPLES_CUT, 1);
	bpf_ringbuf_submit(record, sample_wakeup(head->time_ns));
	return 0;
}

/* Gives the frame to the ring, with the head that its budget wrote: 1 where it is lost. A global function,
 * verified by itself. */
__noinline int put_sample(struct xdp_md *ctx, __u32 flags)
{
	struct guard_scratch *room = scratch();
	struct guard_sample head;
	__u32 length;

	if (!room)
		return 0;
	head = room->sample;
	head.frame_length = length = bpf_xdp_get_buff_len(ctx);
	if (length > SAMPLE_LONGEST) {
		length = SAMPLE_LONGEST;
		flags |= GUARD_SAMPLE_CUT;
	}
	head.captured_length = length;
	head.time_ns = bpf_ktime_get_ns();
	head.ifindex = SAMPLE_INTERFACE(ctx);
	head.flags = flags;
	head.padding = 0;
	if (length <= 128)
		return give_sample(ctx, &head, 128);
	if (length <= 512)
		return give_sample(ctx, &head, 512);
	if (length <= 2048)
		return give_sample(ctx, &head, 2048);
	if (SAMPLE_LONGEST == GUARD_SAMPLE_FRAME || length <= GUARD_SAMPLE_FRAME)
		return give_sample(ctx, &head, GUARD_SAMPLE_FRAME);
	return give_sample(ctx, &head, SAMPLE_LONGEST);
}

#endif
