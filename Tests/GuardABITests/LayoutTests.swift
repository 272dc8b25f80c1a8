// SPDX-License-Identifier: Apache-2.0
// The layouts that Swift sees are C's: sizes and offsets as guard_abi.h lays them out, field by field.
import GuardABI
import Testing

/// A type with its size in C; in arrays its stride is the same.
private let sizes: [(name: String, size: Int, stride: Int, expected: Int)] = [
    (
        "guard_address_group", MemoryLayout<guard_address_group>.size,
        MemoryLayout<guard_address_group>.stride, 16
    ),
    ("guard_tree_node", MemoryLayout<guard_tree_node>.size, MemoryLayout<guard_tree_node>.stride, 64),
    ("guard_tree_leaf", MemoryLayout<guard_tree_leaf>.size, MemoryLayout<guard_tree_leaf>.stride, 64),
    ("guard_tree_short", MemoryLayout<guard_tree_short>.size, MemoryLayout<guard_tree_short>.stride, 32),
    ("guard_label", MemoryLayout<guard_label>.size, MemoryLayout<guard_label>.stride, 8),
    ("guard_partition", MemoryLayout<guard_partition>.size, MemoryLayout<guard_partition>.stride, 16),
    (
        "guard_addresses_header", MemoryLayout<guard_addresses_header>.size,
        MemoryLayout<guard_addresses_header>.stride, 80
    ),
    ("guard_address6", MemoryLayout<guard_address6>.size, MemoryLayout<guard_address6>.stride, 16),
    ("guard_own_address", MemoryLayout<guard_own_address>.size, MemoryLayout<guard_own_address>.stride, 24),
    ("guard_index_table", MemoryLayout<guard_index_table>.size, MemoryLayout<guard_index_table>.stride, 20),
    ("guard_rule", MemoryLayout<guard_rule>.size, MemoryLayout<guard_rule>.stride, 32),
    ("guard_tuple", MemoryLayout<guard_tuple>.size, MemoryLayout<guard_tuple>.stride, 48),
    ("guard_tuple_side", MemoryLayout<guard_tuple_side>.size, MemoryLayout<guard_tuple_side>.stride, 24),
    ("guard_entry4", MemoryLayout<guard_entry4>.size, MemoryLayout<guard_entry4>.stride, 32),
    ("guard_entry6", MemoryLayout<guard_entry6>.size, MemoryLayout<guard_entry6>.stride, 64),
    ("guard_classifier", MemoryLayout<guard_classifier>.size, MemoryLayout<guard_classifier>.stride, 332),
    ("guard_pattern", MemoryLayout<guard_pattern>.size, MemoryLayout<guard_pattern>.stride, 40),
    ("guard_counter", MemoryLayout<guard_counter>.size, MemoryLayout<guard_counter>.stride, 16),
    (
        "guard_rule_counters", MemoryLayout<guard_rule_counters>.size,
        MemoryLayout<guard_rule_counters>.stride, 32
    ),
    ("guard_limit", MemoryLayout<guard_limit>.size, MemoryLayout<guard_limit>.stride, 48),
    (
        "guard_limit_counters", MemoryLayout<guard_limit_counters>.size,
        MemoryLayout<guard_limit_counters>.stride, 48
    ),
    ("guard_bucket_line", MemoryLayout<guard_bucket_line>.size, MemoryLayout<guard_bucket_line>.stride, 64),
    (
        "guard_fragment_charge", MemoryLayout<guard_fragment_charge>.size,
        MemoryLayout<guard_fragment_charge>.stride, 16
    ),
    ("guard_rule_name", MemoryLayout<guard_rule_name>.size, MemoryLayout<guard_rule_name>.stride, 128),
    (
        "guard_limited_client", MemoryLayout<guard_limited_client>.size,
        MemoryLayout<guard_limited_client>.stride, 56
    ),
    (
        "guard_limited_group", MemoryLayout<guard_limited_group>.size,
        MemoryLayout<guard_limited_group>.stride, 384
    ),
    ("guard_flow_key", MemoryLayout<guard_flow_key>.size, MemoryLayout<guard_flow_key>.stride, 40),
    ("guard_flow_place", MemoryLayout<guard_flow_place>.size, MemoryLayout<guard_flow_place>.stride, 64),
    ("guard_flow_group", MemoryLayout<guard_flow_group>.size, MemoryLayout<guard_flow_group>.stride, 1024),
    ("guard_mark_line", MemoryLayout<guard_mark_line>.size, MemoryLayout<guard_mark_line>.stride, 64),
    (
        "guard_flow_totals", MemoryLayout<guard_flow_totals>.size, MemoryLayout<guard_flow_totals>.stride, 40
    ),
    ("guard_ban_key", MemoryLayout<guard_ban_key>.size, MemoryLayout<guard_ban_key>.stride, 24),
    ("guard_ban", MemoryLayout<guard_ban>.size, MemoryLayout<guard_ban>.stride, 104),
    ("guard_ban_upkeep", MemoryLayout<guard_ban_upkeep>.size, MemoryLayout<guard_ban_upkeep>.stride, 48),
    ("guard_ban_lengths", MemoryLayout<guard_ban_lengths>.size, MemoryLayout<guard_ban_lengths>.stride, 32),
    ("guard_talker", MemoryLayout<guard_talker>.size, MemoryLayout<guard_talker>.stride, 24),
    ("guard_talkers", MemoryLayout<guard_talkers>.size, MemoryLayout<guard_talkers>.stride, 8 + 512 * 24),
    ("guard_event", MemoryLayout<guard_event>.size, MemoryLayout<guard_event>.stride, 80),
    ("guard_trace", MemoryLayout<guard_trace>.size, MemoryLayout<guard_trace>.stride, 48),
    ("guard_inspector", MemoryLayout<guard_inspector>.size, MemoryLayout<guard_inspector>.stride, 24),
    ("guard_flow_ends", MemoryLayout<guard_flow_ends>.size, MemoryLayout<guard_flow_ends>.stride, 40),
    (
        "guard_sample_line", MemoryLayout<guard_sample_line>.size,
        MemoryLayout<guard_sample_line>.stride, 128
    ),
    ("guard_sample", MemoryLayout<guard_sample>.size, MemoryLayout<guard_sample>.stride, 48),
    (
        "guard_dropped_flow", MemoryLayout<guard_dropped_flow>.size,
        MemoryLayout<guard_dropped_flow>.stride, 64
    ),
]

@Test(arguments: sizes)
func `a type has C's size, and the same stride`(name: String, size: Int, stride: Int, expected: Int) {
    #expect(size == expected && stride == expected, "\(name)")
}

@Test func `the configuration's fields follow each other without a gap`() {
    typealias Config = guard_config
    let offsets: [Int?] = [
        MemoryLayout<Config>.offset(of: \.abi_version), MemoryLayout<Config>.offset(of: \.flags),
        MemoryLayout<Config>.offset(of: \.tables_size), MemoryLayout<Config>.offset(of: \.rule_count),
        MemoryLayout<Config>.offset(of: \.rules), MemoryLayout<Config>.offset(of: \.limits),
        MemoryLayout<Config>.offset(of: \.limit_count), MemoryLayout<Config>.offset(of: \.bucket_lines),
        MemoryLayout<Config>.offset(of: \.patterns), MemoryLayout<Config>.offset(of: \.pattern_count),
        MemoryLayout<Config>.offset(of: \.service_base), MemoryLayout<Config>.offset(of: \.addresses_size),
        MemoryLayout<Config>.offset(of: \.interface_count), MemoryLayout<Config>.offset(of: \.loopback),
    ]
    #expect(offsets == (0..<14).map { $0 * 4 })
    let interfaces = 56
    let addresses = interfaces + 4 * Int(GUARD_INTERFACES_MAX)
    let classifiers = addresses + 4
    let own = classifiers + 2 * (16 * 4 + 2 * 24 + Int(GUARD_DIMS.rawValue) * 20)
    #expect(MemoryLayout<Config>.offset(of: \.interfaces) == interfaces)
    #expect(MemoryLayout<Config>.offset(of: \.partitions) == addresses)
    #expect(MemoryLayout<Config>.offset(of: \.classifiers) == classifiers)
    #expect(MemoryLayout<Config>.offset(of: \.own) == own)
    #expect(MemoryLayout<Config>.offset(of: \.own_count) == own + 4)
    #expect(MemoryLayout<Config>.offset(of: \.decapsulate) == own + 8)
    #expect(MemoryLayout<Config>.offset(of: \.flow_count) == own + 12)
    #expect(MemoryLayout<Config>.offset(of: \.cookie_window) == own + 16)
    #expect(MemoryLayout<Config>.offset(of: \.cookie_scale) == own + 18)
    #expect(MemoryLayout<Config>.offset(of: \.cookie_offers) == own + 19)
    #expect(MemoryLayout<Config>.offset(of: \.inspectors) == own + 20)
    #expect(MemoryLayout<Config>.offset(of: \.sample_lines) == own + 28)
    #expect(MemoryLayout<Config>.offset(of: \.own_filter) == own + 36)
    #expect(MemoryLayout<Config>.offset(of: \.seed) == own + 68)
    #expect(MemoryLayout<Config>.offset(of: \.inspectors_seed) == own + 76)
    #expect(MemoryLayout<Config>.offset(of: \.tick_ns) == own + 84)
    #expect(MemoryLayout<Config>.offset(of: \.tick_zero_ns) == own + 92)
    #expect(MemoryLayout<Config>.size == own + 100)
}

@Test func `fields of rules, bans, events and traces lie where C has them`() {
    #expect(MemoryLayout<guard_rule>.offset(of: \.slot) == 8)
    #expect(MemoryLayout<guard_rule>.offset(of: \.pattern_count) == 20)
    #expect(MemoryLayout<guard_rule>.offset(of: \.action) == 22)
    #expect(MemoryLayout<guard_rule>.offset(of: \.flags) == 23)
    #expect(MemoryLayout<guard_pattern>.offset(of: \.mask) == 16)
    #expect(MemoryLayout<guard_pattern>.offset(of: \.offset) == 32)
    #expect(MemoryLayout<guard_pattern>.offset(of: \.length) == 33)
    #expect(MemoryLayout<guard_ban_key>.offset(of: \.high) == 8)
    #expect(MemoryLayout<guard_flow>.size == 24 && MemoryLayout<guard_opening>.size == 32)
    #expect(MemoryLayout<guard_flow_place>.offset(of: \.flow) == 40)
    #expect(MemoryLayout<guard_flow_group>.offset(of: \.places) == 64)
    #expect(MemoryLayout<guard_ban>.offset(of: \.packets) == 16)
    #expect(MemoryLayout<guard_ban>.offset(of: \.limit_slot) == 36)
    #expect(MemoryLayout<guard_ban>.offset(of: \.reason) == 40)
    #expect(MemoryLayout<guard_talker>.offset(of: \.family) == 20)
    #expect(MemoryLayout<guard_event>.offset(of: \.ifindex) == 40)
    #expect(MemoryLayout<guard_event>.offset(of: \.length) == 56)
    #expect(MemoryLayout<guard_event>.offset(of: \.verdict) == 64)
    #expect(MemoryLayout<guard_event>.offset(of: \.would_drop) == 70)
    #expect(MemoryLayout<guard_event>.offset(of: \.limit_slot) == 76)
    #expect(MemoryLayout<guard_limit>.offset(of: \.slot) == 32)
    #expect(MemoryLayout<guard_limit>.offset(of: \.cost_shift) == 40)
    #expect(MemoryLayout<guard_bucket_line>.offset(of: \.times) == 32)
    #expect(MemoryLayout<guard_trace>.offset(of: \.rule_slot) == 20)
    #expect(MemoryLayout<guard_trace>.offset(of: \.verdict) == 32)
    #expect(MemoryLayout<guard_trace>.offset(of: \.would_drop) == 35)
    #expect(MemoryLayout<guard_trace>.offset(of: \.sample_inspector) == 40)
    #expect(MemoryLayout<guard_rule>.offset(of: \.inspector) == 28)
}

@Test func `a sample begins with its time and ends with its flags`() {
    #expect(MemoryLayout<guard_sample>.offset(of: \.inspectors_seed) == 16)
    #expect(MemoryLayout<guard_sample>.offset(of: \.captured_length) == 28)
    #expect(MemoryLayout<guard_sample>.offset(of: \.network) == 40)
    #expect(MemoryLayout<guard_sample>.offset(of: \.inspector) == 44)
    #expect(MemoryLayout<guard_sample>.offset(of: \.flags) == 46)
    #expect(MemoryLayout<guard_sample_line>.offset(of: \.packets) == 96)
    #expect(MemoryLayout<guard_flow_ends>.offset(of: \.lower_port) == 32)
    #expect(MemoryLayout<guard_dropped_flow>.offset(of: \.spared) == 56)
}

@Test func `a group of limited clients begins with its tags, times and counts`() {
    #expect(MemoryLayout<guard_limited_group>.offset(of: \.last_ns) == 32)
    #expect(MemoryLayout<guard_limited_group>.offset(of: \.packets) == 64)
    #expect(MemoryLayout<guard_limited_group>.offset(of: \.bytes) == 96)
    #expect(MemoryLayout<guard_limited_group>.offset(of: \.clients) == 128)
    #expect(MemoryLayout<guard_limited_client>.offset(of: \.since_ns) == 8)
    #expect(MemoryLayout<guard_limited_client>.offset(of: \.source_port) == 48)
    #expect(MemoryLayout<guard_limited_client>.offset(of: \.fields) == 55)
}

@Test func `per-CPU values have strides that the kernel rounds to as well`() {
    #expect(MemoryLayout<guard_counter>.stride % 8 == 0)
    #expect(MemoryLayout<guard_rule_counters>.stride % 8 == 0)
    #expect(MemoryLayout<guard_limit_counters>.stride % 8 == 0)
    #expect(MemoryLayout<guard_talkers>.stride % 8 == 0)
}
