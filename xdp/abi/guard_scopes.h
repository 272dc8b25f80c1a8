/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Header conditions of inspectors in the one layout: which flows an inspector's signatures could match a
 * packet of. In: ranges of protocols, ports and addresses. Out: bits that the programs test.
 *
 * A scope is written while packets are judged by it, word by word from its front. So one that is open, with
 * all bits set, stands between any two: whatever the programs then see is wider than the narrower one. */
#ifndef GUARD_SCOPES_H
#define GUARD_SCOPES_H

#include <linux/types.h>

#include "guard_addresses.h"

#define GUARD_SCOPES 64 /* inspectors that have one; all others get every flow */
#define GUARD_SCOPE_RANGES 8
#define GUARD_SCOPE_IPV4 (1ULL << 0) /* any address */
#define GUARD_SCOPE_IPV6 (1ULL << 1)

/* An inclusive range of addresses; none where the first is above the last. */
struct guard_scope_range {
	struct guard_address6 first; /* IPv4 in the low 32 bits of low */
	struct guard_address6 last;
};

struct guard_sample_scope {
	__u64 carriers[4]; /* bit protocol: each packet of it is needed */
	__u64 protocols[4]; /* bit protocol: some of its flows are */
	__u64 families; /* GUARD_SCOPE_*: whose addresses are not compared */
	struct guard_scope_range ipv4[GUARD_SCOPE_RANGES];
	struct guard_scope_range ipv6[GUARD_SCOPE_RANGES];
	__u64 tcp[1024]; /* bit port: flows with it at either end */
	__u64 udp[1024];
	__u64 inspectors_seed; /* the configuration's: for another one, every flow is needed */
};

/* ---- For whoever compiles one */

/* Every flow. */
static inline void guard_scope_open(struct guard_sample_scope *scope)
{
	__builtin_memset(scope, 0xff, sizeof(*scope));
	for (__u32 i = 0; i < GUARD_SCOPE_RANGES; i++) {
		scope->ipv4[i].first.high = scope->ipv4[i].first.low = 0;
		scope->ipv6[i].first.high = scope->ipv6[i].first.low = 0;
	}
}

/* No flow. */
static inline void guard_scope_clear(struct guard_sample_scope *scope)
{
	__builtin_memset(scope, 0, sizeof(*scope));
	for (__u32 i = 0; i < GUARD_SCOPE_RANGES; i++) {
		scope->ipv4[i].first.low = scope->ipv6[i].first.low = ~0ULL;
		scope->ipv6[i].first.high = ~0ULL;
	}
}

static inline void guard_scope_set_seed(struct guard_sample_scope *scope, __u64 seed)
{
	scope->inspectors_seed = seed;
}

static inline void guard_scope_add_carrier(struct guard_sample_scope *scope, __u8 protocol)
{
	scope->carriers[protocol >> 6] |= 1ULL << (protocol & 63);
}

static inline void guard_scope_add_protocol(struct guard_sample_scope *scope, __u8 protocol)
{
	scope->protocols[protocol >> 6] |= 1ULL << (protocol & 63);
}

/* `protocol`: TCP's number or UDP's. Both ends are in. */
static inline void guard_scope_add_ports(struct guard_sample_scope *scope, __u8 protocol, __u16 first,
                                         __u16 last)
{
	__u64 *ports = protocol == 6 ? scope->tcp : scope->udp;

	for (__u32 port = first; port <= last; port++)
		ports[port >> 6] |= 1ULL << (port & 63);
}

/* All addresses of a family, 4 or 6. */
static inline void guard_scope_add_family(struct guard_sample_scope *scope, __u8 family)
{
	scope->families |= family == 6 ? GUARD_SCOPE_IPV6 : GUARD_SCOPE_IPV4;
}

/* `place`: from 0, below GUARD_SCOPE_RANGES. Both ends are in. */
static inline void guard_scope_add_range(struct guard_sample_scope *scope, __u8 family, __u32 place,
                                         struct guard_address6 first, struct guard_address6 last)
{
	struct guard_scope_range *range;

	if (place >= GUARD_SCOPE_RANGES)
		return guard_scope_add_family(scope, family);
	range = family == 6 ? &scope->ipv6[place] : &scope->ipv4[place];
	range->first = first;
	range->last = last;
}

_Static_assert(sizeof(struct guard_sample_scope) == 32 + 32 + 8 + 2 * 256 + 2 * 8192 + 8, "layout");

#endif
