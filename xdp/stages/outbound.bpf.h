/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this host sends, as the egress program sees it: connections are learnt here alone, so that nobody else
 * can fill their tables. Replies of inspected flows are sampled, those of dropped ones dropped; no other
 * packet is changed or dropped. */
#ifndef GUARD_OUTBOUND_BPF_H
#define GUARD_OUTBOUND_BPF_H

#include "stages/flows.bpf.h"
#include "stages/sample_frame.bpf.h"
#include "stages/tunnel.bpf.h"

/* `side`: 0, or GUARD_FLOW_THERE. */
static __always_inline void new_flow(struct guard_scratch *room, const struct packet *packet, __u64 side,
                                     __u64 now)
{
	guard_flow_begin(&room->opening.flow, now, side | GUARD_FLOW_HALF_OPEN);
	room->opening.sequence = room->opening.acknowledged = 0;
	count_flow(&room->opening.flow, packet);
}

/* A SYN begins anew, whatever was known. */
static __always_inline void open_tcp(struct guard_scratch *room, const struct packet *packet, __u64 now)
{
	set_port(GUARD_PORTS_TCP, packet->source_port);
	new_flow(room, packet, 0, now);
	begin_flow();
}

/* A SYN+ACK answers the other side's SYN; on a half-open connection of this host's both sides opened it. */
static __always_inline void accept_tcp(struct xdp_md *ctx, struct guard_scratch *room,
                                       const struct packet *packet, __u64 now)
{
	struct guard_flow *flow = find_flow(&room->flow_key, now, IN_UNANSWERED);
	struct tcp_sequence numbers;

	if (packet_load(ctx, packet->transport + 4, &numbers))
		return;
	if (flow && is_opened_here(flow) && flow_state(flow) == GUARD_FLOW_HALF_OPEN) {
		count_flow(flow, packet);
		see_flow(flow, GUARD_FLOW_HALF_OPEN, now);
		return;
	}
	new_flow(room, packet, GUARD_FLOW_THERE, now);
	room->opening.sequence = bpf_ntohl(numbers.sequence);
	room->opening.acknowledged = bpf_ntohl(numbers.acknowledged);
	begin_flow();
}

/* Whether a segment shows that the handshake is over: a stack also sends bare acknowledgements and resets
 * before, to anyone (RFC 9293 3.10.7.4). */
static __always_inline int shows_handshake(struct xdp_md *ctx, const struct packet *packet,
                                           const struct guard_opening *opening)
{
	struct tcp_sequence numbers;

	if (packet->tcp_flags & TCP_RST || packet_load(ctx, packet->transport + 4, &numbers))
		return 0;
	if (packet->tcp_flags & TCP_FIN ||
	    (packet->read & PACKET_PAYLOAD && packet->payload < packet->payload_end))
		return 1;
	return packet->tcp_flags & TCP_ACK && opening->acknowledged != bpf_ntohl(numbers.acknowledged);
}

/* A segment without SYN on a connection that is not among the answered ones. Of an accepted one its first
 * sign of a finished handshake counts however late it comes: nobody else tells. */
static __always_inline void continue_half_open(struct xdp_md *ctx, struct guard_scratch *room,
                                               const struct packet *packet, __u64 now)
{
	struct guard_opening *opening = find_opening(&room->flow_key, IN_UNANSWERED | IN_HALF_OPEN);
	struct guard_flow *flow;
	__u8 state;

	if (!opening)
		return;
	flow = &opening->flow;
	state = flow_state(flow);
	if (state == GUARD_FLOW_COOKIE) {
		if (shows_handshake(ctx, packet, opening))
			state = GUARD_FLOW_ESTABLISHED;
	} else if (state == GUARD_FLOW_HALF_OPEN) {
		if (packet->tcp_flags & TCP_RST)
			return;
		if (!is_opened_here(flow)) {
			if (!shows_handshake(ctx, packet, opening))
				return;
		} else if (!flow_lasts(flow, &room->flow_key, now)) {
			return;
		}
		state = GUARD_FLOW_ESTABLISHED;
	} else if (!flow_lasts(flow, &room->flow_key, now)) {
		return;
	}
	count_flow(flow, packet);
	refresh_flow(room, flow, state_after(state, packet->tcp_flags), now);
}

static __always_inline void send_tcp(struct xdp_md *ctx, struct guard_scratch *room,
                                     const struct packet *packet)
{
	struct guard_flow *flow;
	__u64 now;

	flow_key(ctx, packet, 1, &room->flow_key);
	now = clock_ns();
	if ((packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		return open_tcp(room, packet, now);
	if (packet->tcp_flags & TCP_SYN)
		return accept_tcp(ctx, room, packet, now);
	flow = find_answered(&room->flow_key);
	if (!flow || !flow_lasts(flow, &room->flow_key, now))
		return continue_half_open(ctx, room, packet, now);
	count_flow(flow, packet);
	see_flow(flow, state_after(flow_state(flow), packet->tcp_flags), now);
}

/* An answer to what the other side began: 1 where it was that. */
static __always_inline int answer_mark(const struct guard_flow_key *key, __u64 now)
{
	struct mark mark;
	__u32 way;

	find_mark(key, now, &mark);
	if (!mark.line)
		return 0;
	way = mark.way & (GUARD_MARK_WAYS - 1);
	mark.line->times[way] = now;
	if (!(mark.tag & 1))
		__sync_val_compare_and_swap(&mark.line->tags[way], mark.tag, mark.tag | 1);
	return 1;
}

/* Whether a mark may have been lost that would say that the other side began. */
static __always_inline int mark_may_be_lost(__u64 now)
{
	const struct guard_flow_totals *totals = flow_totals();

	return totals && totals->mark_lost_ns && lasts(totals->mark_lost_ns, now, 120 * SECOND_NS);
}

/* A packet of a connection without a handshake, which it begins where there is none. */
static __always_inline void open_datagrams(struct guard_scratch *room, const struct packet *packet, __u64 now)
{
	struct guard_flow *flow = find_flow(&room->flow_key, now, IN_UNANSWERED);

	if (flow) {
		count_flow(flow, packet);
		see_flow(flow, flow_state(flow), now);
		return;
	}
	new_flow(room, packet, 0, now);
	begin_flow();
}

static __always_inline void send_udp(struct xdp_md *ctx, struct guard_scratch *room,
                                     const struct packet *packet)
{
	__u64 now = clock_ns();

	flow_key(ctx, packet, 1, &room->flow_key);
	/* There are marks for ports alone that were spoken to. */
	if (is_served_port(packet->source_port, now)) {
		if (answer_mark(&room->flow_key, now)) {
			note_served(packet->source_port, now);
			return;
		}
		if (mark_may_be_lost(now))
			return;
	}
	set_port(GUARD_PORTS_UDP, packet->source_port);
	open_datagrams(room, packet, now);
}

static __always_inline void send_icmp(struct xdp_md *ctx, struct guard_scratch *room,
                                      const struct packet *packet)
{
	enum echo echo = echo_of(packet->protocol, packet->key);

	if (echo == NO_ECHO)
		return;
	flow_key(ctx, packet, 1, &room->flow_key);
	if (echo == ECHO_REPLY)
		answer_mark(&room->flow_key, clock_ns());
	else
		open_datagrams(room, packet, clock_ns());
}

/* Learns from a packet. */
static __always_inline void note_sent(struct xdp_md *ctx, struct guard_scratch *room,
                                      const struct packet *packet)
{
	switch (packet->protocol) {
	case IPPROTO_TCP: return send_tcp(ctx, room, packet);
	case IPPROTO_UDP: return send_udp(ctx, room, packet);
	default: return send_icmp(ctx, room, packet);
	}
}

/* A packet of a dropped flow, or a reply of one that is sampled: 1 where it is dropped. */
static __always_inline int inspect_outbound(struct xdp_md *ctx, struct guard_scratch *room)
{
	int is_sampled;

	if (has_dropped_flows(&room->packet) && is_reply_dropped() &&
	    !(guard_config.flags & GUARD_CFG_MONITOR))
		return 1;
	is_sampled = room->packet.family && sample_reply();
	if (guard_config.flags & GUARD_CFG_VIRTUAL_CLOCK)
		answer_reply(is_sampled ? &room->sample : 0);
	else if (is_sampled)
		put_sample(ctx, GUARD_SAMPLE_SENT);
	return 0;
}

/* Reads a packet that this host sends: 1 where it is dropped. What is faulty is read as far as it can be. */
static __always_inline int follow_outbound(struct xdp_md *ctx)
{
	struct guard_scratch *room = scratch();
	struct packet *packet;

	if (!room)
		return 0;
	packet = &room->packet;
	packet_clear(packet);
	parse(ctx, packet);
	asm volatile("" : : : "memory");
	if (guard_config.decapsulate && tunnel_of(packet))
		decapsulate(ctx, packet);
	if (guard_config.flags & GUARD_CFG_INSPECT && inspect_outbound(ctx, room))
		return 1;
	if (guard_config.flags & (GUARD_CFG_OPENED | GUARD_CFG_STATE) && packet->read & PACKET_L4)
		note_sent(ctx, room, packet);
	return 0;
}

#endif
