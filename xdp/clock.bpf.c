/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads both clocks at once, for whoever says what the timer's ticks are in time: run by
 * BPF_PROG_TEST_RUN, attached nowhere. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi/guard_abi.h"

SEC("syscall")
int xdpguard_clock(struct guard_clocks *clocks)
{
	clocks->jiffies = bpf_jiffies64();
	clocks->monotonic_ns = bpf_ktime_get_ns();
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
