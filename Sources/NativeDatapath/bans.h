/* SPDX-License-Identifier: Apache-2.0 */
/* guard_bans on the host: an open hash of prefixes that grows as they come. Nothing is ever taken out. */
#ifndef NATIVE_BANS_H
#define NATIVE_BANS_H

#include "native_datapath.h"

struct native_ban {
	struct guard_ban_key key; /* family 0: a free place */
	struct guard_ban value;
};

struct native_bans {
	struct native_ban *places;
	__u32 capacity; /* a power of two, or 0 */
	__u32 count;
};

/* NULL where the prefix is not banned. */
struct guard_ban *native_bans_find(const struct native_bans *bans, const struct guard_ban_key *key);

/* 0, or the negative errno: E2BIG, ENOMEM. */
int native_bans_put(struct native_bans *bans, const struct guard_ban_key *key, const struct guard_ban *value);

#endif
