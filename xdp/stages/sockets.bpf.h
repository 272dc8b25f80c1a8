/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sockets of the interface's own network namespace, looked up as the stack will do it for the packet. In:
 * a TCP segment. Out: what it meets there. For few packets alone: a lookup costs as much as a small policy.
 */
#ifndef GUARD_SOCKETS_BPF_H
#define GUARD_SOCKETS_BPF_H

#include "stages/answer_frame.bpf.h"

/* An IPv6 address as a tuple has it, which is aligned to 4 bytes. */
static __always_inline void write_words(__be32 *words, const struct guard_address6 *address)
{
	words[0] = bpf_htonl(address->high >> 32);
	words[1] = bpf_htonl(address->high);
	words[2] = bpf_htonl(address->low >> 32);
	words[3] = bpf_htonl(address->low);
}

/* The state of the socket that a segment is for, as in BPF_TCP_LISTEN; 0: there is none, or the engine is a
 * replay's. A global function, verified by itself. */
__noinline int socket_state(struct xdp_md *ctx, const struct packet *packet)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	int state;

	if (!(guard_config.flags & GUARD_CFG_SYN_COOKIES) || guard_config.flags & GUARD_CFG_VIRTUAL_CLOCK ||
	    !packet)
		return 0;
	if (packet->family == 4) {
		tuple.ipv4.saddr = bpf_htonl(packet->source.low);
		tuple.ipv4.daddr = bpf_htonl(packet->destination.low);
		tuple.ipv4.sport = bpf_htons(packet->source_port);
		tuple.ipv4.dport = bpf_htons(packet->key);
		socket = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		write_words(tuple.ipv6.saddr, &packet->source);
		write_words(tuple.ipv6.daddr, &packet->destination);
		tuple.ipv6.sport = bpf_htons(packet->source_port);
		tuple.ipv6.dport = bpf_htons(packet->key);
		socket = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (!socket)
		return 0;
	state = socket->state;
	bpf_sk_release(socket);
	return state;
}

/* Whether a SYN is for a socket that has its ends already: a client binds a port again whose last connection
 * is in TIME_WAIT here, or has lost one that this host still holds. The acknowledgement of a cookie would
 * meet that socket and not the listener; the stack itself knows what to do (RFC 9293 3.6.1, 3.10.7.4). A
 * request that waits for its handshake's end lets a cookie through, and anyone can have one made. */
static __always_inline int meets_connection(struct xdp_md *ctx, const struct packet *packet)
{
	int state = socket_state(ctx, packet);

	return state && state != BPF_TCP_LISTEN && state != BPF_TCP_NEW_SYN_RECV;
}

/* Whether a segment is for a connection that lives. */
static __always_inline int is_connected(struct xdp_md *ctx, const struct packet *packet)
{
	int state = socket_state(ctx, packet);

	return state && state != BPF_TCP_LISTEN && state != BPF_TCP_NEW_SYN_RECV &&
	       state != BPF_TCP_TIME_WAIT;
}

#endif
