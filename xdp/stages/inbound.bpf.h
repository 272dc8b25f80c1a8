/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 6: what a packet that came in has to do with connections: replies to those that this host opened, and
 * the state that rules ask for. Nothing is looked up for a TCP or UDP port from which this host never opened
 * a connection, unless some rule asks for the state. */
#ifndef GUARD_INBOUND_BPF_H
#define GUARD_INBOUND_BPF_H

#include "stages/flows.bpf.h"

static __always_inline int follows_flows(void)
{
	return (guard_config.flags & (GUARD_CFG_OPENED | GUARD_CFG_STATE)) != 0;
}

/* A segment on a connection that this host opened. While that is half open, an acknowledgement of something
 * else passes too and changes nothing: so says a peer that still has an older connection, and this host's
 * answer to it, a reset, makes way for the new one (RFC 9293 3.5.1, RFC 5961 4). */
static __always_inline int fits_opened(struct guard_scratch *room, struct guard_flow *flow,
                                       const struct packet *packet, __u64 now)
{
	__u8 flags = packet->tcp_flags, state = state_after(flow_state(flow), flags);

	if (flow_state(flow) == GUARD_FLOW_HALF_OPEN) {
		if (!(flags & (TCP_RST | TCP_ACK)))
			return FLOW_UNKNOWN;
		if (!(flags & (TCP_RST | TCP_SYN))) {
			count_flow(flow, packet);
			return FLOW_OPENED;
		}
		state = flags & TCP_RST ? GUARD_FLOW_CLOSING : GUARD_FLOW_ESTABLISHED;
	}
	/* First: where the flow moves to another table, its place here may get another connection. */
	count_flow(flow, packet);
	refresh_flow(room, flow, state, now);
	return FLOW_OPENED;
}

/* A segment on a connection that this host accepted. While that is half open only one that acknowledges the
 * SYN+ACK fits: whoever made up the source has not seen it. */
static __always_inline int fits_accepted(struct xdp_md *ctx, const struct packet *packet,
                                         const struct guard_scratch *room, const struct guard_flow *flow)
{
	const struct guard_opening *opening;
	__be32 acknowledged;

	if (flow_state(flow) != GUARD_FLOW_HALF_OPEN)
		return flow_state(flow) == GUARD_FLOW_CLOSING ? FLOW_ENDING : FLOW_ACCEPTED;
	opening = find_opening(&room->flow_key, IN_HALF_OPEN);
	if (!opening || !(packet->tcp_flags & TCP_ACK) ||
	    packet_load(ctx, packet->transport + 8, &acknowledged))
		return FLOW_UNKNOWN;
	return bpf_ntohl(acknowledged) == opening->sequence + 1 ? FLOW_PROVEN : FLOW_UNKNOWN;
}

static __always_inline int tcp_fit(struct xdp_md *ctx, const struct packet *packet,
                                   struct guard_scratch *room)
{
	struct guard_flow *flow;
	int fit;
	__u64 now;

	if (begins_connection(packet) || (!asks_state() && !may_be_opened(packet)))
		return FLOW_UNKNOWN;
	flow_key(ctx, packet, 0, &room->flow_key);
	now = clock_ns();
	/* Where no rule asks for the state, an accepted connection is nobody's concern. */
	flow = find_flow(&room->flow_key, now, asks_state() ? IN_UNANSWERED | IN_HALF_OPEN : IN_UNANSWERED);
	if (!flow)
		return FLOW_UNKNOWN;
	if (is_opened_here(flow))
		return fits_opened(room, flow, packet, now);
	fit = asks_state() ? fits_accepted(ctx, packet, room, flow) : FLOW_UNKNOWN;
	if (fit != FLOW_UNKNOWN)
		count_flow(flow, packet);
	return fit;
}

/* Whether this host answered what the other side began. */
static __always_inline int answered_fit(const struct guard_flow_key *key, __u64 now)
{
	struct mark mark;

	if (!asks_state())
		return FLOW_UNKNOWN;
	find_mark(key, now, &mark);
	return mark.line && mark.tag & 1 ? FLOW_ACCEPTED : FLOW_UNKNOWN;
}

/* UDP and ICMP echo: an answer to what this host opened. */
static __always_inline int reply_fit(struct guard_scratch *room, const struct packet *packet, __u64 now)
{
	struct guard_flow *flow = find_flow(&room->flow_key, now, IN_UNANSWERED);

	if (!flow)
		return FLOW_UNKNOWN;
	count_flow(flow, packet);
	refresh_flow(room, flow, GUARD_FLOW_ESTABLISHED, now);
	return FLOW_OPENED;
}

static __always_inline int udp_fit(struct xdp_md *ctx, const struct packet *packet,
                                   struct guard_scratch *room)
{
	int may_be_reply = may_be_opened(packet);
	__u64 now;

	if (!may_be_reply && !asks_state())
		return FLOW_UNKNOWN;
	flow_key(ctx, packet, 0, &room->flow_key);
	now = clock_ns();
	if (may_be_reply && reply_fit(room, packet, now))
		return FLOW_OPENED;
	return answered_fit(&room->flow_key, now);
}

/* The first bytes of what an IPv6 header announces: ports, or type, code and identifier. */
struct quoted_head {
	__u8 type;
	__u8 code;
	__be16 second;
	__be16 third;
	__be16 fourth;
};

/* The key of the packet that an ICMP error quotes, as this host sent it: enum echo, or -1 where it quotes
 * none that connections have. */
static __always_inline int quoted_key(struct xdp_md *ctx, const struct packet *packet, __u32 at,
                                      struct guard_flow_key *key)
{
	struct quoted_head head;

	if (at + sizeof(head) > packet->end || packet_load(ctx, at, &head))
		return -1;
	key->padding = 0;
	if (key->protocol == IPPROTO_TCP || key->protocol == IPPROTO_UDP) {
		key->local_port = head.type << 8 | head.code;
		key->remote_port = bpf_ntohs(head.second);
		return NO_ECHO;
	}
	key->local_port = key->remote_port = bpf_ntohs(head.third);
	return echo_of(key->protocol, head.type) ?: -1;
}

static __always_inline int quoted_ipv4(struct xdp_md *ctx, const struct packet *packet,
                                       struct guard_flow_key *key)
{
	__u32 at = packet->transport + 8;
	struct iphdr ip;

	if (at + sizeof(ip) > packet->end || packet_load(ctx, at, &ip) || ip.version != 4 || ip.ihl < 5 ||
	    ip.frag_off & bpf_htons(0x1fff))
		return -1;
	key->local = (struct guard_address6){.low = bpf_ntohl(ip.saddr)};
	key->remote = (struct guard_address6){.low = bpf_ntohl(ip.daddr)};
	key->family = 4;
	key->protocol = ip.protocol;
	return quoted_key(ctx, packet, at + ip.ihl * 4, key);
}

/* A fragment header may stand before the L4 header; others are not looked behind. */
static __always_inline int quoted_ipv6(struct xdp_md *ctx, const struct packet *packet,
                                       struct guard_flow_key *key)
{
	__u32 at = packet->transport + 8, first = at + sizeof(struct ipv6hdr);
	struct quoted_head head;
	struct ipv6hdr ip;

	if (first > packet->end || packet_load(ctx, at, &ip) || ip.version != 6)
		return -1;
	key->local.high = address_half(&ip.saddr, 0);
	key->local.low = address_half(&ip.saddr, 8);
	key->remote.high = address_half(&ip.daddr, 0);
	key->remote.low = address_half(&ip.daddr, 8);
	key->family = 6;
	key->protocol = ip.nexthdr;
	if (ip.nexthdr == 44) {
		if (first + sizeof(head) > packet->end || packet_load(ctx, first, &head) ||
		    head.second & bpf_htons(0xfff8))
			return -1;
		key->protocol = head.type;
		first += sizeof(head);
	}
	return quoted_key(ctx, packet, first, key);
}

/* RFC 792, RFC 4443: messages that quote the packet that they are about. */
static __always_inline int is_icmp_error(const struct packet *packet)
{
	if (packet->protocol == IPPROTO_ICMP)
		return packet->key == 3 || packet->key == 4 || packet->key == 11 || packet->key == 12;
	return packet->protocol == IPPROTO_ICMPV6_ && packet->key >= 1 && packet->key <= 4;
}

/* enum flow_fit of what an ICMP error quotes. It refreshes nothing. A global function, verified by itself. */
__noinline int quoted_fit(struct xdp_md *ctx, const struct packet *packet)
{
	struct guard_scratch *room = scratch();
	struct guard_flow *flow;
	struct mark mark;
	__u64 now;
	int echo;

	if (!packet || !room || !(packet->read & PACKET_L4))
		return FLOW_UNKNOWN;
	echo = packet->family == 6 ? quoted_ipv6(ctx, packet, &room->flow_key)
	                           : quoted_ipv4(ctx, packet, &room->flow_key);
	if (echo < 0)
		return FLOW_UNKNOWN;
	if (room->flow_key.local.low != packet->destination.low ||
	    room->flow_key.local.high != packet->destination.high)
		return FLOW_UNKNOWN;
	now = clock_ns();
	flow = echo == ECHO_REPLY ? 0 : find_flow(&room->flow_key, now, IN_UNANSWERED | IN_HALF_OPEN);
	if (flow)
		return is_opened_here(flow) ? FLOW_OPENED : FLOW_ACCEPTED;
	if (echo == ECHO_REQUEST || room->flow_key.protocol == IPPROTO_TCP)
		return FLOW_UNKNOWN;
	find_mark(&room->flow_key, now, &mark);
	return mark.line ? FLOW_ACCEPTED : FLOW_UNKNOWN;
}

static __always_inline int icmp_fit(struct xdp_md *ctx, const struct packet *packet,
                                    struct guard_scratch *room)
{
	enum echo echo = echo_of(packet->protocol, packet->key);

	if (is_icmp_error(packet))
		return quoted_fit(ctx, packet);
	if (echo == NO_ECHO)
		return FLOW_UNKNOWN;
	flow_key(ctx, packet, 0, &room->flow_key);
	return echo == ECHO_REPLY ? reply_fit(room, packet, clock_ns())
	                          : answered_fit(&room->flow_key, clock_ns());
}

/* enum flow_fit of a packet. A global function, verified by itself. */
__noinline int flow_fit(struct xdp_md *ctx, const struct packet *packet)
{
	struct guard_scratch *room = scratch();

	if (!packet || !room || !(packet->read & PACKET_L4))
		return FLOW_UNKNOWN;
	switch (packet->protocol) {
	case IPPROTO_TCP: return tcp_fit(ctx, packet, room);
	case IPPROTO_UDP: return udp_fit(ctx, packet, room);
	default: return icmp_fit(ctx, packet, room);
	}
}

/* Finds what the packet has to do with connections: 1 where it passes before the rules. */
static __always_inline int judge_state(struct xdp_md *ctx, struct guard_scratch *room)
{
	struct packet *packet = &room->packet;

	room->fit = flow_fit(ctx, packet);
	if (room->fit == FLOW_OPENED && guard_config.flags & GUARD_CFG_OPENED)
		return 1;
	if (asks_state()) {
		room->search.is_established = room->fit != FLOW_UNKNOWN;
		if (room->fit == FLOW_UNKNOWN && packet->read & PACKET_L4 &&
		    packet->protocol == IPPROTO_TCP && !begins_connection(packet))
			packet_fault(packet, GUARD_DETAIL_NO_STATE);
	}
	return 0;
}

#endif
