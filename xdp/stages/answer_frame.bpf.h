/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames that the program sends itself: put together in guard_answer, then the frame that came takes the
 * answer's length and bytes. That serves frames in several buffers too. In: the frame and what was read of
 * it. Out: the same frame, to be sent back. */
#ifndef GUARD_ANSWER_FRAME_BPF_H
#define GUARD_ANSWER_FRAME_BPF_H

#include <linux/tcp.h>

#include "stages/rows.bpf.h"

#define ANSWER_TTL 64
#define ANSWER_TOS 0xc0 /* internetwork control: RFC 1812 4.3.2.5 */

/* Shorter frames are padded on the wire: they are not made shorter. */
#define FRAME_MIN 60

static __always_inline void count_answer(__u32 what)
{
	__u64 *counter = bpf_map_lookup_elem(&guard_answers, &what);

	if (counter)
		(*counter)++;
}

static __always_inline struct guard_answer *answer_room(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&guard_answer, &zero);
}

/* Addresses that several hosts share (RFC 1122 3.2.2), or nobody. A broadcast of the link that is told only
 * by its netmask comes to a group's hardware address. */
static __always_inline int is_group(const struct packet *packet)
{
	__u64 high = packet->destination.high, low = packet->destination.low;

	if (packet->family == 4)
		return low >> 29 == 7 || low >> 24 == 0;
	return high >> 56 == 0xff || !(high | low);
}

/* ---- Checksums: RFC 1071, over answer->packet from `offset` on */

static __always_inline __u16 folded(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

#define SUM_STEP 512 /* bpf_csum_diff takes no more at once before Linux 6.14 */

/* Adds `length` bytes, at most ANSWER_SUM_MAX; the bytes behind them up to the next word are zero. A negative
 * result means that a sum could not be had. */
static __always_inline __s64 sum_bytes(void *bytes, __u32 length, __u32 seed)
{
	__s64 sum = seed;

#pragma unroll
	for (__u32 at = 0; at < GUARD_ANSWER_SUM_MAX; at += SUM_STEP) {
		__u32 left = length > at ? length - at : 0;

		if (left > SUM_STEP)
			left = SUM_STEP;
		asm volatile("" : "+r"(left));
		left = (left + 3) & 0x3fc;
		if (left > SUM_STEP)
			left = SUM_STEP;
		if (left && sum >= 0)
			sum = bpf_csum_diff(0, 0, bytes + at, left, sum);
	}
	return sum;
}

/* The sum of the pseudo header (RFC 9293 3.1, RFC 8200 8.1) in 64 bits. */
static __always_inline __u64 pseudo_sum4(const struct iphdr *ip, __u32 length)
{
	return (__u64)ip->saddr + ip->daddr + bpf_htonl(ip->protocol) + bpf_htonl(length);
}

static __always_inline __u64 pseudo_sum6(const struct ipv6hdr *ip, __u32 length)
{
	const __u32 *words = (const void *)&ip->saddr;
	__u64 sum = bpf_htonl(ip->nexthdr) + (__u64)bpf_htonl(length);

#pragma unroll
	for (int i = 0; i < 8; i++)
		sum += words[i];
	return sum;
}

/* Half-way: 32 bits, as bpf_csum_diff takes its seed. */
static __always_inline __u32 halved(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

/* ---- The headers */

/* The link header's addresses change places, tags stay. Not for what came to a group or from one. */
static __always_inline int turn_link(struct guard_answer *answer)
{
	__u8 target[6];

	if (answer->link[0] & 1 || answer->link[6] & 1)
		return -1;
	__builtin_memcpy(target, answer->link, 6);
	__builtin_memcpy(answer->link, answer->link + 6, 6);
	__builtin_memcpy(answer->link + 6, target, 6);
	return 0;
}

/* IPv4 from where the packet went to where it came from; `length` is that of the whole IP packet. */
static __always_inline void write_ipv4(struct iphdr *ip, const struct packet *packet, __u8 protocol,
                                       __u32 length)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = protocol == IPPROTO_ICMP ? ANSWER_TOS : 0;
	ip->tot_len = bpf_htons(length);
	ip->frag_off = bpf_htons(0x4000); /* don't fragment: then RFC 6864 needs no id */
	ip->ttl = ANSWER_TTL;
	ip->protocol = protocol;
	ip->saddr = bpf_htonl(packet->destination.low);
	ip->daddr = bpf_htonl(packet->source.low);
	ip->check = folded((__u64)((__be32 *)ip)[0] + ((__be32 *)ip)[1] + ((__be32 *)ip)[2] + ip->saddr +
	                   ip->daddr);
}

static __always_inline void write_ipv6(struct ipv6hdr *ip, const struct packet *packet, __u8 protocol,
                                       __u32 length)
{
	__be64 *source = (void *)&ip->saddr, *destination = (void *)&ip->daddr;

	*(__be32 *)ip = bpf_htonl(0x60000000);
	ip->payload_len = bpf_htons(length - sizeof(*ip));
	ip->nexthdr = protocol;
	ip->hop_limit = ANSWER_TTL;
	source[0] = bpf_cpu_to_be64(packet->destination.high);
	source[1] = bpf_cpu_to_be64(packet->destination.low);
	destination[0] = bpf_cpu_to_be64(packet->source.high);
	destination[1] = bpf_cpu_to_be64(packet->source.low);
}

/* ---- Sending */

/* Gives the frame `length` bytes: cut at its end, made longer in front, where every driver has room. */
static __always_inline int resize(struct xdp_md *ctx, __u32 length)
{
	__s32 change = length - bpf_xdp_get_buff_len(ctx);

	if (change < 0)
		return bpf_xdp_adjust_tail(ctx, change);
	return change ? bpf_xdp_adjust_head(ctx, -change) : 0;
}

/* Loads the link header, and turns it. */
static __always_inline int read_link(struct xdp_md *ctx, const struct packet *packet,
                                     struct guard_answer *answer)
{
	__u32 length = packet->network;

	if (length < 14 || length > sizeof(answer->link))
		return -1;
	/* 1 to 32 for the verifier of Linux 6.1. */
	asm volatile("" : "+r"(length));
	length = ((length - 1) & 31) + 1;
	if (length > sizeof(answer->link))
		return -1;
	return bpf_xdp_load_bytes(ctx, 0, answer->link, length);
}

/* The frame takes the answer's bytes, behind its link header. */
static __always_inline int send_answer(struct xdp_md *ctx, const struct packet *packet,
                                       struct guard_answer *answer, __u32 length)
{
	__u32 link = packet->network, total, before = bpf_xdp_get_buff_len(ctx);

	/* The zeros of the padding stand behind the packet. */
	total = link + length;
	if (total < FRAME_MIN && before > total)
		total = before < FRAME_MIN ? before : FRAME_MIN;
	if (resize(ctx, total))
		return -1;
	length = total - link;
	asm volatile("" : "+r"(length));
	length = ((length - 1) & 0x7ff) + 1;
	if (length > GUARD_ANSWER_ROOM)
		return -1;
	asm volatile("" : "+r"(link));
	link = ((link - 1) & 31) + 1;
	if (link > sizeof(answer->link))
		return -1;
	if (bpf_xdp_store_bytes(ctx, 0, answer->link, link))
		return -1;
	return bpf_xdp_store_bytes(ctx, link, answer->packet, length) ? -1 : 0;
}

#endif
