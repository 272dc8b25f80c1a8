/* SPDX-License-Identifier: Apache-2.0 */
/* libpcap's own bpf_insn would clash with <linux/bpf.h> in one Swift module graph. */
#define PCAP_DONT_INCLUDE_PCAP_BPF_H 1
#include <pcap/pcap.h>
