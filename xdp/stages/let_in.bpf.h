/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is noted of a packet that was let in, behind all stages. In: a packet that passes and is no reply.
 * Out: the tables of connections. */
#ifndef GUARD_LET_IN_BPF_H
#define GUARD_LET_IN_BPF_H

#include "stages/inbound.bpf.h"

/* Whether an accepted connection goes to another state with a segment that fits it so, or closes anew. */
static __always_inline int moves_on(__u64 fit, __u8 closes)
{
	return fit == FLOW_PROVEN || (closes && (fit == FLOW_ACCEPTED || fit == FLOW_ENDING));
}

/* A segment of an accepted connection that was let in, perhaps before its state was asked for: the handshake
 * is over, or the connection. */
static __always_inline void note_segment(struct xdp_md *ctx, const struct packet *packet,
                                         struct guard_scratch *room)
{
	__u8 closes = packet->tcp_flags & (TCP_FIN | TCP_RST);
	struct guard_flow *flow;
	__u64 fit = asks_state() ? room->fit : FLOW_UNASKED, now = clock_ns();

	if (begins_connection(packet) || (fit != FLOW_UNASKED && !moves_on(fit, closes)))
		return;
	flow_key(ctx, packet, 0, &room->flow_key);
	flow = find_flow(&room->flow_key, now, IN_HALF_OPEN);
	if (!flow || is_opened_here(flow))
		return;
	if (fit == FLOW_UNASKED)
		fit = fits_accepted(ctx, packet, room, flow);
	if (moves_on(fit, closes))
		refresh_flow(room, flow, closes ? GUARD_FLOW_CLOSING : GUARD_FLOW_ESTABLISHED, now);
}

/* A datagram, or where rules ask for it an echo request: the other side's, where it is not of a connection
 * that this host opened. */
static __always_inline void note_beginning(struct xdp_md *ctx, const struct packet *packet,
                                           struct guard_scratch *room)
{
	int is_datagram = packet->protocol == IPPROTO_UDP;
	__u64 now;

	if (!is_datagram && (!asks_state() || echo_of(packet->protocol, packet->key) != ECHO_REQUEST))
		return;
	flow_key(ctx, packet, 0, &room->flow_key);
	now = clock_ns();
	if (is_datagram && may_be_opened(packet) && find_flow(&room->flow_key, now, IN_UNANSWERED))
		return;
	if (is_datagram)
		note_served(packet->key, now);
	leave_mark(&room->flow_key, now);
}

/* Whether what brings a cookie repeats how a connection began that goes on. One that is closing, or whose
 * handshake waits for other numbers, gives way: the client has its port anew. */
static __always_inline int goes_on(const struct guard_flow *flow)
{
	return is_opened_here(flow) || flow_state(flow) == GUARD_FLOW_ESTABLISHED ||
	       flow_state(flow) == GUARD_FLOW_COOKIE;
}

/* The acknowledgement of a SYN+ACK with a cookie, which this host's stack has not sent. Whether it takes it
 * only the egress program will see: clients can bring any number of cookies, also where nobody listens. */
static __always_inline void note_cookie_taken(struct xdp_md *ctx, const struct packet *packet,
                                              struct guard_scratch *room)
{
	__u64 state = packet->tcp_flags & TCP_FIN ? GUARD_FLOW_CLOSING : GUARD_FLOW_COOKIE;
	const struct guard_flow *flow;
	struct tcp_sequence numbers;
	__u64 now = clock_ns();

	flow_key(ctx, packet, 0, &room->flow_key);
	flow = find_flow(&room->flow_key, now, IN_UNANSWERED | IN_HALF_OPEN);
	if ((flow && goes_on(flow)) || packet_load(ctx, packet->transport + 4, &numbers))
		return;
	guard_flow_begin(&room->opening.flow, now, GUARD_FLOW_THERE | state);
	room->opening.sequence = bpf_ntohl(numbers.acknowledged) - 1;
	room->opening.acknowledged = bpf_ntohl(numbers.sequence);
	count_flow(&room->opening.flow, packet);
	begin_flow();
}

/* Whether note_let_in has anything to do. Where no rule asks for the state nothing else tells of a reset: the
 * connections of clients that reset them would stay for days, and take the places of live ones. */
static __always_inline int says_something(const struct packet *packet)
{
	return packet->protocol != IPPROTO_TCP || packet->brings_cookie || asks_state() ||
	       packet->tcp_flags & TCP_RST;
}

/* Notes what a packet that passes says of connections, but where it is a reply. A global function, verified
 * by itself. */
__noinline int note_let_in(struct xdp_md *ctx, const struct packet *packet)
{
	struct guard_scratch *room = scratch();

	if (!packet || !room || !(packet->read & PACKET_L4))
		return 0;
	if (packet->protocol != IPPROTO_TCP)
		note_beginning(ctx, packet, room);
	else if (packet->brings_cookie)
		note_cookie_taken(ctx, packet, room);
	else if (asks_state() || packet->tcp_flags & TCP_RST)
		note_segment(ctx, packet, room);
	return 0;
}

#endif
