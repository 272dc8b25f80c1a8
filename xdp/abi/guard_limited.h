/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is limited: the table that the XDP program notes dropped packets in, client by client, and `limits`
 * reads. */
#ifndef GUARD_LIMITED_H
#define GUARD_LIMITED_H

#include <linux/types.h>

#include "guard_addresses.h"

/* Clients that limits dropped packets of, lately. A client is found by its bucket's tag, in the group of the
 * tag's low bits; 1.5 MiB. */
#define GUARD_LIMITED_GROUPS 4096
#define GUARD_LIMITED_WAYS 4
#define GUARD_LIMITED_SPELL_NS 60000000000ULL /* without a drop for so long, the next one begins anew */
#define GUARD_LIMITED_IN_USE_NS 20000000ULL /* a record gives way so long after its client's last drop */

/* guard_limited_client.fields: which of its fields are part of the key and were read. */
#define GUARD_LIMITED_PROTOCOL 1
#define GUARD_LIMITED_PORT 2
#define GUARD_LIMITED_SOURCE_PORT 4
#define GUARD_LIMITED_WATCHED 8 /* monitor mode: what was to be dropped went on */

/* Fields that are no part of the limit's key are 0. */
struct guard_limited_client {
	__u32 version; /* odd while it is written */
	__u32 slot; /* the limit's */
	__u64 since_ns; /* the program's clock: the spell's first drop */
	struct guard_address6 source; /* masked to the limit's prefix; IPv4 in the low 32 bits of low */
	struct guard_address6 destination;
	__u16 source_port;
	__u16 port; /* destination port or ICMP type */
	__u8 family; /* 4, 6, or 0: no address is part of the key */
	__u8 protocol;
	__u8 key; /* enum guard_limit_key */
	__u8 fields;
};

struct guard_limited_group {
	__u64 tags[GUARD_LIMITED_WAYS]; /* 0: free */
	__u64 last_ns[GUARD_LIMITED_WAYS]; /* the program's clock: the last drop */
	__u64 packets[GUARD_LIMITED_WAYS]; /* dropped in the spell */
	__u64 bytes[GUARD_LIMITED_WAYS]; /* of frames up to the end of the IP packet, likewise */
	struct guard_limited_client clients[GUARD_LIMITED_WAYS];
	__u64 padding[4];
};

_Static_assert(sizeof(struct guard_limited_client) == 56, "layout");
_Static_assert(sizeof(struct guard_limited_group) == 384, "layout");

#endif
