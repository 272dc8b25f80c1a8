/* SPDX-License-Identifier: Apache-2.0 */
/* guard_bans on the host: an open hash of prefixes that grows as they come. */
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

/* 0, or ENOENT. The places of other bans change. */
int native_bans_remove(struct native_bans *bans, const struct guard_ban_key *key);

/* Calls `step` with each ban until it returns other than 0; it may remove the one that it is called with.
 * Some may come twice then. Returns the number of calls. */
long native_bans_each(struct native_bans *bans,
                      long (*step)(struct native_ban *place, void *context), void *context);

#endif
