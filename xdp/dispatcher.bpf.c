/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* libxdp's dispatcher (protocol version 2, xdp/prog_dispatcher.h) for kernels that let only a function that
 * may change the packet be replaced by a program that may. A tail call counts as such, and the object that
 * libxdp before 1.5.5 brings has no such function. Names and shapes are those that libxdp looks for. In: the
 * packet. Out: the verdict of the first program that does not hand it on. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include <xdp/prog_dispatcher.h>

/* Written by libxdp before it loads; the one map of this object, which it reads back. */
static volatile const struct xdp_dispatcher_config conf = {};

/* A place for a program. The call changes nothing but makes the function one that may. */
#define SLOT(number)                                                                                         \
	__attribute__((noinline)) int prog##number(struct xdp_md *ctx)                                       \
	{                                                                                                    \
		volatile int verdict = XDP_DISPATCHER_RETVAL;                                                \
                                                                                                             \
		if (!ctx)                                                                                    \
			return XDP_ABORTED;                                                                  \
		bpf_xdp_adjust_tail(ctx, 0);                                                                 \
		return verdict;                                                                              \
	}

SLOT(0)
SLOT(1)
SLOT(2)
SLOT(3)
SLOT(4)
SLOT(5)
SLOT(6)
SLOT(7)
SLOT(8)
SLOT(9)

/* libxdp asks with it whether the kernel replaces functions. */
__attribute__((noinline)) int compat_test(struct xdp_md *ctx)
{
	volatile int verdict = XDP_DISPATCHER_RETVAL;

	if (!ctx)
		return XDP_ABORTED;
	return verdict;
}

/* Whether slot `number` is in use and hands the packet on. */
#define ASK(number)                                                                                          \
	if (count <= number)                                                                                 \
		return XDP_PASS;                                                                             \
	verdict = prog##number(ctx);                                                                         \
	if (!((1U << verdict) & conf.chain_call_actions[number]))                                            \
		return verdict;

SEC("xdp")
int xdp_dispatcher(struct xdp_md *ctx)
{
	__u8 count = conf.num_progs_enabled;
	int verdict;

	ASK(0)
	ASK(1)
	ASK(2)
	ASK(3)
	ASK(4)
	ASK(5)
	ASK(6)
	ASK(7)
	ASK(8)
	ASK(9)
	/* Never reached; it keeps compat_test in the program. */
	if (count > MAX_DISPATCHER_ACTIONS)
		compat_test(ctx);
	return XDP_PASS;
}

SEC("xdp")
int xdp_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

__uint(dispatcher_version, XDP_DISPATCHER_VERSION) SEC(XDP_METADATA_SECTION);

char LICENSE[] SEC("license") = "Dual BSD/GPL";
