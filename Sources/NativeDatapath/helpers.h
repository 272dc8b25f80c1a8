/* SPDX-License-Identifier: Apache-2.0 */
/* The helpers of the kernel that are not about maps: loops, frame, clocks, chance, log. Part of native.c. */
#ifndef NATIVE_HELPERS_H
#define NATIVE_HELPERS_H

static __always_inline long bpf_loop(__u32 count, long (*step)(__u32, void *), void *context, __u64 flags)
{
	__u32 index;

	for (index = 0; index < count; index++)
		if (step(index, context))
			return index + 1;
	return index;
}

static __always_inline long bpf_xdp_load_bytes(struct xdp_md *ctx, __u32 offset, void *to, __u32 length)
{
	if (offset > ctx->frame_length || length > ctx->frame_length - offset)
		return -EINVAL;
	memcpy(to, (const char *)ctx->frame + offset, length);
	return 0;
}

static __always_inline __u64 bpf_xdp_get_buff_len(struct xdp_md *ctx)
{
	return ctx->frame_length;
}

static __always_inline __u64 bpf_ktime_get_coarse_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (__u64)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Ticks are for live programs alone. */
static __always_inline __u64 bpf_jiffies64(void)
{
	return 0;
}

static __always_inline __u64 bpf_ktime_get_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Marsaglia's xorshift32: a replay logs the same packets every time. */
static __always_inline __u32 bpf_get_prandom_u32(void)
{
	__u32 x = current->random;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return current->random = x;
}

static __always_inline void *bpf_ringbuf_reserve(const void *map, __u64 size, __u64 flags)
{
	return map == &guard_events && size == sizeof(current->event) ? &current->event : NULL;
}

static __always_inline void bpf_ringbuf_submit(void *event, __u64 flags)
{
	current->events++;
}

static __always_inline void bpf_ringbuf_discard(void *event, __u64 flags)
{
}

#endif
