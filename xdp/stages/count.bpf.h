/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one exit: counts the packet by reason and rule, notes its source now and then, logs it, answers replay.
 */
#ifndef GUARD_COUNT_BPF_H
#define GUARD_COUNT_BPF_H

#include "stages/answers.bpf.h"
#include "stages/classify.bpf.h"
#include "stages/cookies.bpf.h"
#include "stages/sample_frame.bpf.h"

static __always_inline void count(struct guard_counter *counter, __u32 bytes)
{
	counter->packets++;
	counter->bytes += bytes;
}

static __always_inline void note_talker(const struct packet *packet, const struct decision *decision,
                                        __u32 bytes)
{
	__u32 zero = 0;
	struct guard_talkers *talkers = bpf_map_lookup_elem(&guard_talkers, &zero);
	struct guard_talker *talker;

	if (!talkers)
		return;
	talker = &talkers->ring[talkers->cursor % GUARD_TALKERS];
	talker->high = packet->family ? packet->source.high : 0;
	talker->low = packet->family ? packet->source.low : 0;
	talker->bytes = bytes;
	talker->family = packet->family;
	talker->verdict = decision->verdict;
	talker->reason = decision->reason;
	talkers->cursor++;
}

static __always_inline void count_reason(const struct packet *packet, const struct decision *decision,
                                         __u32 bytes)
{
	__u32 index = decision->reason * GUARD_VERDICTS + decision->verdict;
	struct guard_counter *counter = bpf_map_lookup_elem(&guard_reasons, &index);

	if (!counter)
		return;
	count(counter, bytes);
	if (counter->packets % GUARD_TALKER_EVERY == 0)
		note_talker(packet, decision, bytes);
	if (decision->would_drop && decision->verdict == GUARD_PASS) {
		index = decision->reason * GUARD_VERDICTS + GUARD_COUNT_WOULD_DROP;
		counter = bpf_map_lookup_elem(&guard_reasons, &index);
		if (counter)
			count(counter, bytes);
	}
}

static __always_inline struct guard_rule_counters *rule_counters(__u32 slot)
{
	__u32 page = slot / GUARD_PAGE_SLOTS;
	__u32 index = slot % GUARD_PAGE_SLOTS;
	void *counters;

	if (page == 0) {
		counters = bpf_map_lookup_elem(&guard_rules, &index);
		/* Else the compiler makes one call of both, for a map that the verifier does not know then
		 * and cannot inline: 20 ns. */
		asm volatile("" : "+r"(counters));
		return counters;
	}
	counters = bpf_map_lookup_elem(&guard_rule_pages, &page);
	return counters ? bpf_map_lookup_elem(counters, &index) : 0;
}

static __always_inline void count_would_drop(__u32 slot, __u32 bytes)
{
	struct guard_rule_counters *counters;

	/* A limit has counted it already. */
	if (slot & GUARD_SLOT_OF_LIMIT)
		return;
	counters = rule_counters(slot);
	if (counters)
		count(&counters->would_drop, bytes);
}

static __always_inline void count_rules(const struct decision *decision, __u32 bytes)
{
	struct guard_rule_counters *counters;

	if (decision->slot != GUARD_NO_SLOT) {
		counters = rule_counters(decision->slot);
		if (counters)
			count(&counters->decided, bytes);
	}
	if (decision->would_drop_slot != GUARD_NO_SLOT)
		count_would_drop(decision->would_drop_slot, bytes);
	if (decision->monitor_slot != GUARD_NO_SLOT && decision->monitor_slot != decision->would_drop_slot)
		count_would_drop(decision->monitor_slot, bytes);
}

static __always_inline void answer(const struct decision *decision)
{
	const struct guard_scratch *room = scratch();
	__u32 zero = 0;
	struct guard_trace *trace = bpf_map_lookup_elem(&guard_trace, &zero);

	if (!trace || !room)
		return;
	trace->rule_slot = decision->slot;
	trace->would_drop_slot = decision->would_drop_slot;
	trace->limit_slot = decision->limit_slot;
	trace->verdict = decision->verdict;
	trace->reason = decision->reason;
	trace->detail = decision->detail;
	trace->would_drop = decision->would_drop;
	answer_sample(trace, decision->is_sampled ? &room->sample : 0);
}

static __always_inline void log_lost(void)
{
	__u32 zero = 0;
	__u64 *lost = bpf_map_lookup_elem(&guard_lost, &zero);

	if (lost)
		(*lost)++;
}

/* What was read of the packet into an event that is all zero. */
static __always_inline void describe(struct guard_event *event, const struct packet *packet)
{
	event->vlan = packet->vlan;
	event->inner_vlan = packet->inner_vlan;
	event->family = packet->family;
	event->fragment = packet->fragment;
	if (packet->read & PACKET_IP) {
		event->source_high = packet->source.high;
		event->source_low = packet->source.low;
		event->destination_high = packet->destination.high;
		event->destination_low = packet->destination.low;
		event->length = packet->length;
		event->ttl = packet->ttl;
		event->dscp = packet->dscp;
	}
	if (packet->read & PACKET_PROTOCOL)
		event->protocol = packet->protocol;
	if (packet->read & PACKET_L4) {
		event->key_read = 1;
		event->source_port = packet->source_port;
		event->key = packet->key;
		if (packet->protocol == IPPROTO_TCP)
			event->tcp_flags = packet->tcp_flags;
	}
}

static __always_inline void log_packet(struct xdp_md *ctx, const struct packet *packet,
                                       const struct decision *decision)
{
	struct guard_event *event = bpf_ringbuf_reserve(&guard_events, sizeof(*event), 0);

	if (!event)
		return log_lost();
	__builtin_memset(event, 0, sizeof(*event));
	event->time_ns = now_ns();
	describe(event, packet);
	event->ifindex = ctx->ingress_ifindex;
	event->slot = decision->slot;
	event->verdict = decision->verdict;
	event->reason = decision->reason;
	event->detail = decision->detail;
	event->would_drop = decision->would_drop;
	event->would_drop_slot = decision->would_drop_slot;
	event->limit_slot = decision->limit_slot;
	bpf_ringbuf_submit(event, 0);
}

static __always_inline int finish(struct xdp_md *ctx, const struct packet *packet,
                                  const struct decision *decision)
{
	__u32 bytes = packet_bytes(ctx, packet);

	count_reason(packet, decision, bytes);
	count_rules(decision, bytes);
	if (decision->log)
		log_packet(ctx, packet, decision);
	if (guard_config.flags & GUARD_CFG_VIRTUAL_CLOCK)
		answer(decision);
	else if (guard_config.flags & GUARD_CFG_REJECT && decision->verdict == GUARD_REJECT)
		return answer_rejected(ctx, packet);
	else if (guard_config.flags & GUARD_CFG_SYN_COOKIES && decision->reason == GUARD_REASON_SYN_COOKIE &&
	         decision->verdict == GUARD_DROP)
		return answer_syn(ctx, packet);
	return decision->verdict == GUARD_PASS ? XDP_PASS : XDP_DROP;
}

#endif
