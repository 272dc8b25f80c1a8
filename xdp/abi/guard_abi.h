/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one layout that the XDP program and the controller share: verdicts, reasons, details, the configuration
 * in .rodata, the tables of a generation and the state that all generations share. Swift imports this file;
 * nothing in it is mirrored by hand. Integers are in host order unless a name says be. Padding is explicit.
 */
#ifndef GUARD_ABI_H
#define GUARD_ABI_H

#include <linux/types.h>

#include "guard_addresses.h"
#include "guard_buckets.h"
#include "guard_bans.h"
#include "guard_answers.h"
#include "guard_classifier.h"
#include "guard_flows.h"
#include "guard_limited.h"
#include "guard_limits.h"
#include "guard_samples.h"
#include "guard_scopes.h"
#include "guard_words.h"

/* Raised when a pinned map's layout changes: pins of another version are refused, not misread. */
#define GUARD_ABI_VERSION 10

/* ---- The configuration of a generation: constant once loaded, so that the verifier drops what a policy does
 * not use. */

enum guard_config_flags {
	GUARD_CFG_VIRTUAL_CLOCK =
	        1 << 0, /* replay: time and interface come from guard_trace, the answer goes there */
	GUARD_CFG_MONITOR = 1 << 1, /* the policy's mode: everything passes */
	GUARD_CFG_MALFORMED_PASS = 1 << 2,
	GUARD_CFG_SPOOFED_PASS = 1 << 3,
	GUARD_CFG_FRAGMENTS_PASS = 1 << 4, /* with neither this nor FRAGMENTS_TRACK: dropped */
	GUARD_CFG_DEFAULT_DROP = 1 << 5,
	GUARD_CFG_ESSENTIAL_ND = 1 << 6,
	GUARD_CFG_ESSENTIAL_RA = 1 << 7,
	GUARD_CFG_ESSENTIAL_PMTU = 1 << 8,
	GUARD_CFG_ESSENTIAL_DHCP = 1 << 9,
	GUARD_CFG_FAILSAFE = 1 << 10, /* row heads hold failsafe bits */
	GUARD_CFG_NEVER_BAN = 1 << 11, /* source rows' heads hold GUARD_HEAD_NEVER_BAN */
	GUARD_CFG_OWN_ADDRESSES = 1 << 12, /* own_filter and own are filled */
	GUARD_CFG_PAYLOAD = 1 << 13, /* some rule looks into the payload */
	GUARD_CFG_FRAGMENTS_TRACK = 1 << 14, /* later fragments follow their first */
	GUARD_CFG_ADDRESSES = 1 << 15, /* rows of addresses take part in the search */
	GUARD_CFG_SETS = 1 << 16, /* labels tell of named sets, which are counted */
	GUARD_CFG_LIMITS = 1 << 17, /* some rule has a limit: guard_buckets has its real size */
	GUARD_CFG_OPENED = 1 << 18, /* replies to connections that this host opened pass */
	GUARD_CFG_STATE = 1 << 19, /* some rule asks for the state: accepted connections are followed too */
	GUARD_CFG_SYN_COOKIES = 1 << 20,
	GUARD_CFG_REJECT = 1 << 21, /* some rule rejects */
	GUARD_CFG_INSPECT = 1 << 22, /* some rule samples: flows have budgets, and can be dropped */
};

/* Headers that a further IP packet stands behind. */
enum guard_tunnel {
	GUARD_TUNNEL_IPIP = 1 << 0, /* IP in IP of the same family */
	GUARD_TUNNEL_4IN6 = 1 << 1,
	GUARD_TUNNEL_6IN4 = 1 << 2,
	GUARD_TUNNEL_GRE = 1 << 3,
	GUARD_TUNNEL_VXLAN = 1 << 4,
	GUARD_TUNNEL_GENEVE = 1 << 5,
};

#define GUARD_TUNNELS_MAX 2 /* layers that are read behind the outer header */

#define GUARD_FAILSAFE_MAX 62
#define GUARD_FAILSAFE_MASK ((1ULL << 62) - 1)
#define GUARD_ROW_BITS_MAX 4096 /* 64 words of 64 bits under one summary */
#define GUARD_RULES_MAX 1000000
#define GUARD_INTERFACES_MAX 64
#define GUARD_PAYLOAD_WINDOW 64 /* bytes of L4 payload that patterns may look at */
#define GUARD_PATTERNS_MAX 16 /* patterns of one rule */

struct guard_config {
	__u32 abi_version;
	__u32 flags; /* enum guard_config_flags */
	__u32 tables_size; /* bytes */
	__u32 rule_count;
	__u32 rules; /* struct guard_rule[rule_count] */
	__u32 limits; /* struct guard_limit[limit_count] */
	__u32 limit_count;
	__u32 bucket_lines; /* of guard_buckets; a power of two */
	__u32 patterns; /* struct guard_pattern[pattern_count] */
	__u32 pattern_count;
	__u32 service_base; /* __u32[256]: where a protocol's values begin in the service table */
	__u32 addresses_size; /* bytes of guard_addresses' inner map */
	__u32 interface_count;
	__u32 loopback; /* ifindex of the loopback interface among those attached to; 0: none */
	__u32 interfaces[GUARD_INTERFACES_MAX]; /* ifindexes */
	__u32 partitions; /* bit GUARD_PARTITION: addresses have more than one label, or may come to */
	struct guard_classifier classifiers[2]; /* IPv4 and frames whose IP header was not read; IPv6 */
	__u32 own; /* struct guard_own_address[own_count]: this host's addresses */
	__u32 own_count;
	__u32 decapsulate; /* enum guard_tunnel: what the rules look behind */
	__u32 flow_count; /* connections that guard_flows is made for; a power of two */
	__u16 cookie_window; /* what a SYN+ACK with a cookie announces: bytes */
	__u8 cookie_scale; /* and how this host scales windows: bits */
	__u8 cookie_offers; /* enum guard_cookie_offer: what this host's stack would agree to */
	__u32 inspectors; /* struct guard_inspector[inspector_count] */
	__u32 inspector_count;
	__u32 sample_lines; /* of guard_sample_flows; a power of two */
	__u32 sample_bytes; /* of guard_samples */
	__u64 own_filter[4]; /* bit own_bit(address) of each */
	__u64 seed; /* of all keyed hashes of packets: a secret of the host; 0 in a replay */
	__u64 inspectors_seed; /* what the inspectors are: with others, all flows' budgets begin anew */
	/* The coarse clock without a call, which costs some 30 ns where returns are guarded (SRSO): what a
	 * tick is in nanoseconds, and CLOCK_MONOTONIC at jiffy 0, modulo 2^64. 0: the kernel is asked. */
	__u64 tick_ns;
	__u64 tick_zero_ns;
};

/* What all generations on a host have alike. */
struct guard_host {
	__u64 seed; /* these as in struct guard_config */
	__u64 tick_ns;
	__u64 tick_zero_ns;
};

/* Two clocks at one moment. */
struct guard_clocks {
	__u64 jiffies; /* 64 bits of them */
	__u64 monotonic_ns;
};

/* The directed broadcast address of an IPv4 network (RFC 919). */
#define GUARD_OWN_BROADCAST 0x104

/* An address of this host, or one that means all hosts of a network that it is in; IPv4 in the low 32 bits.
 */
struct guard_own_address {
	struct guard_address6 address;
	__u32 family; /* 4, 6, or GUARD_OWN_BROADCAST */
	__u32 padding;
};

enum guard_rule_action {
	GUARD_ACTION_PASS = 0,
	GUARD_ACTION_DROP = 1,
	GUARD_ACTION_REJECT = 2,
	GUARD_ACTION_CONTINUE = 3,
};

#define GUARD_RULE_MONITOR 1 /* what it would drop goes on */
#define GUARD_RULE_EXPIRES 2
#define GUARD_RULE_NEW 4 /* only where the packet's state is new */
#define GUARD_RULE_ESTABLISHED 8 /* only where it is established */

#define GUARD_NO_LIMIT 0xffff

/* What a rule does once its row bits match, and what the rows cannot say. */
struct guard_rule {
	__u64 expires_ns; /* with GUARD_RULE_EXPIRES: the rule ends at this time of the program's clock */
	__u32 slot; /* its counters */
	__u32 log_every; /* 0: no log */
	__u32 pattern_first;
	__u16 pattern_count; /* any one of these must match; 0: no payload key */
	__u8 action; /* enum guard_rule_action */
	__u8 flags; /* GUARD_RULE_* */
	__u16 limit; /* index in the configuration's limits; GUARD_NO_LIMIT: none */
	__u16 cookies; /* the limit above which SYNs are answered with cookies; GUARD_NO_LIMIT: none */
	__u16 inspector; /* index in the configuration's inspectors; GUARD_NO_INSPECTOR: none */
	__u16 padding;
};

/* Bytes at an offset of the L4 payload, as two words in memory order; bytes behind `length` are zero in both.
 */
struct guard_pattern {
	__u64 value[2];
	__u64 mask[2];
	__u8 offset;
	__u8 length;
	__u8 padding[6];
};

/* ---- State that all generations share. */

/* A pair of per-CPU counters. Bytes are those of the frame up to the end of its IP packet. */
struct guard_counter {
	__u64 packets;
	__u64 bytes;
};

/* The counters' verdict position for packets that passed only because of monitor mode. They are counted there
 * beside their own verdict, not instead of it. */
#define GUARD_COUNT_WOULD_DROP 3
/* Packets that rules looked at whose source, or destination, was in a named set. */
struct guard_set_counters {
	__u64 source;
	__u64 destination;
};

#define GUARD_SETS 1024 /* named sets that ever had a counter */
#define GUARD_LIMITS 1024 /* named limits that ever had a counter */
#define GUARD_SLOT_OF_LIMIT                                                                                  \
	0x80000000U /* set in a slot of what would drop: it is a limit's, not a rule's                       \
	             */
#define GUARD_NO_SLOT 0xffffffffU
#define GUARD_PAGE_SLOTS 16384 /* counters in a page: the first page is a map of its own */
#define GUARD_PAGES 64
#define GUARD_SLOTS (GUARD_PAGE_SLOTS * GUARD_PAGES) /* rules that ever had a counter */
#define GUARD_NAME_SIZE 128 /* bytes of a rule name with its terminating zero */

struct guard_rule_counters {
	struct guard_counter decided;
	struct guard_counter would_drop;
};

/* What a limit did. */
struct guard_limit_counters {
	struct guard_counter passed;
	struct guard_counter dropped;
	struct guard_counter would_drop;
};

struct guard_rule_name {
	char text[GUARD_NAME_SIZE];
};

/* First fragments: what was decided for them, for their later ones. A key can stand in the places of one
 * group. */
#define GUARD_FRAGMENT_GROUPS_BITS 14
#define GUARD_FRAGMENT_PLACES 4
#define GUARD_FRAGMENT_LIFE_NS 30000000000ULL

#define GUARD_TALKERS 512
#define GUARD_TALKER_EVERY 64 /* one packet in so many of each reason and verdict is noted */

struct guard_talker {
	__u64 high;
	__u64 low;
	__u32 bytes;
	__u8 family; /* 4, 6 or 0 */
	__u8 verdict;
	__u8 reason;
	__u8 padding;
};

/* The last sources noted on one CPU; `cursor` counts all ever noted. */
struct guard_talkers {
	__u64 cursor;
	struct guard_talker ring[GUARD_TALKERS];
};

/* A logged packet. */
struct guard_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 source_high;
	__u64 source_low;
	__u64 destination_high;
	__u64 destination_low;
	__u32 ifindex;
	__u32 slot; /* the deciding rule's; GUARD_NO_SLOT: none */
	__u16 source_port;
	__u16 key; /* destination port or ICMP type */
	__u16 vlan;
	__u16 inner_vlan;
	__u32 length; /* of the IP packet */
	__u8 family; /* 4, 6 or 0 */
	__u8 protocol;
	__u8 tcp_flags;
	__u8 fragment; /* 0 none, 1 first, 2 later */
	__u8 verdict;
	__u8 reason;
	__u8 detail;
	__u8 key_read; /* ports, type and flags were read */
	__u8 ttl;
	__u8 dscp;
	__u8 would_drop; /* it would have been dropped but for monitor mode */
	__u8 padding;
	__u32 would_drop_slot; /* the rule or limit that would have; GUARD_NO_SLOT: none of them */
	__u32 limit_slot; /* with GUARD_REASON_LIMIT: which */
};

#define GUARD_EVENTS_BYTES (1 << 20)

/* Replay: the question and the answer of one run. */
struct guard_trace {
	__u64 now_ns; /* the capture's clock: for what ends at a date */
	__u64 clock_ns; /* the same, but time that goes back counts as none: for rates and timeouts */
	__u32 ifindex;
	__u32 rule_slot; /* GUARD_NO_SLOT: none */
	__u32 would_drop_slot; /* GUARD_NO_SLOT: none, or no rule */
	__u32 limit_slot; /* with GUARD_REASON_LIMIT: which */
	__u8 verdict;
	__u8 reason;
	__u8 detail;
	__u8 would_drop; /* it would have been dropped but for monitor mode */
	__u32 sample_slot; /* of the rule that samples the packet */
	__u32 sample_inspector; /* its inspector; GUARD_NO_INSPECTOR: the packet is not sampled */
	__u32 padding;
};

_Static_assert(sizeof(struct guard_rule) == 32, "layout");
_Static_assert(sizeof(struct guard_pattern) == 40, "layout");
_Static_assert(sizeof(struct guard_talker) == 24, "layout");
_Static_assert(sizeof(struct guard_event) == 80, "layout");
_Static_assert(sizeof(struct guard_trace) == 48, "layout");

#endif
