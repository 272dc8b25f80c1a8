/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's helpers that change frames and send them. On the host nothing is sent, so that each of them
 * refuses. Part of native.c. */
#ifndef NATIVE_ANSWERS_H
#define NATIVE_ANSWERS_H

#include <errno.h>

/* A frame of an engine's is the caller's: it is judged, never changed, and nothing answers it. */
static __always_inline long bpf_xdp_store_bytes(struct xdp_md *ctx, __u32 offset, void *from, __u32 length)
{
	return -EOPNOTSUPP;
}

static __always_inline long bpf_xdp_adjust_head(struct xdp_md *ctx, int change)
{
	return -EOPNOTSUPP;
}

static __always_inline long bpf_xdp_adjust_tail(struct xdp_md *ctx, int change)
{
	return -EOPNOTSUPP;
}

static __always_inline long bpf_check_mtu(struct xdp_md *ctx, __u32 ifindex, __u32 *mtu, __s32 change,
                                          __u64 flags)
{
	return -EOPNOTSUPP;
}

/* Cookies are the kernel's secret. */
static __always_inline __s64 bpf_tcp_raw_gen_syncookie_ipv4(void *ip, void *tcp, __u32 length)
{
	return -EOPNOTSUPP;
}

static __always_inline __s64 bpf_tcp_raw_gen_syncookie_ipv6(void *ip, void *tcp, __u32 length)
{
	return -EOPNOTSUPP;
}

static __always_inline long bpf_tcp_raw_check_syncookie_ipv4(void *ip, void *tcp)
{
	return -EOPNOTSUPP;
}

static __always_inline long bpf_tcp_raw_check_syncookie_ipv6(void *ip, void *tcp)
{
	return -EOPNOTSUPP;
}

/* An engine's packets are for no socket of the host that it runs on. */
static __always_inline struct bpf_sock *bpf_sk_lookup_tcp(struct xdp_md *ctx, struct bpf_sock_tuple *tuple,
                                                          __u32 size, __u64 netns, __u64 flags)
{
	return 0;
}

static __always_inline struct bpf_sock *bpf_skc_lookup_tcp(struct xdp_md *ctx, struct bpf_sock_tuple *tuple,
                                                           __u32 size, __u64 netns, __u64 flags)
{
	return 0;
}

static __always_inline long bpf_sk_release(struct bpf_sock *socket)
{
	return -EOPNOTSUPP;
}

static __always_inline __s64 bpf_tcp_gen_syncookie(struct bpf_sock *socket, void *ip, __u32 ip_length,
                                                   void *tcp, __u32 tcp_length)
{
	return -EOPNOTSUPP;
}

static __always_inline __s64 bpf_csum_diff(void *from, __u32 from_size, void *to, __u32 to_size, __u32 seed)
{
	return -EOPNOTSUPP;
}

#endif
