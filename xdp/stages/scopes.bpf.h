/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Header conditions of inspectors: whether any signature could match a packet of this one's flow. In: a
 * packet that a rule wants inspected. Out: whether it is sampled at all. docs/policy.md, "Header conditions".
 * Cost: a few loads; 16 comparisons where signatures name networks. */
#ifndef GUARD_SCOPES_BPF_H
#define GUARD_SCOPES_BPF_H

#include "stages/flow_drops.bpf.h"
#include "stages/tunnel.bpf.h"

/* RFC 4380: of servers and relays, which send from it too. No rule looks into Teredo, but inspectors do. */
#define TEREDO_PORT 3544

static __always_inline int scope_bit(const __u64 *bits, __u32 number)
{
	return bits[number >> 6] >> (number & 63) & 1;
}

static __always_inline int is_in_range4(const struct guard_scope_range *ranges, __u64 address)
{
	for (__u32 i = 0; i < GUARD_SCOPE_RANGES; i++)
		if (address >= ranges[i].first.low && address <= ranges[i].last.low)
			return 1;
	return 0;
}

static __always_inline int is_in_range6(const struct guard_scope_range *ranges,
                                        const struct guard_address6 *address)
{
	for (__u32 i = 0; i < GUARD_SCOPE_RANGES; i++)
		if (!is_address_above(&ranges[i].first, address) &&
		    !is_address_above(address, &ranges[i].last))
			return 1;
	return 0;
}

static __always_inline int scope_has_address(const struct guard_sample_scope *scope,
                                             const struct packet *packet)
{
	if (packet->family == 6)
		return scope->families & GUARD_SCOPE_IPV6 || is_in_range6(scope->ipv6, &packet->source) ||
		       is_in_range6(scope->ipv6, &packet->destination);
	return scope->families & GUARD_SCOPE_IPV4 || is_in_range4(scope->ipv4, packet->source.low) ||
	       is_in_range4(scope->ipv4, packet->destination.low);
}

/* Ports that were not read could be any: signatures look at such packets too. */
static __always_inline int scope_has_port(const __u64 *ports, const struct packet *packet)
{
	return !(packet->read & PACKET_L4) || scope_bit(ports, packet->source_port) ||
	       scope_bit(ports, packet->key);
}

static __always_inline int scope_has(const struct guard_sample_scope *scope, const struct packet *packet)
{
	/* What is put together of fragments, and the layers around a packet, are matched too. */
	if (packet->depth || packet->fragment != FRAGMENT_NONE || !(packet->read & PACKET_PROTOCOL) ||
	    scope_bit(scope->carriers, packet->protocol))
		return 1;
	if (packet->protocol == IPPROTO_UDP && packet->read & PACKET_L4 &&
	    (packet->key == VXLAN_PORT || packet->key == GENEVE_PORT || packet->key == TEREDO_PORT ||
	     packet->source_port == TEREDO_PORT))
		return 1;
	if (!scope_bit(scope->protocols, packet->protocol))
		return 0;
	if (packet->protocol == IPPROTO_TCP && !scope_has_port(scope->tcp, packet))
		return 0;
	if (packet->protocol == IPPROTO_UDP && !scope_has_port(scope->udp, packet))
		return 0;
	return scope_has_address(scope, packet);
}

/* 0 where the packet is of no use to this inspector, which is counted. A global function, verified by itself.
 */
__noinline int is_sample_needed(__u32 inspector)
{
	struct guard_scratch *room = scratch();
	const struct guard_sample_scope *scope;
	struct guard_counter *counter;

	if (!room)
		return 1;
	scope = bpf_map_lookup_elem(&guard_sample_scopes, &inspector);
	if (!scope || scope->inspectors_seed != guard_config.inspectors_seed ||
	    scope_has(scope, &room->packet))
		return 1;
	counter = bpf_map_lookup_elem(&guard_scope_counts, &inspector);
	if (counter) {
		counter->packets++;
		counter->bytes += room->packet.length;
	}
	count_sample(GUARD_SAMPLES_NOT_NEEDED, 1);
	return 0;
}

#endif
