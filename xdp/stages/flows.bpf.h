/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tables of connections: keys, timeouts, marks and the moves between tables, for the XDP program and the
 * egress program alike. docs/policy.md, "Connections", says what each packet does. */
#ifndef GUARD_FLOWS_BPF_H
#define GUARD_FLOWS_BPF_H

#include "stages/answered.bpf.h"

/* A TCP header's numbers, at byte 4. */
struct tcp_sequence {
	__be32 sequence;
	__be32 acknowledged;
};

/* What the tables say of an inbound packet. */
enum flow_fit {
	FLOW_UNKNOWN = 0,
	FLOW_OPENED, /* of a connection that this host opened */
	FLOW_ACCEPTED, /* of one that it accepted */
	FLOW_ENDING, /* of one that it accepted and that is closing: what brings a cookie begins it anew */
	FLOW_PROVEN, /* acknowledges the SYN+ACK of an accepted one that is half open */
	FLOW_UNASKED, /* the packet was decided before its state */
};

/* What an ICMP or ICMPv6 message has to do with echoes. */
enum echo {
	NO_ECHO = 0,
	ECHO_REQUEST,
	ECHO_REPLY,
};

static __always_inline enum echo echo_of(__u8 protocol, __u16 type)
{
	if (protocol == IPPROTO_ICMP)
		return type == 8 ? ECHO_REQUEST : type == 0 ? ECHO_REPLY : NO_ECHO;
	if (protocol == IPPROTO_ICMPV6_)
		return type == 128 ? ECHO_REQUEST : type == 129 ? ECHO_REPLY : NO_ECHO;
	return NO_ECHO;
}

/* ---- Keys */

/* The key of a packet whose L4 header was read; ICMP's identifier is the second half of its first 8 bytes. */
static __always_inline void flow_key(struct xdp_md *ctx, const struct packet *packet, const int outbound,
                                     struct guard_flow_key *key)
{
	__u16 local = outbound ? packet->source_port : packet->key;
	__u16 remote = outbound ? packet->key : packet->source_port;
	__be16 identifier = 0;

	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6_) {
		packet_load(ctx, packet->transport + 4, &identifier);
		local = remote = bpf_ntohs(identifier);
	}
	key->local = outbound ? packet->source : packet->destination;
	key->remote = outbound ? packet->destination : packet->source;
	key->local_port = local;
	key->remote_port = remote;
	key->family = packet->family;
	key->protocol = packet->protocol;
	key->padding = 0;
}

/* ---- Ports */

static __always_inline __u64 *port_word(__u32 base, __u16 port)
{
	__u32 index = base + port / 64;

	return bpf_map_lookup_elem(&guard_flow_ports, &index);
}

static __always_inline int port_is_set(__u32 base, __u16 port)
{
	const __u64 *word = port_word(base, port);

	return word && *word >> port % 64 & 1;
}

/* Another CPU may set a neighbour's bit at the same time. */
static __always_inline void set_port(__u32 base, __u16 port)
{
	__u64 *word = port_word(base, port), bit = 1ULL << port % 64;

	if (word && !(*word & bit))
		__sync_fetch_and_or(word, bit);
}

static __always_inline __u64 *served_time(__u16 port)
{
	__u32 index = GUARD_PORTS_SERVED + port;

	return bpf_map_lookup_elem(&guard_flow_ports, &index);
}

/* A datagram of a conversation that the other side began, on a local port. */
static __always_inline void note_served(__u16 port, __u64 now)
{
	__u64 *time = served_time(port);

	/* Once a second: more would have all CPUs quarrel about its cache line. */
	if (time && (!*time || now - *(volatile __u64 *)time > SECOND_NS))
		*(volatile __u64 *)time = now | 1;
}

/* Whether there may be a mark for a port: none lasts longer without a packet, which was noted to the second.
 */
static __always_inline int is_served_port(__u16 port, __u64 now)
{
	const __u64 *time = served_time(port);

	return time && *time && lasts(*time, now, 122 * SECOND_NS);
}

/* Whether this host ever opened a connection from this port: no other packet can be a reply. */
static __always_inline int may_be_opened(const struct packet *packet)
{
	return port_is_set(packet->protocol == IPPROTO_TCP ? GUARD_PORTS_TCP : GUARD_PORTS_UDP, packet->key);
}

/* ---- Flows */

/* Beside the answered ones: where a connection may stand. */
enum flow_tables {
	IN_UNANSWERED = 1,
	IN_HALF_OPEN = 2, /* TCP alone */
};

/* Whether guard_unanswered can have a segment's key: most of what is attacked costs no lookup there. */
static __always_inline int may_be_unanswered(const struct guard_flow_key *key)
{
	return key->protocol != IPPROTO_TCP || port_is_set(GUARD_PORTS_TCP, key->local_port);
}

/* A connection that is not among the answered ones, also one whose time is over. */
static __always_inline struct guard_opening *find_opening(const struct guard_flow_key *key, const int tables)
{
	struct guard_opening *opening = 0;

	if (tables & IN_UNANSWERED && may_be_unanswered(key))
		opening = bpf_map_lookup_elem(&guard_unanswered, key);
	if (!opening && tables & IN_HALF_OPEN && key->protocol == IPPROTO_TCP)
		opening = bpf_map_lookup_elem(&guard_half_open, key);
	return opening;
}

/* The live connection of a key. It stands in one of the tables; `tables`: in which it is looked for beside
 * the answered ones. */
static __always_inline struct guard_flow *find_flow(const struct guard_flow_key *key, __u64 now,
                                                    const int tables)
{
	struct guard_flow *flow = find_answered(key);
	struct guard_opening *opening;

	if (flow && flow_lasts(flow, key, now))
		return flow;
	opening = find_opening(key, tables);
	return opening && flow_lasts(&opening->flow, key, now) ? &opening->flow : 0;
}

/* Stores what this host opened; -1 where no place could be had. */
static __always_inline int store_unanswered(struct guard_scratch *room)
{
	if (bpf_map_update_elem(&guard_unanswered, &room->flow_key, &room->opening, BPF_ANY))
		return -1;
	if (room->flow_key.protocol == IPPROTO_TCP)
		bpf_map_delete_elem(&guard_half_open, &room->flow_key);
	return 0;
}

/* Stores what this host accepted; -1 where no place could be had. */
static __always_inline int store_half_open(struct guard_scratch *room)
{
	if (bpf_map_update_elem(&guard_half_open, &room->flow_key, &room->opening, BPF_ANY))
		return -1;
	if (may_be_unanswered(&room->flow_key))
		bpf_map_delete_elem(&guard_unanswered, &room->flow_key);
	return 0;
}

/* Stores what stands in room->opening in the table of its opener, instead of what was known of the key. A
 * global function, verified by itself. */
__noinline int begin_flow(void)
{
	struct guard_flow_totals *totals = flow_totals();
	struct guard_scratch *room = scratch();
	int is_ours;

	if (!room || !totals)
		return -1;
	is_ours = is_opened_here(&room->opening.flow);
	if (is_ours ? store_unanswered(room) : store_half_open(room)) {
		__sync_fetch_and_add(&totals->failed, 1);
		return -1;
	}
	forget_flow(&room->flow_key);
	__sync_fetch_and_add(is_ours ? &totals->opened : &totals->accepted, 1);
	return 0;
}

/* A connection that was answered moves to the others; where it gets no place there it stays. */
static __always_inline void promote(struct guard_scratch *room, struct guard_flow *flow, __u64 now)
{
	struct guard_flow_totals *totals;

	room->opening.flow = *flow;
	/* Another CPU may have counted a packet of it meanwhile, and written the state that was before. */
	see_flow(&room->opening.flow, GUARD_FLOW_ESTABLISHED, now);
	if (!keep_flow(now)) {
		if (is_opened_here(&room->opening.flow))
			bpf_map_delete_elem(&guard_unanswered, &room->flow_key);
		else
			bpf_map_delete_elem(&guard_half_open, &room->flow_key);
		return;
	}
	totals = flow_totals();
	if (totals)
		__sync_fetch_and_add(&totals->failed, 1);
}

/* A further packet of it; `state` is at least what it was. */
static __always_inline void refresh_flow(struct guard_scratch *room, struct guard_flow *flow, __u8 state,
                                         __u64 now)
{
	__u8 was = flow_state(flow);

	see_flow(flow, state, now);
	if ((was == GUARD_FLOW_HALF_OPEN || was == GUARD_FLOW_COOKIE) && state == GUARD_FLOW_ESTABLISHED)
		promote(room, flow, now);
}

/* The state behind a segment of an established or closing connection. */
static __always_inline __u8 state_after(__u8 state, __u8 tcp_flags)
{
	return tcp_flags & (TCP_FIN | TCP_RST) ? GUARD_FLOW_CLOSING : state;
}

/* A SYN without ACK begins something new, whatever is known. */
static __always_inline int begins_connection(const struct packet *packet)
{
	return (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* ---- Marks */

/* A place of a line. */
struct mark {
	struct guard_mark_line *line; /* NULL: none was found */
	__u64 tag; /* as stored */
	__u32 way;
	__u32 padding;
};

/* Never 0, and without the lowest bit, which says that this host answered. */
static __always_inline __u64 mark_tag(__u64 hash)
{
	return (hash | 2) & ~1ULL;
}

static __always_inline struct guard_mark_line *mark_line(__u64 hash)
{
	__u32 index = hash >> 48;

	return bpf_map_lookup_elem(&guard_flow_marks, &index);
}

static __always_inline __u64 mark_timeout(const struct guard_flow_key *key, __u64 tag)
{
	return key->protocol == IPPROTO_UDP && tag & 1 ? 120 * SECOND_NS : 30 * SECOND_NS;
}

/* The live mark of a key. */
static __always_inline void find_mark(const struct guard_flow_key *key, __u64 now, struct mark *mark)
{
	__u64 hash = flow_hash(key);
	struct guard_mark_line *line = mark_line(hash);

	mark->line = 0;
	if (!line)
		return;
#pragma unroll
	for (int i = 0; i < GUARD_MARK_WAYS; i++) {
		__u64 tag = line->tags[i];

		if ((tag & ~1ULL) != mark_tag(hash) || !lasts(line->times[i], now, mark_timeout(key, tag)))
			continue;
		mark->line = line;
		mark->tag = tag;
		mark->way = i;
		return;
	}
}

/* A mark that still counts gives way: for a while the missing ones of ports that are spoken to prove nothing.
 */
static __always_inline void note_lost_mark(__u64 now)
{
	struct guard_flow_totals *totals = flow_totals();

	if (totals && (!totals->mark_lost_ns || now - totals->mark_lost_ns > SECOND_NS))
		totals->mark_lost_ns = now;
}

/* Notes that the other side began and was let in. The key's own place, else the oldest; the time is written
 * first, so that no moment shows a mark that has run out. */
static __always_inline void leave_mark(const struct guard_flow_key *key, __u64 now)
{
	__u64 hash = flow_hash(key), tag, oldest = ~0ULL;
	struct guard_mark_line *line = mark_line(hash);
	__u32 way = 0;

	if (!line)
		return;
#pragma unroll
	for (int i = 0; i < GUARD_MARK_WAYS; i++) {
		tag = line->tags[i];
		if ((tag & ~1ULL) == mark_tag(hash)) {
			int answered = tag & 1 && lasts(line->times[i], now, mark_timeout(key, tag));

			line->times[i] = now;
			if (tag & 1 && !answered)
				line->tags[i] = mark_tag(hash);
			return;
		}
		if ((tag ? line->times[i] : 0) < oldest) {
			oldest = tag ? line->times[i] : 0;
			way = i;
		}
	}
	way &= GUARD_MARK_WAYS - 1;
	if (line->tags[way] && lasts(oldest, now, 120 * SECOND_NS))
		note_lost_mark(now);
	line->times[way] = now;
	line->tags[way] = mark_tag(hash);
}

#endif
