/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What stands in libxdp's dispatcher in our name (apply --attach shared): it hands every packet on to the
 * generation in guard_current. A program in a dispatcher cannot be replaced in place; an element of a program
 * array can, between two packets. In: the dispatcher's call. Out: the generation's verdict. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include <xdp/xdp_helpers.h>

/* The running generation. The controller writes it; pinned, as the kernel empties a program array that only
 * programs hold. The same array serves every shared interface: one update swaps them all. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
	__uint(max_entries, 1);
} guard_current SEC(".maps");

/* Early, as what is dropped here need not be looked at by others; what passes goes on to the next program. */
struct {
	__uint(priority, 10);
	__uint(XDP_PASS, 1);
} XDP_RUN_CONFIG(xdpguard_entry);

SEC("xdp.frags")
int xdpguard_entry(struct xdp_md *ctx)
{
	bpf_tail_call_static(ctx, &guard_current, 0);
	/* Only where the pins were removed by hand: the interface is open, as without a link in other modes.
	 */
	return XDP_PASS;
}

/* Never attached: what the entry is put into to ask whether this kernel lets a program replace a function. */
__noinline int xdpguard_slot(struct xdp_md *ctx)
{
	volatile int verdict = XDP_PASS;

	if (!ctx)
		return XDP_ABORTED;
	/* Changes nothing, but newer kernels let a tail call only into a function that may. */
	bpf_xdp_adjust_tail(ctx, 0);
	return verdict;
}

SEC("xdp")
int xdpguard_probe(struct xdp_md *ctx)
{
	return xdpguard_slot(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
