/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the policy says: constant after loading, so that the verifier removes stages that are not used. A file
 * of its own, found by the include path, as the native build has a configuration for each engine instead. */
#ifndef GUARD_CONFIG_BPF_H
#define GUARD_CONFIG_BPF_H

#include "abi/guard_abi.h"

const volatile struct guard_config guard_config SEC(".rodata.config") = {};

#endif
