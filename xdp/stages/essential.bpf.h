/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 5: what a host needs even under default: drop (RFC 4861, RFC 1191, RFC 8201, RFC 2131, RFC 8415). */
#ifndef GUARD_ESSENTIAL_BPF_H
#define GUARD_ESSENTIAL_BPF_H

#include "stages/inbound.bpf.h"

/* Whether the header that an ICMP error quotes has this packet's destination as its source: the error answers
 * a packet that was really sent from there. */
static __always_inline int quotes_own_ipv4(struct xdp_md *ctx, const struct packet *packet)
{
	__u32 quoted = packet->transport + 8;
	struct iphdr ip;

	if (packet->family != 4 || quoted + sizeof(ip) > packet->end || packet_load(ctx, quoted, &ip))
		return 0;
	return ip.version == 4 && bpf_ntohl(ip.saddr) == packet->destination.low;
}

static __always_inline int quotes_own_ipv6(struct xdp_md *ctx, const struct packet *packet)
{
	__u32 quoted = packet->transport + 8;
	struct ipv6hdr ip;

	if (packet->family != 6 || quoted + sizeof(ip) > packet->end || packet_load(ctx, quoted, &ip))
		return 0;
	return ip.version == 6 && address_half(&ip.saddr, 0) == packet->destination.high &&
	       address_half(&ip.saddr, 8) == packet->destination.low;
}

/* Whether a "packet too big" answers what this host sent: a packet of a known connection, or where those are
 * not followed one from its address. */
static __always_inline int answers_own(struct xdp_md *ctx, const struct packet *packet)
{
	if (guard_config.flags & GUARD_CFG_OPENED)
		return quoted_fit(ctx, packet) != FLOW_UNKNOWN;
	return packet->protocol == IPPROTO_ICMP ? quotes_own_ipv4(ctx, packet) : quotes_own_ipv6(ctx, packet);
}

static __always_inline int is_neighbour_discovery(const struct packet *packet)
{
	return packet->family == 6 && packet->ttl == 255 && packet->icmp_code == 0 &&
	       (packet->key == 133 || packet->key == 135 || packet->key == 136);
}

static __always_inline int is_router_advertisement(const struct packet *packet)
{
	return packet->key == 134 && packet->ttl == 255 && packet->family == 6 &&
	       packet->source.high >> 54 == 0xfe80 >> 6;
}

static __always_inline enum guard_detail essential(struct xdp_md *ctx, const struct packet *packet)
{
	__u32 flags = guard_config.flags;

	/* Hop limit 255 or a link-local source prove nothing in a tunnel. */
	if (packet->depth || !(packet->read & PACKET_L4))
		return GUARD_DETAIL_NONE;
	if (packet->protocol == IPPROTO_ICMPV6_) {
		if (flags & GUARD_CFG_ESSENTIAL_ND && is_neighbour_discovery(packet))
			return GUARD_DETAIL_ND;
		if (flags & GUARD_CFG_ESSENTIAL_RA && is_router_advertisement(packet))
			return GUARD_DETAIL_RA;
		if (flags & GUARD_CFG_ESSENTIAL_PMTU && packet->key == 2 && answers_own(ctx, packet))
			return GUARD_DETAIL_PMTU;
	} else if (packet->protocol == IPPROTO_ICMP) {
		if (flags & GUARD_CFG_ESSENTIAL_PMTU && packet->key == 3 && packet->icmp_code == 4 &&
		    answers_own(ctx, packet))
			return GUARD_DETAIL_PMTU;
	} else if (packet->protocol == IPPROTO_UDP && flags & GUARD_CFG_ESSENTIAL_DHCP) {
		if ((packet->source_port == 67 && packet->key == 68) ||
		    (packet->source_port == 547 && packet->key == 546))
			return GUARD_DETAIL_DHCP;
	}
	return GUARD_DETAIL_NONE;
}

#endif
