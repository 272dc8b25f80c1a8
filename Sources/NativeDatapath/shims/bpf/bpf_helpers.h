/* SPDX-License-Identifier: Apache-2.0 */
/* In place of libbpf's <bpf/bpf_helpers.h>: sections mean nothing on the host,
 * map definitions are only names for storage, and the kernel's helpers are the
 * functions at the end of native.c. */
#ifndef NATIVE_BPF_HELPERS_H
#define NATIVE_BPF_HELPERS_H

#include <linux/types.h>

#define SEC(name)

#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#undef __noinline
#define __noinline __attribute__((noinline))

/* Never read: they keep the definitions compiling. */
#define __uint(name, value) int(*name)[value]
#define __type(name, value) __typeof__(value) *name
#define __array(name, value) __typeof__(value) *name[]

struct xdp_md;

/* Maps are told apart by address; inlined, the comparisons fold to the one
 * storage. */
static __always_inline void *bpf_map_lookup_elem(const void *map, const void *key);
static __always_inline long bpf_map_update_elem(const void *map, const void *key, const void *value,
                                                __u64 flags);
static __always_inline long bpf_map_delete_elem(const void *map, const void *key);
static __always_inline long bpf_for_each_map_elem(const void *map, void *step, void *context, __u64 flags);
static __always_inline long bpf_loop(__u32 count, long (*step)(__u32, void *), void *context, __u64 flags);
static __always_inline long bpf_xdp_load_bytes(struct xdp_md *ctx, __u32 offset, void *to, __u32 length);
static __always_inline __u64 bpf_xdp_get_buff_len(struct xdp_md *ctx);
static __always_inline __u64 bpf_ktime_get_coarse_ns(void);
static __always_inline __u64 bpf_jiffies64(void);
static __always_inline __u64 bpf_ktime_get_ns(void);
static __always_inline __u32 bpf_get_prandom_u32(void);
static __always_inline void *bpf_ringbuf_reserve(const void *map, __u64 size, __u64 flags);
static __always_inline void bpf_ringbuf_submit(void *event, __u64 flags);
static __always_inline void bpf_ringbuf_discard(void *event, __u64 flags);
static __always_inline long bpf_xdp_store_bytes(struct xdp_md *ctx, __u32 offset, void *from, __u32 length);
static __always_inline long bpf_xdp_adjust_head(struct xdp_md *ctx, int change);
static __always_inline long bpf_xdp_adjust_tail(struct xdp_md *ctx, int change);
static __always_inline long bpf_check_mtu(struct xdp_md *ctx, __u32 ifindex, __u32 *mtu, __s32 change,
                                          __u64 flags);
static __always_inline struct bpf_sock *bpf_sk_lookup_tcp(struct xdp_md *ctx, struct bpf_sock_tuple *tuple,
                                                          __u32 size, __u64 netns, __u64 flags);
static __always_inline struct bpf_sock *bpf_skc_lookup_tcp(struct xdp_md *ctx, struct bpf_sock_tuple *tuple,
                                                           __u32 size, __u64 netns, __u64 flags);
static __always_inline long bpf_sk_release(struct bpf_sock *socket);
static __always_inline __s64 bpf_tcp_gen_syncookie(struct bpf_sock *socket, void *ip, __u32 ip_length,
                                                   void *tcp, __u32 tcp_length);
static __always_inline __s64 bpf_tcp_raw_gen_syncookie_ipv4(void *ip, void *tcp, __u32 length);
static __always_inline __s64 bpf_tcp_raw_gen_syncookie_ipv6(void *ip, void *tcp, __u32 length);
static __always_inline long bpf_tcp_raw_check_syncookie_ipv4(void *ip, void *tcp);
static __always_inline long bpf_tcp_raw_check_syncookie_ipv6(void *ip, void *tcp);
static __always_inline __s64 bpf_csum_diff(void *from, __u32 from_size, void *to, __u32 to_size, __u32 seed);

#endif
