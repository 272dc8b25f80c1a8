/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flows that an inspector had dropped, behind bans and above fragments, for the XDP program and the egress
 * program alike; and what they and samples share: a packet's flow, the counters. In: a packet. Out: whether
 * it is dropped. Cost without dropped flows: one load. */
#ifndef GUARD_FLOW_DROPS_BPF_H
#define GUARD_FLOW_DROPS_BPF_H

#include "stages/rows.bpf.h"

static __always_inline void count_sample(__u32 index, __u64 number)
{
	__u64 *counter = bpf_map_lookup_elem(&guard_sample_counts, &index);

	if (counter)
		*counter += number;
}

/* ---- Flows */

static __always_inline int is_address_above(const struct guard_address6 *one,
                                            const struct guard_address6 *other)
{
	return one->high != other->high ? one->high > other->high : one->low > other->low;
}

static __always_inline int is_same_address(const struct guard_address6 *one,
                                           const struct guard_address6 *other)
{
	return one->high == other->high && one->low == other->low;
}

/* The flow of a packet whose IP header was read. */
static __always_inline void flow_ends(const struct packet *packet, struct guard_flow_ends *ends)
{
	int with_ports = has_ports(packet), is_turned;
	__u16 source = with_ports ? packet->source_port : 0, destination = with_ports ? packet->key : 0;

	is_turned = is_address_above(&packet->source, &packet->destination) ||
	            (is_same_address(&packet->source, &packet->destination) && source > destination);
	ends->lower = is_turned ? packet->destination : packet->source;
	ends->upper = is_turned ? packet->source : packet->destination;
	ends->lower_port = is_turned ? destination : source;
	ends->upper_port = is_turned ? source : destination;
	ends->family = packet->family;
	ends->protocol = packet->read & PACKET_PROTOCOL ? packet->protocol : 0;
	ends->padding = 0;
}

static __always_inline int is_tcp(const struct packet *packet)
{
	return packet->read & PACKET_L4 && packet->protocol == IPPROTO_TCP;
}

/* A SYN without ACK: what follows is another connection, however well its ends are known. */
static __always_inline int begins_flow(const struct packet *packet)
{
	return is_tcp(packet) && (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* ---- Dropped flows */

/* Whether any flow may be dropped, and the packet can be of one. */
static __always_inline int has_dropped_flows(const struct packet *packet)
{
	__u32 zero = 0;
	const __u64 *any;

	if (!(guard_config.flags & GUARD_CFG_INSPECT) || !packet->family)
		return 0;
	any = bpf_map_lookup_elem(&guard_dropped_any, &zero);
	return any && *any;
}

static __always_inline struct guard_dropped_flow *dropped_flow(struct guard_scratch *room)
{
	struct guard_dropped_flow *flow;

	flow_ends(&room->packet, &room->ends);
	flow = bpf_map_lookup_elem(&guard_dropped_flows, &room->ends);
	return flow && (flow->ends_ns == GUARD_FOREVER || clock_ns() < flow->ends_ns) ? flow : 0;
}

/* Whether a packet that came in is of a dropped flow. `is_spared`: failsafe or never-ban has it; this host's
 * packets of the flow then go out too. A global function, verified by itself. */
__noinline int is_flow_dropped(int is_spared)
{
	struct guard_scratch *room = scratch();
	struct guard_dropped_flow *flow;

	if (!room)
		return 0;
	flow = dropped_flow(room);
	if (!flow)
		return 0;
	if (is_spared) {
		if (!flow->spared)
			flow->spared = 1;
		return 0;
	}
	__sync_fetch_and_add(&flow->packets, 1);
	__sync_fetch_and_add(&flow->bytes, room->packet.length);
	count_sample(GUARD_FLOWS_DROPPED, 1);
	return 1;
}

/* Likewise for a packet that this host sends. */
__noinline int is_reply_dropped(void)
{
	struct guard_scratch *room = scratch();
	struct guard_dropped_flow *flow;

	if (!room)
		return 0;
	flow = dropped_flow(room);
	if (!flow || flow->spared)
		return 0;
	__sync_fetch_and_add(&flow->sent_packets, 1);
	__sync_fetch_and_add(&flow->sent_bytes, room->packet.length);
	count_sample(GUARD_FLOWS_DROPPED_SENT, 1);
	return 1;
}

#endif
