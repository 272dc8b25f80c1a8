/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's <linux/bpf.h>, but for the context: its addresses have 32 bits, which the kernel's verifier
 * rewrites to pointers and a host's compiler does not. */
#ifndef NATIVE_LINUX_BPF_H
#define NATIVE_LINUX_BPF_H

#define xdp_md xdp_md_of_the_kernel
#include_next <linux/bpf.h>
#undef xdp_md

struct xdp_md {
	__u64 data; /* addresses of the linear part */
	__u64 data_end;
	__u32 ingress_ifindex;
	__u32 frame_length; /* with what lies behind the linear part */
	const void *frame;
};

#endif
