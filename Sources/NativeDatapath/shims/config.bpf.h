/* SPDX-License-Identifier: Apache-2.0 */
/* In place of xdp/config.bpf.h: the configuration is that of the engine which runs on this thread. */
#ifndef NATIVE_CONFIG_BPF_H
#define NATIVE_CONFIG_BPF_H

#include "abi/guard_abi.h"

static _Thread_local const struct guard_config *native_config;

/* The stages say guard_config.flags and never `struct guard_config`. */
#define guard_config (*native_config)

#endif
