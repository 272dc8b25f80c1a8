/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 1: Ethernet, up to two VLAN tags, IPv4 or IPv6 with its extension chain. Fills struct packet as far
 * as the frame can be read; the first check that fails is packet->detail. The steps and their order are
 * docs/policy.md's. */
#ifndef GUARD_PARSE_BPF_H
#define GUARD_PARSE_BPF_H

#include "stages/transport.bpf.h"

struct vlan_tag {
	__be16 tci;
	__be16 ethertype;
};

static __always_inline int is_vlan(__u16 ethertype)
{
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD;
}

/* Ids of 0 are priority tags: they count as tags but are not kept. */
static __always_inline void keep_vlan(struct packet *packet, __u16 id)
{
	if (!id)
		return;
	if (!packet->vlan)
		packet->vlan = id;
	else
		packet->inner_vlan = id;
}

/* Whether a header that was found ends behind the payload that an inner packet stands in. Of an outer one
 * every byte of the frame is its own. */
static __always_inline int is_beyond(const struct packet *packet, __u32 end, const int inner)
{
	return inner && end > packet->available;
}

/* Reads the Ethernet header at `start` and its tags; 0, or -1 where the reading ends. */
static __always_inline int parse_ethernet(struct xdp_md *ctx, struct packet *packet, __u32 start,
                                          const int inner)
{
	__u32 offset = start + ETH_HLEN;
	struct vlan_tag tag;
	__be16 ethertype;

	if (is_beyond(packet, offset, inner) || packet_load(ctx, offset - 2, &ethertype)) {
		packet_fault(packet, GUARD_DETAIL_TRUNCATED_ETHERNET);
		return -1;
	}
	packet->ethertype = bpf_ntohs(ethertype);
	for (int i = 0; i < 2 && is_vlan(packet->ethertype); i++) {
		if (is_beyond(packet, offset + sizeof(tag), inner) || packet_load(ctx, offset, &tag)) {
			packet_fault(packet, GUARD_DETAIL_TRUNCATED_VLAN);
			return -1;
		}
		keep_vlan(packet, bpf_ntohs(tag.tci) & 0xfff);
		packet->ethertype = bpf_ntohs(tag.ethertype);
		offset += sizeof(tag);
	}
	if (is_vlan(packet->ethertype)) {
		packet_fault(packet, GUARD_DETAIL_TOO_MANY_TAGS);
		return -1;
	}
	packet->read |= PACKET_TAGS;
	packet->network = offset;
	return 0;
}

/* Sets where the IP packet ends, by its own length or, where that is not there, by the frame. */
static __always_inline void bound_packet(struct xdp_md *ctx, struct packet *packet)
{
	packet->end = packet->network + packet->length;
	if (packet_has(ctx, packet, packet->end))
		return;
	if (!packet->is_cut)
		packet_fault(packet, GUARD_DETAIL_TRUNCATED_PACKET);
	packet->end = packet->available;
}

/* Of a first fragment, or a later one. */
static __always_inline void set_fragment(struct packet *packet, __u32 id, __u32 data, __u8 protocol)
{
	packet->fragment_id = id;
	packet->fragment_data = data;
	packet->fragment_protocol = protocol;
}

static __always_inline void parse_ipv4_fragment(struct packet *packet, __u16 frag_off, __u16 id)
{
	if (!(frag_off & 0x3fff))
		return;
	set_fragment(packet, id, packet->transport, packet->protocol);
	packet->fragment_at = frag_off << 3;
	if (frag_off & 0x1fff) {
		packet->fragment = FRAGMENT_LATER;
		/* RFC 1858 3: a fragment at offset 8 overwrites the flags of a TCP header. */
		if ((frag_off & 0x1fff) == 1 && packet->protocol == IPPROTO_TCP)
			packet_fault(packet, GUARD_DETAIL_FRAGMENT_OFFSET_1);
	} else {
		packet->fragment = FRAGMENT_FIRST;
	}
}

static __always_inline void parse_ipv4(struct xdp_md *ctx, struct packet *packet, const int inner)
{
	__u32 header_length;
	struct iphdr ip;

	if (is_beyond(packet, packet->network + sizeof(ip), inner) || packet_load(ctx, packet->network, &ip))
		return packet_fault(packet, GUARD_DETAIL_TRUNCATED_IP);
	if (ip.version != 4)
		return packet_fault(packet, GUARD_DETAIL_IP_VERSION);
	packet->source.high = 0;
	packet->source.low = bpf_ntohl(ip.saddr);
	packet->destination.high = 0;
	packet->destination.low = bpf_ntohl(ip.daddr);
	packet->ttl = ip.ttl;
	packet->dscp = ip.tos >> 2;
	packet->length = bpf_ntohs(ip.tot_len);
	packet->protocol = ip.protocol;
	packet->family = 4;
	packet->read |= PACKET_IP | PACKET_PROTOCOL;
	header_length = ip.ihl * 4;
	if (header_length < sizeof(ip))
		return packet_fault(packet, GUARD_DETAIL_IP_HEADER_LENGTH);
	if (packet->length == 0)
		return packet_fault(packet, GUARD_DETAIL_IP_LENGTH_ZERO);
	if (packet->length < header_length)
		return packet_fault(packet, GUARD_DETAIL_IP_LENGTH);
	bound_packet(ctx, packet);
	if (packet->network + header_length > packet->end) {
		/* Of a cut layer nothing has named it yet. */
		return packet_fault(packet, GUARD_DETAIL_TINY_FRAGMENT);
	}
	packet->has_options = header_length > sizeof(ip);
	packet->read |= PACKET_OPTIONS;
	packet->transport = packet->network + header_length;
	parse_ipv4_fragment(packet, bpf_ntohs(ip.frag_off), bpf_ntohs(ip.id));
	parse_transport(ctx, packet);
}

/* The first bytes that all extension headers share, and those of a fragment header. */
struct extension {
	__u8 next;
	__u8 length;
	__be16 frag_off;
	__be32 rest;
};

static __always_inline int is_extension(__u8 protocol)
{
	switch (protocol) {
	case 0: /* hop-by-hop */
	case 43: /* routing */
	case 44: /* fragment */
	case 51: /* AH */
	case 60: /* destination options */
	case 135: /* mobility */
	case 139: /* HIP */
	case 140: /* shim6 */ return 1;
	default: return 0;
	}
}

static __always_inline __u32 extension_length(__u8 protocol, __u8 length)
{
	if (protocol == 44)
		return 8;
	return protocol == 51 ? (length + 2) * 4 : (length + 1) * 8;
}

#define CHAIN_MAX 8

/* A fragment header: 1 to go on, 0 behind a later fragment's. */
static __always_inline int parse_ipv6_fragment(struct packet *packet, const struct extension *header)
{
	__u16 frag_off = bpf_ntohs(header->frag_off);

	if (!(frag_off & 0xfff9))
		return 1;
	if (packet->fragment != FRAGMENT_NONE) {
		packet_fault(packet, GUARD_DETAIL_FRAGMENT_TWICE);
		return 1;
	}
	set_fragment(packet, bpf_ntohl(header->rest), packet->transport, header->next);
	packet->fragment_at = frag_off & 0xfff8;
	packet->fragment = packet->fragment_at ? FRAGMENT_LATER : FRAGMENT_FIRST;
	return packet->fragment == FRAGMENT_FIRST;
}

/* One extension header, at `transport` and of the kind `protocol`, which move on to the next one's: 1 to go
 * on, 0 at the protocol (or a later fragment), -1 where the reading ends. They and has_options live in the
 * packet and not in registers, so that the verifier sees each step once. */
static __always_inline int parse_extension(struct xdp_md *ctx, struct packet *packet, int count)
{
	__u32 offset = packet->transport, length;
	__u8 protocol = packet->protocol;
	struct extension extension;

	if (!is_extension(protocol))
		return 0;
	if (count == CHAIN_MAX) {
		packet_fault(packet, GUARD_DETAIL_TOO_MANY_EXTENSIONS);
		return -1;
	}
	if (protocol == 0 && count > 0)
		packet_fault(packet, GUARD_DETAIL_EXTENSION_ORDER);
	if (offset + sizeof(extension) > packet->end || packet_load(ctx, offset, &extension)) {
		packet_fault(packet, GUARD_DETAIL_TRUNCATED_EXTENSION);
		return -1;
	}
	if (protocol == 43 && (bpf_ntohs(extension.frag_off) >> 8) == 0)
		packet_fault(packet, GUARD_DETAIL_ROUTING_TYPE_0);
	length = extension_length(protocol, extension.length);
	if (offset + length > packet->end) {
		packet_fault(packet, GUARD_DETAIL_TRUNCATED_EXTENSION);
		return -1;
	}
	packet->transport = offset + length;
	packet->protocol = extension.next;
	if (protocol == 0 || protocol == 43 || protocol == 60)
		packet->has_options = 1;
	if (protocol == 44)
		return parse_ipv6_fragment(packet, &extension);
	return 1;
}

static __always_inline void parse_ipv6_chain(struct xdp_md *ctx, struct packet *packet, __u8 next)
{
	int more = 1;

	packet->transport = packet->network + sizeof(struct ipv6hdr);
	packet->protocol = next;
	packet->has_options = 0;
	/* One step more than headers are allowed: the ninth is found and named. */
	for (int i = 0; i <= CHAIN_MAX && more == 1; i++) {
		asm volatile("" : : : "memory");
		more = parse_extension(ctx, packet, i);
	}
	if (more < 0)
		return;
	packet->read |= PACKET_PROTOCOL | PACKET_OPTIONS;
	parse_transport(ctx, packet);
}

static __always_inline void parse_ipv6(struct xdp_md *ctx, struct packet *packet, const int inner)
{
	struct ipv6hdr ip;

	if (is_beyond(packet, packet->network + sizeof(ip), inner) || packet_load(ctx, packet->network, &ip))
		return packet_fault(packet, GUARD_DETAIL_TRUNCATED_IP);
	if (ip.version != 6)
		return packet_fault(packet, GUARD_DETAIL_IP_VERSION);
	packet->source.high = address_half(&ip.saddr, 0);
	packet->source.low = address_half(&ip.saddr, 8);
	packet->destination.high = address_half(&ip.daddr, 0);
	packet->destination.low = address_half(&ip.daddr, 8);
	packet->ttl = ip.hop_limit;
	packet->dscp = (ip.priority << 2 | ip.flow_lbl[0] >> 6) & 0x3f;
	packet->length = sizeof(ip) + bpf_ntohs(ip.payload_len);
	packet->family = 6;
	packet->read |= PACKET_IP;
	if (ip.payload_len == 0 && ip.nexthdr == 0)
		return packet_fault(packet, GUARD_DETAIL_JUMBOGRAM);
	bound_packet(ctx, packet);
	parse_ipv6_chain(ctx, packet, ip.nexthdr);
}

static __always_inline void parse_ip(struct xdp_md *ctx, struct packet *packet, const int inner)
{
	if (packet->ethertype == ETH_P_IP)
		parse_ipv4(ctx, packet, inner);
	else if (packet->ethertype == ETH_P_IPV6)
		parse_ipv6(ctx, packet, inner);
}

/* Reads the frame. Inlined: a call costs as much as the parsing. */
static __always_inline void parse(struct xdp_md *ctx, struct packet *packet)
{
	packet->available = ctx->data_end - ctx->data;
	if (!parse_ethernet(ctx, packet, 0, 0))
		parse_ip(ctx, packet, 0);
}

/* Reads a packet in another: Ethernet at `network`, or IP there where `ethertype` says so. A global function,
 * verified by itself for any packet. */
__noinline int parse_inner(struct xdp_md *ctx, struct packet *packet)
{
	if (!packet)
		return 0;
	if (packet->ethertype || !parse_ethernet(ctx, packet, packet->network, 1))
		parse_ip(ctx, packet, 1);
	return 0;
}

#endif
