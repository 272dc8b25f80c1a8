/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the stages know of a packet, and the one way to read its bytes. */
#ifndef GUARD_PACKET_BPF_H
#define GUARD_PACKET_BPF_H

#include "abi/guard_abi.h"

enum packet_read {
	PACKET_TAGS = 1 << 0, /* all VLAN tags */
	PACKET_IP = 1 << 1, /* addresses, TTL, DSCP, length */
	PACKET_PROTOCOL = 1 << 2,
	PACKET_OPTIONS = 1 << 3,
	PACKET_L4 = 1 << 4, /* ports, or type and code, or TCP flags with ports */
	PACKET_PAYLOAD = 1 << 5,
};

/* packet->tcp_flags (RFC 9293 3.1). */
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

enum packet_fragment {
	FRAGMENT_NONE = 0,
	FRAGMENT_FIRST,
	FRAGMENT_LATER,
};

/* An address as guard_addresses is searched for it. */
struct packet_lookup {
	__u64 key; /* of a tree */
	__u64 low; /* of a tree below it */
	__u32 top; /* IPv4, or the first 32 bits of IPv6 */
	__u32 partition; /* offset */
};

struct packet {
	/* cleared for each packet */
	__u32 end; /* offset behind the IP packet, or what there is of it; 0: no IP header was read */
	__u32 outer_end; /* in a tunnel: `end` of the outer header's packet */
	__u16 ethertype; /* behind the tags */
	__u16 vlan; /* 0: none */
	__u16 inner_vlan;
	__u8 read; /* enum packet_read */
	__u8 family; /* 4 or 6 where the IP header was read, else 0 */
	__u8 fragment; /* enum packet_fragment */
	__u8 detail; /* enum guard_detail: the first check that failed */
	__u8 depth; /* layers around it */
	__u8 is_inner; /* it stands in another: `available` is all there is */
	__u8 is_cut; /* it stands in a first fragment */
	__u8 outer_spoofed; /* enum guard_detail: of the layers around it */
	__u8 never_banned; /* the policy's never-ban has its source: limits ban it not */
	__u8 brings_cookie; /* 0, or the flags that it came with: it is judged by a SYN's */
	/* only where `read` says so: what is left of the packet before is never looked at */
	struct guard_address6 source; /* host order; IPv4 in the low 32 bits of low */
	struct guard_address6 destination;
	__u32 available; /* bytes of the frame known to be there; grows where the frame lies in several
	                    buffers */
	__u32 network; /* offset of the IP header */
	__u32 transport; /* offset behind the IP headers */
	__u32 length; /* of the IP packet, as its header says */
	__u32 payload; /* offsets of the L4 payload */
	__u32 payload_end;
	__u16 source_port;
	__u16 key; /* destination port, or ICMP type */
	__u8 protocol;
	__u8 ttl;
	__u8 dscp;
	__u8 has_options;
	__u8 tcp_flags;
	__u8 icmp_code;
	/* of a fragment */
	__u8 fragment_protocol; /* IPv4's protocol, the fragment header's next header */
	__u8 more_padding;
	__u16 fragment_at; /* where it belongs in the datagram, in bytes */
	__u32 fragment_id;
	__u32 fragment_data; /* offset of the part that is fragmented */
	/* of source and destination, once they were looked up: offsets in guard_addresses */
	struct packet_lookup lookup;
	__u32 labels[2];
	__u32 rows[2];
};

static __always_inline void packet_clear(struct packet *packet)
{
	__builtin_memset(packet, 0, __builtin_offsetof(struct packet, source));
}

/* A header around the judged one. */
struct packet_layer {
	struct guard_address6 source;
	struct guard_address6 destination;
	__u32 fragment_id;
	__u16 fragment_end; /* bytes of the datagram that a first fragment says to have */
	__u8 fragment; /* enum packet_fragment */
	__u8 fragment_protocol;
	__u8 family;
	__u8 padding[7];
};

/* Outer headers stay below this: two tags, an IPv6 header and eight extension headers of at most 2048 bytes;
 * what is deeper is read by bpf_xdp_load_bytes. It also bounds them for the verifier. */
#define PACKET_OFFSET_MAX 0x7fff

/* What is kept of a packet's header. */
static __always_inline void packet_layer(struct packet_layer *layer, const struct packet *packet)
{
	__builtin_memset(layer, 0, sizeof(*layer));
	layer->source = packet->source;
	layer->destination = packet->destination;
	layer->fragment_id = packet->fragment_id;
	layer->fragment_end = packet->network + packet->length - packet->fragment_data;
	layer->fragment = packet->fragment;
	layer->fragment_protocol = packet->fragment_protocol;
	layer->family = packet->family;
}

/* Bytes of the frame up to the end of its (outer) IP packet: what is there, not what the header claims. */
static __always_inline __u32 packet_bytes(struct xdp_md *ctx, const struct packet *packet)
{
	__u32 end = packet->outer_end ? packet->outer_end : packet->end;

	return end ? end : bpf_xdp_get_buff_len(ctx);
}

static __always_inline void packet_fault(struct packet *packet, enum guard_detail detail)
{
	if (packet->detail == GUARD_DETAIL_NONE)
		packet->detail = detail;
}

/* Whether the frame has `end` bytes. What lies behind the linear part is only counted when it is asked for.
 */
static __always_inline int packet_has(struct xdp_md *ctx, struct packet *packet, __u32 end)
{
	if (end <= packet->available)
		return 1;
	if (packet->is_inner)
		return 0;
	packet->available = bpf_xdp_get_buff_len(ctx);
	return end <= packet->available;
}

/* Copies the header at `offset` to `*to`; it may lie in several buffers. 0, or not where it is not there. A
 * macro for the type's sake: from a void pointer the compiler would copy byte by byte. */
#define packet_load(ctx, offset, to)                                                                         \
	({                                                                                                   \
		const typeof(*(to)) *packet_from = (void *)(long)(ctx)->data;                                \
		__u64 packet_at = (offset);                                                                  \
		int packet_lost = 1;                                                                         \
                                                                                                             \
		if (packet_at <= PACKET_OFFSET_MAX) {                                                        \
			/* Changes nothing, but tells the verifier the bound: 6.1 does not learn it from a   \
			 * comparison of 32 bits, 6.12 forgets it in branches that it believes possible. */  \
			asm volatile("" : "+r"(packet_at));                                                  \
			packet_at &= PACKET_OFFSET_MAX;                                                      \
			packet_from = (const void *)packet_from + packet_at;                                 \
			packet_lost = (const void *)(packet_from + 1) > (void *)(long)(ctx)->data_end;       \
		}                                                                                            \
		if (!packet_lost)                                                                            \
			*(to) = *packet_from;                                                                \
		else                                                                                         \
			packet_lost = bpf_xdp_load_bytes(ctx, packet_at, to, sizeof(*(to))) != 0;            \
		packet_lost;                                                                                 \
	})

#endif
