/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The layout of bans: what guard_bans and the maps beside it hold, for the XDP program and the controller. */
#ifndef GUARD_BANS_H
#define GUARD_BANS_H

#include <linux/types.h>

#define GUARD_BANS_MAX 65536 /* by default */
#define GUARD_BANS_LIMIT (1 << 20) /* at most: clearing looks at each */
#define GUARD_BAN_REASON_SIZE 64
#define GUARD_FOREVER 0xffffffffffffffffULL

struct guard_ban_key {
	__u32 family; /* 4 or 6 */
	__u32 length; /* of the prefix, in bits */
	__u64 high; /* host order; IPv4 in the low 32 bits of `low` */
	__u64 low;
};

struct guard_ban {
	__u64 ends_ns; /* CLOCK_MONOTONIC; GUARD_FOREVER: never */
	__u64 since_ns; /* CLOCK_MONOTONIC; modulo 2^64 where it is of a time before the boot */
	__u64 packets; /* dropped by it */
	__u64 bytes;
	__u32 origin; /* enum guard_ban_origin */
	__u32 limit_slot; /* with GUARD_BAN_LIMIT: which; `reason` says nothing then */
	char reason[GUARD_BAN_REASON_SIZE];
};

enum guard_ban_origin {
	GUARD_BAN_MANUAL = 0,
	GUARD_BAN_LIMIT = 1,
	GUARD_BAN_INSPECTOR = 2,
};

#define GUARD_BAN_CLEARING_NS 1000000000ULL /* the program looks for ended bans at most this often */

/* `clearings_begun` differs from `clearings_done` while the program clears ended bans away. */
struct guard_ban_upkeep {
	__u64 lost; /* bans that found no room: each packet over a limit that asked, each ban by hand */
	__u64 cleared; /* ended bans */
	__u64 made; /* by limits: each time that one bans, or lengthens a ban */
	__u64 next_clearing_ns; /* of the program's clock */
	__u64 clearings_begun;
	__u64 clearings_done;
};

/* Which prefix lengths bans have: bit n of ipv4, bit n % 64 of ipv6[n / 64]. A bit may outlive its last ban.
 */
struct guard_ban_lengths {
	__u64 ipv4;
	__u64 ipv6[3];
};

_Static_assert(sizeof(struct guard_ban_key) == 24, "layout");
_Static_assert(sizeof(struct guard_ban) == 104, "layout");
_Static_assert(sizeof(struct guard_ban_upkeep) == 48, "layout");

#endif
