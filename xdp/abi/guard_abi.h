/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one layout that the XDP program and the controller share: verdicts, reasons, details, the configuration
 * in .rodata, the tables of a generation and the state that all generations share. Swift imports this file;
 * nothing in it is mirrored by hand. Integers are in host order unless a name says be. Padding is explicit.
 */
#ifndef GUARD_ABI_H
#define GUARD_ABI_H

#include <linux/types.h>

#include "guard_words.h"

/* Raised when a pinned map's layout changes: pins of another version are refused, not misread. */
#define GUARD_ABI_VERSION 3

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

/* ---- Addresses: all that depends on what sets of addresses hold lies in one value of guard_addresses' inner
 * map, so that it can be replaced at once. Offsets are bytes from the start of that value. Each family's
 * addresses are cut into intervals that have a label; source and destination have labels of their own. */

/* An address is looked up by its top bits: 12 in the root, 6 in a block of groups, 6 in a group. What is left
 * is 8 bits of an IPv4 address, and 104 of an IPv6 address, whose top 32 bits are treated like an IPv4
 * address. */
#define GUARD_ROOT_BITS 12
#define GUARD_LABELS_MAX 65536
#define GUARD_LABEL 0x80000000U /* in a root entry or tree value: a label in the low 16 bits */

/* 64 neighbouring /24s. In the root: its block's offset / 8, or GUARD_LABEL and the label of all of it. */
struct guard_address_group {
	__u64 differs; /* bit n: the /24 has an entry, as it is not wholly of `label` */
	__u32 entries; /* offset / 8 of __u64[bits in differs] */
	__u32 label;
};

/* An entry's top two bits. */
enum guard_address_entry {
	GUARD_ENTRY_LABEL = 0, /* bits 0-15: the label of all */
	GUARD_ENTRY_RANGE, /* 32-39 to 40-47: last bytes that have label 16-31, the others label 0-15 */
	GUARD_ENTRY_BITMAP, /* 32-61: offset / 8 of 256 bits; 1: label 16-31, 0: label 0-15 */
	GUARD_ENTRY_TREE, /* 0-31: a tree value */
};

/* A tree of boundaries finds the last one that is not above a key. Keys have 63 bits, so that comparing is a
 * subtraction; keys that are not used are GUARD_NO_KEY. IPv4's key is the last byte; IPv6's are bits 24 to 86
 * of the address, and then, where that finds a tree and not a label, the last 41. A tree value: GUARD_LABEL and
 * a label, or 27-30 levels of nodes above the leaves, 0-26 offset / 32 of the top node. */
#define GUARD_NO_KEY (1ULL << 63)
#define GUARD_TREE_SHIFT 27
#define GUARD_TREE_OFFSET ((1U << GUARD_TREE_SHIFT) - 1)
#define GUARD_TREE_LEVELS 11 /* at most: 8 to the power of it leaves */
#define GUARD_TREE_SHORT 15 /* in place of the levels: a struct guard_tree_short */

struct guard_tree_node {
	__u64 keys[7]; /* where children 1 to 7 begin */
	__u32 children; /* offset / 32 of the first; they lie one behind the other */
	__u32 padding;
};

struct guard_tree_leaf {
	__u64 keys[5]; /* where values 1 to 5 begin */
	__u32 values[6];
};

/* For most trees of IPv6: one prefix. */
struct guard_tree_short {
	__u64 keys[2];
	__u32 values[3];
	__u32 padding;
};

/* What a label stands for. */
struct guard_label {
	__u32 row; /* offset of its row */
	__u32 sets; /* offset of __u16: how many, then the slots of the named sets that hold it; 0: none */
};

/* The labels of one family's sources or destinations. */
struct guard_partition {
	__u32 root; /* __u32[1 << GUARD_ROOT_BITS]; 0: every address has label 0 */
	__u32 labels; /* struct guard_label[label_room] */
	__u32 label_count;
	__u32 label_room;
};

struct guard_addresses_header {
	__u32 used; /* bytes */
	__u32 unread_row; /* the row for source and destination where no IP header was read */
	__u32 control; /* what the controller needs to change sets; never read in the kernel. 0: none */
	__u32 control_size;
	struct guard_partition partitions[4]; /* GUARD_PARTITION */
};

/* The number of a partition: `side` 0 is the source, 1 the destination. */
#define GUARD_PARTITION(family, side) (((family) == 4 ? 0 : 2) + (side))

/* An IPv6 address as two numbers in host order. */
struct guard_address6 {
	__u64 high;
	__u64 low;
};

/* Keys whose value is an index: class = classes[value]. Value 0 is "not read" in every table. */
enum guard_dimension {
	GUARD_DIM_SERVICE = 0, /* service_base[protocol] (+ 1 + port or type, where read) */
	GUARD_DIM_SOURCE_PORT, /* 1 + port */
	GUARD_DIM_TCP_FLAGS, /* 1 + flags */
	GUARD_DIM_INTERFACE, /* 1 + position in guard_config.interfaces */
	GUARD_DIM_VLAN, /* 1: no tag, 2 + id */
	GUARD_DIM_INNER_VLAN, /* likewise */
	GUARD_DIM_LENGTH, /* 1 + bytes, at most 65535 */
	GUARD_DIM_TTL, /* 1 + TTL or hop limit */
	GUARD_DIM_DSCP, /* 1 + DSCP */
	GUARD_DIM_IP_OPTIONS, /* 1: none, 2: some */
	GUARD_DIM_FRAGMENT, /* 1: none, 2: first, 3: later */
	GUARD_DIMS,
};

struct guard_index_table {
	__u32 enabled;
	__u32 domain; /* number of values */
	__u32 classes; /* __u16[domain] */
	__u32 rows;
	__u32 row_count;
};

/* A row: one bit for each rule that can still match. */
enum guard_row_words {
	GUARD_ROW_HEAD = 0, /* failsafe entries, and in source rows the flags below */
	GUARD_ROW_SUMMARY = 1, /* bit w: word w is not zero */
	GUARD_ROW_WORDS = 2, /* the first of the classifier's words: bit b of word w is its bit 64 * w + b */
};

#define GUARD_HEAD_NEVER_BAN (1ULL << 63)
#define GUARD_FAILSAFE_MAX 62
#define GUARD_FAILSAFE_MASK ((1ULL << 62) - 1)
#define GUARD_ROW_BITS_MAX 4096 /* 64 words of 64 bits under one summary */
#define GUARD_RULES_MAX 1000000
#define GUARD_INTERFACES_MAX 64
#define GUARD_PAYLOAD_WINDOW 64 /* bytes of L4 payload that patterns may look at */
#define GUARD_PATTERNS_MAX 16 /* patterns of one rule */

/* How the rules of a family are searched. */
enum guard_engine {
	GUARD_ENGINE_BIT_VECTORS = 0, /* a bit of the rows for each rule */
	GUARD_ENGINE_TUPLE_SPACE, /* hashed entries; bits for the rules and conditions that no entry can say */
};

/* What part of a packet is the key of a tuple's entries: these bits of it. IPv4 in the low 32 bits. */
struct guard_tuple {
	struct guard_address6 source_mask;
	struct guard_address6 destination_mask;
	__u32 service_mask;
	__u32 port_mask;
	__u32 first; /* the lowest rule number among its entries */
	__u32 number; /* its own, a part of the key */
};

/* Where a source or destination has entries, by its first bits: numbers of tuple sets. */
struct guard_tuple_side {
	__u32 root; /* __u16[65536] by the first 16 bits; with GUARD_SIDE_BLOCK the number of a block. 0: none */
	__u32 blocks; /* __u16[][256] by the next 8 bits */
	__u32 wide; /* IPv6: __u16[wide_mask + 1] by a hash of the first 32 bits; 0: none */
	__u32 wide_mask;
	__u32 narrow; /* IPv6: likewise by the first 48 bits */
	__u32 narrow_mask;
};

#define GUARD_SIDE_BLOCK 0x8000
#define GUARD_TUPLES_MAX 64

/* What an entry asks of a packet beside its addresses, and what it leads to. A rule has one entry or several. */
struct guard_entry {
	__u32 service_low; /* values of GUARD_DIM_SERVICE, both included */
	__u32 service_high;
	__u16 port_low; /* source ports, both included; 0 stands for none too */
	__u16 port_high;
	__u32 order; /* enum guard_entry_order */
	__u32 slot; /* the rule's counters, with GUARD_ORDER_DECIDES */
	__u16 condition; /* 1 + the row bit that must be set too; 0: none */
	__u8 source_drop; /* IPv4: address bits behind the prefix, 0 to 32 */
	__u8 destination_drop;
};

enum guard_entry_order {
	GUARD_ORDER_NUMBER = 0xffffff, /* the rule's number */
	GUARD_ORDER_VERDICT_SHIFT = 24, /* two bits: with DECIDES, enum guard_verdict */
	GUARD_ORDER_NEEDS_IP = 1 << 28, /* no match where no IP header was read */
	GUARD_ORDER_DECIDES = 1 << 29, /* nothing else is asked of the rule, and it ends the search */
	GUARD_ORDER_LAST = 1 << 30, /* the last of its list */
};

struct guard_entry4 {
	struct guard_entry rest;
	__u32 source;
	__u32 destination;
};

struct guard_entry6 {
	struct guard_entry rest;
	struct guard_address6 source;
	struct guard_address6 destination;
	__u8 source_drop[2]; /* bits behind the prefix in the high and in the low word, 0 to 64 */
	__u8 destination_drop[2];
	__u8 padding[4];
};

/* A slot: the entry that its list begins with, 1 + its position; 0: nothing. Above it a tag of the key, 0
 * where keys share the slot. A list is in rule order. */
#define GUARD_SLOT_ENTRY_BITS 20
#define GUARD_SLOT_TAG_MASK 0xfff

struct guard_classifier {
	__u32 engine; /* enum guard_engine */
	__u32 rule_count; /* rules that can match this family */
	__u32 words; /* words of a row after the summary */
	__u32 rule_words; /* the first ones, whose bits are rules; the others' are conditions of entries */
	__u32 numbers; /* __u32[64 * rule_words]: rule numbers of the bits; 0: a bit is the rule of its number */
	__u32 first; /* the lowest of those */
	__u32 conditions; /* how many bits are conditions */
	__u32 tuples; /* struct guard_tuple[tuple_count], ascending by `first` */
	__u32 tuple_count;
	__u32 slots; /* __u32[1 << (64 - slot_shift)], by the first bits of the key's hash */
	__u32 slot_shift;
	__u32 entries; /* struct guard_entry4 or guard_entry6 [entry_count] */
	__u32 entry_count;
	__u32 longest; /* the longest list */
	__u32 tuple_sets; /* __u64[]: sets of tuples */
	__u32 padding;
	struct guard_tuple_side sides[2];
	struct guard_index_table index[GUARD_DIMS];
};

struct guard_config {
	__u32 abi_version;
	__u32 flags; /* enum guard_config_flags */
	__u32 tables_size; /* bytes */
	__u32 rule_count;
	__u32 rules; /* struct guard_rule[rule_count] */
	__u32 patterns; /* struct guard_pattern[pattern_count] */
	__u32 pattern_count;
	__u32 service_base; /* __u32[256]: where a protocol's values begin in the service table */
	__u32 addresses_size; /* bytes of guard_addresses' inner map */
	__u32 interface_count;
	__u32 loopback; /* ifindex of the loopback interface among those attached to; 0: none */
	__u32 interfaces[GUARD_INTERFACES_MAX]; /* ifindexes */
	__u32 partitions; /* bit GUARD_PARTITION: addresses have more than one label, or may come to */
	struct guard_classifier classifiers[2]; /* IPv4 and frames whose IP header was not read; IPv6 */
	__u32 padding;
	__u32 own; /* struct guard_own_address[own_count]: this host's addresses */
	__u32 own_count;
	__u32 decapsulate; /* enum guard_tunnel: what the rules look behind */
	__u64 own_filter[4]; /* bit own_bit(address) of each */
	__u64 seed; /* of the fragment table's hash: a secret of the host; 0 in a replay */
};

/* An address of this host; IPv4 in the low 32 bits. */
struct guard_own_address {
	struct guard_address6 address;
	__u32 family; /* 4 or 6 */
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

/* What a rule does once its row bits match, and what the rows cannot say. */
struct guard_rule {
	__u64 expires_ns; /* with GUARD_RULE_EXPIRES: the rule ends at this time of the program's clock */
	__u32 slot; /* its counters */
	__u32 log_every; /* 0: no log */
	__u32 pattern_first;
	__u16 pattern_count; /* any one of these must match; 0: no payload key */
	__u8 action; /* enum guard_rule_action */
	__u8 flags; /* GUARD_RULE_* */
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
#define GUARD_SETS_OF_ADDRESS 64 /* so many of the sets that hold an address are counted */
#define GUARD_NO_SLOT 0xffffffffU
#define GUARD_PAGE_SLOTS 16384 /* counters in a page: the first page is a map of its own */
#define GUARD_PAGES 64
#define GUARD_SLOTS (GUARD_PAGE_SLOTS * GUARD_PAGES) /* rules that ever had a counter */
#define GUARD_NAME_SIZE 128 /* bytes of a rule name with its terminating zero */

struct guard_rule_counters {
	struct guard_counter decided;
	struct guard_counter would_drop;
};

struct guard_rule_name {
	char text[GUARD_NAME_SIZE];
};

#define GUARD_BANS_MAX 65536
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
	__u64 since_ns; /* CLOCK_MONOTONIC */
	__u64 packets; /* dropped by it */
	__u64 bytes;
	__u32 origin; /* enum guard_ban_origin */
	__u32 padding;
	char reason[GUARD_BAN_REASON_SIZE];
};

enum guard_ban_origin {
	GUARD_BAN_MANUAL = 0,
};

/* Which prefix lengths bans have: bit n of ipv4, bit n % 64 of ipv6[n / 64]. A bit may outlive its last ban.
 */
struct guard_ban_lengths {
	__u64 ipv4;
	__u64 ipv6[3];
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
	__u32 would_drop_slot; /* the rule that would have; GUARD_NO_SLOT: none, or no rule */
};

#define GUARD_EVENTS_BYTES (1 << 20)

/* Replay: the question and the answer of one run. */
struct guard_trace {
	__u64 now_ns;
	__u32 ifindex;
	__u32 rule_slot; /* GUARD_NO_SLOT: none */
	__u32 would_drop_slot; /* GUARD_NO_SLOT: none, or no rule */
	__u8 verdict;
	__u8 reason;
	__u8 detail;
	__u8 would_drop; /* it would have been dropped but for monitor mode */
};

_Static_assert(sizeof(struct guard_address_group) == 16, "layout");
_Static_assert(sizeof(struct guard_tree_node) == 64, "layout");
_Static_assert(sizeof(struct guard_tree_leaf) == 64, "layout");
_Static_assert(sizeof(struct guard_tree_short) == 32, "layout");
_Static_assert(sizeof(struct guard_addresses_header) == 80, "layout");
_Static_assert(sizeof(struct guard_rule) == 24, "layout");
_Static_assert(sizeof(struct guard_tuple) == 48, "layout");
_Static_assert(sizeof(struct guard_entry4) == 32, "layout");
_Static_assert(sizeof(struct guard_entry6) == 64, "layout");
_Static_assert(sizeof(struct guard_pattern) == 40, "layout");
_Static_assert(sizeof(struct guard_ban_key) == 24, "layout");
_Static_assert(sizeof(struct guard_ban) == 104, "layout");
_Static_assert(sizeof(struct guard_talker) == 24, "layout");
_Static_assert(sizeof(struct guard_event) == 80, "layout");
_Static_assert(sizeof(struct guard_trace) == 24, "layout");

#endif
