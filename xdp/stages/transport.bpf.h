/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 1, continued: TCP, UDP, SCTP, ICMP and ICMPv6 behind the IP headers. */
#ifndef GUARD_TRANSPORT_BPF_H
#define GUARD_TRANSPORT_BPF_H

#include "stages/packet.bpf.h"

#define IPPROTO_ICMPV6_ 58
#define IPPROTO_SCTP_ 132

/* The first 8 bytes of every L4 header that is read; TCP's flags lie behind them. */
struct transport_head {
	__be16 first; /* source port; ICMP type and code */
	__be16 second; /* destination port */
	__be16 third; /* UDP length */
	__be16 fourth;
};

static __always_inline __u64 address_half(const void *address, int at)
{
	__be64 half;

	__builtin_memcpy(&half, address + at, sizeof(half));
	return bpf_be64_to_cpu(half);
}

static __always_inline __u32 fixed_length(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP: return 20;
	case IPPROTO_SCTP_: return 12;
	case IPPROTO_UDP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6_: return 8;
	default: return 0;
	}
}

/* Of FIN SYN RST PSH ACK URG: combinations that no stack sends. */
static __always_inline int impossible_flags(__u8 flags)
{
	flags &= 0x3f;
	return flags == 0 || flags == 0x3f || (flags & (TCP_SYN | TCP_FIN)) == (TCP_SYN | TCP_FIN) ||
	       (flags & (TCP_SYN | TCP_RST)) == (TCP_SYN | TCP_RST) ||
	       (flags & (TCP_FIN | TCP_ACK)) == TCP_FIN;
}

static __always_inline void set_payload(struct packet *packet, __u32 header_length)
{
	packet->payload = packet->transport + header_length;
	packet->payload_end = packet->end;
	packet->read |= PACKET_PAYLOAD;
}

/* Neither a fragment nor in one: its lengths can be judged. */
static __always_inline int is_whole(const struct packet *packet)
{
	return packet->fragment == FRAGMENT_NONE && !packet->is_cut;
}

/* TCP's data offset (upper half) and flags, at byte 12. */
struct tcp_shape {
	__u8 offset;
	__u8 flags;
};

static __always_inline void parse_tcp(struct xdp_md *ctx, struct packet *packet)
{
	__u32 left = packet->end - packet->transport;
	struct tcp_shape shape;
	__u32 header_length;

	if (packet_load(ctx, packet->transport + 12, &shape))
		return;
	header_length = (shape.offset >> 4) * 4;
	packet->tcp_flags = shape.flags;
	if (header_length < 20 || header_length > left) {
		if (is_whole(packet))
			packet_fault(packet, GUARD_DETAIL_TCP_HEADER_LENGTH);
	} else {
		set_payload(packet, header_length);
	}
	if (impossible_flags(packet->tcp_flags))
		packet_fault(packet, GUARD_DETAIL_TCP_FLAGS);
}

static __always_inline void parse_udp(struct packet *packet, __u32 length)
{
	__u32 left = packet->end - packet->transport;

	set_payload(packet, 8);
	if (!is_whole(packet))
		return;
	if (length < 8 || length > left)
		packet_fault(packet, GUARD_DETAIL_UDP_LENGTH);
	else
		packet->payload_end = packet->transport + length;
}

static __always_inline void parse_transport(struct xdp_md *ctx, struct packet *packet)
{
	__u32 fixed = fixed_length(packet->protocol);
	struct transport_head head;

	if (packet->fragment == FRAGMENT_LATER)
		return;
	if (!fixed)
		return set_payload(packet, 0);
	if (packet->transport + fixed > packet->end || packet_load(ctx, packet->transport, &head))
		return packet_fault(packet, is_whole(packet) ? GUARD_DETAIL_TRUNCATED_L4
		                                             : GUARD_DETAIL_TINY_FRAGMENT);
	packet->read |= PACKET_L4;
	packet->source_port = bpf_ntohs(head.first);
	packet->key = bpf_ntohs(head.second);
	switch (packet->protocol) {
	case IPPROTO_TCP: return parse_tcp(ctx, packet);
	case IPPROTO_UDP: return parse_udp(packet, bpf_ntohs(head.third));
	case IPPROTO_SCTP_: return set_payload(packet, 12);
	default:
		packet->icmp_code = packet->source_port & 0xff;
		packet->key = packet->source_port >> 8;
		packet->source_port = 0;
		return set_payload(packet, 8);
	}
}

#endif
