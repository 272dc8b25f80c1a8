/* SPDX-License-Identifier: Apache-2.0 */
/* In place of libbpf's <bpf/bpf_endian.h>. */
#ifndef NATIVE_BPF_ENDIAN_H
#define NATIVE_BPF_ENDIAN_H

#include <endian.h>

#define bpf_ntohs(x) be16toh(x)
#define bpf_htons(x) htobe16(x)
#define bpf_ntohl(x) be32toh(x)
#define bpf_htonl(x) htobe32(x)
#define bpf_be64_to_cpu(x) be64toh(x)
#define bpf_cpu_to_be64(x) htobe64(x)

#endif
