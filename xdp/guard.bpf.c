/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet filter: one XDP program for a generation of a policy.
 *
 * Stages in order (docs/policy.md has the fine print, docs/performance.md what each costs):
 *   1 parse, sanity   Ethernet to L4, tunnels that the policy names; what cannot be right is malformed
 *   2 spoofed         sources that no wire can bring
 *   3 failsafe        the way back in, above everything that drops
 *   4 bans            by prefix, in every layer, ended by the clock; then flows that an inspector dropped
 *   5 fragments, essential
 *   6 state           replies to what this host opened (egress.bpf.c saw it)
 *   7 rules           bit vectors or tuple space, by family; the first match decides, and its limit
 *   8 default
 * What a rule with an inspector lets on is sampled behind them, within its flow's budget.
 * One exit, finish(), counts every packet exactly once. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.bpf.h"
#include "stages/parse.bpf.h"
#include "stages/bans.bpf.h"
#include "stages/classify.bpf.h"
#include "stages/count.bpf.h"
#include "stages/essential.bpf.h"
#include "stages/fragments.bpf.h"
#include "stages/limits.bpf.h"
#include "stages/let_in.bpf.h"
#include "stages/payload.bpf.h"
#include "stages/inspect.bpf.h"
#include "stages/spoofed.bpf.h"
#include "stages/tunnel.bpf.h"

/* Always 1: the packet is decided. */
static __always_inline int decide(struct decision *decision, enum guard_reason reason,
                                  enum guard_verdict verdict)
{
	decision->reason = reason;
	decision->verdict = verdict;
	return 1;
}

/* Sanity of the headers: 1 where it decides. */
static __always_inline int judge_headers(struct xdp_md *ctx, struct packet *packet, struct decision *decision)
{
	enum guard_detail detail;

	if (packet->detail != GUARD_DETAIL_NONE && !(guard_config.flags & GUARD_CFG_MALFORMED_PASS)) {
		decide(decision, GUARD_REASON_MALFORMED, GUARD_DROP);
		return 1;
	}
	if (!packet->family) {
		/* Ethernet was read and it is neither IPv4 nor IPv6. */
		if (packet->read & PACKET_TAGS && packet->ethertype != ETH_P_IP &&
		    packet->ethertype != ETH_P_IPV6) {
			decide(decision, GUARD_REASON_NON_IP, GUARD_PASS);
			return 1;
		}
		return 0;
	}
	if (on_loopback(ctx))
		return 0;
	detail = packet->outer_spoofed ? packet->outer_spoofed : spoofed(packet);
	if (detail == GUARD_DETAIL_NONE)
		return 0;
	packet_fault(packet, detail);
	if (guard_config.flags & GUARD_CFG_SPOOFED_PASS)
		return 0;
	/* Under malformed: pass the packet may have a detail already; this one decided. */
	packet->detail = detail;
	decide(decision, GUARD_REASON_SPOOFED, GUARD_DROP);
	return 1;
}

static __always_inline void decide_limited(const struct search *search, struct decision *decision)
{
	decision->limit_slot = search->limit_slot;
	decide(decision, GUARD_REASON_LIMIT, GUARD_DROP);
}

/* Stages 5 to 7: 1 where the packet is decided, 0 where its rule was searched for. */
static __always_inline int judge_rules(struct xdp_md *ctx, const struct view *view,
                                       struct guard_scratch *room, struct decision *decision)
{
	struct packet *packet = &room->packet;
	struct search *search = &room->search;
	enum guard_detail detail;

	detail = essential(ctx, packet);
	if (detail != GUARD_DETAIL_NONE) {
		packet_fault(packet, detail);
		return decide(decision, GUARD_REASON_ESSENTIAL, GUARD_PASS);
	}
	room->fit = FLOW_UNKNOWN;
	if (follows_flows() && judge_state(ctx, room))
		return decide(decision, GUARD_REASON_ESTABLISHED, GUARD_PASS);
	if (room->fit == FLOW_UNKNOWN || room->fit == FLOW_ENDING)
		judge_cookie(ctx, view, room);
	if (guard_config.flags & GUARD_CFG_PAYLOAD)
		load_payload(ctx, packet, search);
	if (packet->family == 6)
		classify(ctx, view, 1, room);
	else
		classify(ctx, view, 0, room);
	if (packet->brings_cookie)
		packet->tcp_flags = packet->brings_cookie;
	return 0;
}

/* What the search found: the deciding rule's limit and cookies, or the default. */
static __always_inline void settle(struct xdp_md *ctx, struct guard_scratch *room, struct decision *decision)
{
	struct search *search = &room->search;

	/* Here and not in the search: inline, as a call costs as much as the charge, and only once. */
	if (guard_config.flags & GUARD_CFG_LIMITS && search->limit != GUARD_NO_LIMIT)
		charge_limit(room, search->limit);
	decision->log = search->log;
	decision->monitor_slot = search->would_drop_slot;
	decision->slot = search->slot;
	if (search->limit_slot != GUARD_NO_SLOT)
		decide_limited(search, decision);
	else if (search->slot == GUARD_NO_SLOT)
		decide(decision, GUARD_REASON_DEFAULT,
		       guard_config.flags & GUARD_CFG_DEFAULT_DROP ? GUARD_DROP : GUARD_PASS);
	else if (asks_cookie(ctx, room))
		decide(decision, GUARD_REASON_SYN_COOKIE, GUARD_DROP);
	else
		decide(decision, GUARD_REASON_RULE, search->verdict);
}

/* A later fragment's fate is its first's. */
static __always_inline int follow(struct decision *decision, const struct recalled *found)
{
	decision->slot = found->slot;
	decision->monitor_slot = found->monitor_slot;
	decision->log = found->flags & FRAGMENT_LOG;
	return decide(decision, GUARD_REASON_FRAGMENT, found->verdict);
}

/* Charges a later fragment to its first's limits. */
static __always_inline void charge_later(struct search *search, struct decision *decision)
{
	if (!(guard_config.flags & GUARD_CFG_LIMITS) || decision->verdict != GUARD_PASS)
		return;
	search->would_drop_slot = decision->monitor_slot;
	if (over_kept_limits())
		decide_limited(search, decision);
	decision->monitor_slot = search->would_drop_slot;
}

/* 1 where the packet is decided by being a fragment. */
static __always_inline int judge_fragment(const struct packet *packet, const struct recalled *found,
                                          struct search *search, struct decision *decision)
{
	if (guard_config.flags & GUARD_CFG_FRAGMENTS_TRACK) {
		if (packet->fragment != FRAGMENT_LATER)
			return 0;
		if (!found->is_found) {
			decide(decision, GUARD_REASON_FRAGMENT, GUARD_DROP);
			return 1;
		}
		follow(decision, found);
		charge_later(search, decision);
		return 1;
	}
	if (guard_config.flags & GUARD_CFG_FRAGMENTS_PASS ||
	    (packet->fragment == FRAGMENT_NONE && !packet->is_cut))
		return 0;
	decide(decision, GUARD_REASON_FRAGMENT, GUARD_DROP);
	return 1;
}

/* Looks up the rows, where the family's rules need them; returns the head word, where failsafe needs it. */
static __always_inline __u64 family_rows(struct xdp_md *ctx, const struct view *view, struct packet *packet,
                                         struct search *search)
{
	if (packet->family == 6) {
		if (!needs_rows(CLASSIFIER_IPV6))
			return 0;
		find_rows(ctx, view, packet, CLASSIFIER_IPV6, search);
		return guard_config.flags & GUARD_CFG_FAILSAFE
		               ? rows_word(view, CLASSIFIER_IPV6, search, GUARD_ROW_HEAD)
		               : 0;
	}
	if (!needs_rows(CLASSIFIER_IPV4))
		return 0;
	find_rows(ctx, view, packet, CLASSIFIER_IPV4, search);
	return guard_config.flags & GUARD_CFG_FAILSAFE
	               ? rows_word(view, CLASSIFIER_IPV4, search, GUARD_ROW_HEAD)
	               : 0;
}

/* Stages 3 to 7: 1 where the packet is decided, 0 where its rule was searched for. */
static __always_inline int judge_packet(struct xdp_md *ctx, const struct view *view,
                                        struct guard_scratch *room, const struct recalled *found,
                                        struct decision *decision)
{
	struct packet *packet = &room->packet;
	struct search *search = &room->search;
	__u64 head = 0;

	search_clear(search);
	if (guard_config.flags & GUARD_CFG_LIMITS)
		search->bytes = packet_bytes(ctx, packet);
	if (guard_config.flags & GUARD_CFG_NEVER_BAN) {
		find_source(view, packet, search);
		head = address_u64(view->addresses, search->source);
		packet->never_banned = (head & GUARD_HEAD_NEVER_BAN) != 0;
	}
	/* Rows are looked up once, but only before the bans where failsafe asks for them. */
	if (guard_config.flags & GUARD_CFG_FAILSAFE) {
		if (family_rows(ctx, view, packet, search) & GUARD_FAILSAFE_MASK) {
			if (has_dropped_flows(packet))
				is_flow_dropped(1);
			return decide(decision, GUARD_REASON_FAILSAFE, GUARD_PASS);
		}
		if (found->flags & FRAGMENT_FAILSAFE)
			return follow(decision, found);
	}
	if (packet->family && banned(ctx, packet, !(head & GUARD_HEAD_NEVER_BAN)))
		return decide(decision, GUARD_REASON_BAN, GUARD_DROP);
	if (has_dropped_flows(packet) && is_flow_dropped(packet->never_banned))
		return decide(decision, GUARD_REASON_FLOW, GUARD_DROP);
	if (judge_fragment(packet, found, search, decision))
		return 1;
	if (!(guard_config.flags & GUARD_CFG_FAILSAFE))
		family_rows(ctx, view, packet, search);
	return judge_rules(ctx, view, room, decision);
}

/* What was kept for a later fragment. One that starts before its first's end is malformed. */
static __always_inline void recall_first(struct packet *packet, struct recalled *found)
{
	if (packet->fragment != FRAGMENT_LATER)
		return;
	recall(packet, found);
	if (found->is_found && packet->fragment_at < found->end)
		packet_fault(packet, GUARD_DETAIL_FRAGMENT_OVERLAP);
}

/* Whether what was decided is kept for later fragments. */
static __always_inline int is_kept(const struct decision *decision, const struct recalled *found)
{
	switch (decision->reason) {
	case GUARD_REASON_FAILSAFE:
	case GUARD_REASON_ESSENTIAL:
	case GUARD_REASON_ESTABLISHED:
	case GUARD_REASON_RULE:
	case GUARD_REASON_LIMIT:
	case GUARD_REASON_DEFAULT: return 1;
	case GUARD_REASON_FRAGMENT: return found->is_found;
	default: return 0;
	}
}

static __always_inline void judge(struct xdp_md *ctx, struct guard_scratch *room, struct decision *decision)
{
	struct packet *packet = &room->packet;
	struct recalled found = {};
	struct view view = {.tables = tables()};

	parse(ctx, packet);
	/* Nothing known in a register survives: the verifier goes on once, not once for each path. */
	asm volatile("" : : : "memory");
	if (!view.tables) {
		decide(decision, GUARD_REASON_DEFAULT, GUARD_DROP);
		return;
	}
	if (guard_config.decapsulate && tunnel_of(packet))
		decapsulate(ctx, packet);
	if (guard_config.flags & GUARD_CFG_FRAGMENTS_TRACK)
		recall_first(packet, &found);
	if (judge_headers(ctx, packet, decision))
		return;
	view.addresses = addresses();
	if (guard_config.flags & GUARD_CFG_ADDRESSES && !view.addresses) {
		decide(decision, GUARD_REASON_DEFAULT, GUARD_DROP);
		return;
	}
	if (!judge_packet(ctx, &view, room, &found, decision)) {
		/* All that was found is in memory: here paths meet again. */
		asm volatile("" : : : "memory");
		settle(ctx, room, decision);
	}
	asm volatile("" : : : "memory");
	if (guard_config.flags & GUARD_CFG_INSPECT)
		choose_sample(room, decision, &found);
	if (guard_config.flags & GUARD_CFG_FRAGMENTS_TRACK &&
	    (packet->fragment == FRAGMENT_FIRST || packet->is_cut) && is_kept(decision, &found))
		remember(packet, decision,
		         decision->reason == GUARD_REASON_FAILSAFE || found.flags & FRAGMENT_FAILSAFE);
}

/* The policy's monitor mode: what was decided is told, and the packet passes. */
static __always_inline void apply_mode(struct decision *decision)
{
	if (guard_config.flags & GUARD_CFG_MONITOR && decision->verdict != GUARD_PASS) {
		decision->verdict = GUARD_PASS;
		decision->would_drop = 1;
		decision->would_drop_slot = decision->reason == GUARD_REASON_LIMIT
		                                    ? GUARD_SLOT_OF_LIMIT | decision->limit_slot
		                                    : decision->slot;
	} else if (decision->monitor_slot != GUARD_NO_SLOT) {
		decision->would_drop = 1;
		decision->would_drop_slot = decision->monitor_slot;
	}
}

static __always_inline int filter(struct xdp_md *ctx)
{
	struct guard_scratch *room = scratch();
	struct decision *decision;

	/* Never so: an array has its element. */
	if (!room)
		return XDP_DROP;
	decision = &room->decision;
	*decision = (struct decision){
	        .slot = GUARD_NO_SLOT,
	        .would_drop_slot = GUARD_NO_SLOT,
	        .monitor_slot = GUARD_NO_SLOT,
	        .limit_slot = GUARD_NO_SLOT,
	};
	packet_clear(&room->packet);
	room->sample_tag = room->charge_count = 0;
	room->fit = FLOW_UNASKED;
	judge(ctx, room, decision);
	apply_mode(decision);
	give_chosen(ctx, room, decision);
	if (follows_flows() && decision->verdict == GUARD_PASS &&
	    decision->reason != GUARD_REASON_ESTABLISHED && says_something(&room->packet))
		note_let_in(ctx, &room->packet);
	decision->detail = room->packet.detail;
	return finish(ctx, &room->packet, decision);
}

/* For frames in several buffers too: the loader sets BPF_F_XDP_HAS_FRAGS, but not behind a dispatcher. */
SEC("xdp")
int xdpguard(struct xdp_md *ctx)
{
	return filter(ctx);
}

/* Helpers that are GPL-only are not used, but the kernel asks for a licence it knows. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
