/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 1, continued: the header behind an IP in IP, GRE, VXLAN or GENEVE header. What rules judge moves
 * inwards while the policy names the tunnel; the ban search looks further in. */
#ifndef GUARD_TUNNEL_BPF_H
#define GUARD_TUNNEL_BPF_H

#include "stages/parse.bpf.h"
#include "stages/spoofed.bpf.h"

#define IPPROTO_IPIP_ 4
#define IPPROTO_IPV6_ 41
#define IPPROTO_GRE_ 47

/* RFC 7348, RFC 8926. */
#define VXLAN_PORT 4789
#define GENEVE_PORT 6081

/* Transparent Ethernet bridging (RFC 1701). */
#define ETH_P_TEB_ 0x6558

/* enum guard_tunnel, or 0 for a packet that carries no other. */
static __always_inline __u32 tunnel_of(const struct packet *packet)
{
	if (!(packet->read & PACKET_PAYLOAD))
		return 0;
	switch (packet->protocol) {
	case IPPROTO_IPIP_: return packet->family == 4 ? GUARD_TUNNEL_IPIP : GUARD_TUNNEL_4IN6;
	case IPPROTO_IPV6_: return packet->family == 6 ? GUARD_TUNNEL_IPIP : GUARD_TUNNEL_6IN4;
	case IPPROTO_GRE_: return GUARD_TUNNEL_GRE;
	case IPPROTO_UDP:
		if (packet->key == VXLAN_PORT)
			return GUARD_TUNNEL_VXLAN;
		return packet->key == GENEVE_PORT ? GUARD_TUNNEL_GENEVE : 0;
	default: return 0;
	}
}

/* Opening a tunnel header. */
enum opened {
	OPENED = 0, /* the inner packet's place and kind are known */
	NO_TUNNEL, /* a version or content that is not read here */
	TUNNEL_TRUNCATED,
};

/* What GRE, VXLAN and GENEVE begin with. */
struct tunnel_head {
	__be16 flags;
	__be16 protocol;
};

/* Ethernet is 0, as in packet->ethertype. */
static __always_inline int takes_content(struct packet *inner, __u16 protocol)
{
	inner->ethertype = protocol == ETH_P_TEB_ ? 0 : protocol;
	return protocol == ETH_P_TEB_ || protocol == ETH_P_IP || protocol == ETH_P_IPV6;
}

static __always_inline enum opened skip_header(struct packet *inner, __u32 length)
{
	inner->network += length;
	return inner->network <= inner->available ? OPENED : TUNNEL_TRUNCATED;
}

/* RFC 2784 2, RFC 2890 2; the routing bit is RFC 1701's. */
static __always_inline enum opened open_gre(struct packet *inner, const struct tunnel_head *head)
{
	__u16 flags = bpf_ntohs(head->flags);

	if (flags & 0x4007 || !takes_content(inner, bpf_ntohs(head->protocol)))
		return NO_TUNNEL;
	return skip_header(inner, 4 + 4 * ((flags >> 15 & 1) + (flags >> 13 & 1) + (flags >> 12 & 1)));
}

/* RFC 7348 5. */
static __always_inline enum opened open_vxlan(struct packet *inner, const struct tunnel_head *head)
{
	if (!(bpf_ntohs(head->flags) & 0x0800))
		return NO_TUNNEL;
	return skip_header(inner, 8);
}

/* RFC 8926 3.4. */
static __always_inline enum opened open_geneve(struct packet *inner, const struct tunnel_head *head)
{
	__u16 flags = bpf_ntohs(head->flags);

	if (flags >> 14 || !takes_content(inner, bpf_ntohs(head->protocol)))
		return NO_TUNNEL;
	return skip_header(inner, 8 + 4 * (flags >> 8 & 0x3f));
}

/* Places `inner`, cleared, behind the tunnel header of `packet`. */
static __always_inline enum opened open_tunnel(struct xdp_md *ctx, const struct packet *packet, __u32 tunnel,
                                               struct packet *inner)
{
	__u32 fixed = tunnel == GUARD_TUNNEL_GRE ? 4 : 8;
	struct tunnel_head head;

	inner->is_inner = 1;
	inner->is_cut = packet->is_cut || packet->fragment == FRAGMENT_FIRST;
	inner->network = packet->payload;
	inner->available = packet->payload_end;
	/* Without Ethernet in between the frame's own tags stay. */
	inner->vlan = packet->vlan;
	inner->inner_vlan = packet->inner_vlan;
	if (tunnel & (GUARD_TUNNEL_IPIP | GUARD_TUNNEL_4IN6 | GUARD_TUNNEL_6IN4)) {
		inner->ethertype = packet->protocol == IPPROTO_IPIP_ ? ETH_P_IP : ETH_P_IPV6;
		return OPENED;
	}
	if (inner->network + fixed > inner->available || packet_load(ctx, inner->network, &head))
		return TUNNEL_TRUNCATED;
	if (tunnel == GUARD_TUNNEL_GRE)
		return open_gre(inner, &head);
	return tunnel == GUARD_TUNNEL_VXLAN ? open_vxlan(inner, &head) : open_geneve(inner, &head);
}

/* Reads the layer behind `packet`. */
static __always_inline enum opened read_inner(struct xdp_md *ctx, const struct packet *packet, __u32 tunnel,
                                              struct packet *inner)
{
	enum opened opened;

	packet_clear(inner);
	opened = open_tunnel(ctx, packet, tunnel, inner);
	if (opened != OPENED)
		return opened;
	if (inner->ethertype) {
		inner->read = packet->read & PACKET_TAGS;
	} else {
		inner->vlan = 0;
		inner->inner_vlan = 0;
	}
	parse_inner(ctx, inner);
	return OPENED;
}

/* One layer inwards: 1 where `packet` is the inner one now, 0 where it stays the judged one. */
static __always_inline int step_inwards(struct xdp_md *ctx, struct packet *packet, struct packet *inner,
                                        struct packet_layer *layer)
{
	__u32 tunnel = tunnel_of(packet);
	enum opened opened;

	if (!(tunnel & guard_config.decapsulate))
		return 0;
	opened = read_inner(ctx, packet, tunnel, inner);
	if (opened == TUNNEL_TRUNCATED)
		packet_fault(packet, GUARD_DETAIL_TRUNCATED_TUNNEL);
	if (opened != OPENED)
		return 0;
	packet_fault(packet, inner->detail);
	if (!inner->family)
		return 0;
	packet_layer(layer, packet);
	inner->detail = packet->detail;
	inner->depth = packet->depth + 1;
	inner->outer_end = packet->outer_end ? packet->outer_end : packet->end;
	inner->outer_spoofed = packet->outer_spoofed ? packet->outer_spoofed : spoofed(packet);
	*packet = *inner;
	return 1;
}

/* Moves to the innermost header that the policy names. A global function, verified by itself. */
__noinline int decapsulate(struct xdp_md *ctx, struct packet *packet)
{
	struct guard_scratch *room = scratch();

	if (!packet || !room)
		return 0;
	if (step_inwards(ctx, packet, &room->inner[0], &room->layers[0]))
		step_inwards(ctx, packet, &room->inner[0], &room->layers[1]);
	return 0;
}

#endif
