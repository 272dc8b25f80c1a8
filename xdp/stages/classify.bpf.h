/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 6: the first rule that matches. Every key in use gives a row with a bit for each rule that its value
 * allows; the rows' intersection, word by word in rule order, holds the rules that match (bit vectors:
 * Lakshman and Stiliadis, SIGCOMM 1998, with a summary word). Only payload and end time are tested rule by
 * rule. */
#ifndef GUARD_CLASSIFY_BPF_H
#define GUARD_CLASSIFY_BPF_H

#include "stages/addresses.bpf.h"
#include "stages/tables.bpf.h"

/* Rows of a packet, and how far the search has come. */
struct search {
	const void *addresses; /* the same for the whole packet */
	__u32 source; /* offsets of rows in it */
	__u32 destination;
	__u32 rows[GUARD_DIMS];
	__u32 base; /* the rule of bit 0 of `word` */
	__u64 summary; /* words still to look at */
	__u64 word; /* rules of the current word still to look at */
	__u64 now_ns; /* 0: not read yet */
	__u32 payload_length; /* bytes in guard_payload */
	/* what was found */
	__u32 slot; /* the deciding rule's, GUARD_NO_SLOT: none */
	__u32 would_drop_slot; /* the first rule in monitor mode that would drop; GUARD_NO_SLOT: none */
	__u8 verdict;
	__u8 log;
};

static __always_inline __u64 now_ns(void)
{
	__u32 zero = 0;
	struct guard_trace *trace;

	if (!(guard_config.flags & GUARD_CFG_VIRTUAL_CLOCK))
		return bpf_ktime_get_coarse_ns();
	trace = bpf_map_lookup_elem(&guard_trace, &zero);
	return trace ? trace->now_ns : 0;
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

static __always_inline void find_rows(struct xdp_md *ctx, const void *tables, struct packet *packet,
                                      struct search *search)
{
	look_up(search->addresses, packet, 1);
	search->source = packet->rows[0];
	search->destination = packet->rows[1];
#pragma unroll
	for (int i = 0; i < GUARD_DIMS; i++)
		if (guard_config.index[i].enabled)
			search->rows[i] = index_row(tables, &guard_config.index[i],
			                            dimension_value(ctx, tables, packet, i));
}

/* One word of the rows' intersection. */
static __always_inline __u64 rows_word(const void *tables, const struct search *search, __u32 word)
{
	__u32 at = word * sizeof(__u64);
	__u64 bits = ~0ULL;

	if (guard_config.flags & GUARD_CFG_ADDRESSES)
		bits = address_u64(search->addresses, search->source + at) &
		       address_u64(search->addresses, search->destination + at);
#pragma unroll
	for (int i = 0; i < GUARD_DIMS; i++)
		if (guard_config.index[i].enabled)
			bits &= table_u64(tables, search->rows[i] + at);
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

/* Whether one of the rule's patterns matches the payload window. */
static __always_inline int payload_matches(const void *tables, const struct guard_rule *rule, __u32 length)
{
	__u32 zero = 0;
	const struct guard_payload_window *window = bpf_map_lookup_elem(&guard_payload, &zero);

	if (!window)
		return 0;
	for (__u32 i = 0; i < GUARD_PATTERNS_MAX; i++) {
		const struct guard_pattern *pattern;
		__u64 bytes[2];
		__u32 offset;

		if (i >= rule->pattern_count)
			break;
		pattern =
		        table_at(tables, guard_config.patterns + (rule->pattern_first + i) * sizeof(*pattern),
		                 sizeof(*pattern));
		if (!pattern)
			break;
		offset = pattern->offset & (GUARD_PAYLOAD_WINDOW - 1);
		__builtin_memcpy(bytes, window->bytes + offset, sizeof(bytes));
		if (offset + pattern->length <= length &&
		    (bytes[0] & pattern->mask[0]) == pattern->value[0] &&
		    (bytes[1] & pattern->mask[1]) == pattern->value[1])
			return 1;
	}
	return 0;
}

static __always_inline int has_expired(struct search *search, const struct guard_rule *rule)
{
	if (!search->now_ns)
		search->now_ns = now_ns();
	return search->now_ns >= rule->expires_ns;
}

/* What a rule whose rows match does: 1 where it decides, 0 to go on. */
static __always_inline int consider(const void *tables, struct search *search, __u32 number)
{
	const struct guard_rule *rule =
	        table_at(tables, guard_config.rules + number * sizeof(*rule), sizeof(*rule));

	if (!rule)
		return 0;
	if (rule->flags & GUARD_RULE_EXPIRES && has_expired(search, rule))
		return 0;
	if (guard_config.flags & GUARD_CFG_PAYLOAD && rule->pattern_count &&
	    !payload_matches(tables, rule, search->payload_length))
		return 0;
	if (rule->log_every && (rule->log_every == 1 || bpf_get_prandom_u32() % rule->log_every == 0))
		search->log = 1;
	if (rule->action == GUARD_ACTION_CONTINUE)
		return 0;
	if (rule->flags & GUARD_RULE_MONITOR) {
		if (search->would_drop_slot == GUARD_NO_SLOT)
			search->would_drop_slot = rule->slot;
		return 0;
	}
	search->slot = rule->slot;
	search->verdict = rule->action;
	return 1;
}

/* One step of the search: the next rule of the current word, or the next word. 1 where it ends. */
static __always_inline int search_step(const void *tables, struct search *search)
{
	__u32 bit;

	if (!search->word) {
		if (!search->summary)
			return 1;
		bit = lowest_bit(search->summary);
		search->summary &= search->summary - 1;
		search->base = bit * 64;
		search->word = rows_word(tables, search, GUARD_ROW_WORDS + bit);
		if (!search->word)
			return 0;
	}
	bit = lowest_bit(search->word);
	search->word &= search->word - 1;
	return consider(tables, search, search->base + bit);
}

static long search_callback(__u32 index, void *context)
{
	const void *t = tables();

	return t ? search_step(t, context) : 1;
}

/* Finds the deciding rule. The first step is taken here: most packets need no loop. */
static __always_inline void classify(const void *tables, struct search *search)
{
	if (guard_config.words == 0)
		return;
	search->base = 0;
	if (guard_config.words == 1) {
		search->word = rows_word(tables, search, GUARD_ROW_WORDS);
		search->summary = 0;
		if (!search->word)
			return;
	} else {
		search->summary = rows_word(tables, search, GUARD_ROW_SUMMARY);
	}
	if (!search_step(tables, search))
		bpf_loop(GUARD_RULES_MAX + 64, search_callback, search, 0);
}

#endif
