/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 2: sources that no packet from a wire can have (RFC 1122 3.2.1.3, RFC 4291 2.5, RFC 6890). */
#ifndef GUARD_SPOOFED_BPF_H
#define GUARD_SPOOFED_BPF_H

#include "stages/tables.bpf.h"

/* RFC 951: a client that has no address yet asks from 0.0.0.0, udp 68 > 67. */
static __always_inline int is_dhcp_request(const struct packet *packet)
{
	return packet->source.low == 0 && packet->protocol == IPPROTO_UDP && packet->read & PACKET_L4 &&
	       packet->source_port == 68 && packet->key == 67;
}

static __always_inline enum guard_detail spoofed_ipv4(const struct packet *packet)
{
	__u32 source = packet->source.low;

	if (source >> 24 == 127)
		return GUARD_DETAIL_SPOOF_LOOPBACK;
	if (source >> 24 == 0 && !is_dhcp_request(packet))
		return GUARD_DETAIL_SPOOF_THIS_NETWORK;
	if (source >> 29 == 7)
		return GUARD_DETAIL_SPOOF_MULTICAST;
	return GUARD_DETAIL_NONE;
}

/* RFC 4862, RFC 3810: duplicate address detection and its listener reports come from ::. */
static __always_inline int may_be_unspecified(const struct packet *packet)
{
	return packet->read & PACKET_L4 && packet->protocol == IPPROTO_ICMPV6_ &&
	       (packet->key == 133 || packet->key == 135 || packet->key == 143);
}

static __always_inline enum guard_detail spoofed_ipv6(const struct packet *packet)
{
	__u64 high = packet->source.high, low = packet->source.low;

	if (high >> 56 == 0xff)
		return GUARD_DETAIL_SPOOF_MULTICAST;
	if (high)
		return GUARD_DETAIL_NONE;
	if (low == 1)
		return GUARD_DETAIL_SPOOF_LOOPBACK;
	if (low >> 32 == 0xffff)
		return GUARD_DETAIL_SPOOF_MAPPED;
	if (low == 0 && !may_be_unspecified(packet))
		return GUARD_DETAIL_SPOOF_UNSPECIFIED;
	return GUARD_DETAIL_NONE;
}

/* One of 256 bits for an address; the compiler sets those of this host's own (AddressTables.swift). */
static __always_inline __u32 own_bit(const struct guard_address6 *address)
{
	return ((address->high ^ address->low) * 0x9e3779b97f4a7c15ULL) >> 56;
}

struct own_search {
	struct guard_address6 address;
	__u32 family;
	__u32 found;
};

static long own_step(__u32 index, void *context)
{
	const void *t = tables();
	struct own_search *search = context;
	const struct guard_own_address *own;

	if (!t)
		return 1;
	own = table_at(t, guard_config.own + index * sizeof(*own), sizeof(*own));
	if (own && own->family == search->family && own->address.low == search->address.low &&
	    own->address.high == search->address.high)
		search->found = 1;
	return search->found ? 1 : 0;
}

/* Whether the source is among this host's addresses of a family, as they have it. The filter answers for
 * nearly all that are not. */
static __always_inline int is_own(const struct packet *packet, __u32 family)
{
	struct own_search search = {.address = packet->source, .family = family};
	__u32 bit = own_bit(&packet->source);

	if (!(guard_config.own_filter[bit >> 6 & 3] >> (bit & 63) & 1))
		return 0;
	bpf_loop(guard_config.own_count, own_step, &search, 0);
	return search.found;
}

static __always_inline enum guard_detail spoofed(const struct packet *packet)
{
	enum guard_detail detail = packet->family == 4 ? spoofed_ipv4(packet) : spoofed_ipv6(packet);

	if (detail != GUARD_DETAIL_NONE)
		return detail;
	if (packet->source.low == packet->destination.low && packet->source.high == packet->destination.high)
		return GUARD_DETAIL_SPOOF_SAME;
	if (guard_config.flags & GUARD_CFG_OWN_ADDRESSES && is_own(packet, packet->family))
		return GUARD_DETAIL_SPOOF_OWN;
	return GUARD_DETAIL_NONE;
}

static __always_inline int on_loopback(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct guard_trace *trace;

	if (!guard_config.loopback)
		return 0;
	if (!(guard_config.flags & GUARD_CFG_VIRTUAL_CLOCK))
		return ctx->ingress_ifindex == guard_config.loopback;
	trace = bpf_map_lookup_elem(&guard_trace, &zero);
	return trace && trace->ifindex == guard_config.loopback;
}

#endif
