/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A packet's rows: every key in use gives a row with a bit for each rule or condition that its value allows;
 * what holds is the rows' intersection, word by word. */
#ifndef GUARD_ROWS_BPF_H
#define GUARD_ROWS_BPF_H

#include "stages/addresses.bpf.h"
#include "stages/tables.bpf.h"

/* The values that a packet is judged by, looked up once, so that no packet sees two states of a set. */
struct view {
	const void *tables;
	const void *addresses; /* NULL without GUARD_CFG_ADDRESSES */
};

/* CLOCK_MONOTONIC at the last tick of the timer. */
static __always_inline __u64 tick_clock_ns(void)
{
	if (!guard_config.tick_ns)
		return bpf_ktime_get_coarse_ns();
	return bpf_jiffies64() * guard_config.tick_ns + guard_config.tick_zero_ns;
}

/* The date on the program's clock: for what ends at one. */
static __always_inline __u64 now_ns(void)
{
	__u32 zero = 0;
	struct guard_trace *trace;

	if (!(guard_config.flags & GUARD_CFG_VIRTUAL_CLOCK))
		return tick_clock_ns();
	trace = bpf_map_lookup_elem(&guard_trace, &zero);
	return trace ? trace->now_ns : 0;
}

/* The clock of rates and timeouts: never goes back. */
static __always_inline __u64 clock_ns(void)
{
	__u32 zero = 0;
	struct guard_trace *trace;

	if (!(guard_config.flags & GUARD_CFG_VIRTUAL_CLOCK))
		return tick_clock_ns();
	trace = bpf_map_lookup_elem(&guard_trace, &zero);
	return trace ? trace->clock_ns : 0;
}

static __always_inline __u32 interface_value(struct xdp_md *ctx)
{
	__u32 ifindex = ctx->ingress_ifindex, zero = 0;
	struct guard_trace *trace;

	if (guard_config.flags & GUARD_CFG_VIRTUAL_CLOCK) {
		trace = bpf_map_lookup_elem(&guard_trace, &zero);
		ifindex = trace ? trace->ifindex : 0;
	}
	for (__u32 i = 0; i < GUARD_INTERFACES_MAX && i < guard_config.interface_count; i++)
		if (guard_config.interfaces[i] == ifindex)
			return 1 + i;
	return 0;
}

static __always_inline __u32 service_value(const void *tables, const struct packet *packet)
{
	__u32 base;

	if (!(packet->read & PACKET_PROTOCOL))
		return 0;
	base = table_u32(tables, guard_config.service_base + packet->protocol * sizeof(__u32));
	return packet->read & PACKET_L4 ? base + 1 + packet->key : base;
}

static __always_inline int has_ports(const struct packet *packet)
{
	return packet->read & PACKET_L4 &&
	       (packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP ||
	        packet->protocol == IPPROTO_SCTP_);
}

/* "Not read" is 0, "no tag" 1, then the ids: a tag is only known to be absent where all tags were read. */
static __always_inline __u32 vlan_value(const struct packet *packet, __u16 id)
{
	if (id)
		return 2 + id;
	return packet->read & PACKET_TAGS ? 1 : 0;
}

static __always_inline __u32 dimension_value(struct xdp_md *ctx, const void *tables,
                                             const struct packet *packet, enum guard_dimension dimension)
{
	int ip = packet->read & PACKET_IP;

	switch (dimension) {
	case GUARD_DIM_SERVICE: return service_value(tables, packet);
	case GUARD_DIM_SOURCE_PORT: return has_ports(packet) ? 1 + packet->source_port : 0;
	case GUARD_DIM_TCP_FLAGS:
		return packet->read & PACKET_L4 && packet->protocol == IPPROTO_TCP ? 1 + packet->tcp_flags
		                                                                   : 0;
	case GUARD_DIM_INTERFACE: return interface_value(ctx);
	case GUARD_DIM_VLAN: return vlan_value(packet, packet->vlan);
	case GUARD_DIM_INNER_VLAN: return vlan_value(packet, packet->inner_vlan);
	case GUARD_DIM_LENGTH: return !ip ? 0 : packet->length > 0xffff ? 1 + 0xffff : 1 + packet->length;
	case GUARD_DIM_TTL: return ip ? 1 + packet->ttl : 0;
	case GUARD_DIM_DSCP: return ip ? 1 + packet->dscp : 0;
	case GUARD_DIM_IP_OPTIONS: return packet->read & PACKET_OPTIONS ? 1 + packet->has_options : 0;
	case GUARD_DIM_FRAGMENT:
		/* Known at the end of the header chain, or from the fragment header on. */
		return packet->read & PACKET_OPTIONS || packet->fragment ? 1 + packet->fragment : 0;
	default: return 0;
	}
}

/* Whether every packet's rows are looked up before the rules: failsafe entries are bits of them, and so are
 * all rules of bit vectors and the conditions of entries. */
static __always_inline int needs_rows(classifier classifier)
{
	return guard_config.flags & GUARD_CFG_FAILSAFE ||
	       (classifier->engine == GUARD_ENGINE_BIT_VECTORS ? classifier->rule_count
	                                                       : classifier->conditions);
}

/* The label and row of the packet's source. */
static __always_inline void find_source(const struct view *view, struct packet *packet, struct search *search)
{
	look_up(view->addresses, packet, 0);
	search->source = packet->rows[0];
}

/* Looks up the rows of all keys; the source's is known already where never-ban asked for it. */
static __always_inline void find_rows(struct xdp_md *ctx, const struct view *view, struct packet *packet,
                                      classifier classifier, struct search *search)
{
	if (classifier->addresses) {
		if (!(guard_config.flags & GUARD_CFG_NEVER_BAN))
			find_source(view, packet, search);
		look_up(view->addresses, packet, 1);
		search->destination = packet->rows[1];
	}
#pragma unroll
	for (int i = 0; i < GUARD_DIMS; i++)
		if (classifier->index[i].enabled)
			search->rows[i] = index_row(view->tables, classifier, &classifier->index[i],
			                            dimension_value(ctx, view->tables, packet, i));
}

/* Counts the packet in the sets that hold its addresses: once the rules ask for them. */
static __always_inline void count_sets(const struct view *view, classifier classifier,
                                       const struct packet *packet)
{
	if (!(guard_config.flags & GUARD_CFG_SETS) || !classifier->addresses)
		return;
	count_label(view->addresses, packet->labels[0], 0);
	count_label(view->addresses, packet->labels[1], 1);
}

/* One word of the rows' intersection. There is a row where there is a word: the compiler has addresses take
 * part where no other key does. */
static __always_inline __u64 rows_word(const struct view *view, classifier classifier,
                                       const struct search *search, __u32 word)
{
	__u32 at = word * sizeof(__u64);
	__u64 bits = ~0ULL;

	if (classifier->addresses)
		bits = address_u64(view->addresses, search->source + at) &
		       address_u64(view->addresses, search->destination + at);
#pragma unroll
	for (int i = 0; i < GUARD_DIMS; i++)
		if (classifier->index[i].enabled)
			bits &= table_u64(view->tables, search->rows[i] + at);
	return bits;
}

/* The lowest set bit's number; `bits` is not 0. De Bruijn's sequence: Leiserson, Prokop, Randall 1998. BPF
 * has no such instruction. */
static __always_inline __u32 lowest_bit(__u64 bits)
{
	static const __u8 position[64] = {
	        0,  1,  48, 2,  57, 49, 28, 3,  61, 58, 50, 42, 38, 29, 17, 4,  62, 55, 59, 36, 53, 51,
	        43, 22, 45, 39, 33, 30, 24, 18, 12, 5,  63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21,
	        44, 32, 23, 11, 46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,  13, 8,  7,  6,
	};

	return position[((bits & -bits) * 0x03f79d71b4cb0a89ULL) >> 58 & 63];
}

#endif
