/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SYN floods: behind a rule with `syn-cookies`, SYNs beyond its rate are answered from here with the cookie
 * that this host's own stack would send (RFC 4987 3.6), so that the stack finishes the handshake and nothing
 * is kept of a SYN. In: packets that the rules decided, and acknowledgements that may bring a cookie. Out:
 * whether a cookie is asked for; the SYN's frame turned into the SYN+ACK. Costs nothing without such a rule.
 */
#ifndef GUARD_COOKIES_BPF_H
#define GUARD_COOKIES_BPF_H

#include "stages/flows.bpf.h"
#include "stages/limits.bpf.h"
#include "stages/listeners.bpf.h"
#include "stages/sockets.bpf.h"
#include "stages/syn_ack.bpf.h"

/* The stack takes cookies for up to two minutes (net/ipv4/syncookies.c, MAX_SYNCOOKIE_AGE). */
#define COOKIE_LIFE_NS 120000000000ULL
#define COOKIE_NOTED_NS 1000000000ULL /* the time of the last cookie is noted this often */

/* ---- Which packets */

/* A segment with exactly these of ACK, RST, SYN, FIN, which nothing is odd about: it can be answered, or read
 * for a cookie. */
static __always_inline int is_plain_segment(const struct packet *packet, __u8 flags)
{
	return packet->read & PACKET_PAYLOAD && packet->protocol == IPPROTO_TCP && !packet->depth &&
	       packet->fragment == FRAGMENT_NONE && packet->detail == GUARD_DETAIL_NONE &&
	       (packet->tcp_flags & (TCP_ACK | TCP_RST | TCP_SYN | TCP_FIN)) == flags;
}

/* Charges a SYN to the rate of the rule that lets it pass: 1 where it is beyond. A global function, verified
 * by itself. */
__noinline int over_syn_rate(__u32 number)
{
	const struct guard_limit *limit = limit_at(number);
	struct guard_scratch *room = scratch();
	struct charge charge = {};

	if (!limit || !room)
		return 0;
	charge.tag = bucket_tag(limit, &room->packet);
	charge.now = limit_clock_ns(limit) << GUARD_BUCKET_TIME_SHIFT;
	charge.cost = limit->cost;
	charge.tolerance = limit->tolerance;
	charge.line = guard_bucket_line_of(charge.tag, guard_config.bucket_lines);
	return is_over(&charge);
}

/* Whether a packet that its rule lets pass is to be asked for a cookie. */
static __always_inline int asks_cookie(struct xdp_md *ctx, const struct guard_scratch *room)
{
	return guard_config.flags & GUARD_CFG_SYN_COOKIES && room->search.verdict == GUARD_ACTION_PASS &&
	       room->search.cookies != GUARD_NO_LIMIT && !room->packet.brings_cookie &&
	       is_plain_segment(&room->packet, TCP_SYN) && over_syn_rate(room->search.cookies) &&
	       !meets_connection(ctx, &room->packet);
}

/* ---- Cookies that come back */

static __always_inline struct guard_answer_state *answer_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&guard_answer_state, &zero);
}

static __always_inline int cookies_are_out(void)
{
	struct guard_answer_state *state = answer_state();
	__u64 sent = state ? *(volatile __u64 *)&state->cookie_sent_ns : 0;

	return sent && clock_ns() - sent <= COOKIE_LIFE_NS + COOKIE_NOTED_NS;
}

static __always_inline void note_cookie(void)
{
	struct guard_answer_state *state = answer_state();
	__u64 now = clock_ns();

	/* Written once a second: more would have all CPUs quarrel about its cache line. */
	if (state && now - *(volatile __u64 *)&state->cookie_sent_ns > COOKIE_NOTED_NS)
		*(volatile __u64 *)&state->cookie_sent_ns = now;
}

/* Where both sides of a connection have sent equally many bytes, its numbers are those of its cookie again.
 * Where rules ask for the state, what fits no connection may begin anew one that the tables have lost. */
static __always_inline int only_looks_so(struct xdp_md *ctx, const struct packet *packet)
{
	const struct guard_scratch *room = scratch();
	int is_lost = asks_state() && room && room->fit == FLOW_UNKNOWN;

	return !is_lost && is_connected(ctx, packet);
}

/* Whether an acknowledgement brings a cookie of this host's. A global function, verified by itself. */
__noinline int brings_cookie(struct xdp_md *ctx, const struct packet *packet)
{
	struct guard_answer *answer = answer_room();
	void *bytes;
	int wrong;

	if (!(guard_config.flags & GUARD_CFG_SYN_COOKIES) || !packet || !answer)
		return 0;
	bytes = answer->packet;
	if (load_addresses(ctx, packet, answer) ||
	    bpf_xdp_load_bytes(ctx, packet->transport, answer->segment, sizeof(struct tcphdr)))
		return 0;
	if (packet->family == 4)
		wrong = bpf_tcp_raw_check_syncookie_ipv4(bytes, (void *)answer->segment) != 0;
	else
		wrong = bpf_tcp_raw_check_syncookie_ipv6(bytes, (void *)answer->segment) != 0;
	if (!wrong && only_looks_so(ctx, packet))
		return 0;
	count_answer(wrong ? GUARD_COOKIES_INVALID : GUARD_COOKIES_VALID);
	return !wrong;
}

/* Whether a packet may bring one: cookies went out lately, and it is a plain acknowledgement, with FIN where
 * the client has said all in its first segment. */
static __always_inline int may_bring_cookie(struct packet *packet)
{
	__u8 detail = packet->detail;
	int may;

	if (!(guard_config.flags & GUARD_CFG_SYN_COOKIES) || guard_config.flags & GUARD_CFG_VIRTUAL_CLOCK)
		return 0;
	/* That it fits no connection is what is expected of it. */
	if (detail == GUARD_DETAIL_NO_STATE)
		packet->detail = GUARD_DETAIL_NONE;
	may = is_plain_segment(packet, TCP_ACK | (packet->tcp_flags & TCP_FIN)) && cookies_are_out();
	packet->detail = detail;
	return may;
}

/* The row of TCP flags, once more. */
static __always_inline void find_flags(struct xdp_md *ctx, const struct view *view,
                                       const struct packet *packet, classifier classifier,
                                       struct search *search)
{
	const int flags = GUARD_DIM_TCP_FLAGS;

	if (needs_rows(classifier) && classifier->index[flags].enabled)
		search->rows[flags] = index_row(view->tables, classifier, &classifier->index[flags],
		                                dimension_value(ctx, view->tables, packet, flags));
}

/* What brings a cookie is judged as its SYN would have been. */
static __always_inline void judge_cookie(struct xdp_md *ctx, const struct view *view,
                                         struct guard_scratch *room)
{
	struct packet *packet = &room->packet;
	struct search *search = &room->search;

	if (!may_bring_cookie(packet) || !brings_cookie(ctx, packet))
		return;
	packet->detail = GUARD_DETAIL_NONE;
	search->is_established = 0;
	packet->brings_cookie = packet->tcp_flags;
	packet->tcp_flags = TCP_SYN;
	if (packet->family == 6)
		find_flags(ctx, view, packet, CLASSIFIER_IPV6, search);
	else
		find_flags(ctx, view, packet, CLASSIFIER_IPV4, search);
}

/* ---- Sending */

/* A SYN that is asked for a cookie, on a live interface. A global function, verified by itself. */
__noinline int answer_syn(struct xdp_md *ctx, const struct packet *packet)
{
	struct guard_answer *answer = answer_room();
	__u32 length = 0;

	if (!(guard_config.flags & GUARD_CFG_SYN_COOKIES) || !packet || !answer)
		return XDP_DROP;
	if (is_group(packet) || read_link(ctx, packet, answer) || turn_link(answer)) {
		count_answer(GUARD_WITHHELD_DESTINATION);
		return XDP_DROP;
	}
	if (!load_addresses(ctx, packet, answer)) {
		open_listener(ctx, packet, answer);
		length = build_syn_ack(ctx, packet, answer);
	}
	if (!length || send_answer(ctx, packet, answer, length)) {
		count_answer(GUARD_WITHHELD_FAILED);
		return XDP_DROP;
	}
	note_cookie();
	count_answer(GUARD_COOKIES_SENT);
	return XDP_TX;
}

#endif
