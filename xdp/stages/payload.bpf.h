/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The start of the L4 payload, for the patterns of rules. */
#ifndef GUARD_PAYLOAD_BPF_H
#define GUARD_PAYLOAD_BPF_H

#include "maps.bpf.h"

/* Copies the start of the payload to where patterns look for it. */
static __always_inline void load_payload(struct xdp_md *ctx, const struct packet *packet,
                                         struct search *search)
{
	__u32 zero = 0, length;
	struct guard_payload_window *window;

	search->payload_length = 0;
	if (!(packet->read & PACKET_PAYLOAD) || packet->payload >= packet->payload_end)
		return;
	window = bpf_map_lookup_elem(&guard_payload, &zero);
	if (!window)
		return;
	length = packet->payload_end - packet->payload;
	if (length > GUARD_PAYLOAD_WINDOW)
		length = GUARD_PAYLOAD_WINDOW;
	/* From 1 to 64 already; said in arithmetic, as Linux 6.1 does not learn the lower bound from a
	 * comparison. */
	asm volatile("" : "+r"(length));
	length = ((length - 1) & (GUARD_PAYLOAD_WINDOW - 1)) + 1;
	if (!bpf_xdp_load_bytes(ctx, packet->payload, window->bytes, length))
		search->payload_length = length;
}

#endif
