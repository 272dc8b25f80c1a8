/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this host sends: one program at the egress of each interface, beside the XDP program of a policy that
 * follows connections or inspects flows. It shares that one's tables, reads headers by the same code, drops
 * what is of a dropped flow, and lets every other packet on to the programs behind it. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* The stages are written for XDP's context; the other one answers the same questions. */
#define xdp_md __sk_buff
#define bpf_xdp_load_bytes bpf_skb_load_bytes
#define bpf_xdp_get_buff_len(ctx) ((ctx)->len)
#define SAMPLE_INTERFACE(ctx) ((ctx)->ifindex)
/* What the stack sends may be many segments in one. */
#define SAMPLE_LONGEST 65536

#include "maps.bpf.h"
#include "stages/parse.bpf.h"
#include "stages/outbound.bpf.h"

/* TC_ACT_UNSPEC, which is TCX_NEXT too: the programs behind this one decide. */
#define GO_ON -1
#define SHOT 2 /* TC_ACT_SHOT, TCX_DROP */

SEC("tc")
int xdpguard_egress(struct __sk_buff *ctx)
{
	return follow_outbound(ctx) ? SHOT : GO_ON;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
