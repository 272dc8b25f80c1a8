/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the bucket of a limit and a client stands: the one hash that the XDP program writes by and that
 * `limits` finds it by. Words of a key, in host order:
 *   rule, and frames whose IP header was not read: none
 *   all others: the address family, 4 or 6; the source masked to the limit's prefix (all of it for a
 *   connection); the destination (for a destination or connection); for source + service and connections
 *   protocol << 16 | destination port or ICMP type, of a connection with source port << 32
 * An IPv4 address is one word, an IPv6 address its two halves. */
#ifndef GUARD_BUCKETS_H
#define GUARD_BUCKETS_H

#include <linux/types.h>

#define GUARD_BUCKET_WORDS_MAX 6

/* The step of all keyed hashes of packets: for an unchanged word it is a bijection of the hash. */
static inline __attribute__((always_inline)) __u64 guard_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/* The tag of a client's bucket, never 0, which marks a free place. `host_seed` is the configuration's seed,
 * `limit_seed` the limit's. */
static inline __attribute__((always_inline)) __u64 guard_bucket_tag(__u64 host_seed, __u64 limit_seed,
                                                                    const __u64 *words, __u32 count)
{
	__u64 tag = guard_mix(host_seed, limit_seed);

	for (__u32 i = 0; i < count; i++)
		tag = guard_mix(tag, words[i]);
	return tag ? tag : 1;
}

/* The line of guard_buckets that the tag can stand in; `lines` is a power of two. Upper bits: a product's
 * depend on all of its factor's. */
static inline __attribute__((always_inline)) __u32 guard_bucket_line_of(__u64 tag, __u32 lines)
{
	return (__u32)(tag >> 32) & (lines - 1);
}

#endif
