/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The stack takes a cookie only on a listening socket that has itself sent one in the last two minutes
 * (net/ipv4/syncookies.c, tcp_synq_no_recent_overflow), and in a flood it need not get to see a SYN. The
 * kernel's helper that makes a cookie for a socket notes the time there, as if the stack had sent it. In: a
 * SYN that a cookie answers. Out: nothing but that note, some times a second for each listener.
 */
#ifndef GUARD_LISTENERS_BPF_H
#define GUARD_LISTENERS_BPF_H

#include "stages/answer_frame.bpf.h"

#define LISTENER_PLACES 4096 /* those that share one are noted more often */
#define LISTENER_TURN_SHIFT 26 /* ns: one that began to listen just now is noted 67 ms later at most */

/* By the hash of a listener's interface, address and port: the rest of the hash, and the time of the last
 * note. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, LISTENER_PLACES);
} guard_listeners SEC(".maps");

/* Whether the listener that a SYN is for was noted in this turn; if not, it is now. On another interface
 * another socket may listen. */
static __always_inline int is_open_listener(struct xdp_md *ctx, const struct packet *packet)
{
	__u64 hash = guard_mix(guard_config.seed, (__u64)ctx->ingress_ifindex << 8 | packet->family);
	__u64 note, *place;
	__u32 index;

	hash = guard_mix(guard_mix(hash, packet->destination.high), packet->destination.low);
	hash = guard_mix(hash, packet->key);
	index = hash & (LISTENER_PLACES - 1);
	note = (hash >> 32 << 32) | (__u32)(clock_ns() >> LISTENER_TURN_SHIFT);
	place = bpf_map_lookup_elem(&guard_listeners, &index);
	if (!place || *(volatile __u64 *)place == note)
		return 1;
	*(volatile __u64 *)place = note;
	return 0;
}

/* No connection has source port 0: the socket found is the one that listens, whatever connections a SYN's
 * sender has. NULL: none of this network namespace. */
static __always_inline struct bpf_sock *find_listener(struct xdp_md *ctx, const struct packet *packet,
                                                      const struct guard_answer *answer)
{
	const struct ipv6hdr *ipv6 = (void *)answer->packet;
	const struct iphdr *ipv4 = (void *)answer->packet;
	struct bpf_sock_tuple tuple = {};

	if (packet->family == 4) {
		tuple.ipv4.saddr = ipv4->saddr;
		tuple.ipv4.daddr = ipv4->daddr;
		tuple.ipv4.dport = bpf_htons(packet->key);
		return bpf_sk_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, &ipv6->saddr, sizeof(tuple.ipv6.saddr));
	__builtin_memcpy(tuple.ipv6.daddr, &ipv6->daddr, sizeof(tuple.ipv6.daddr));
	tuple.ipv6.dport = bpf_htons(packet->key);
	return bpf_sk_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

/* Has the stack take cookies for the listener that a SYN is for, whose IP header is in answer->packet. The
 * kernel is shown but what names the socket: nothing else in the SYN can stand in the way. */
static __always_inline void open_listener(struct xdp_md *ctx, const struct packet *packet,
                                          struct guard_answer *answer)
{
	struct tcphdr syn = {.doff = sizeof(syn) / 4, .syn = 1};
	struct bpf_sock *listener;

	if (is_open_listener(ctx, packet))
		return;
	listener = find_listener(ctx, packet, answer);
	if (!listener)
		return;
	syn.dest = bpf_htons(packet->key);
	bpf_tcp_gen_syncookie(listener, answer->packet,
	                      packet->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr), &syn,
	                      sizeof(syn));
	bpf_sk_release(listener);
}

#endif
