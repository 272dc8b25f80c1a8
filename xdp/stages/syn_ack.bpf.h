/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The SYN+ACK with a cookie, as the stack of this host would send it: the kernel's helpers make the cookie,
 * the options say what the stack will agree to when it comes back. In: a SYN, its IP header in guard_answer.
 * Out: the IP packet there. */
#ifndef GUARD_SYN_ACK_BPF_H
#define GUARD_SYN_ACK_BPF_H

#include "stages/answer_frame.bpf.h"

/* What a segment's options said. */
struct segment_options {
	__u32 at; /* the next option */
	__u32 end;
	__be32 timestamp;
	__u8 has_timestamp;
	__u8 has_sack;
	__u8 has_scale;
	__u8 scale;
};

/* Copies the packet's IP header without options, for the kernel's helpers. */
static __always_inline int load_addresses(struct xdp_md *ctx, const struct packet *packet,
                                          struct guard_answer *answer)
{
	if (packet->family == 4)
		return bpf_xdp_load_bytes(ctx, packet->network, answer->packet, sizeof(struct iphdr));
	return bpf_xdp_load_bytes(ctx, packet->network, answer->packet, sizeof(struct ipv6hdr));
}

/* ---- The SYN's options */

static __always_inline void take_option(struct segment_options *options, const __u8 *option, __u32 length)
{
	switch (option[0]) {
	case 3:
		if (length != 3)
			return;
		options->has_scale = 1;
		options->scale = option[2] > 14 ? 14 : option[2]; /* RFC 7323 2.3 */
		return;
	case 4: options->has_sack = length == 2; return;
	case 8:
		if (length != 10)
			return;
		options->has_timestamp = 1;
		__builtin_memcpy(&options->timestamp, option + 2, sizeof(options->timestamp));
		return;
	default: return;
	}
}

static long option_step(__u32 number, void *context)
{
	struct guard_answer *answer = answer_room();
	struct segment_options *options = context;
	const __u8 *option;
	__u32 at = options->at, length;

	if (!answer || at + 1 >= options->end || options->end > GUARD_SEGMENT_MAX)
		return 1;
	asm volatile("" : "+r"(at));
	option = answer->segment + (at & 63);
	if (option[0] == 0)
		return 1;
	if (option[0] == 1) {
		options->at++;
		return 0;
	}
	length = option[1];
	if (length < 2 || options->at + length > options->end)
		return 1;
	take_option(options, option, length);
	options->at += length;
	return 0;
}

/* ---- The SYN+ACK */

/* This host's time in milliseconds with what the acknowledgement must bring back of the SYN's options in its
 * low 6 bits, as the stack reads it: the peer's window scale (15: none), SACK; not later than now. */
static __always_inline __u32 cookie_timestamp(const struct segment_options *options)
{
	__u32 now = clock_ns() / 1000000, timestamp;

	timestamp = now & ~63U;
	timestamp |= options->has_scale ? options->scale : 15;
	if (options->has_sack)
		timestamp |= 16;
	return timestamp > now ? timestamp - 64 : timestamp;
}

/* The largest segment that the interface can take in. */
static __always_inline __u32 own_mss(struct xdp_md *ctx, int six)
{
	__u32 mtu = 0, headers = six ? 60 : 40, least = six ? 1280 : 576;

	if (bpf_check_mtu(ctx, 0, &mtu, 0, 0) < 0 || mtu < least)
		mtu = least;
	return (mtu > 0xffff ? 0xffff : mtu) - headers;
}

/* Writes the options into zeros; returns their words. Without timestamps neither scale nor SACK: nothing
 * would tell the stack of them. */
static __always_inline __u32 write_options(__be32 *words, const struct segment_options *options, __u32 mss)
{
	words[0] = bpf_htonl(2 << 24 | 4 << 16 | mss);
	if (!options->has_timestamp)
		return 1;
	words[1] = bpf_htonl((options->has_sack ? 0x04020000 : 0x01010000) | 8 << 8 | 10);
	words[2] = bpf_htonl(cookie_timestamp(options));
	words[3] = options->timestamp;
	if (!options->has_scale)
		return 4;
	words[4] = bpf_htonl(0x01030300 | guard_config.cookie_scale);
	return 5;
}

/* What the stack of this host does not do is not agreed to. */
static __always_inline void keep_offered(struct segment_options *options)
{
	if (!(guard_config.cookie_offers & GUARD_COOKIE_TIMESTAMPS))
		options->has_timestamp = 0;
	if (!(guard_config.cookie_offers & GUARD_COOKIE_SACK))
		options->has_sack = 0;
	if (!(guard_config.cookie_offers & GUARD_COOKIE_SCALE))
		options->has_scale = 0;
}

/* The SYN's header, with its options, into answer->segment; its length, 0 where it cannot be read. */
static __always_inline __u32 load_segment(struct xdp_md *ctx, const struct packet *packet,
                                          struct guard_answer *answer)
{
	__u32 length = packet->payload - packet->transport;

	asm volatile("" : "+r"(length));
	length = ((length - 1) & 63) + 1;
	if (length < sizeof(struct tcphdr) || length > GUARD_SEGMENT_MAX ||
	    bpf_xdp_load_bytes(ctx, packet->transport, answer->segment, length))
		return 0;
	return length;
}

/* The cookie in the low 32 bits, above it the MSS that it stands for; negative where none could be made. */
static __always_inline __s64 make_cookie(const struct packet *packet, struct guard_answer *answer,
                                         __u32 length)
{
	void *bytes = answer->packet;

	if (packet->family == 4)
		return bpf_tcp_raw_gen_syncookie_ipv4(bytes, (void *)answer->segment, length);
	return bpf_tcp_raw_gen_syncookie_ipv6(bytes, (void *)answer->segment, length);
}

/* The SYN+ACK's TCP header over zeros; its length. */
static __always_inline __u32 write_syn_ack(struct xdp_md *ctx, struct tcphdr *tcp,
                                           struct guard_answer *answer, __s64 cookie, int six)
{
	const struct tcphdr *syn = (void *)answer->segment;
	struct segment_options options = {.at = sizeof(*syn), .end = syn->doff * 4};
	__u32 mss = cookie >> 32, window = guard_config.cookie_window, words;

	bpf_loop(GUARD_SEGMENT_MAX, option_step, &options, 0);
	keep_offered(&options);
	words = write_options((void *)(tcp + 1), &options, own_mss(ctx, six));
	tcp->source = syn->dest;
	tcp->dest = syn->source;
	tcp->seq = bpf_htonl(cookie);
	tcp->ack_seq = bpf_htonl(bpf_ntohl(syn->seq) + 1);
	tcp->doff = 5 + words;
	tcp->syn = 1;
	tcp->ack = 1;
	/* Whole segments, as the stack has it. */
	tcp->window = bpf_htons(mss && mss < window ? window - window % mss : window);
	return sizeof(*tcp) + 4 * words;
}

#define SYN_ACK_MAX (sizeof(struct tcphdr) + 20)

/* Builds the SYN+ACK; the IP packet's length, 0 where it cannot be built. */
static __always_inline __u32 build_syn_ack(struct xdp_md *ctx, const struct packet *packet,
                                           struct guard_answer *answer)
{
	__u32 length = load_segment(ctx, packet, answer), headers;
	void *bytes = answer->packet;
	struct tcphdr *tcp;
	__s64 cookie;
	__u64 sum;

	if (!length)
		return 0;
	cookie = make_cookie(packet, answer, length);
	if (cookie < 0)
		return 0;
	__builtin_memset(bytes, 0, sizeof(struct ipv6hdr) + SYN_ACK_MAX);
	headers = packet->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	tcp = bytes + headers;
	length = write_syn_ack(ctx, tcp, answer, cookie, packet->family == 6);
	if (packet->family == 4) {
		write_ipv4(bytes, packet, IPPROTO_TCP, headers + length);
		sum = pseudo_sum4(bytes, length);
	} else {
		write_ipv6(bytes, packet, IPPROTO_TCP, headers + length);
		sum = pseudo_sum6(bytes, length);
	}
#pragma unroll
	for (__u32 i = 0; i < SYN_ACK_MAX / 4; i++)
		sum += ((__be32 *)tcp)[i];
	tcp->check = folded(sum);
	return headers + length;
}

#endif
