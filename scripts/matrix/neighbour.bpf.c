/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody else's XDP program for scripts/kernel-matrix: counts the echo requests that reach it and passes
 * everything. SECTION is "xdp" or "xdp.frags": both kinds are met in the field. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} neighbour_seen SEC(".maps");

SEC(SECTION)
int neighbour(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(ethernet + 1);
	__u8 *icmp_type = (void *)(ip + 1);
	__u32 zero = 0;
	__u64 *seen;

	if ((void *)(icmp_type + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	if (ip->protocol != IPPROTO_ICMP || *icmp_type != 8)
		return XDP_PASS;
	seen = bpf_map_lookup_elem(&neighbour_seen, &zero);
	if (seen)
		__sync_fetch_and_add(seen, 1);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
