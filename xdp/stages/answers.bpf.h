/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Behind the verdict `reject`: the packet's frame becomes a TCP RST, or an ICMP or ICMPv6 "administratively
 * prohibited", and goes back where it came from. In: the frame and what was read of it. Out: XDP_TX, or
 * XDP_DROP where no answer may be sent (docs/policy.md, "Reject"). */
#ifndef GUARD_ANSWERS_BPF_H
#define GUARD_ANSWERS_BPF_H

#include "stages/answer_frame.bpf.h"
#include "stages/spoofed.bpf.h"

#define ANSWER_CODE4 13 /* communication administratively prohibited: RFC 1812 5.2.7.1 */
#define ANSWER_CODE6 1 /* RFC 4443 3.1 */

/* ---- Which packets may be answered */

/* RFC 792, RFC 1122 3.2.2, RFC 4443 2.4: no error about an error, and none about what may be one. */
static __always_inline int is_icmp_request(const struct packet *packet)
{
	if (packet->protocol == IPPROTO_ICMP)
		return packet->family == 4 &&
		       (packet->key == 8 || packet->key == 13 || packet->key == 15 || packet->key == 17);
	return packet->family == 6 && (packet->key == 128 || packet->key == 139);
}

/* All hosts of one of this host's networks: what they send has another source (RFC 1122 3.2.1.3). */
static __always_inline int is_from_broadcast(const struct packet *packet)
{
	return guard_config.flags & GUARD_CFG_OWN_ADDRESSES && packet->family == 4 &&
	       is_own(packet, GUARD_OWN_BROADCAST);
}

/* Why a packet is not answered, from its headers; GUARD_ANSWERS: it may be. */
static __always_inline __u32 withheld(const struct packet *packet)
{
	__u8 detail = packet->detail;

	if (packet->fragment != FRAGMENT_NONE)
		return GUARD_WITHHELD_FRAGMENT;
	/* A segment of no connection is what an RST is for. */
	if (detail != GUARD_DETAIL_NONE && detail != GUARD_DETAIL_NO_STATE)
		return GUARD_WITHHELD_UNFIT;
	if (packet->depth || !(packet->read & PACKET_PAYLOAD))
		return GUARD_WITHHELD_UNFIT;
	/* Also a DHCP client's 0.0.0.0, which is not spoofed: nothing is ever sent to it (RFC 1122 3.2.2). */
	if (spoofed(packet) != GUARD_DETAIL_NONE || (packet->family == 4 && packet->source.low >> 24 == 0) ||
	    is_from_broadcast(packet))
		return GUARD_WITHHELD_SOURCE;
	if (is_group(packet))
		return GUARD_WITHHELD_DESTINATION;
	if (packet->protocol == IPPROTO_TCP && packet->tcp_flags & TCP_RST)
		return GUARD_WITHHELD_RST;
	if ((packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6_) &&
	    !is_icmp_request(packet))
		return GUARD_WITHHELD_ICMP;
	return GUARD_ANSWERS;
}

/* Takes one from the budget of all CPUs: a token bucket in one word, the theoretical arrival time. */
static __always_inline int within_budget(void)
{
	__u32 zero = 0;
	struct guard_answer_state *state = bpf_map_lookup_elem(&guard_answer_state, &zero);
	__u64 now, arrival, start;

	if (!state)
		return 0;
	now = clock_ns();
	for (int i = 0; i < 4; i++) {
		arrival = *(volatile __u64 *)&state->budget_ns;
		start = arrival > now ? arrival : now;
		if (start - now > (GUARD_ANSWER_BURST - 1) * GUARD_ANSWER_INTERVAL_NS)
			return 0;
		if (__sync_val_compare_and_swap(&state->budget_ns, arrival,
		                                start + GUARD_ANSWER_INTERVAL_NS) == arrival)
			return 1;
	}
	/* Others take tokens faster than this CPU can look: there are not many left. */
	return 0;
}

/* RFC 792, RFC 4443 3.1: the quoted packet follows. */
struct icmp_error {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 unused;
};

/* What an RST answers with, and to what. */
struct tcp_numbers {
	__be16 source;
	__be16 destination;
	__be32 sequence;
	__be32 acknowledged;
};

/* RFC 9293 3.10.7.1: what acknowledges is answered with a number that its sender takes, what does not by
 * acknowledging it. */
static __always_inline void write_rst(struct tcphdr *tcp, const struct packet *packet,
                                      const struct tcp_numbers *asked)
{
	__u32 flags = packet->tcp_flags, sent = packet->payload_end - packet->payload;

	__builtin_memset(tcp, 0, sizeof(*tcp));
	tcp->source = asked->destination;
	tcp->dest = asked->source;
	tcp->doff = sizeof(*tcp) / 4;
	tcp->rst = 1;
	if (flags & TCP_ACK) {
		tcp->seq = asked->acknowledged;
		return;
	}
	tcp->ack = 1;
	tcp->ack_seq = bpf_htonl(bpf_ntohl(asked->sequence) + sent + (flags & 1) + (flags >> 1 & 1));
}

/* ---- Building: the IP packet's length, or 0 where it cannot be built */

static __always_inline __u32 build_rst(struct xdp_md *ctx, const struct packet *packet,
                                       struct guard_answer *answer)
{
	struct tcp_numbers asked;
	void *bytes = answer->packet;
	__u32 length = sizeof(struct tcphdr);
	struct tcphdr *tcp;
	__u64 sum;

	if (bpf_xdp_load_bytes(ctx, packet->transport, &asked, sizeof(asked)))
		return 0;
	tcp = bytes + (packet->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	write_rst(tcp, packet, &asked);
	if (packet->family == 4) {
		write_ipv4(bytes, packet, IPPROTO_TCP, length += sizeof(struct iphdr));
		sum = pseudo_sum4(bytes, sizeof(*tcp));
	} else {
		write_ipv6(bytes, packet, IPPROTO_TCP, length += sizeof(struct ipv6hdr));
		sum = pseudo_sum6(bytes, sizeof(*tcp));
	}
#pragma unroll
	for (__u32 i = 0; i < sizeof(*tcp) / 4; i++)
		sum += ((__be32 *)tcp)[i];
	tcp->check = folded(sum);
	return length;
}

/* Copies the packet's IP header and what follows it to `at`; returns how much, 0 where it cannot be read. */
static __always_inline __u32 quote(struct xdp_md *ctx, const struct packet *packet,
                                   struct guard_answer *answer, __u32 at, __u32 most)
{
	__u32 length = packet->end - packet->network;

	if (length > most)
		length = most;
	/* From 1 on already; said in arithmetic, as the verifier does not learn it from a comparison. */
	asm volatile("" : "+r"(length));
	length = ((length - 1) & 0x7ff) + 1;
	if (length > most)
		return 0;
	if (bpf_xdp_load_bytes(ctx, packet->network, answer->packet + at, length))
		return 0;
	/* A checksum's last word is filled up with zeros. */
	__builtin_memset(answer->packet + at + length, 0, 4);
	return length;
}

static __always_inline __u32 build_icmp4(struct xdp_md *ctx, const struct packet *packet,
                                         struct guard_answer *answer)
{
	struct icmp_error *icmp = (void *)answer->packet + sizeof(struct iphdr);
	const __u32 headers = sizeof(struct iphdr) + sizeof(*icmp);
	__u32 quoted = quote(ctx, packet, answer, headers, GUARD_QUOTE4_MAX);
	__s64 sum;

	if (!quoted)
		return 0;
	write_ipv4((void *)answer->packet, packet, IPPROTO_ICMP, headers + quoted);
	__builtin_memset(icmp, 0, sizeof(*icmp));
	icmp->type = 3;
	icmp->code = ANSWER_CODE4;
	sum = sum_bytes(icmp, sizeof(*icmp) + quoted, 0);
	if (sum < 0)
		return 0;
	icmp->checksum = folded(sum);
	return headers + quoted;
}

static __always_inline __u32 build_icmp6(struct xdp_md *ctx, const struct packet *packet,
                                         struct guard_answer *answer)
{
	struct icmp_error *icmp = (void *)answer->packet + sizeof(struct ipv6hdr);
	const __u32 headers = sizeof(struct ipv6hdr) + sizeof(*icmp);
	__u32 quoted = quote(ctx, packet, answer, headers, GUARD_QUOTE6_MAX);
	struct ipv6hdr *ip = (void *)answer->packet;
	__s64 sum;

	if (!quoted)
		return 0;
	write_ipv6(ip, packet, IPPROTO_ICMPV6_, headers + quoted);
	__builtin_memset(icmp, 0, sizeof(*icmp));
	icmp->type = 1;
	icmp->code = ANSWER_CODE6;
	sum = sum_bytes(icmp, sizeof(*icmp) + quoted, halved(pseudo_sum6(ip, sizeof(*icmp) + quoted)));
	if (sum < 0)
		return 0;
	icmp->checksum = folded(sum);
	return headers + quoted;
}

/* A packet with the verdict reject, on a live interface. A global function, verified by itself for any
 * packet.
 */
__noinline int answer_rejected(struct xdp_md *ctx, const struct packet *packet)
{
	struct guard_answer *answer = answer_room();
	__u32 length, why;
	int is_tcp;

	if (!packet || !answer)
		return XDP_DROP;
	is_tcp = packet->protocol == IPPROTO_TCP;
	why = withheld(packet);
	if (why == GUARD_ANSWERS) {
		if (read_link(ctx, packet, answer))
			why = GUARD_WITHHELD_FAILED;
		else if (turn_link(answer))
			why = GUARD_WITHHELD_DESTINATION;
		else if (!within_budget())
			why = GUARD_WITHHELD_BUDGET;
	}
	if (why != GUARD_ANSWERS) {
		count_answer(why);
		return XDP_DROP;
	}
	__builtin_memset(answer->packet, 0, FRAME_MIN);
	if (is_tcp)
		length = build_rst(ctx, packet, answer);
	else if (packet->family == 4)
		length = build_icmp4(ctx, packet, answer);
	else
		length = build_icmp6(ctx, packet, answer);
	if (!length || send_answer(ctx, packet, answer, length)) {
		count_answer(GUARD_WITHHELD_FAILED);
		return XDP_DROP;
	}
	count_answer(is_tcp ? GUARD_ANSWER_RST : GUARD_ANSWER_ICMP);
	return XDP_TX;
}

#endif
